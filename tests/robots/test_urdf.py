"""The URDF reader refuses each planted fault by name, and what is written reads back equal."""

import os
import shutil
from pathlib import Path

import mujoco
import numpy as np
import pybullet
import pybullet_data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robots.catalog import CATALOG
from robots.model import Box, Cylinder, Inertial, Joint, Limit, Link, Mesh, Pose, RobotModel, Shape, Sphere
from robots.urdf import digest, read_urdf, urdf_text, write_urdf
from sim2real.errors import RobotError

FURUTA = CATALOG / "furuta" / "furuta.urdf"
PYBULLET = Path(pybullet_data.getDataPath())

SOUND = """<?xml version="1.0"?>
<robot name="sound">
  <material name="red"><color rgba="1 0 0 1"/></material>
  <link name="base"/>
  <link name="arm">
    <inertial>
      <origin xyz="0 0 0.1" rpy="0 0 0"/>
      <mass value="1.5"/>
      <inertia ixx="0.02" ixy="0" ixz="0" iyy="0.02" iyz="0" izz="0.01"/>
    </inertial>
    <visual><geometry><box size="1 2 3"/></geometry><material name="red"/></visual>
    <collision><geometry><cylinder radius="0.1" length="0.5"/></geometry></collision>
  </link>
  <link name="tool"/>
  <joint name="shoulder" type="revolute">
    <origin xyz="0 0 1"/>
    <parent link="base"/>
    <child link="arm"/>
    <axis xyz="0 0 2"/>
    <limit lower="-1" upper="1" effort="10" velocity="3"/>
    <dynamics damping="0.1" friction="0.2"/>
  </joint>
  <joint name="flange" type="fixed">
    <parent link="arm"/>
    <child link="tool"/>
  </joint>
</robot>
"""


@pytest.fixture
def write(tmp_path):
    """A function that writes a URDF text (or bytes) to a file and returns its path."""

    def _write(text):
        path = tmp_path / "planted.urdf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


