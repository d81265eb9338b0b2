"""What is shown of a robot says what the robot is, and its pictures show it."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console, RenderableType

from robots import load_robot, robot_names
from sim2real.commands.robot_view import render_robot, robot_dict, robot_dicts, robot_list, robot_table
from sim2real.errors import RobotError


def printed(shown: RenderableType) -> str:
    console = Console(width=200, file=StringIO())
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def test_list_has_one_row_for_each_robot() -> None:
    rows = printed(robot_list()).splitlines()
    assert [row.split()[0] for row in rows[1:] if row[1:2].strip()] == robot_names()
    r2d2 = next(row for row in rows if row.startswith(" r2d2"))
    assert "4 velocity, 4 position" in r2d2
    assert "free" in r2d2
    assert "65.25" in r2d2


def test_table_tells_joints_motors_masses_sensors_and_sources() -> None:
    text = printed(robot_table(load_robot("franka_panda")))
    row = next(line for line in text.splitlines() if line.startswith(" panda_joint4"))
    assert " ".join(row.split()) == ("panda_joint4 -3.14 to 0 rad -2.36 2.17 rad/s position 87 N m kp 2000 kd 100")
    follower = next(line for line in text.splitlines() if line.startswith(" panda_finger_joint2"))
    assert " ".join(follower.split()[-3:]) == "follows 1 panda_finger_joint1"
    assert "17.960 kg in 10 bodies" in text
    assert "camera 'hand' on panda_hand" in text
    assert "Apache-2.0" in text
    hand = next(line for line in text.splitlines() if line.startswith(" panda_hand"))
    assert " ".join(hand.split()) == "panda_hand 0.81 hand.obj hand.obj part of panda_link7"


def test_texts_of_strangers_are_no_markup_and_move_no_cursor() -> None:
    robot = load_robot("cartpole")
    hostile = replace(robot, file=robot.file.model_copy(update={"source": "[/red] [bold]x\x1b[31m"}))
    assert r"[/red] [bold]x\x1b[31m" in printed(robot_table(hostile))


@pytest.mark.parametrize("name", robot_names())
def test_every_robot_can_be_shown(name: str) -> None:
    robot = load_robot(name)
    text = printed(robot_table(robot))
    assert all(joint in text for joint in robot.joint_names)
    assert all(link in text for link in robot.model.link_names)


def test_plain_data_is_json_without_infinities() -> None:
    loaded = json.loads(json.dumps(robot_dicts(), allow_nan=False))
    assert [robot["name"] for robot in loaded] == robot_names()


def test_plain_data_says_what_the_robot_is() -> None:
    robot = load_robot("minitaur")
    data = robot_dict(robot)
    assert [joint["name"] for joint in data["joints"]] == list(robot.joint_names)
    assert [joint["default"] for joint in data["joints"]] == robot.default_q.tolist()
    knee = next(joint for joint in data["joints"] if joint["name"].startswith("knee"))
    assert knee["motor"] is knee["lower"] is knee["follows"] is None
    assert data["mass"] == pytest.approx(6.0)
    assert len(data["loops"]) == 4
    assert data["digest"] == robot.digest
    finger = robot_dict(load_robot("franka_panda"))["joints"][-1]
    assert finger["follows"] == {"joint": "panda_finger_joint1", "multiplier": 1.0, "offset": 0.0}


@pytest.mark.parametrize("name", ["a1", "furuta", "humanoid", "cartpole"])
def test_picture_shows_the_whole_robot(name: str, tmp_path: Path) -> None:
    """Something is drawn, it fills the picture, and nothing but an endless rail is cut off by the frame."""
    render_robot(load_robot(name), tmp_path / "robot.png", 160, 120)
    picture = imread(tmp_path / "robot.png")[:, :, :3]
    assert picture.shape == (120, 160, 3)
    drawn = np.abs(picture - picture[0, 80]).max(axis=2) > 0.25
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert max(np.ptp(rows) / 120, np.ptp(columns) / 160) > 0.75
    frame = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert frame.any() == (name == "cartpole")


@pytest.mark.parametrize(("name", "reason"), [("a.jpg", "name it a.png"), ("none/a.png", "there is no folder .*none")])
def test_picture_that_cannot_be_written_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(RobotError, match=reason):
        render_robot(load_robot("furuta"), tmp_path / name)


def test_pictures_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        render_robot(load_robot("furuta"), tmp_path / name, 80, 60)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_catalog_has_its_picture_in_the_docs() -> None:
    """`sim2real robot list --sheet docs/catalog.png` draws it; all robots fit on it, and it is small enough to load."""
    sheet = Path(__file__).parents[2] / "docs" / "catalog.png"
    height, width, _ = imread(sheet).shape
    assert width == 4 * 340
    assert height == -(-len(robot_names()) // 4) * (255 + 46)
    assert sheet.stat().st_size < 600_000
