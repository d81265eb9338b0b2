"""The contract of each robot of the catalog with both engines: it loads alike, and stands still under its own gains."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from robots import load_robot, robot_names
from sim2real.sim import ENGINES
from sim2real.sim.inspect import inspect

Unsteady = Callable[..., dict[str, float]]


@pytest.mark.parametrize("name", robot_names())
class TestContract:
    """What each robot of the catalog keeps by itself."""

    def test_both_engines_have_its_joints_and_limits(self, name: str) -> None:
        robot = load_robot(name)
        model, q = robot.model, robot.default_q[None]
        limits = np.array([[j.limit.lower, j.limit.upper] for j in model.movable]).T
        for engine_name in ENGINES:
            seen = inspect(model, engine_name, q, np.zeros_like(q), np.zeros_like(q))
            assert sorted(seen.joint_names) == sorted(robot.joint_names)
            order = [robot.joint_names.index(joint) for joint in seen.joint_names]
            np.testing.assert_allclose(seen.limits, limits[:, order], rtol=1e-6)

    @pytest.mark.parametrize("engine_name", list(ENGINES))
    def test_it_holds_its_default_pose_for_5_s(self, unsteady: Unsteady, name: str, engine_name: str) -> None:
        assert unsteady(load_robot(name), engine_name) == {}


@pytest.mark.parametrize("engine_name", list(ENGINES))
def test_a_robot_that_cannot_hold_itself_is_seen(unsteady: Unsteady, engine_name: str) -> None:
    robot = load_robot("a1")
    weak = tuple(a.model_copy(update={"kp": a.kp / 20}) for a in robot.actuators)
    robot = replace(robot, file=robot.file.model_copy(update={"actuators": weak}))
    assert {"sags", "sinks"} <= unsteady(robot, engine_name).keys()
