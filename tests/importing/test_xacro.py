"""xacro files are expanded with arguments and packages; what is wrong is said by file and line."""

from pathlib import Path

import pytest

from sim2real.errors import RobotError
from sim2real.importing import Limits, import_robot

HEAD = '<?xml version="1.0"?>\n<robot name="{name}" xmlns:xacro="http://www.ros.org/wiki/xacro">\n'
SMALL = Limits(seconds=4, megabytes=512)


@pytest.fixture
def expand(write, tmp_path: Path):
    """Return a function that imports a xacro file with this body, which begins in line 3."""

    def run(body: str, **options):
        path = write("robot/robot.xacro", HEAD.format(name="arm") + body + "\n</robot>\n")
        return import_robot(path, tmp_path / "out", limits=options.pop("limits", SMALL), **options)

    return run


@pytest.fixture
def refused(expand, tmp_path: Path):
    """Return a function that gives the one line with which a xacro file with this body is refused."""

    def run(body: str, **options) -> str:
        with pytest.raises(RobotError) as error:
            expand(body, **options)
        assert "\n" not in str(error.value)
        assert "Traceback" not in str(error.value)
        assert not (tmp_path / "out").exists()
        return str(error.value).replace(f"{tmp_path / 'robot'}/", "")

    return run


LIMB = """
<xacro:arg name="length" default="0.5"/>
<xacro:macro name="limb" params="name mass:=1">
  <link name="${name}"><inertial><mass value="${2 * mass}"/>
    <inertia ixx="${mass * $(arg length) ** 2 / 12}" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
    <visual><geometry><mesh filename="package://arm_description/meshes/limb.stl"/></geometry></visual></link>
</xacro:macro>
"""


def test_macros_arguments_packages_and_includes(read, write, expand, tetrahedron: bytes, tmp_path: Path):
    write("ros/arm_description/package.xml", "<package><name>arm_description</name></package>")
    write("ros/arm_description/limb.xacro", HEAD.format(name="limb") + LIMB + "</robot>")
    write("ros/arm_description/sizes.yaml", "mass: 3.0\nangle: !degrees 90\n")
    write("ros/arm_description/meshes/limb.stl", tetrahedron)
    done = expand(
        '<xacro:include filename="$(find arm_description)/limb.xacro"/>\n'
        '<xacro:property name="sizes" value="${xacro.load_yaml(\'$(find arm_description)/sizes.yaml\')}"/>\n'
        '<xacro:limb name="base"/><xacro:limb name="hand" mass="${sizes.mass}"/>\n'
        '<joint name="wrist" type="fixed"><parent link="base"/><child link="hand"/>'
        '<origin rpy="0 0 ${sizes.angle}"/></joint>',
        arguments={"length": "2"},
        search=[tmp_path / "ros"],
    )
    model = read(done)
    assert done.name == "arm"
    assert done.notes[0] == "expanded by xacro with length:=2"
    assert model.link("hand").inertial.mass == 6.0
    assert model.link("base").inertial.inertia[0] == pytest.approx(4 / 12)
    assert model.joint("wrist").origin.rpy[2] == pytest.approx(1.5707963)
    assert model.link("base").visuals[0].geometry.path == tmp_path / "out/meshes/limb.stl"
    assert [p.name for p in (tmp_path / "out").iterdir() if p.name.startswith(".")] == []


# body from line 3 on, what the error begins with or says
FAULTS = {
    "division": (
        '<link name="a"/>\n<link name="${1/0}"/>',
        "robot.xacro:4: xacro: ZeroDivisionError: division by zero",
    ),
    "unknown name": ('<link name="${lenght}"/>', "robot.xacro:3: xacro: NameError: name 'lenght' is not defined"),
    "unknown macro": ("<xacro:leg/>", "robot.xacro:3: xacro: unknown macro name: xacro:leg"),
    "no value": ('<link name="$(arg side)"/>', "robot.xacro:3: xacro: argument 'side' has no value; give one"),
    "not XML": ('<link name="a">', "robot.xacro:4: not well-formed XML: mismatched tag"),
    "package": (
        '<link name="$(find nope)"/>',
        "robot.xacro:3: xacro: package 'nope' is in none of the folders searched: ",
    ),
    "include missing": ('<xacro:include filename="a.xacro"/>', "robot.xacro:3: xacro: a.xacro: No such file"),
    "condition": ('<xacro:if value="maybe"/>', 'robot.xacro:3: xacro: Xacro conditional "maybe"'),
    "endless": (
        '<xacro:macro name="m"><xacro:m/></xacro:macro>\n<xacro:m/>',
        "robot.xacro:4: xacro: calls itself without end",
    ),
    "variable": ('<link name="$(env ONSHAPE_SECRET_KEY)"/>', "environment variable 'ONSHAPE_SECRET_KEY' is not set"),
    "no default": ("<xacro:unless/>", "robot.xacro:3: xacro: RuntimeError: xacro:unless: missing attribute 'value'"),
    "syntax": ('<link name="${1 +}"/>', "robot.xacro:3: xacro: not an expression: invalid syntax (when evaluating"),
    "huge": ('<link name="${len([0] * 10**9)}"/>', "robot.xacro:3: xacro: needs more memory than it may use"),
    "fatal": ("<link name=\"${xacro.fatal('no such hand')}\"/>", "robot.xacro:3: xacro: no such hand"),
}


