"""What is guessed of a description, and that each guess is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from robots import load_robot
from robots.guess.anatomy import Anatomy
from robots.guess.guesser import Known, guess_robot, write_robot
from robots.guess.stance import middle, stance, stands
from robots.kinematics import centre_of_mass, link_poses
from robots.model import Link, RobotModel
from robots.robot_file import RobotFile
from robots.urdf.reader import read_urdf
from sim2real.errors import RobotError

MASS = '<inertial><mass value="1"/><inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>'
QUADRUPEDS = ["a1", "aliengo", "laikago", "mini_cheetah", "vision60", "spirit40"]


def anatomy(name: str) -> Anatomy:
    model = load_robot(name).model
    return Anatomy(model, np.array([middle(joint) for joint in model.movable]))


@pytest.mark.parametrize("name", QUADRUPEDS)
class TestQuadrupeds:
    """Feet and pose of every quadruped of the catalog, found from its description alone."""

    def test_feet_are_those_of_the_catalog(self, name: str) -> None:
        found = anatomy(name)
        feet = [found.foot(leg).name for leg in found.legs]
        assert feet == list(load_robot(name).file.feet)

    def test_feet_are_level_and_under_the_hips_and_the_weight_is_between_them(self, name: str) -> None:
        found, model = anatomy(name), load_robot(name).model
        stood = stance(found)
        assert stood is not None
        q, note = stood
        poses = link_poses(model, q)
        feet = np.array([poses[found.foot(leg).name][:3, 3] for leg in found.legs])
        assert np.ptp(feet[:, 2]) < 2e-3
        hips = np.array([poses[leg[1].child][:3, 3] for leg in found.legs])
        assert np.abs(feet[:, :2] - hips[:, :2]).max() < 0.03
        assert stands(model, q, feet)
        assert abs(centre_of_mass(model, q)[0] - feet[:, 0].mean()) < 5e-3
        assert "inside" in note
        for joint, angle in zip(model.movable, q.tolist(), strict=True):
            assert joint.limit.lower <= angle <= joint.limit.upper


@pytest.mark.parametrize(
    ("name", "wheels"),
    [("husky", 4), ("racecar", 4), ("r2d2", 4), ("a1", 0), ("kuka_iiwa", 0), ("cartpole", 0), ("furuta", 0)],
)
def test_wheels_are_round_level_and_on_the_ground(name: str, wheels: int) -> None:
    assert len(anatomy(name).wheels) == wheels


@pytest.mark.parametrize(
    ("name", "hand"), [("kuka_iiwa", "lbr_iiwa_link_7"), ("franka_panda", "panda_grasptarget"), ("xarm6", "link6")]
)
def test_hand_is_the_outermost_link(name: str, hand: str) -> None:
    robot = load_robot(name)
    guess = guess_robot(robot.model, "r.urdf")
    assert guess.file["end_effector"] == robot.file.end_effector == hand
    assert guess.file["fixed_base"]
    assert guess.file["fallback"] == "hold"


FINGERS = "".join(
    f"""<link name="a{k}">{MASS}</link>