def refusal(path, **options):
    """The message of the RobotError, which must be one line that starts with the file."""
    with pytest.raises(RobotError) as error:
        read_urdf(path, **options)
    message = str(error.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    return message


# what is replaced in SOUND, by what, the element that must be named, a word of the reason
FAULTS = {
    "joint twice": ('name="flange"', 'name="shoulder"', "joint 'shoulder'", "taken by the joint in line 15"),
    "link twice": ('link name="tool"', 'link name="arm"', "link 'arm'", "taken by the link in line 5"),
    "name of joint and link": ('name="flange"', 'name="arm"', "joint 'arm'", "taken by the link"),
    "no name": ('<link name="tool"/>', "<link/>", "link", "name is missing"),
    "empty name": ('link name="tool"', 'link name=" "', "link ' '", "name is missing"),
    "percent name": ('link name="tool"', 'link name="%n%s"', "link '%n%s'", "without %"),
    "line break in name": ('link name="tool"', 'link name="a&#10;b"', "link 'a\\nb'", "printable"),
    "long name": ('link name="tool"', f'link name="{"x" * 4096}"', "link 'xxx", "at most 200"),
    "no robot name": ('robot name="sound"', "robot", "robot", "name is missing"),
    "unknown parent": ('parent link="base"', 'parent link="bas"', "joint 'shoulder'", "did you mean 'base'?"),
    "unknown child": ('child link="tool"', 'child link="nowhere"', "joint 'flange'", "'nowhere' does not exist"),
    "no parent": ('<parent link="base"/>', "", "joint 'shoulder'", "<parent> is missing"),
    "two parents": ('child link="tool"', 'child link="arm"', "joint 'flange'", "two parents"),
    "two roots": ('<link name="tool"/>', '<link name="tool"/><link name="lost"/>', "link 'lost'", "second root"),
    "cycle": ('parent link="base"', 'parent link="tool"', "joint 'shoulder'", "hangs on a cycle"),
    "planar": ('type="revolute"', 'type="planar"', "joint 'shoulder'", "not supported yet"),
    "floating": ('type="revolute"', 'type="floating"', "joint 'shoulder'", "not supported yet"),
    "unknown type": ('type="revolute"', 'type="revolut"', "joint 'shoulder'", "did you mean 'revolute'?"),
    "no type": ('type="revolute"', "", "joint 'shoulder'", "type is missing"),
    "mimic": ("<axis", '<mimic joint="x"/><axis', "joint 'shoulder': mimic", "not supported yet"),
    "decimal comma": ('mass value="1.5"', 'mass value="1,5"', "link 'arm': inertial: mass", "'1,5' is not a number"),
    "word": ('mass value="1.5"', 'mass value="heavy"', "link 'arm': inertial: mass", "'heavy' is not a number"),
    "underscore": ('mass value="1.5"', 'mass value="1_5"', "link 'arm': inertial: mass", "'1_5' is not a number"),
    "hexadecimal": ('mass value="1.5"', 'mass value="0x1"', "link 'arm': inertial: mass", "'0x1' is not a number"),
    "other digits": ('mass value="1.5"', 'mass value="١"', "link 'arm': inertial: mass", "is not a number"),
    "nan": ('xyz="0 0 0.1"', 'xyz="0 nan 0.1"', "link 'arm': inertial: origin", "'nan' is not a number"),
    "inf": ('effort="10"', 'effort="inf"', "joint 'shoulder': limit", "'inf' is not a number"),
    "overflow": ('xyz="0 0 1"', 'xyz="0 0 1e999"', "joint 'shoulder': origin", "out of range"),
    "huge": ('mass value="1.5"', 'mass value="1e308"', "link 'arm': inertial: mass", "out of range"),
    "two numbers": ('xyz="0 0 1"', 'xyz="0 0"', "joint 'shoulder': origin", "must be 3 numbers"),
    "four numbers": ('xyz="0 0 1"', 'xyz="0 0 1 2"', "joint 'shoulder': origin", "must be 3 numbers"),
    "empty number": ('mass value="1.5"', 'mass value=""', "link 'arm': inertial: mass", "value is missing"),
    "zero axis": ('xyz="0 0 2"', 'xyz="0 0 0"', "joint 'shoulder': axis", "no direction"),
    "nan axis": ('xyz="0 0 2"', 'xyz="0 0 NaN"', "joint 'shoulder': axis", "not a number"),
    "negative mass": ('mass value="1.5"', 'mass value="-1"', "link 'arm': inertial: mass", "not be negative"),
    "zero mass": ('mass value="1.5"', 'mass value="0"', "link 'arm'", "moved by joint 'shoulder'"),
    "no mass": ('<mass value="1.5"/>', "", "link 'arm': inertial", "<mass> is missing"),
    "zero inertia": ('ixx="0.02"', 'ixx="0"', "link 'arm': inertial", "larger than 0"),
    "negative inertia": ('iyy="0.02"', 'iyy="-0.02"', "link 'arm': inertial", "larger than 0"),
    "nan inertia": ('iyy="0.02"', 'iyy="nan"', "link 'arm': inertial: inertia", "not a number"),
    "not definite": ('ixy="0"', 'ixy="0.03"', "link 'arm': inertial", "larger than 0"),
    "triangle inequality": ('izz="0.01"', 'izz="0.05"', "link 'arm': inertial", "triangle inequality"),
    "no moment": ('izz="0.01"', "", "link 'arm': inertial: inertia", "izz is missing"),
    "no limit": (
        '<limit lower="-1" upper="1" effort="10" velocity="3"/>',
        "",
        "joint 'shoulder'",
        "<limit> is missing",
    ),
    "no bounds": ('lower="-1" upper="1"', "", "joint 'shoulder': limit", "both missing"),
    "reversed limits": ('lower="-1"', 'lower="2"', "joint 'shoulder': limit", "larger than upper"),
    "nan limit": ('lower="-1"', 'lower="nan"', "joint 'shoulder': limit", "not a number"),
    "no effort": ('effort="10"', "", "joint 'shoulder': limit", "effort is missing"),
    "negative effort": ('effort="10"', 'effort="-1"', "joint 'shoulder': limit", "effort -1 must not be negative"),
    "negative velocity": ('velocity="3"', 'velocity="-3"', "joint 'shoulder': limit", "velocity -3 must not"),
    "negative damping": ('damping="0.1"', 'damping="-1"', "joint 'shoulder': dynamics", "damping -1 must not"),
    "box": ('size="1 2 3"', 'size="1 -1 3"', "link 'arm': visual: geometry: box", "larger than 0"),
    "cylinder": ('length="0.5"', 'length="0"', "link 'arm': collision: geometry: cylinder", "length 0 must be"),
    "capsule": ("<box size=", "<capsule size=", "link 'arm': visual: geometry", "got <capsule>"),
    "no geometry": (
        '<geometry><box size="1 2 3"/></geometry>',
        "",
        "link 'arm': visual",
        "<geometry> is missing",
    ),
    "two shapes": ('<box size="1 2 3"/>', '<box size="1 2 3"/><sphere radius="1"/>', "geometry", "got <box>, <sphere>"),
    "colour": ('rgba="1 0 0 1"', 'rgba="255 0 0 1"', "material: color", "from 0 to 1"),
    "element twice": ('<axis xyz="0 0 2"/>', '<axis xyz="0 0 2"/><axis xyz="0 1 0"/>', "axis", "stands twice"),
    "misspelt element": (
        "<inertial>\n      <origin",
        "<inertail/><inertial>\n      <origin",
        "inertail",
        "'inertial'?",
    ),
    "misspelt attribute": ('lower="-1" ', 'lowr="-1" ', "joint 'shoulder': limit", "did you mean 'lower'?"),
    "xacro": ('<link name="tool"/>', '<link name="tool"/><xacro:wheel/>', "<xacro:wheel>", "xacro in.xacro"),
}


@pytest.mark.parametrize(("old", "new", "element", "reason"), FAULTS.values(), ids=FAULTS)
def test_planted_fault_is_refused_by_file_line_and_element(write, old, new, element, reason):
    assert SOUND.count(old) == 1
    message = refusal(write(SOUND.replace(old, new)))
    assert element in message
    assert reason in message


@pytest.mark.parametrize("fault", ["zero axis", "reversed limits", "negative mass"])
def test_line_number_is_that_of_the_element(write, fault):
    text = SOUND.replace(*FAULTS[fault][:2])
    line = next(n for n, row in enumerate(text.splitlines(), 1) if FAULTS[fault][1] in row)
    path = write(text)
    assert refusal(path).startswith(f"{path}:{line}: ")


def chain(joints, kind="continuous", inertial='<mass value="1"/><inertia ixx="1" iyy="1" izz="1"/>'):
    rows = ['<robot name="chain">', '<link name="l0"/>']
    for i in range(1, joints + 1):
        rows.append(f'<link name="l{i}"><inertial>{inertial}</inertial></link>')
        rows.append(f'<joint name="j{i}" type="{kind}"><parent link="l{i - 1}"/><child link="l{i}"/></joint>')
    return "\n".join([*rows, "</robot>"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        (bytes(range(256)), "not well-formed"),
        (SOUND[:300], "not well-formed"),
        (SOUND.replace("</robot>", ""), "not well-formed"),
        ("\n" + SOUND, "declaration not at start"),
        (SOUND.replace('name="sound"', 'name="a" name="b"'), "duplicate attribute"),
        ('<?xml version="1.0" encoding="klingon"?><robot name="a"/>', "save it as UTF-8"),
        ('<sdf version="1.6"><model name="a"/></sdf>', "must be <robot>"),
        ('<robot name="a"/>', "there is no <link>"),
        ("<robot>" * 200_000, "64 levels"),
        (f'<robot name="a">{"<x/>" * 500_001}</robot>', "500,000 elements"),
        (f'<robot name="a" b="{"x" * 1_100_000}"/>', "longer than 1,000,000 bytes"),
        (f'<!DOCTYPE robot [<!ENTITY a "{"x" * 1000}">]><robot name="&a;"/>', "DOCTYPE"),
        ('<!DOCTYPE robot [<!ENTITY a SYSTEM "file:///etc/passwd">]><robot name="&a;"/>', "DOCTYPE"),
        ('<robot name="&a;"><link name="b"/></robot>', "undefined entity"),
        (chain(2).replace('parent link="l0"', 'parent link="l2"'), "'l1': "),
        (chain(128), "127"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "bytes",
)
def test_what_is_not_one_robot_is_refused(write, text, reason):
    if reason == "'l1': ":
        text, reason = text.replace('<link name="l0"/>', ""), "cycle"
    assert reason in refusal(write(text))


def test_cycle_beside_a_sound_root_is_refused(write):
    text = chain(3).replace('parent link="l0"', 'parent link="l3"')
    assert "'j1': hangs on a cycle" in refusal(write(text))


def test_file_that_is_missing_too_large_or_no_file_is_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.urdf")
    assert "not a regular file" in refusal(tmp_path)
    fifo = tmp_path / "fifo.urdf"
    os.mkfifo(fifo)
    assert "not a regular file" in refusal(fifo)
    large = tmp_path / "large.urdf"
    large.touch()
    os.truncate(large, 20_000_001)
    assert "at most 20,000,000" in refusal(large)


def test_links_and_joints_that_both_engines_bear_are_accepted(write):
    assert len(read_urdf(write(chain(127))).movable) == 127
    assert len(read_urdf(write(chain(3000, kind="fixed"))).links) == 3001


def test_mass_is_asked_of_what_moves_only(write):
    massless = '<link name="arm"><inertial><mass value="0"/><inertia ixx="0" iyy="0" izz="0"/></inertial></link>'
    start, end = SOUND.index('<link name="arm">'), SOUND.index('<link name="tool"/>')
    tool = f'<link name="tool">{SOUND[SOUND.index("<inertial>") : SOUND.index("<visual>")]}</link>'
    moved_by_its_tool = SOUND[:start] + massless + SOUND[end:].replace('<link name="tool"/>', tool)
    assert read_urdf(write(moved_by_its_tool)).bodies == ("tool",)
    no_mass_at_all = SOUND[:start] + '<link name="arm"/>' + SOUND[end:]
    assert "link 'arm': is moved by joint 'shoulder'" in refusal(write(no_mass_at_all))
    all_fixed = no_mass_at_all.replace('type="revolute"', 'type="fixed"')
    assert read_urdf(write(all_fixed)).bodies == ()
    assert "link 'base': is moved by its floating base" in refusal(write(all_fixed), floating_base=True)


def test_inertia_of_a_bolted_root_may_be_a_placeholder_but_not_of_a_floating_one(write):
    placeholder = '<link name="base"><inertial><mass value="1"/><inertia ixx="0" iyy="0" izz="0"/></inertial></link>'
    path = write(SOUND.replace('<link name="base"/>', placeholder))
    assert read_urdf(path).bodies == ("base", "arm")
    assert "link 'base': inertial: inertia: principal moments 0" in refusal(path, floating_base=True)


def test_flat_plate_is_accepted_where_both_engines_accept_it(write):
    plate = SOUND.replace('izz="0.01"', 'izz="0.04"')
    assert read_urdf(write(plate)).link("arm").inertial.inertia[5] == 0.04
    # Turned by 0.3 rad the sum A + B = C is lost in rounding: MuJoCo refuses it or not by chance.
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    inertia = turn @ np.diag([0.02, 0.02, 0.04]) @ turn.T
    values = 'ixx="{}" ixy="0" ixz="0" iyy="{}" iyz="{}" izz="{}"'.format(
        *(repr(float(inertia[i])) for i in ((0, 0), (1, 1), (1, 2), (2, 2)))
    )
    turned = plate.replace('ixx="0.02" ixy="0" ixz="0" iyy="0.02" iyz="0" izz="0.04"', values)
    assert "triangle inequality" in refusal(write(turned))


def test_what_is_read(write):
    model = read_urdf(write(SOUND))
    assert model.name == "sound"
    assert model.link_names == ("base", "arm", "tool")
    assert model.joint_names == ("shoulder",)
    shoulder, flange = model.joints
    assert (shoulder.axis, shoulder.origin.xyz) == ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0))
    assert shoulder.limit == Limit(-1.0, 1.0, 10.0, 3.0)
    assert (shoulder.damping, shoulder.friction) == (0.1, 0.2)
    assert flange == Joint("flange", "fixed", "arm", "tool")
    arm = model.link("arm")
    assert arm.inertial == Inertial(1.5, (0.02, 0.0, 0.0, 0.02, 0.0, 0.01), Pose((0.0, 0.0, 0.1)))
    assert arm.visuals == (Shape(Box((1.0, 2.0, 3.0)), rgba=(1.0, 0.0, 0.0, 1.0)),)
    assert arm.collisions == (Shape(Cylinder(0.1, 0.5)),)


def test_order_is_depth_first_and_children_in_file_order(write):
    ends = {"c": ("m", "n"), "b": ("base", "y"), "a": ("base", "m"), "d": ("m", "o")}
    links = "".join(f'<link name="{name}"/>' for name in ("y", "o", "n", "m", "base"))
    joints = "".join(
        f'<joint name="{name}" type="fixed"><parent link="{p}"/><child link="{c}"/></joint>'
        for name, (p, c) in ends.items()
    )
    model = read_urdf(write(f'<robot name="order">{links}{joints}</robot>'))
    assert model.link_names == ("base", "y", "m", "n", "o")
    assert [joint.name for joint in model.joints] == ["b", "a", "c", "d"]


def test_continuous_joint_has_no_bounds(write):
    text = SOUND.replace('type="revolute"', 'type="continuous"')
    assert read_urdf(write(text)).joint("shoulder").limit == Limit(-np.inf, np.inf, 10.0, 3.0)
    bare = text.replace('<limit lower="-1" upper="1" effort="10" velocity="3"/>', "")
    assert read_urdf(write(bare)).joint("shoulder").limit == Limit(-np.inf, np.inf, np.inf, np.inf)


def test_extensions_of_other_tools_are_ignored(write):
    other = '<transmission name="t"><joint name="shoulder"/></transmission><gazebo><x a="1,5"/></gazebo><sensor/>'
    text = SOUND.replace('<link name="tool"/>', f'<link name="tool"/>{other}').replace(
        "<axis", '<safety_controller k_velocity="x"/><axis'
    )
    assert read_urdf(write(text)) == read_urdf(write(SOUND))


@pytest.mark.parametrize(
    ("file", "n_joints"), [("cartpole.urdf", 2), ("kuka_iiwa/model.urdf", 7), ("a1/a1.urdf", 12), ("r2d2.urdf", 8)]
)
def test_robots_of_others_are_accepted_as_they_stand(file, n_joints):
    assert len(read_urdf(PYBULLET / file).movable) == n_joints


def test_floating_robot_of_others_is_accepted():
    model = read_urdf(PYBULLET / "a1" / "a1.urdf", floating_base=True)
    assert sum(model.link(name).inertial.mass for name in model.bodies) == pytest.approx(12.458, abs=1e-3)


# --- meshes


def stl(triangles=1, count=None, vertex=1.0):
    corner = np.zeros((triangles, 12), "<f4")
    corner[:, 6] = corner[:, 10] = vertex
    rows = b"".join(row.tobytes() + b"\0\0" for row in corner)
    return b"header".ljust(80, b"\0") + np.uint32(triangles if count is None else count).tobytes() + rows


TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\n"


def with_mesh(filename, scale="1 1 1"):
    return SOUND.replace('<box size="1 2 3"/>', f'<mesh filename="{filename}" scale="{scale}"/>')


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.stl", b"", "header says 84"),
        ("m.stl", stl(count=0xFFFFFFF0), "header says 214748"),
        ("m.stl", stl() + b"\0", "135 bytes"),
        ("m.stl", stl(triangles=0), "without triangles"),
        ("m.stl", stl(vertex=np.nan), "not finite"),
        ("m.stl", b"solid cube\nfacet normal 0 0 1\n", "binary STL"),
        ("m.obj", b"garbage", "without a face"),
        ("m.obj", TRIANGLE, "without a face"),
        ("m.obj", TRIANGLE + b"f 1 2\n", "without a face"),
        ("m.obj", TRIANGLE + b"f 1 2 4\n", "item 4 of 3"),
        ("m.obj", TRIANGLE + b"f 1 2 2000000000\n", "item 2000000000 of 3"),
        ("m.obj", TRIANGLE + b"f 1 2 -4\n", "item -4 of 3"),
        ("m.obj", TRIANGLE + b"f 1/2 2/1 3/1\n", "item 2 of 1"),
        ("m.obj", TRIANGLE + b"f 1//1 2//1 3//0\n", "item 0 of 1"),
        ("m.obj", TRIANGLE + b"f a b c\n", "broken OBJ"),
        ("m.obj", b"v 0 0 nan\n" + TRIANGLE + b"f 1 2 3\n", "vertex 1"),
        ("m.obj", b"v 0 0\n" + TRIANGLE + b"f 1 2 3\n", "vertex 1"),
        ("m.ply", b"ply", "format '.ply'"),
        ("other.stl", stl(), "is not a file"),
    ],
)
def test_broken_mesh_is_refused(write, tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    message = refusal(write(with_mesh("m.ply" if name == "m.ply" else "m" + Path(name).suffix)))
    assert "planted.urdf:11: link 'arm': visual: geometry: mesh: " in message
    assert reason in message


def test_mesh_that_is_too_large_is_refused(write, tmp_path):
    (tmp_path / "m.glb").touch()
    os.truncate(tmp_path / "m.glb", 200_000_001)
    assert "allowed are 200,000,000" in refusal(write(with_mesh("m.glb")))


@pytest.mark.parametrize("scale", ["0 1 1", "1", "1 1 1 1", "x 1 1"])
def test_scale_must_be_three_numbers_other_than_0(write, tmp_path, scale):
    (tmp_path / "m.stl").write_bytes(stl())
    assert "mesh: scale" in refusal(write(with_mesh("m.stl", scale)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.stl", stl(triangles=4)),
        ("M.STL", stl()),
        ("m.obj", TRIANGLE + b"  f 1/1/1 2//1 3\nf -1 -2 -3\n"),
        ("m.dae", b"x"),
        ("sub/m.glb", b"x"),
    ],
)
def test_sound_mesh_is_accepted(write, tmp_path, name, content):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    model = read_urdf(write(with_mesh(name, "1 -1 0.001")))
    assert model.link("arm").visuals[0].geometry == Mesh((tmp_path / name).resolve(), (1.0, -1.0, 0.001))


@pytest.fixture
def workspace(tmp_path):
    """ws/pkg/urdf/planted.urdf beside ws/pkg/meshes/m.stl, and out of reach tmp_path/secret.stl."""
    (tmp_path / "secret.stl").write_bytes(stl())
    for folder in ("urdf", "meshes"):
        (tmp_path / "ws" / "pkg" / folder).mkdir(parents=True)
    (tmp_path / "ws" / "pkg" / "meshes" / "m.stl").write_bytes(stl())
    (tmp_path / "ws" / "pkg" / "urdf" / "link.stl").symlink_to(tmp_path / "secret.stl")
    return tmp_path / "ws"


def in_workspace(workspace, filename):
    path = workspace / "pkg" / "urdf" / "planted.urdf"
    path.write_text(with_mesh(filename))
    return path


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("../../../secret.stl", "lies outside"),
        ("package://pkg/../../secret.stl", "lies outside"),
        ("package://../../secret.stl", "lies outside"),
        ("package://../../../../../../../../etc/passwd", "lies outside"),
        ("{top}/secret.stl", "lies outside"),
        ("/etc/passwd", "lies outside"),
        ("link.stl", "lies outside"),
        ("file://{top}/ws/pkg/meshes/m.stl", "only relative names"),
        ("https://example.org/m.stl", "only relative names"),
        ("package://other/meshes/m.stl", "is not a file"),
        ("package://", "only relative names"),
        ("package:///etc/passwd", "only relative names"),
        ("../meshes", "is not a file"),
        ("m" * 5000, "is not a file"),
    ],
)
def test_mesh_outside_of_the_roots_is_refused(workspace, filename, reason):
    path = in_workspace(workspace, filename.format(top=workspace.parent))
    assert reason in refusal(path, roots=[workspace])


