"""`sim2real robot ...` in processes of its own: what a user types, what comes out, and with which exit status."""

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from robots import load_robot, robot_names
from tests.children import command as run

ARM = """<robot name="arm">
  <!-- a comment that stays -->
  <link name="base"/>
  <link name="upper">
    <inertial><origin xyz="0 0 0.2"/><mass value="1"/><inertia ixx="0.02" iyy="0.02" izz="0.002"/></inertial>
    <collision><origin xyz="0 0 0.2"/><geometry><box size="0.1 0.1 0.4"/></geometry></collision>
  </link>
  <joint name="shoulder" type="revolute">
    <parent link="base"/><child link="upper"/>
    <axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="20" velocity="3"/>
  </joint>
</robot>
"""
MJCF = """<mujoco model="hopper"><worldbody><body name="trunk" pos="0 0 1">
<freejoint/><geom type="box" size="0.1 0.1 0.2" mass="3"/>
<body name="leg" pos="0 0 -0.3"><joint name="hip" axis="0 1 0" range="-60 60"/>
<geom type="capsule" fromto="0 0 0 0 0 -0.4" size="0.03" mass="0.5"/></body></body></worldbody>
<actuator><position joint="hip" kp="40" forcerange="-20 20"/></actuator></mujoco>"""
XACRO = ARM.replace(
    '<robot name="arm">',
    '<robot name="arm" xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:arg name="effort" default="20"/>',
).replace('effort="20"', 'effort="$(arg effort)"')
COMMANDS = ("check", "import", "onshape", "new", "list", "show")


def robot(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run("robot", *arguments, cwd=cwd)


@pytest.fixture
def arm(tmp_path):
    path = tmp_path / "arm.urdf"
    path.write_text(ARM)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command):
    result = robot(command, "--help")
    assert result.returncode == 0
    assert f"Example: sim2real robot {command}" in result.stdout


class TestCheck:
    def test_a_sound_robot_is_status_0(self, arm):
        result = robot("check", arm, "--strict")
        assert (result.returncode, result.stdout) == (0, "1 robot: 0 errors, 0 warnings, 0 notes\n")

    def test_a_fault_is_shown_with_place_code_engines_and_remedy(self, arm):
        arm.write_text(ARM.replace('mass value="1"', 'mass value="-1"'))
        result = robot("check", arm)
        assert result.returncode == 1
        assert f"{arm}:5: error[mass-negative] link 'upper': inertial: mass" in result.stdout
        assert all(word in result.stdout for word in ("PyBullet", "MuJoCo", "value -1 must not be negative"))

    def test_warnings_fail_only_if_asked_for(self, arm):
        arm.write_text(ARM.replace('xyz="0 1 0"', 'xyz="0 2 0"'))
        assert robot("check", arm).returncode == 0
        assert robot("check", arm, "--strict").returncode == 1

    def test_json_is_one_report_for_each_file_and_the_worst_status_counts(self, arm):
        result = robot("check", arm, "cartpole", "absent.urdf", "--json")
        assert result.returncode == 2
        reports = json.loads(result.stdout)
        assert [report["status"] for report in reports] == [0, 0, 2]
        assert reports[2]["findings"][0]["code"] == "file"
        keys = {"code", "severity", "file", "line", "element", "message", "remedy", "pybullet", "mujoco", "repairable"}
        assert reports[2]["findings"][0].keys() == keys

    def test_repair_mends_what_it_names_and_no_more(self, arm, tmp_path):
        arm.write_text(ARM.replace('xyz="0 1 0"', 'xyz="0 2 0"'))
        out = tmp_path / "mended.urdf"
        result = robot("check", arm, "--repair", out)
        assert result.returncode == 0
        assert "mended[axis-length]" in result.stdout
        assert out.read_text() == ARM.replace("0 1 0", "0.0 1.0 0.0")
        again = tmp_path / "again.urdf"
        robot("check", out, "--repair", again)
        assert again.read_bytes() == out.read_bytes()

    def test_one_that_cannot_be_read_does_not_hide_the_others(self, arm, tmp_path):
        (tmp_path / "bad.xml").write_text("<mujoco><nonsense/></mujoco>")
        result = robot("check", tmp_path / "bad.xml", "no_such_robot", arm, "--json")
        assert [report["status"] for report in json.loads(result.stdout)] == [2, 2, 0]

    def test_meshes_of_the_package_that_a_file_lies_in_are_found(self, tmp_path):
        package = tmp_path / "ws" / "arm_description"
        (package / "urdf").mkdir(parents=True)
        (package / "meshes").mkdir()
        (package / "package.xml").write_text("<package><name>arm_description</name></package>")
        meshes = Path(load_robot("furuta").path.parent, "meshes")
        (package / "meshes" / "arm.stl").write_bytes((meshes / "arm.stl").read_bytes())
        for name in ("package://arm_description/meshes/arm.stl", "../meshes/arm.stl"):
            visual = f'<visual><geometry><mesh filename="{name}"/></geometry></visual><collision>'
            path = package / "urdf" / "arm.urdf"
            path.write_text(ARM.replace("<collision>", visual))
            assert robot("check", path).returncode == 0

    def test_repair_replaces_no_file_unasked(self, arm):
        result = robot("check", arm, "--repair", arm)
        assert (result.returncode, arm.read_text()) == (2, ARM)
        assert "--overwrite" in result.stderr

    def test_other_formats_are_checked_too(self, tmp_path):
        path = tmp_path / "hopper.xml"
        path.write_text(MJCF)
        result = robot("check", path)
        assert result.returncode == 0, result.stdout
        assert str(path) in result.stdout or "1 robot: 0 errors, 0 warnings" in result.stdout