<link name="b{k}">{MASS}
<collision><origin xyz="0 0 0.1"/><geometry><sphere radius="0.01"/></geometry></collision></link>
<joint name="ja{k}" type="revolute"><parent link="palm"/><child link="a{k}"/><origin xyz="{x} {y} 0.1"/>
<axis xyz="1 0 0"/><limit lower="0" upper="0.5" effort="1" velocity="1"/></joint>
<joint name="jb{k}" type="revolute"><parent link="a{k}"/><child link="b{k}"/><origin xyz="0 0 0.1"/>
<axis xyz="1 0 0"/><limit lower="0" upper="0.5" effort="1" velocity="1"/></joint>"""
    for k, (x, y) in enumerate([(0.1, 0.1), (0.1, -0.1), (-0.1, 0.1), (-0.1, -0.1)])
)
PALM = f"""<robot name="palm"><link name="palm">{MASS}
<collision><geometry><box size="0.3 0.3 0.02"/></geometry></collision></link>{FINGERS}</robot>"""


def test_four_fingers_that_point_up_are_no_legs(write: Callable[[str], Path]) -> None:
    guess = guess_robot(read_urdf(write(PALM)), "palm.urdf")
    assert guess.file["fixed_base"]
    assert "end_effector" not in guess.file
    assert "fixed_base: True: 4 chains look like legs, but it cannot stand" in guess.notes


def test_each_guess_has_a_note() -> None:
    guess = guess_robot(load_robot("laikago").model, "laikago.urdf")
    keys = [note.split(":")[0] for note in guess.notes]
    assert {"fixed_base", "default_pose", "base_height", "imu", "feet"} <= set(keys)
    motors = [motor["joint"] for motor in guess.file["actuators"]]
    assert {f"actuators.{joint}" for joint in motors} <= set(keys)
    assert all("\n" not in note for note in guess.notes)
    RobotFile.model_validate(guess.file)


def test_what_is_known_is_kept() -> None:
    robot = load_robot("a1")
    motors = ({"joint": "FR_hip_joint", "mode": "effort", "effort": 12.0, "kp": None, "armature": 0.01},)
    known = Known("dog", "here", "MIT", ("size",), True, 0.5, {"FR_lower_joint": -2.0}, motors)
    file = guess_robot(robot.model, "a1.urdf", known).file
    assert (file["name"], file["source"], file["licence"], file["repair"]) == ("dog", "here", "MIT", ["size"])
    assert file["base_height"] == 0.5
    assert file["default_pose"]["FR_lower_joint"] == -2.0
    first = next(motor for motor in file["actuators"] if motor["joint"] == "FR_hip_joint")
    assert first == {"joint": "FR_hip_joint", "mode": "effort", "effort": 12.0, "armature": 0.01}


def test_effort_that_the_urdf_lacks_bears_the_robot() -> None:
    """The Mini Cheetah's URDF has no effort limits: standing asks for 4 N m at most, MIT's motors give 17."""
    guess = guess_robot(load_robot("mini_cheetah").model, "m.urdf")
    efforts = [motor["effort"] for motor in guess.file["actuators"]]
    assert all(5.0 < effort < 40.0 for effort in efforts)
    assert any("effort: none in the URDF" in note for note in guess.notes)


def test_a_motor_too_weak_for_the_pose_is_named(write: Callable[[str], Path], sound: str) -> None:
    """1.5 kg held out level at 0.1 m ask for 1.47 N m."""
    level = sound.replace('<axis xyz="0 0 2"/>', '<axis xyz="0 1 0"/>').replace('xyz="0 0 0.1"', 'xyz="0.1 0 0"')
    notes = guess_robot(read_urdf(write(level.replace('effort="10"', 'effort="1"'))), "r.urdf").notes
    assert any("shoulder: CANNOT HOLD: gravity asks it for 1.47" in note for note in notes)
    assert not any("CANNOT HOLD" in note for note in guess_robot(read_urdf(write(level)), "r.urdf").notes)


def test_a_robot_that_cannot_move_is_refused() -> None:
    with pytest.raises(RobotError, match="robot 'stone': no joint can move"):
        guess_robot(RobotModel("stone", (Link("stone"),), ()), "stone.urdf")


@pytest.mark.parametrize(
    ("name", "plain"), [("My Robot-2", "my_robot_2"), ("7-axis arm", "robot_7_axis_arm"), ("Ärmchen", "rmchen")]
)
def test_name_is_made_plain(write: Callable[[str], Path], sound: str, name: str, plain: str) -> None:
    model = read_urdf(write(sound.replace('name="sound"', f'name="{name}"')))
    assert guess_robot(model, "r.urdf").file["name"] == plain


def test_written_robot_loads_and_says_what_was_guessed(
    write: Callable[[str], Path], sound: str, tmp_path: Path
) -> None:
    urdf = write(sound)
    guess = guess_robot(read_urdf(urdf), urdf.name)
    path = write_robot(tmp_path, guess, urdf)
    assert yaml.safe_load(path.read_text())["urdf"] == urdf.name
    robot = load_robot(path)
    assert robot.joint_names == ("shoulder",)
    assert robot.model.name == "sound"
    lines = path.read_text().splitlines()
    assert all(f"# {note}" in lines for note in guess.notes)
    with pytest.raises(RobotError, match=r"robot\.yaml: exists; remove it or give another folder"):
        write_robot(tmp_path, guess, urdf)


def test_urdf_elsewhere_is_referred_to(write: Callable[[str], Path], sound: str, tmp_path: Path) -> None:
    urdf = write(sound)
    path = write_robot(tmp_path / "robots" / "new", guess_robot(read_urdf(urdf), urdf.name), urdf)
    assert load_robot(path.parent).model.joint_names == ("shoulder",)
