"""Mirrors of walking robots: twice mirrored is as before; mirrored worlds stay mirrored under mirrored actions."""

from dataclasses import replace

import numpy as np
import pytest

from robots import Robot, load_robot
from robots.kinematics import rotation
from robots.legs import legs, mirrored
from robots.model import Pose
from sim2real.env import RobotVectorEnv
from sim2real.errors import ConfigError, RobotError
from sim2real.observation import Observer, RobotState
from sim2real.tasks import load_task

NAMES = ("a1", "laikago", "mini_cheetah", "aliengo", "spirit40", "vision60")
each_robot = pytest.mark.parametrize("name", NAMES)


@each_robot
@pytest.mark.parametrize("history", [1, 3])
def test_twice_mirrored_is_as_before(name, history):
    task = load_task("walk", load_robot(name), {"history": history})
    mirror = task.mirror()
    assert sorted(mirror.seen.tolist()) == list(range(task.layout.size))
    assert sorted(mirror.acts.tolist()) == list(range(12))
    np.testing.assert_array_equal(mirror.acts[mirror.acts], np.arange(12))
    np.testing.assert_array_equal(mirror.acts_sign * mirror.acts_sign[mirror.acts], np.ones(12))
    seen = np.random.default_rng(0).normal(size=(4, task.layout.size + 7))
    image = mirror.image(seen)
    assert (np.abs(image - seen)[:, : task.layout.size].max(axis=0) > 0).sum() > task.layout.size / 2
    np.testing.assert_array_equal(mirror.image(image), seen)


@each_robot
def test_motors_move_their_feet_as_their_partners_do_on_the_other_side(name):
    robot = load_robot(name)
    partner, sign = mirrored(robot)
    column = {motor: (leg, k) for leg in legs(robot) for k, motor in enumerate(leg.motors)}
    for motor, (leg, k) in column.items():
        other, there = column[int(partner[motor])]
        assert k == there
        assert leg.place[0] * other.place[0] > 0 > leg.place[1] * other.place[1], "front to front, left to right"
        expected = sign[motor] * leg.jacobian[:, k] * [1, -1, 1]
        np.testing.assert_allclose(other.jacobian[:, there], expected, atol=0.01)
    start = robot.default_q[robot.actuated]
    np.testing.assert_allclose(start[partner] * sign, start, atol=1e-9)


@each_robot
def test_the_gait_in_the_mirror_is_the_gait_half_a_turn_later(name):
    task = load_task("walk", load_robot(name), {})
    mirror, gait = task.mirror(), task.action_map.gait
    assert gait is not None
    rng = np.random.default_rng(0)
    time, velocity = rng.uniform(0, 5, 50), rng.uniform(-1, 1, (50, 3))
    offset = gait.offset(time, velocity)
    image = gait.offset(time + 0.5 / gait.hz, velocity * [1, -1, -1])
    np.testing.assert_allclose(image, offset[:, mirror.acts] * mirror.acts_sign, atol=0.02)
    assert np.abs(offset).max() > 0.1


def test_what_is_seen_of_a_mirrored_robot_is_the_image_of_what_is_seen():
    """Roll and yaw, joints of one side and then of the other: each term by the state that it is made of."""
    robot = load_robot("a1")
    task = load_task("walk", robot, {"history": 1, "gait_hz": 2.5})
    mirror, rng = task.mirror(), np.random.default_rng(0)
    off, dq, action = rng.uniform(-0.3, 0.3, (3, 12))
    quaternion, spin = np.array([0.2, -0.3, 0.4, 0.8]) / np.sqrt(0.93), np.array([0.5, -0.7, 0.9])

    def image(motors: np.ndarray) -> np.ndarray:
        return np.stack([motors, motors[mirror.acts] * mirror.acts_sign])

    turned = quaternion * [-1, 1, -1, 1]  # a rotation as a mirror across x-z shows it
    state = RobotState(
        robot.default_q + image(off),
        image(dq),
        np.stack([quaternion, turned]),
        np.stack([spin, spin * [-1, 1, -1]]),
        image(action),
        np.array([[0.4, 0.2, -0.6], [0.4, -0.2, 0.6]]),
        np.array([0.13, 0.13 + 0.5 / 2.5]),
    )
    seen = Observer(task.layout, 2).restart(state)
    np.testing.assert_allclose(mirror.image(seen[:1]), seen[1:], atol=1e-12)
    assert np.abs(seen[0] - seen[1]).max() > 0.5


