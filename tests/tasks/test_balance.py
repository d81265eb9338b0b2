"""Balance: first states, what counts as fallen, and the reward of a state, by hand."""

from typing import Any

import numpy as np
import pytest

from robots import load_robot
from sim2real.errors import ConfigError, RobotError
from sim2real.sim.engine import WorldState
from sim2real.tasks import load_task

ROBOT = load_robot("cartpole")
CART, POLE = ROBOT.joint_index("slider_to_cart"), ROBOT.joint_index("cart_to_pole")
NOTHING = np.zeros((1, 0))


def state(x: float = 0.0, angle: float = 0.0) -> WorldState:
    made = WorldState.zeros(ROBOT, 1)
    made.q[:, CART], made.q[:, POLE] = x, angle
    return made


def task(**options: Any) -> Any:
    return load_task("balance", ROBOT, options)


def test_first_states_fill_the_ranges_that_are_asked_for():
    q, dq = task(start_angle=0.2, start_offset=0.5, start_speed=0.3).start(np.random.default_rng(0), 2000)
    travel = np.diff(ROBOT.joint_range("slider_to_cart"))[0] / 2
    for values, most in ((q[:, POLE], 0.2), (q[:, CART], 0.5 * travel), (dq, 0.3)):
        assert np.abs(values).max() <= most
        assert (values.min(), values.max()) == pytest.approx((-most, most), rel=0.02)


@pytest.mark.parametrize(
    ("x", "angle", "fallen"),
    [(0, 0, False), (0, 0.59, False), (0, -0.61, True), (2.3, 0, False), (-2.5, 0, True), (0, 2 * np.pi + 0.1, False)],
)
def test_fallen_or_off_the_rail(x, angle, fallen):
    assert task().failed(state(x, angle)).tolist() == [fallen]


def test_reward_by_hand():
    terms = task().reward(state(1.2, 0.2), np.array([[0.5]]), np.array([[-0.5]]), NOTHING, NOTHING)
    expected = {"alive": 0.1, "upright": -0.5 * 0.04, "centre": -0.1 * 0.25, "effort": -0.0025, "smooth": -0.02}
    assert {name: float(value[0]) for name, value in terms.items()} == pytest.approx(expected)


def test_nothing_is_commanded():
    made = task()
    assert made.command(np.random.default_rng(0)).shape == (0,)
    assert made.deviation(state(), NOTHING) == {}
    assert made.privileged(state(), NOTHING, NOTHING).shape == (1, 0)


def test_a_robot_without_the_roles_is_refused():
    with pytest.raises(RobotError, match=r"robot\.yaml: roles\.pole: missing"):
        load_task("balance", load_robot("kuka_iiwa"))


def test_with_pixels_the_critic_may_see_what_pictures_show_badly():
    made = task(pixels={"camera": "side", "width": 32, "height": 8}, history=2)
    assert made.layout.picture == (8, 32, 2)
    here = state(1.2, 0.3)
    here.dq[:, POLE], here.dq[:, CART] = 0.7, -0.4
    np.testing.assert_allclose(made.privileged(here, NOTHING, NOTHING), [[0.5, 0.5, 0.7, -0.4]])


def test_a_robot_without_the_camera_is_refused():
    with pytest.raises(ConfigError, match=r"has no camera 'front'; it has side"):
        task(pixels={"camera": "front", "width": 32, "height": 8})