class TestNew:
    @pytest.mark.parametrize(("name", "text", "free"), [("a.urdf", ARM, False), ("h.xml", MJCF, True)])
    def test_a_description_becomes_a_robot(self, tmp_path, name, text, free):
        (tmp_path / name).write_text(text)
        result = robot("new", tmp_path / name, "--out", tmp_path / "made")
        assert result.returncode == 0, result.stderr
        made = load_robot(tmp_path / "made")
        assert (made.name, made.n_actuators, made.fixed_base) == ("made", 1, not free)
        shown = " ".join(result.stdout.split())
        assert f"sim2real robot show {tmp_path / 'made'}" in shown

    def test_what_the_format_says_of_motors_is_kept(self, tmp_path):
        (tmp_path / "h.xml").write_text(MJCF)
        robot("new", tmp_path / "h.xml", "--out", tmp_path / "made")
        (motor,) = load_robot(tmp_path / "made").actuators
        assert (motor.joint, motor.mode, motor.effort, motor.kp) == ("hip", "position", 20, 40)

    def test_xacro_arguments_reach_the_robot(self, tmp_path):
        (tmp_path / "a.urdf.xacro").write_text(XACRO)
        result = robot("new", tmp_path / "a.urdf.xacro", "--out", tmp_path / "made", "--args", "effort:=7", "--json")
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["name"] == "made"
        assert load_robot(tmp_path / "made").actuators[0].effort == 7

    def test_mended_faults_are_named(self, tmp_path):
        (tmp_path / "a.urdf").write_text(ARM.replace('ixx="0.02"', 'ixx="0"'))
        result = robot("new", tmp_path / "a.urdf", "--out", tmp_path / "made")
        assert "principal moments 0" in result.stdout
        inertial = load_robot(tmp_path / "made").model.link("upper").inertial
        assert inertial is not None
        assert inertial.inertia[0] > 0

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (("<robot", "<robt"), "allowed are URDF"),
            (('child link="upper"', 'child link="lower"'), "'lower' does not exist"),
            (('type="revolute"', 'type="fixed"'), "no joint can move"),
        ],
    )
    def test_what_cannot_be_used_is_refused_in_one_line_and_leaves_nothing(self, tmp_path, change, words):
        (tmp_path / "a.urdf").write_text(ARM.replace(*change))
        result = robot("new", tmp_path / "a.urdf", "--out", tmp_path / "made")
        assert result.returncode == 2
        assert words in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["a.urdf"]

    @pytest.mark.parametrize("seconds", [0.3, 0.8, 1.3])
    def test_a_termination_leaves_nothing_half_made(self, arm, tmp_path, seconds):
        command = [sys.executable, "-m", "sim2real.cli", "robot", "new", str(arm), "--out", str(tmp_path / "made")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.terminate()
        assert process.wait(60) in (0, 128 + signal.SIGTERM, -signal.SIGTERM)
        assert {path.name for path in tmp_path.iterdir()} - {"made"} == {"arm.urdf"}

    def test_what_check_can_mend_it_mends_before_it_imports(self, tmp_path):
        visual = '<visual><geometry><mesh filename="gone.stl"/></geometry></visual><collision>'
        (tmp_path / "a.urdf").write_text("\n" + ARM.replace("<collision>", visual))
        result = robot("new", tmp_path / "a.urdf", "--out", tmp_path / "made")
        assert result.returncode == 0, result.stderr
        assert "gone.stl" in result.stdout

    def test_a_folder_that_holds_something_is_not_touched(self, arm, tmp_path):
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "mine").touch()
        result = robot("new", arm, "--out", tmp_path / "made")
        assert result.returncode == 2
        assert "not an empty folder" in result.stderr
        assert [path.name for path in (tmp_path / "made").iterdir()] == ["mine"]


def test_import_writes_a_folder_and_says_what_is_next(tmp_path):
    (tmp_path / "h.xml").write_text(MJCF)
    result = robot("import", tmp_path / "h.xml", "--out", tmp_path / "h")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "h" / "hopper.urdf").is_file()
    assert "sim2real robot new" in result.stdout


def test_onshape_without_keys_says_which(tmp_path, monkeypatch):
    for name in ("ONSHAPE_API", "ONSHAPE_ACCESS_KEY", "ONSHAPE_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    address = "https://cad.onshape.com/documents/d/w/w/e/e"
    result = robot("onshape", address, "--out", tmp_path / "fetched")
    assert result.returncode == 2
    assert "ONSHAPE_ACCESS_KEY" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_list_and_show_give_json_and_pictures(tmp_path):
    listed = json.loads(robot("list", "--json").stdout)
    assert [entry["name"] for entry in listed] == robot_names()
    result = robot("show", "furuta", "--png", tmp_path / "furuta.png", "--json")
    assert json.loads(result.stdout)["name"] == "furuta"
    assert (tmp_path / "furuta.png").read_bytes().startswith(b"\x89PNG")


def test_a_misspelt_robot_is_pointed_out():
    result = robot("show", "pand")
    assert result.returncode == 2
    assert "no robot 'pand'" in result.stderr
