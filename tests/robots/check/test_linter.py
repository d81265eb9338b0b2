"""The linter finds each planted fault by code and line, and has nothing to say about sound robots."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pybullet_data
import pytest

from robots.catalog import robot_names
from robots.check.linter import check
from robots.findings import Edit, apply_edits, old_lines
from robots.rules import RULES, rules_table
from sim2real.errors import RobotError
from tests.robots.check.faults import FAULTS, SOUND, Planted, write_meshes
from tests.robots.check.sound_robots import SOUND_ROBOTS, Sound

PYBULLET = Path(pybullet_data.getDataPath())
DOCS = Path(__file__).parents[3] / "docs" / "rules.md"

# Codes whose planting takes more than an edit of the sound robot have tests of their own below.
OTHERWISE = {"too-many-joints", "robot-yaml"}

# Of PyBullet's files: sound by these rules, and some looked at by hand.
CLEAN_FILES = (
    "kuka_iiwa/model.urdf",
    "kuka_iiwa/model_vr_limits.urdf",
    "quadruped/spirit40.urdf",
    "table/table.urdf",
    "table_square/table_square.urdf",
    "tray/traybox.urdf",
    "xarm/base.urdf",
    "pendulum5.urdf",
    "xarm/link1.urdf",
)


@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: f"{planted.code}-{planted.new[:25]!r}")
def test_planted_fault_is_found_by_code_and_line(tmp_path: Path, planted: Planted) -> None:
    path = planted.write(tmp_path)
    report = check(path, floating_base=planted.floating, default_pose=planted.pose)
    found = [(finding.code, finding.line) for finding in report.findings]
    assert (planted.code, planted.line) in found
    severity = RULES[planted.code].severity
    assert report.status(strict=True) == {"error": 1, "warning": 1}.get(severity, 0) or planted.code == "file"
    assert (report.model is None) == (report.count("error") > 0)


def test_each_rule_is_planted_twice() -> None:
    planted = Counter(fault.code for fault in FAULTS)
    assert {code for code in RULES if planted[code] < 2} == OTHERWISE
    assert len(FAULTS) >= 60


def chain(joints: int) -> str:
    inertial = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial>'
    rows = [f'<link name="l{i}">{inertial}</link>' for i in range(joints + 1)]
    rows += [
        f'<joint name="j{i}" type="continuous"><parent link="l{i}"/><child link="l{i + 1}"/></joint>'
        for i in range(joints)
    ]
    return "\n".join(['<robot name="chain">', *rows, "</robot>"])


@pytest.mark.parametrize("joints", [128, 1000])
def test_too_many_joints_are_found(tmp_path: Path, joints: int) -> None:
    path = tmp_path / "chain.urdf"
    path.write_text(chain(joints))
    assert [finding.code for finding in check(path).findings] == ["too-many-joints"]


ROBOT_YAML = """name: planted
urdf: planted.urdf
source: a test
licence: none
control_hz: 50
physics_hz: 500
fallback: hold
actuators:
  - {joint: shoulder, effort: 40, kp: 40, kd: 1}
default_pose: {shoulder: 0.1}
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("joint: shoulder", "joint: sholder", "did you mean 'shoulder'"),
        ("physics_hz: 500", "physics_hz: 510", "whole multiple"),
        ("licence: none", "license: none", "license"),
        ("shoulder: 0.1", "elbw: 0.1", "elbw"),
    ],
)
def test_robot_yaml_that_does_not_fit_is_found(tmp_path: Path, old: str, new: str, reason: str) -> None:
    Planted("ignored", SOUND, SOUND).write(tmp_path)
    (tmp_path / "robot.yaml").write_text(ROBOT_YAML)
    assert check(tmp_path).status(strict=True) == 0
    (tmp_path / "robot.yaml").write_text(ROBOT_YAML.replace(old, new))
    report = check(tmp_path / "robot.yaml")
    assert report.status() == 1
    assert any(finding.code == "robot-yaml" and reason in finding.message for finding in report.findings)


def test_robot_yaml_gives_default_pose_base_and_repairs(tmp_path: Path) -> None:
    text = SOUND.replace('<axis xyz="1 0 0"/>', '<axis xyz="0 0 3"/><axis xyz="1 0 0"/>')
    Planted("ignored", SOUND, text.replace('izz="0.0004"', 'izz="0.02"')).write(tmp_path)
    lines = text.splitlines()
    repair = "repair: [element-twice, axis-length]\ndefault_pose: {elbow: 2.2}\n"
    (tmp_path / "robot.yaml").write_text(ROBOT_YAML.replace("default_pose: {shoulder: 0.1}\n", repair))
    report = check(tmp_path)
    found = {finding.code: finding.line for finding in report.findings}
    assert "element-twice" not in found
    assert "axis-length" not in found
    assert found["inertia-triangle"] == 1 + next(n for n, row in enumerate(lines) if 'izz="0.0004"' in row)