@pytest.mark.parametrize("root", ["", "pkg"])
@pytest.mark.parametrize("filename", ["../meshes/m.stl", "package://pkg/meshes/m.stl", "{top}/ws/pkg/meshes/m.stl"])
def test_mesh_inside_of_a_root_is_found(workspace, root, filename):
    path = in_workspace(workspace, filename.format(top=workspace.parent))
    model = read_urdf(path, roots=[workspace / root])
    assert model.link("arm").visuals[0].geometry == Mesh((workspace / "pkg" / "meshes" / "m.stl").resolve())
    assert "lies outside" in refusal(path)


def test_mesh_is_found_from_a_relative_urdf_path(workspace, monkeypatch):
    path = in_workspace(workspace, "m.stl")
    shutil.copy(workspace / "pkg" / "meshes" / "m.stl", path.parent)
    monkeypatch.chdir(path.parent)
    geometry = read_urdf(Path("planted.urdf")).link("arm").visuals[0].geometry
    assert geometry == Mesh((path.parent / "m.stl").resolve())


# --- writing

number = st.floats(-1e6, 1e6)
length = st.floats(1e-3, 1e3)
vector = st.tuples(number, number, number)
pose = st.builds(Pose, vector, vector)
unit = st.floats(0, 1)
name = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="%"), min_size=1, max_size=12)
geometry = st.one_of(
    st.builds(Box, st.tuples(length, length, length)),
    st.builds(Cylinder, length, length),
    st.builds(Sphere, length),
    st.builds(Mesh, st.just(CATALOG / "furuta" / "meshes" / "arm.stl"), st.tuples(length, length, length)),
)
visual = st.builds(Shape, geometry, pose, st.none() | st.tuples(unit, unit, unit, unit))
inertial = st.builds(
    lambda mass, size, at: Inertial(mass, Box(size).inertia(mass), at), length, st.tuples(length, length, length), pose
)
axis = vector.filter(lambda v: np.linalg.norm(v) > 1e-3).map(
    lambda v: tuple((np.array(v) / np.linalg.norm(v)).tolist())
)


