"""What a file is, is told by its contents."""

from pathlib import Path

import pytest

from sim2real.errors import RobotError
from sim2real.importing import detect_format

FILES = {
    "urdf": ('<?xml version="1.0"?>\n<!-- <mujoco> --><robot name="a"><link name="b"/></robot>', "urdf"),
    "byte order mark": ('\ufeff<robot name="a"/>', "urdf"),
    "xacro": ('<robot xmlns:xacro="http://www.ros.org/wiki/xacro" name="a"><xacro:macro name="m"/></robot>', "xacro"),
    "xacro without macros": ('<robot xmlns:xacro="http://www.ros.org/wiki/xacro" name="${1}"/>', "xacro"),
    "expanded": ('<robot xmlns:xacro="http://www.ros.org/wiki/xacro" name="a"/>', "urdf"),
    "mjcf": ("<!-- a --><mujoco model='a'><worldbody/></mujoco>", "mjcf"),
    "step": ("ISO-10303-21;\nHEADER;\n", "step"),
}


@pytest.mark.parametrize(("text", "kind"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("suffix", [".xml", ".urdf", ""])
def test_known_formats_whatever_their_suffix(tmp_path: Path, text: str, kind: str, suffix: str):
    path = tmp_path / f"robot{suffix}"
    path.write_text(text, encoding="utf-8")
    assert detect_format(path) == kind


UNKNOWN = {
    "empty": ("", "neither XML nor STEP"),
    "text": ("hello", "neither XML nor STEP"),
    "sdf": ("<sdf version='1.7'><model/></sdf>", "root element is <sdf>"),
    "broken": ("<robot", "neither XML nor STEP"),
    "long tag": (f"<{'x' * 9999}/>", "root element is <xxx"),
    "binary": ("\0\1\2<", "neither XML nor STEP"),
}


@pytest.mark.parametrize(("text", "says"), UNKNOWN.values(), ids=UNKNOWN)
def test_everything_else_is_refused_in_one_line(tmp_path: Path, text: str, says: str):
    path = tmp_path / "robot.urdf"
    path.write_text(text)
    with pytest.raises(RobotError) as error:
        detect_format(path)
    assert says in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "allowed are URDF, xacro, MJCF, STEP" in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", ["config.json", "robot.urdf", "robot.xml"])
def test_a_folder_is_onshapes(tmp_path: Path, name: str):
    (tmp_path / name).write_text("{}")
    assert detect_format(tmp_path) == "onshape"


def test_other_folders_and_missing_files_are_refused(tmp_path: Path):
    with pytest.raises(RobotError, match=r"a folder without robot\.urdf"):
        detect_format(tmp_path)
    with pytest.raises(RobotError, match=r"gone.urdf: no such file; give URDF"):
        detect_format(tmp_path / "gone.urdf")
    with pytest.raises(RobotError, match="not a regular file"):
        detect_format(Path("/dev/null"))