def two_worlds(name: str, periods: int, mirrored_too: bool = True) -> np.ndarray:
    """Return how far the second world is from the image of the first, after each period: of joints [rad]: (periods,).

    The first begins off the default pose and follows a command and random actions; the second their mirror images.
    """
    envs = RobotVectorEnv(2, robot=name, task="walk", engine="mujoco", options={"history": 1}, seed=0)
    envs.reset(seed=0)
    robot, gait, mirror, rng = envs.robot, envs.task.action_map.gait, envs.task.mirror(), np.random.default_rng(0)
    assert gait is not None
    acts, sign = (mirror.acts, mirror.acts_sign) if mirrored_too else (np.arange(12), np.ones(12))
    q = np.tile(robot.default_q, (2, 1))
    off = rng.uniform(-0.05, 0.05, 12)
    q[:, robot.actuated] += np.stack([off, off[acts] * sign])
    envs.simulation.reset(q, np.zeros_like(q), np.arange(2))
    envs._command[:] = envs.task.action_map.at_rest(q[:, robot.actuated])
    envs._time[1] = 0.5 / gait.hz
    envs._worlds.command[:] = [[0.4, 0.2, 0.5], [0.4, -0.2, -0.5]]
    rows = []
    for _ in range(periods):
        action = rng.uniform(-0.3, 0.3, 12)
        *_, terminated, _, _ = envs.step(np.stack([action, action[acts] * sign]).astype(np.float32))
        assert not terminated.any(), "a fall begins another episode"
        there = (envs.simulation.state.q - robot.default_q)[:, robot.actuated]
        rows.append(np.abs(there[0, mirror.acts] * mirror.acts_sign - there[1]).max())
    envs.close()
    return np.array(rows)


@pytest.mark.parametrize("name", ["spirit40", "vision60"])
def test_mirrored_worlds_of_a_robot_that_is_symmetric_to_the_gram_stay_mirrored(name):
    assert two_worlds(name, 15).max() < 1e-6
    assert two_worlds(name, 15, mirrored_too=False).max() > 0.1


@pytest.mark.parametrize("name", ["a1", "laikago", "aliengo"])
def test_mirrored_worlds_of_a_robot_with_a_crooked_trunk_stay_nearly_mirrored(name):
    """The trunk of A1 weighs more on the left by 2 mm, that of Aliengo by 4; Laikago's legs differ by 2 mm."""
    assert two_worlds(name, 5).max() < 0.25 * two_worlds(name, 5, mirrored_too=False).max()


def posed(name: str, **angles: float) -> Robot:
    """Return a robot of the catalog with another default pose."""
    robot = load_robot(name)
    pose = dict(robot.file.default_pose) | angles
    return Robot(robot.name, robot.model, robot.file.model_copy(update={"default_pose": pose}), robot.path)


CROOKED = {
    "one leg further forward": (
        posed("a1", FL_upper_joint=0.6),
        r"robot\.yaml: feet: 'FR_toe' has no mirror image; the task's symmetry needs one$",
    ),
    "a knee that bends the other way": (
        posed("a1", FL_upper_joint=-0.9, FL_lower_joint=1.8),
        r"robot\.yaml: 'FR_lower_joint' and 'FL_lower_joint' are not mirror images$",
    ),
}


@pytest.mark.parametrize(("robot", "message"), CROOKED.values(), ids=CROOKED)
def test_legs_that_are_no_mirror_images_are_refused(robot, message):
    task = load_task("walk", robot)
    with pytest.raises(RobotError, match=message) as refusal:
        task.mirror()
    assert "\n" not in str(refusal.value)


def imu_at(joint: str, rpy: tuple[float, float, float]) -> Robot:
    """Return A1 with its IMU's frame turned, or hung on another joint."""
    robot = load_robot("a1")
    joints = [
        replace(j, origin=Pose(j.origin.xyz, rpy), parent=robot.model.joint(joint).parent)
        if j.child == "imu_link"
        else j
        for j in robot.model.joints
    ]
    joints.sort(key=lambda j: j.child == "imu_link")  # after what it hangs on
    return Robot(robot.name, replace(robot.model, joints=tuple(joints)), robot.file, robot.path)


@pytest.mark.parametrize("rpy", [(0.0, 0.0, 0.2), (0.2, 0.0, 0.0)])
def test_an_imu_that_the_mirror_turns_otherwise_than_the_base_is_refused(rpy):
    task = load_task("walk", imu_at("imu_joint", rpy))
    with pytest.raises(
        RobotError, match=r"robot\.yaml: imu: link 'imu_link' is turned against the root link"
    ) as refusal:
        task.mirror()
    assert "\n" not in str(refusal.value)


def test_an_imu_that_moves_against_the_base_is_refused():
    with pytest.raises(
        RobotError, match=r"robot\.yaml: imu: leg odometry needs one on the base; link 'imu_link' moves"
    ):
        load_task("walk", imu_at("FR_toe_fixed", (0.0, 0.0, 0.0)))


@pytest.mark.parametrize("rpy", [(0.0, 0.0, 0.0), (0.0, 0.7, 0.0)])
def test_an_imu_that_is_pitched_or_not_turned_at_all_is_fine(rpy):
    """What it measures under mirrored spins are images: checked here by turning them into its frame."""
    task = load_task("walk", imu_at("imu_joint", rpy))
    layout, mirror = task.layout, task.mirror()
    spin = np.array([0.5, -0.7, 0.9])
    seen = np.zeros((2, layout.size))
    seen[:, :3] = np.stack([spin, spin * [-1, 1, -1]]) @ rotation(rpy)
    np.testing.assert_allclose(mirror.image(seen[:1]), seen[1:], atol=1e-12)


@pytest.mark.parametrize(("task", "robot"), [("balance", "cartpole"), ("reach", "kuka_iiwa")])
def test_a_task_without_symmetry_says_so(task, robot):
    with pytest.raises(ConfigError, match=rf"^a2c\.symmetry: task '{task}' knows none; leave it out$"):
        load_task(task, load_robot(robot)).mirror()