@st.composite
def models(draw):
    """A random small tree in canonical order."""
    names = iter(draw(st.lists(name, min_size=13, max_size=13, unique=True)))
    links, joints = [], []

    def grow(depth, parent):
        shapes = (draw(st.lists(visual, max_size=2)), draw(st.lists(st.builds(Shape, geometry, pose), max_size=2)))
        link = Link(next(names), draw(inertial), *map(tuple, shapes))
        links.append(link)
        if parent:
            kind = draw(st.sampled_from(["revolute", "continuous", "prismatic", "fixed"]))
            joint = Joint(next(names), kind, parent, link.name, draw(pose))
            if kind != "fixed":
                bounds = sorted(draw(st.tuples(number, number))) if kind != "continuous" else (-np.inf, np.inf)
                open_end = st.just(np.inf) if kind == "continuous" else st.nothing()
                limit = Limit(*bounds, draw(length | open_end), draw(length | open_end))
                joint = Joint(
                    joint.name, kind, parent, link.name, joint.origin, draw(axis), limit, draw(length), draw(length)
                )
            joints.append(joint)
        for _ in range(draw(st.integers(0, 2)) if depth < 2 else 0):
            grow(depth + 1, link.name)

    grow(0, None)
    return RobotModel(draw(name), tuple(links), tuple(joints))