@pytest.mark.parametrize("sound", SOUND_ROBOTS.values(), ids=SOUND_ROBOTS)
def test_sound_robot_causes_no_alarm(tmp_path: Path, sound: Sound) -> None:
    folder = tmp_path / "tower_description"
    folder.mkdir()
    write_meshes(folder)
    path = folder / "sound.urdf"
    path.write_text(sound.text)
    report = check(path, floating_base=sound.floating, default_pose=sound.pose)
    assert [str(finding) for finding in report.findings if finding.severity != "note"] == []
    assert report.status(strict=True) == 0


@pytest.mark.parametrize("file", CLEAN_FILES)
def test_clean_file_of_others_causes_no_alarm(file: str) -> None:
    report = check(PYBULLET / file, roots=[PYBULLET])
    assert [str(finding) for finding in report.findings if finding.severity != "note"] == []


def test_placeholder_inertia_of_the_cartpole_is_found() -> None:
    report = check(PYBULLET / "cartpole.urdf")
    assert [finding.element for finding in report.findings if finding.code == "inertia-size"] != []


def test_report_is_plain_data_in_order_of_lines(tmp_path: Path) -> None:
    text = SOUND.replace('xyz="1 0 0"', 'xyz="2 0 0"').replace('upper="0.05"', 'upper="0"')
    report = check(Planted("ignored", SOUND, text).write(tmp_path))
    data = json.loads(json.dumps(report.to_dict()))
    assert (data["robot"], data["base"], data["errors"], data["warnings"], data["status"]) == (
        "sound",
        "fixed",
        0,
        2,
        0,
    )
    assert report.status(strict=True) == 1
    lines = [finding["line"] for finding in data["findings"]]
    assert lines == sorted(lines)
    axis = next(finding for finding in data["findings"] if finding["code"] == "axis-length")
    assert axis["repairable"]
    assert axis["element"] == "joint 'elbow': axis"
    assert axis["pybullet"] == RULES["axis-length"].pybullet


def test_what_cannot_be_looked_at_has_status_2_or_raises(tmp_path: Path) -> None:
    assert check(tmp_path / "absent.urdf").status() == 2
    with pytest.raises(RobotError, match="no robot 'nobody'"):
        check(Path("nobody"))
    with pytest.raises(RobotError, match="no movable joint 'wrist'"):
        check(Planted("ignored", SOUND, SOUND).write(tmp_path), default_pose={"wrist": 1.0})


def test_error_behind_very_many_warnings_is_not_lost(tmp_path: Path) -> None:
    text = chain(120).replace(
        'type="continuous">', 'type="continuous"><axis xyz="0 0 2"/><limit effort="0" velocity="0"/>'
    )
    path = tmp_path / "chain.urdf"
    path.write_text(text)
    assert check(path).status() == 0
    path.write_text(text.replace('mass value="1"', 'mass value="-1"'))
    assert check(path).status() == 1
    joint = '<joint name="k" type="fixed"><parent link="l0"/><child link="l0"/></joint></robot>'
    path.write_text(text.replace("</robot>", joint))
    assert check(path).status() == 1


@pytest.mark.parametrize(
    "text",
    [
        "<robot name='a'>" + "<link/>" * 1_000_000,
        "<robot name='a'>" + "<link name='b'>" * 1_000_000,
        f"<robot name='a' b='{'x' * 19_000_000}'/>",
        "<robot name='a'>" + "".join(f"<link name='l{i}'/>" for i in range(99_000)) + "</robot>",
        "<robot name='a'>" + "<link name='b'><visual/></link>" * 49_000 + "</robot>",
        '<robot name="a"><link name="b"><inertial><origin xyz="' + "1 " * 490_000 + '"/></inertial></link></robot>',
    ],
    ids=["links", "deep", "attribute", "named links", "faulty shapes", "numbers"],
)
def test_hostile_file_is_answered_in_bounded_time(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hostile.urdf"
    path.write_text(text)
    start = time.process_time()
    report = check(path)
    assert report.status() == 1
    assert time.process_time() - start < 5
    assert all("\n" not in str(finding) and len(str(finding)) < 5000 for finding in report.findings)


def test_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.urdf"
    path.touch()
    os.truncate(path, 1_000_000_000)
    start = time.process_time()
    assert [finding.code for finding in check(path).findings] == ["bounds"]
    assert time.process_time() - start < 1


def test_checking_a_typical_robot_takes_little_time() -> None:
    program = "import sys; from pathlib import Path; from robots.check.linter import check; check(Path(sys.argv[1]))"
    program += "; print([m for m in ('scipy', 'tensorflow', 'pybullet', 'mujoco') if m in sys.modules])"
    path = PYBULLET / "kuka_iiwa" / "model.urdf"
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_lines_are_followed_through_edits() -> None:
    data = b"one\ntwo\nthree\nfour\n"
    edits = [Edit(4, 8, b""), Edit(8, 13, b"3a\n3b"), Edit(18, 18, b"!")]
    assert apply_edits(data, edits) == b"one\n3a\n3b\nfour!\n"
    assert old_lines(data, edits) == [1, 3, 3, 4, 5]


def test_table_in_the_docs_is_up_to_date() -> None:
    assert rules_table() in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", robot_names())
def test_robots_of_the_catalog_are_sound(name: str) -> None:
    assert check(Path(name)).count("error") == 0
