"""Legs of three robots: which motors move a foot, how, and how far they must turn to lift it."""

import numpy as np
import pytest

from robots import load_robot
from robots.legs import foot_place, legs, lifted
from sim2real.errors import RobotError

NAMES = ("a1", "laikago", "mini_cheetah")
ROBOTS = {name: load_robot(name) for name in NAMES}
each_robot = pytest.mark.parametrize("robot", ROBOTS.values(), ids=NAMES)


def turned(robot, leg, by):
    """Joint positions with the leg's motors turned from the default pose by (3,) [rad]."""
    q = robot.default_q.copy()
    q[robot.actuated[list(leg.motors)]] += by
    return q


@each_robot
def test_four_legs_of_three_motors_each_in_the_order_of_the_feet(robot):
    found = legs(robot)
    assert tuple(leg.foot for leg in found) == robot.file.feet
    assert sorted(m for leg in found for m in leg.motors) == list(range(12))
    for k, leg in enumerate(found):
        assert leg.motors == (3 * k, 3 * k + 1, 3 * k + 2), "hip, thigh and calf, as robot.yaml lists them"


@each_robot
def test_feet_stand_right_and_left_front_and_rear_below_the_base(robot):
    x, y, z = np.array([leg.place for leg in legs(robot)]).T
    assert (np.sign(x) == [1, 1, -1, -1]).all()
    assert (np.sign(y) == [-1, 1, -1, 1]).all()
    # What stands on the ground is a sphere of at most 4 cm around the foot's origin.
    assert ((z > -robot.file.base_height - 1e-3) & (z < -robot.file.base_height + 0.04)).all()


@each_robot
def test_the_jacobian_tells_where_a_foot_goes(robot):
    rng = np.random.default_rng(0)
    for leg in legs(robot):
        by = rng.uniform(-1e-3, 1e-3, 3)
        moved = foot_place(robot, leg.foot, turned(robot, leg, by)) - leg.place
        np.testing.assert_allclose(moved, leg.jacobian @ by, atol=2e-6)
        assert np.linalg.norm(moved) > 1e-5
        others = robot.default_q + 1.0
        joints = robot.actuated[list(leg.motors)]
        others[joints] = robot.default_q[joints]
        np.testing.assert_allclose(foot_place(robot, leg.foot, others), leg.place, atol=1e-12)


@each_robot
@pytest.mark.parametrize("share", [0.05, 0.25, 0.4])
def test_lifting_takes_a_foot_straight_up(robot, share):
    for leg in legs(robot):
        height = -share * leg.place[2]
        there = foot_place(robot, leg.foot, turned(robot, leg, lifted(robot, leg, height)))
        np.testing.assert_allclose(there - leg.place, [0, 0, height], atol=2e-4)


def test_a_foot_that_cannot_be_lifted_so_far():
    robot = ROBOTS["a1"]
    with pytest.raises(RobotError, match=r"robot\.yaml: feet: 'FR_toe' cannot be lifted by -1 m from the default pose"):
        lifted(robot, legs(robot)[0], -1.0)


def test_a_foot_that_no_motor_moves():
    robot = ROBOTS["a1"]
    fixed = type(robot)(
        robot.name, robot.model, robot.file.model_copy(update={"feet": (robot.model.root.name,)}), robot.path
    )
    with pytest.raises(RobotError, match=r"feet: no motor moves '\w+'; name links at the end of legs"):
        legs(fixed)