@given(models())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_written_reads_back_equal(tmp_path, model):
    path = tmp_path / "written.urdf"
    write_urdf(model, path)
    again = read_urdf(path, roots=[CATALOG])
    assert again == model
    assert urdf_text(again) == urdf_text(model)
    assert digest(again) == digest(model)


@pytest.mark.parametrize("path", [FURUTA, PYBULLET / "a1" / "a1.urdf", PYBULLET / "kuka_iiwa" / "model.urdf"])
def test_real_robots_read_back_equal(tmp_path, path):
    model = read_urdf(path)
    write_urdf(model, tmp_path / "again.urdf")
    assert read_urdf(tmp_path / "again.urdf", roots=[path.parent]) == model


def test_written_text_has_short_lines_and_says_that_frames_have_no_mass(write):
    text = urdf_text(read_urdf(write(SOUND)))
    assert max(map(len, text.splitlines())) < 8191
    assert text.count('<mass value="0.0"/>') == 2
    assert text.count("<inertial>") == 3


def test_joint_that_engines_cannot_bound_is_not_written(tmp_path):
    joint = Joint("j", "revolute", "a", "b", limit=Limit(-np.inf, np.inf, 1.0, 1.0))
    model = RobotModel("open", (Link("a"), Link("b")), (joint,))
    with pytest.raises(RobotError, match="joint 'j': a revolute joint needs finite limits"):
        urdf_text(model)
    with pytest.raises(RobotError, match="cannot be written"):
        write_urdf(RobotModel("one", (Link("a"),), ()), tmp_path / "absent" / "x.urdf")


