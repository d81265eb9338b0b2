"""STEP: masses, inertias and meshes of solids made here equal the closed form, and the YAML is checked."""

from math import pi
from pathlib import Path

import numpy as np
import pytest

from robots.kinematics import inertia_matrix, rotation
from robots.model import Box, Cylinder
from sim2real.errors import ConfigError, RobotError
from sim2real.importing import Limits, import_robot

LIMITS = Limits(seconds=60, megabytes=4096)


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a STEP file in millimetres: a plate, two equal wheels, and a rod in a tilted sub-assembly."""
    return _write(tmp_path_factory.mktemp("step") / "robot.step", "MM")


def _write(path: Path, unit: str) -> Path:
    from OCP.BRepPrimAPI import BRepPrimAPI_MakeBox, BRepPrimAPI_MakeCylinder
    from OCP.gp import gp_Ax1, gp_Dir, gp_Pnt, gp_Trsf, gp_Vec
    from OCP.Interface import Interface_Static
    from OCP.STEPCAFControl import STEPCAFControl_Writer
    from OCP.TCollection import TCollection_ExtendedString
    from OCP.TDataStd import TDataStd_Name
    from OCP.TDocStd import TDocStd_Document
    from OCP.TopLoc import TopLoc_Location
    from OCP.XCAFDoc import XCAFDoc_DocumentTool

    document = TDocStd_Document(TCollection_ExtendedString("test"))
    tool = XCAFDoc_DocumentTool.ShapeTool_s(document.Main())

    def named(label, name: str):
        TDataStd_Name.Set_s(label, TCollection_ExtendedString(name))
        return label

    def at(x: float, y: float, z: float, roll: float = 0.0) -> TopLoc_Location:
        turn, move = gp_Trsf(), gp_Trsf()
        turn.SetRotation(gp_Ax1(gp_Pnt(0, 0, 0), gp_Dir(1, 0, 0)), roll)
        move.SetTranslation(gp_Vec(x, y, z))
        return TopLoc_Location(move.Multiplied(turn))

    plate = named(tool.AddShape(BRepPrimAPI_MakeBox(100, 200, 50).Shape(), False), "Plate")
    rod = named(tool.AddShape(BRepPrimAPI_MakeCylinder(20, 300).Shape(), False), "Rod")
    wheel = named(tool.AddShape(BRepPrimAPI_MakeCylinder(30, 10).Shape(), False), "Wheel")
    whole, arm = named(tool.NewShape(), "Robot"), named(tool.NewShape(), "Arm")
    tool.AddComponent(arm, rod, at(0, 0, 10))
    tool.AddComponent(whole, plate, at(0, 0, 0))
    tool.AddComponent(whole, arm, at(50, 100, 50, roll=0.5))
    tool.AddComponent(whole, wheel, at(0, 0, -10))
    named(tool.AddComponent(whole, wheel, at(100, 0, -10)), "Right wheel")
    tool.UpdateAssemblies()
    Interface_Static.SetCVal_s("write.step.unit", unit)
    writer = STEPCAFControl_Writer()
    writer.SetNameMode(True)
    writer.Transfer(document)
    writer.Write(str(path))
    return path


LINKS = """
links:
  base:
    parts: [Plate, Wheel]
    density: 2700
    masses: {Right wheel: 0.4}
  arm: {parts: [Arm], mass: 0.35}
"""
JOINTS = """
joints:
  shoulder:
    parent: base
    child: arm
    type: revolute
    origin: {xyz: [0.05, 0.1, 0.05], rpy: [0.5, 0, 0]}
    axis: [0, 0, 2]
    limits: {lower: -1, upper: 1.5, effort: 5, velocity: 2}
    damping: 0.1
