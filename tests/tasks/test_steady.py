"""The steady-state error of a command."""

import numpy as np
import pytest
from numpy.typing import NDArray

from robots import load_robot
from sim2real.env import RobotVectorEnv
from sim2real.sim.engine import WorldState
from sim2real.tasks import load_task
from sim2real.tasks.steady import SteadyError

A1 = load_robot("a1")
WALK = load_task("walk", A1)
COMMAND = np.array([[0.3, 0.0, 0.0]])


def after(seconds: float, *, since: float, off: float, swing: float = 0.0) -> NDArray[np.float64]:
    """Return the errors after walking `off` too fast [m/s], swinging by `swing` at 5 Hz, with a command that old."""
    steady, state = SteadyError(WALK, 1, A1.control_dt), WorldState.zeros(A1, 1)
    value = steady.value
    for step in range(round(seconds / A1.control_dt)):
        time = step * A1.control_dt
        state.base_velocity[0, 0] = 0.3 + off + swing * np.sin(2 * np.pi * 5.0 * time)
        value = steady.observe(state, COMMAND, np.array([since + time]))
    found: NDArray[np.float64] = value[0]
    return found


def test_a_constant_error_shows_and_a_stride_does_not():
    assert after(3.0, since=1.0, off=0.05) == pytest.approx([0.05, 0.0, 0.0], abs=1e-4)
    assert after(3.0, since=1.0, off=0.0, swing=0.1) == pytest.approx([0.0, 0.0, 0.0], abs=0.01)


def test_it_forgets_as_the_task_says():
    within = after(WALK.steady_s, since=1.0, off=0.05)
    assert within[0] == pytest.approx(0.05 * (1.0 - np.exp(-1.0)), rel=1e-6)


def test_nothing_counts_until_a_command_has_stood_for_a_while():
    assert after(0.9, since=0.0, off=0.05) == pytest.approx(np.zeros(3))
    assert after(1.1, since=0.0, off=0.05)[0] > 0.005


def test_tasks_that_do_not_ask_pay_nothing():
    arm = load_robot("kuka_iiwa")
    steady = SteadyError(load_task("reach", arm), 2, arm.control_dt)
    assert steady.observe(WorldState.zeros(arm, 2), np.zeros((2, 3)), np.zeros(2)).shape == (2, 0)


def test_an_episode_begins_without_the_error_of_the_last():
    """What a critic sees of a world that has just begun anew is free of what was before."""
    envs = RobotVectorEnv(2, "a1", "walk", "mujoco", privileged=True, seed=0, options={"episode_s": 1.5, "stand": 0.0})
    envs.reset(seed=0)
    for _ in range(74):
        *_, infos = envs.step(np.zeros((2, 12), np.float32))
    assert np.abs(infos["privileged"][:, 7:10]).min() > 1e-4
    *_, infos = envs.step(np.zeros((2, 12), np.float32))
    assert np.abs(infos["final_privileged"][:, 7:10]).min() > 1e-4
    assert infos["privileged"][:, 7:10] == pytest.approx(np.zeros((2, 3)))
    envs.close()
