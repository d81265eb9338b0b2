"""Packages are found by manifest or folder name in the search path, and nowhere else."""

from pathlib import Path

import pytest

from sim2real.errors import RobotError
from sim2real.importing.packages import search_path


@pytest.fixture
def manifest(write):
    def make(folder: str, name: str) -> None:
        write(f"{folder}/package.xml", f'<?xml version="1.0"?>\n<package format="3">\n <name> {name} </name></package>')

    return make


def test_where_packages_are_found(tmp_path: Path, write, manifest):
    robot = write("ws/src/arm_description/urdf/arm.urdf", "<robot/>")
    manifest("ws/src/arm_description", "arm_description")
    manifest("ws/src/gripper-git", "gripper")  # a folder may be called otherwise
    write("plain/hand/a.txt", "")
    write("prefix/share/tool/a.txt", "")
    environment = {"AMENT_PREFIX_PATH": str(tmp_path / "prefix")}
    path = search_path(robot, [tmp_path / "plain", tmp_path / "ws/src"], environment)
    assert path.find("arm_description") == tmp_path / "ws/src/arm_description"
    assert path.find("gripper") == tmp_path / "ws/src/gripper-git"
    assert path.find("hand") == tmp_path / "plain/hand"
    assert path.find("tool") == tmp_path / "prefix/share/tool"
    assert path.contains(tmp_path / "ws/src/arm_description/meshes/a.stl")
    assert not path.contains(tmp_path / "ws/other")


def test_a_sibling_package_is_found_without_being_given(tmp_path: Path, write, manifest):
    robot = write("repo/arm_description/urdf/arm.urdf", "<robot/>")
    manifest("repo/hand_description", "hand_description")
    write("repo/stuff/a.txt", "")
    path = search_path(robot, [], {})
    assert path.find("hand_description") == tmp_path / "repo/hand_description"
    with pytest.raises(RobotError, match="package 'stuff' is in none"):
        path.find("stuff")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b", "/"])
def test_names_that_are_paths_are_no_packages(tmp_path: Path, write, name: str):
    path = search_path(write("a/b/robot.urdf", ""), [tmp_path], {})
    with pytest.raises(RobotError, match="is in none of the folders searched"):
        path.find(name)


def test_the_root_folder_and_links_are_not_the_search_path(tmp_path: Path, write):
    robot = write("robot/arm.urdf", "")
    (tmp_path / "robot/out").symlink_to("/etc")
    path = search_path(robot, [], {"ROS_PACKAGE_PATH": "", "AMENT_PREFIX_PATH": ""})
    assert not path.contains(tmp_path / "robot/out/passwd")
    assert path.allowed == (tmp_path / "robot",)
    assert Path("/") not in path.parents
