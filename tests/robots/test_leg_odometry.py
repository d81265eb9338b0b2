"""Leg odometry beside motions that are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from robots import load_robot
from robots.leg_odometry import LegOdometer, LegOdometry
from robots.legs import Leg, legs
from sim2real.config import validate
from sim2real.errors import ConfigError, RobotError

Array = NDArray[np.float64]
A1 = load_robot("a1")
PAIRS = (0, 1, 1, 0)  # FR, FL, RR, RL
ODOMETRY = LegOdometry.of(A1, PAIRS, 0.4)
DOWN, STILL = np.array([[0.0, 0.0, -1.0]]), np.zeros((1, 3))


def posed(offsets: dict[int, Array]) -> Array:
    """Return joint positions (1, n) with some feet moved by offsets (3,) [m] from the default pose, nearly."""
    q = A1.default_q.copy()
    every: tuple[Leg, ...] = legs(A1)
    for foot, offset in offsets.items():
        leg = every[foot]
        q[A1.actuated[list(leg.motors)]] += np.linalg.pinv(leg.jacobian) @ offset
    return q[None]


def walked(velocity: Array, seconds: float = 3.0) -> Array:
    """Return the estimate while one pair stands, and moves against the base, in turn with the other, raised by 5 cm."""
    odometer, dt = LegOdometer(ODOMETRY, A1.joint_names, 1), A1.control_dt
    lifted = np.array([0.0, 0.0, 0.05])
    value = odometer.restart(posed({}), DOWN)
    for step in range(round(seconds / dt)):
        half, within = divmod(step, 10)
        back = -velocity * dt * (within - 4.5)
        stands, swings = ((0, 3), (1, 2)) if half % 2 else ((1, 2), (0, 3))
        q = posed(dict.fromkeys(stands, back) | dict.fromkeys(swings, lifted - 3 * back))
        value = odometer.observe(q, DOWN, STILL)
    found: Array = value[0]
    return found


def test_feet_that_stand_tell_the_speed_whatever_the_others_do():
    """The estimate holds while the pairs change, one period of ten, and the Jacobian is that of the default pose."""
    assert walked(np.array([0.3, 0.0, 0.0])) == pytest.approx([0.3, 0.0, 0.0], abs=0.03)
    assert walked(np.array([0.0, -0.2, 0.0])) == pytest.approx([0.0, -0.2, 0.0], abs=0.03)


def test_the_gyroscope_tells_the_turn_and_feet_at_rest_then_mean_a_sliding_base():
    """A base that turns about a foot's place carries the others past the ground, unless they move against it."""
    odometer = LegOdometer(ODOMETRY, A1.joint_names, 1)
    odometer.restart(posed({}), DOWN)
    value = odometer.value
    for _ in range(200):
        value = odometer.observe(posed({}), DOWN, np.array([[0.0, 0.0, 0.5]]))
    assert value[0, 2] == pytest.approx(0.5, abs=1e-3)
    assert value[0, :2] == pytest.approx([0.0, 0.0], abs=0.01)  # a diagonal pair is nearly centred on the base


def test_an_imu_may_be_mounted_askew():
    """Half a turn about x: what it says of y and z is the other way round."""
    odometer = LegOdometer(ODOMETRY.model_copy(update={"imu": (np.pi, 0.0, 0.0)}), A1.joint_names, 1)
    odometer.restart(posed(dict.fromkeys((0, 3), np.array([0.0, 0.0, 0.03]))), -DOWN)
    assert odometer._stands.tolist() == [1]
    value = odometer.value
    for _ in range(200):
        value = odometer.observe(posed({}), -DOWN, np.array([[0.0, 0.0, -0.5]]))
    assert value[0, 2] == pytest.approx(0.5, abs=1e-3)


def test_the_memory_is_as_long_as_it_says():
    odometer = LegOdometer(ODOMETRY, A1.joint_names, 1)
    odometer.restart(posed({}), DOWN)
    for _ in range(round(0.4 / A1.control_dt)):
        value = odometer.observe(posed({}), DOWN, np.array([[0.0, 0.0, 1.0]]))
    assert value[0, 2] == pytest.approx(1.0 - np.exp(-1.0))


def test_a_leaning_robot_stands_on_what_is_lower():
    odometer = LegOdometer(ODOMETRY, A1.joint_names, 1)
    raised = posed(dict.fromkeys((0, 3), np.array([0.0, 0.0, 0.03])))
    odometer.restart(raised, DOWN)
    assert odometer._stands.tolist() == [1]
    odometer.restart(posed(dict.fromkeys((1, 2), np.array([0.0, 0.0, 0.03]))), DOWN)
    assert odometer._stands.tolist() == [0]


def test_robots_do_not_depend_on_one_another_and_restart_alone():
    rng = np.random.default_rng(0)
    many, alone = LegOdometer(ODOMETRY, A1.joint_names, 5), LegOdometer(ODOMETRY, A1.joint_names, 1)
    q = A1.default_q + rng.normal(0.0, 0.1, (20, 5, len(A1.default_q)))
    spin, down = rng.normal(0.0, 1.0, (20, 5, 3)), np.tile(DOWN, (5, 1))
    many.restart(q[0], down)
    for step in range(10):
        many.observe(q[step], down, spin[step])
    many.restart(q[10, 3:4], DOWN, np.array([3]))
    alone.restart(q[10, 3:4], DOWN)
    for step in range(11, 20):
        both = many.observe(q[step], down, spin[step]), alone.observe(q[step, 3:4], DOWN, spin[step, 3:4])
        assert np.array_equal(both[0][3], both[1][0])


def test_what_it_needs_of_a_robot():
    with pytest.raises(RobotError, match="two feet and an imu"):
        LegOdometry.of(load_robot("kuka_iiwa"), PAIRS, 0.4)
    with pytest.raises(ConfigError, match="groups: one number for each of feet"):
        validate(LegOdometry, ODOMETRY.model_dump() | {"groups": (0, 2, 2, 0)}, "odometry")