def test_both_engines_load_what_is_written(tmp_path):
    model = read_urdf(FURUTA)
    path = tmp_path / "written.urdf"
    write_urdf(model, path)
    mass = {link.name: link.inertial.mass for link in model.links}

    mj = mujoco.MjModel.from_xml_path(str(path))
    assert mj.body("arm_link").mass == pytest.approx(mass["arm_link"])
    assert mj.body("pendulum_link").mass == pytest.approx(mass["pendulum_link"] + mass["imu_link"])

    client = pybullet.connect(pybullet.DIRECT)
    try:
        body = pybullet.loadURDF(
            str(path), useFixedBase=True, flags=pybullet.URDF_USE_INERTIA_FROM_FILE, physicsClientId=client
        )
        for index, joint in enumerate(model.joints):
            info = pybullet.getJointInfo(body, index, physicsClientId=client)
            dynamics = pybullet.getDynamicsInfo(body, index, physicsClientId=client)
            assert info[1].decode() == joint.name
            assert dynamics[0] == mass[joint.child]
            assert dynamics[2] == pytest.approx(np.array(model.link(joint.child).inertial.inertia)[[0, 3, 5]])
    finally:
        pybullet.disconnect(client)


# --- digest


@pytest.fixture
def copy(tmp_path):
    """The furuta's folder, copied elsewhere."""
    return Path(shutil.copytree(FURUTA.parent, tmp_path / "elsewhere"))


