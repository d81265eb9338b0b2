"""How feet move, against differences of where the kinematics of the whole robot puts them."""

from dataclasses import replace

import numpy as np
import pytest

from robots import Robot, load_robot
from robots.extent import reach
from robots.feet import Feet
from robots.kinematics import Array, link_poses

NAMES = ("a1", "laikago", "mini_cheetah", "aliengo", "spirit40", "vision60")
H = 1e-6


def turn(spin: Array) -> Array:
    """Rotation matrix of a small turn about `spin` [rad], to first order."""
    x, y, z = spin
    matrix: Array = np.eye(3) + np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return matrix


def lowest(robot: Robot, foot: str, q: Array, down: Array) -> Array:
    """Where a foot that is a ball is farthest down, in the root link's frame."""
    shape = robot.model.link(foot).collisions[0]
    pose = link_poses(robot.model, q)[foot]
    centre = pose[:3, :3] @ shape.origin.xyz + pose[:3, 3]
    x, y, z = down.tolist()
    far: Array = centre + down * (reach(robot.model.link(foot), pose, (x, y, z)) - centre @ down)
    return far


@pytest.mark.parametrize("name", NAMES)
def test_the_speed_of_a_ball_is_that_of_its_matter_at_the_floor(name):
    robot, rng = load_robot(name), np.random.default_rng(0)
    n = 5
    q, dq = robot.default_q + rng.normal(size=(n, robot.n_joints)) * 0.3, rng.normal(size=(n, robot.n_joints)) * 3
    velocity, spin, down = (rng.normal(size=(n, 3)) for _ in range(3))
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    found = Feet(robot).velocities(q, dq, velocity, spin, down)
    assert found.shape == (n, 4, 3)
    for world in range(n):
        for k, foot in enumerate(robot.file.feet):
            here = lowest(robot, foot, q[world], down[world])
            poses = [link_poses(robot.model, q[world] + sign * H * dq[world])[foot] for sign in (-1, 0, 1)]
            matter = np.linalg.inv(poses[1]) @ [*here, 1.0]  # in the foot's frame, where it stays
            ends = [
                turn(sign * H * spin[world]) @ (pose @ matter)[:3] + sign * H * velocity[world]
                for sign, pose in zip((-1, 1), (poses[0], poses[2]), strict=True)
            ]
            np.testing.assert_allclose(found[world, k], (ends[1] - ends[0]) / (2 * H), atol=1e-6)


def test_a_ball_that_rolls_does_not_slip():
    """A knee that turns by 1 rad/s moves the foot's centre; a base that moves by what it rolls stops its contact."""
    robot = load_robot("a1")
    dq = np.zeros((1, robot.n_joints))
    dq[0, robot.joint_index("FR_lower_joint")] = 1.0
    down, still = np.array([[0.0, 0.0, -1.0]]), np.zeros((1, 3))
    q = robot.default_q[None]
    moved = Feet(robot).velocities(q, dq, still, still, down)[0, 0]
    rolling = Feet(robot).velocities(q, dq, -moved[None], still, down)[0, 0]
    np.testing.assert_allclose(rolling, 0.0, atol=1e-12)
    centre = link_poses(robot.model, q[0] + H * dq[0])["FR_toe"][:3, 3] - link_poses(robot.model, q[0])["FR_toe"][:3, 3]
    assert np.linalg.norm(centre / H - moved) == pytest.approx(0.02, rel=1e-3), "1 rad/s times the ball's radius"


def test_the_sole_of_a_box_is_in_the_middle_of_its_lowest_side():
    robot = load_robot("humanoid")
    spin, n = np.array([[0.0, 0.0, 1.0]]), np.zeros((1, robot.n_joints))
    moved = Feet(robot).velocities(robot.default_q[None], n, np.zeros((1, 3)), spin, np.array([[0.0, 0.0, -1.0]]))[0]
    poses = link_poses(robot.model, robot.default_q)
    for foot, velocity in zip(robot.file.feet, moved, strict=True):
        box = robot.model.link(foot).collisions[0]
        x, y, _ = poses[foot][:3, :3] @ box.origin.xyz + poses[foot][:3, 3]
        np.testing.assert_allclose(velocity, [-y, x, 0.0], atol=1e-9)


def test_a_foot_that_nothing_can_touch_is_its_origin():
    robot = load_robot("a1")
    links = tuple(replace(link, collisions=()) if link.name == "FR_toe" else link for link in robot.model.links)
    spin = np.array([[0.0, 0.0, 1.0]])
    bare = replace(robot, model=replace(robot.model, links=links))
    still = np.zeros((1, robot.n_joints))
    moved = Feet(bare).velocities(robot.default_q[None], still, np.zeros((1, 3)), spin, -spin)[0, 0]
    x, y, _ = link_poses(robot.model, robot.default_q)["FR_toe"][:3, 3]
    np.testing.assert_allclose(moved, [-y, x, 0.0], atol=1e-12)