"""


@pytest.fixture
def imported(assembly: Path, tmp_path: Path):
    """Return a function that imports the assembly with this YAML."""

    def run(text: str | None, path: Path = assembly):
        step = tmp_path / "robot.step"
        step.write_bytes(path.read_bytes())
        if text is not None:
            step.with_suffix(".yaml").write_text(text)
        return import_robot(step, tmp_path / "out", limits=LIMITS)

    return run


@pytest.fixture(scope="module")
def done(assembly: Path):
    """Return the assembly imported once."""
    assembly.with_suffix(".yaml").write_text(LINKS + JOINTS + "tolerance: 0.0005\n")
    return import_robot(assembly, assembly.parent / "out", limits=LIMITS)


def test_masses_and_inertias_are_the_closed_form(read, done):
    robot = read(done)
    base, arm = robot.links
    plate, left = 2700 * 0.1 * 0.2 * 0.05, 2700 * pi * 0.03**2 * 0.01
    assert base.inertial.mass == pytest.approx(plate + left + 0.4, rel=1e-9)
    masses = np.array([plate, left, 0.4])
    solids: list[Box | Cylinder] = [Box((0.1, 0.2, 0.05)), Cylinder(0.03, 0.01), Cylinder(0.03, 0.01)]
    centres = np.array([[0.05, 0.1, 0.025], [0, 0, -0.005], [0.1, 0, -0.005]])
    centre = masses @ centres / masses.sum()
    assert base.inertial.origin.xyz == pytest.approx(centre, abs=1e-9)
    expected = np.zeros((3, 3))
    for mass, c, solid in zip(masses, centres, solids, strict=True):
        own, arm_of = np.diag(np.array(solid.inertia(mass))[[0, 3, 5]]), c - centre
        expected += own + mass * (arm_of @ arm_of * np.eye(3) - np.outer(arm_of, arm_of))
    assert inertia_matrix(base.inertial) == pytest.approx(expected, abs=1e-6 * expected.max())
    # The rod stands along its joint's z, which is tilted as the sub-assembly is.
    assert arm.inertial.mass == pytest.approx(0.35, rel=1e-12)
    assert arm.inertial.origin.xyz == pytest.approx((0, 0, 0.16), abs=1e-9)
    assert arm.inertial.inertia == pytest.approx(Cylinder(0.02, 0.3).inertia(0.35), rel=1e-6, abs=1e-12)


def test_joints_stand_as_assembled(read, done):
    joint = read(done).joint("shoulder")
    assert joint.origin.xyz == pytest.approx((0.05, 0.1, 0.05))
    assert joint.origin.rpy == pytest.approx((0.5, 0, 0))
    assert (joint.axis, joint.limit.upper, joint.limit.effort, joint.damping) == ((0, 0, 1), 1.5, 5, 0.1)


def test_meshes_lie_on_the_solids(read, done):
    triangles = np.dtype([("normal", "<f4", 3), ("v", "<f4", (3, 3)), ("attribute", "<u2")])
    arm = np.frombuffer((done.urdf.parent / "meshes/arm.stl").read_bytes()[84:], triangles)["v"].astype(float)
    assert arm.reshape(-1, 3).min(axis=0) == pytest.approx([-0.02, -0.02, 0.01], abs=5e-4)
    assert arm.reshape(-1, 3).max(axis=0) == pytest.approx([0.02, 0.02, 0.31], abs=5e-4)
    volume = np.einsum("ij,ij->i", arm[:, 0], np.cross(arm[:, 1], arm[:, 2])).sum() / 6  # positive: seen from outside
    assert volume == pytest.approx(pi * 0.02**2 * 0.3, rel=0.03)
    assert read(done).link("arm").collisions[0].geometry.path.name == "arm.stl"


def test_a_file_in_metres_is_the_same_robot(read, imported, tmp_path: Path):
    done = imported(LINKS + JOINTS, _write(tmp_path / "metres.step", "M"))
    assert done.notes[0] == "unit of length in the STEP file: metre"
    assert read(done).link("arm").inertial.origin.xyz == pytest.approx((0, 0, 0.16), abs=1e-9)


def test_a_wrong_unit_is_refused_and_can_be_mended(read, imported):
    with pytest.raises(
        RobotError, match=r"scale: the robot is 3\d\d(\.\d+)? m long, so the STEP file's unit of length is wrong"
    ):
        imported(LINKS + JOINTS + "scale: 1000\n")
    robot = read(imported(LINKS + JOINTS + "scale: 2\n"))
    assert robot.root.inertial.mass == pytest.approx(8 * (2.7 + 2700 * pi * 9e-6) + 0.4, rel=1e-9)


def test_without_a_yaml_the_parts_are_named(imported):
    with pytest.raises(RobotError, match=r"needs .*robot.yaml beside it, .*: 'Plate', 'Rod', 'Wheel', 'Right wheel'$"):
        imported(None)


# the YAML, what the one line says
FAULTS = {
    "unknown part": (LINKS.replace("Plate", "Plato") + JOINTS, "links.base: no part 'Plato' (did you mean 'Plate'?)"),
    "part without a link": ("links: {base: {parts: [Plate], density: 1}}", "part 'Rod' is in no link"),
    "part in two links": (LINKS.replace("[Arm]", "[Arm, Plate]") + JOINTS, "part 'Plate' is in base and arm"),
    "density and mass": (LINKS.replace("mass: 0.35", "mass: 1, density: 1"), "links.arm: give a mass or a density"),
    "no density": (LINKS.replace(", mass: 0.35", ""), "links.arm: needs a density [kg/m^3] or a mass [kg]"),
    "no density for a part": (
        LINKS.replace("density: 2700", "") + JOINTS,
        "part 'Plate' has neither a mass nor a density",
    ),
    "unknown link": (LINKS + JOINTS.replace("parent: base", "parent: bas"), "joints.shoulder: no link 'bas' (did you"),
    "no joint": (LINKS, "must connect all links into one tree with one root; links without a parent: base, arm"),
    "cycle": (LINKS + JOINTS.replace("parent: base", "parent: arm"), "must connect all links into one tree"),
    "no limits": (LINKS + JOINTS.replace("lower: -1, ", ""), "joints.shoulder.limits: a revolute joint needs lower"),
    "swapped limits": (LINKS + JOINTS.replace("lower: -1", "lower: 2"), "lower 2 is larger than upper 1.5"),
    "no axis": (LINKS + JOINTS.replace("[0, 0, 2]", "[0, 0, 0]"), "joints.shoulder.axis: has no direction"),
    "unknown key": (LINKS + JOINTS + "tolerence: 1\n", "tolerence"),
    "not YAML": ("links: [", "robot.yaml:1"),
}


@pytest.mark.parametrize(("text", "says"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_yaml_is_one_line(imported, tmp_path: Path, text: str, says: str):
    with pytest.raises((RobotError, ConfigError)) as error:
        imported(text)
    assert says in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "robot.yaml"))
    assert not (tmp_path / "out").exists()


def test_what_is_ignored_is_noted(read, imported):
    text = "links: {base: {parts: [Plate], density: 1000}}\nignore: [Wheel, Arm]\nfloating_base: true\n"
    done = imported(text)
    assert read(done).link_names == ("base",)
    assert done.floating_base
    assert [note.split("'")[1] for note in done.notes if "left out" in note] == ["Rod", "Wheel", "Right wheel"]


@pytest.mark.parametrize("content", [b"\nHEADER;ENDSEC;DATA;ENDSEC;END-ISO-10303-21;", b"\nDATA;\n#1=(((((" * 99])
def test_a_broken_step_file_is_one_line(imported, tmp_path: Path, content: bytes):
    path = tmp_path / "broken.step"
    path.write_bytes(b"ISO-10303-21;" + content)
    with pytest.raises(RobotError, match=r"robot\.step") as error:
        imported(LINKS + JOINTS, path)
    assert "\n" not in str(error.value)


def test_inertia_is_given_in_the_links_frame(read, imported):
    """A joint along the assembly's axes sees the tilted rod from there."""
    flat = JOINTS.replace("rpy: [0.5, 0, 0]", "rpy: [0, 0, 0]")
    inertial = read(imported(LINKS + flat)).link("arm").inertial
    turn = rotation((0.5, 0, 0))
    xx, _, _, yy, _, zz = Cylinder(0.02, 0.3).inertia(0.35)
    assert inertial.origin.xyz == pytest.approx(turn @ [0, 0, 0.16], abs=1e-9)
    assert inertia_matrix(inertial) == pytest.approx(turn @ np.diag([xx, yy, zz]) @ turn.T, abs=1e-6 * xx)