def test_digest_is_of_the_content_not_of_the_place(copy):
    original = digest(read_urdf(FURUTA))
    assert digest(read_urdf(copy / "furuta.urdf")) == original
    (copy / "meshes").rename(copy / "m")
    text = (copy / "furuta.urdf").read_text().replace('"meshes/', '"m/').replace("  ", "\n\n")
    (copy / "furuta.urdf").write_text(text)
    assert digest(read_urdf(copy / "furuta.urdf")) == original


def test_digest_changes_with_a_mass_and_with_one_byte_of_a_mesh(copy):
    original = digest(read_urdf(FURUTA))
    text = (copy / "furuta.urdf").read_text()
    (copy / "furuta.urdf").write_text(text.replace('mass value="0.110"', 'mass value="0.1100001"'))
    assert digest(read_urdf(copy / "furuta.urdf")) != original
    (copy / "furuta.urdf").write_text(text)
    mesh = copy / "meshes" / "arm.stl"
    data = bytearray(mesh.read_bytes())
    data[0] ^= 1
    mesh.write_bytes(data)
    assert digest(read_urdf(copy / "furuta.urdf")) != original


def test_digest_of_a_mesh_that_went_missing_is_an_error(copy):
    model = read_urdf(copy / "furuta.urdf")
    (copy / "meshes" / "arm.stl").unlink()
    with pytest.raises(RobotError, match=r"arm\.stl: cannot be read"):
        digest(model)


# --- anything at all


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutated_bytes_are_refused_or_read_but_never_crash(write, data):
    text = bytearray(SOUND.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        cut = data.draw(st.integers(0, 30))
        text[at : at + cut] = data.draw(
            st.sampled_from([b"", b"0", b"-", b'"', b"<", b">", b"nan", b"1e400"]) | st.binary(max_size=3)
        )
    try:
        model = read_urdf(write(bytes(text)))
    except RobotError as error:
        assert "\n" not in str(error)
    else:
        assert "nan" not in urdf_text(model)