@pytest.mark.parametrize(("body", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_with_its_place(refused, monkeypatch, body: str, says: str):
    monkeypatch.setenv("ONSHAPE_SECRET_KEY", "secret")
    message = refused(body)
    assert message.startswith(says) or (says in message and "ONSHAPE" in says)
    assert message.count("when evaluating") <= 1


def test_a_program_without_end_is_stopped(refused):
    message = refused('<link name="${9**9**9}"/>', limits=Limits(seconds=2, megabytes=512))
    assert message.startswith("robot.xacro: reading took longer than 2 s and was stopped")


def test_a_fault_in_an_included_file_is_placed_there(write, refused):
    write("robot/part.xacro", HEAD.format(name="part") + '\n\n<link name="${oops}"/></robot>')
    assert refused('<xacro:include filename="part.xacro"/>').startswith("part.xacro:5: xacro: NameError")


def test_a_fault_in_a_macro_is_placed_at_its_call(refused):
    body = '<xacro:macro name="m" params="n"><link name="${1/n}"/></xacro:macro>\n<xacro:m n="0"/>'
    assert refused(body).startswith("robot.xacro:4: xacro: ZeroDivisionError")
    assert "(in macro m)" in refused(body)


def test_an_argument_that_is_none_is_refused(refused):
    body = '<xacro:arg name="length" default="1"/>'
    says = "robot.xacro: has no argument 'lenght' (did you mean 'length'?); its arguments are: length"
    assert refused(body, arguments={"lenght": "2"}) == says


def test_entities_are_refused(write, tmp_path: Path):
    text = '<!DOCTYPE robot [<!ENTITY a "b">]>\n' + HEAD.format(name="&a;").split("\n", 1)[1] + "<xacro:a/></robot>"
    with pytest.raises(RobotError, match=r"r\.xacro:1: <!DOCTYPE> and entities are not allowed"):
        import_robot(write("r.xacro", text), tmp_path / "out")


# A xacro file is a program; these try to be one that does harm.
ATTACKS = {
    "lambda": "${(lambda: ().__class__)()}",
    "frame": "${(x for x in [1]).gi_frame}",
    "comprehension": "${[x.__class__ for x in [1]]}",
    "format": "${str.format('A0.__class__B', 1)}",
    "namespace": "${python['vars'](python.type)}",
    "subclasses": "${python.type.mro(int)}",
    "eval": "$(eval [].append.__self__)",
    "file": "${xacro.load_yaml('/etc/passwd')}",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_expressions_do_not_reach_behind_their_values(refused, attack: str):
    message = refused(f'<link name="{attack}"/>')
    assert any(word in message for word in ("is not allowed", "outside of the search path", "'vars'"))


def test_includes_stay_in_the_search_path(write, refused, tmp_path: Path):
    write("other/secret.xacro", HEAD.format(name="secret") + "</robot>")
    for name in ("../other/secret.xacro", str(tmp_path / "other/secret.xacro"), "link.xacro", "../other/*.xacro"):
        if name == "link.xacro":
            (tmp_path / "robot/link.xacro").symlink_to(tmp_path / "other/secret.xacro")
        message = refused(f'<xacro:include filename="{name}"/>')
        assert "outside of the search path" in message
    assert refused('<xacro:include filename="/dev/zero"/>').startswith(
        "robot.xacro:3: xacro: file /dev/zero lies outside"
    )
