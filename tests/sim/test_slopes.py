"""Height over a floor that slopes: along its normal, in both engines, through redraws, resets and rebuilt worlds."""

import os
import signal
from collections.abc import Callable, Iterator
from math import cos, sin
from typing import Any

import numpy as np
import pytest

from randomization import Variant
from robots import load_robot
from sim2real.sim import make_engine
from sim2real.sim.pool import EnginePool
from sim2real.sim.simulation import Simulation

A1, CARTPOLE = load_robot("a1").at(250), load_robot("cartpole")
SLOPE = 0.15
WAYS = np.array([0.0, 1.0, -2.5])  # uphill, from the world's x [rad]
Make = Callable[..., Simulation]


@pytest.fixture
def simulate(engine_name: str) -> Iterator[Make]:
    made: list[Simulation] = []

    def _simulate(n: int = 3, robot: Any = A1, workers: int = 0) -> Simulation:
        made.append(Simulation(make_engine(engine_name, robot, n, workers), 0))
        return made[-1]

    yield _simulate
    for simulation in made:
        simulation.close()


def sloping(simulation: Simulation, slope: Any = SLOPE, ways: Any = WAYS, n: int = 3) -> Variant:
    return Variant.of(simulation.engine.space, {"slope": slope, "slope_direction": ways}, n)


def normals(slope: float, ways: Any) -> np.ndarray:
    """Unit normals of floors that rise by `slope` towards `ways`: (n, 3)."""
    return np.array([[-sin(slope) * cos(way), -sin(slope) * sin(way), cos(slope)] for way in np.atleast_1d(ways)])


def restart(simulation: Simulation, worlds: Any = (0, 1, 2), variant: Variant | None = None) -> None:
    robot, index = simulation.robot, np.array(worlds)
    q = np.tile(robot.default_q, (len(index), 1))
    simulation.reset(q, np.zeros_like(q), index, variant)


def rest(simulation: Simulation, periods: int = 25) -> None:
    robot = simulation.robot
    for _ in range(periods):
        simulation.advance(np.tile(robot.default_q[robot.actuated], (simulation.n_worlds, 1)))


def diverge(simulation: Simulation, world: int) -> None:
    """Let a world's physics run away, by a push that no robot survives."""
    push = np.zeros((simulation.n_worlds, 3))
    push[world] = 1e9
    command = np.tile(simulation.robot.default_q[simulation.robot.actuated], (simulation.n_worlds, 1))
    simulation.engine.step(command, np.zeros(simulation.n_worlds), push)
    assert simulation.state.healthy.tolist() == [k != world for k in range(simulation.n_worlds)]


def test_on_a_level_floor_height_is_z(simulate):
    simulation = simulate()
    np.testing.assert_array_equal(simulation.state.floor, np.tile([0.0, 0.0, 1.0], (3, 1)))
    restart(simulation)
    rest(simulation)
    np.testing.assert_array_equal(simulation.state.height, simulation.state.base_position[:, 2])
    assert simulation.state.height == pytest.approx(A1.file.base_height, abs=0.02)


@pytest.mark.parametrize("roughness", [0.0, 0.02])
def test_a_robot_at_rest_on_a_slope_is_as_high_as_on_a_level_floor(simulate, roughness):
    simulation = simulate()
    variant = Variant.of(simulation.engine.space, {"slope": SLOPE, "slope_direction": WAYS, "roughness": roughness}, 3)
    restart(simulation, variant=variant)
    assert simulation.state.height == pytest.approx(A1.file.base_height, abs=1e-6 + roughness)
    rest(simulation)
    np.testing.assert_allclose(simulation.state.floor, normals(SLOPE, WAYS), atol=1e-12)
    assert simulation.state.height == pytest.approx(A1.file.base_height, abs=0.02 + roughness)


def test_far_up_and_down_a_slope_the_height_is_the_same(simulate):
    """The base is put 2 m away, along the slope, from where the floor is as high as the world's origin."""
    simulation = simulate(1)
    restart(simulation, [0], sloping(simulation, ways=0.5, n=1))
    state = simulation.state
    before = state.height.copy()
    uphill = np.array([cos(SLOPE) * cos(0.5), cos(SLOPE) * sin(0.5), sin(SLOPE)])
    for away in (-2.0, 2.0):
        state.base_position[:] += away * uphill
        assert state.height == pytest.approx(before, abs=1e-9)
        assert abs(state.base_position[0, 2] - before[0]) > 0.25
        state.base_position[:] -= away * uphill


def test_a_redraw_tilts_the_floors_of_its_worlds_alone(simulate):
    simulation = simulate()
    restart(simulation)
    simulation.redraw(np.array([2, 0]), sloping(simulation, np.array([0.1, 0.2]), np.array([0.3, -0.4]), 2))
    expected = np.concatenate([normals(0.2, -0.4), normals(0.0, 0.0), normals(0.1, 0.3)])
    for _ in range(2):
        np.testing.assert_allclose(simulation.state.floor, expected, atol=1e-12)
        rest(simulation, 2)
    restart(simulation, [0, 1])
    np.testing.assert_allclose(simulation.state.floor, expected, atol=1e-12)
    simulation.redraw(np.arange(3), sloping(simulation, 0.0))
    np.testing.assert_allclose(simulation.state.floor, normals(0.0, WAYS), atol=1e-12)


def test_a_rebuilt_world_has_its_slope(simulate):
    simulation = simulate()
    restart(simulation, variant=sloping(simulation))
    diverge(simulation, 1)
    assert simulation.state.height[1] == pytest.approx(A1.file.base_height), "the harmless state that stands for it"
    np.testing.assert_allclose(simulation.state.floor[[0, 2]], normals(SLOPE, WAYS[[0, 2]]), atol=1e-12)
    restart(simulation, [1])
    assert simulation.engine.rebuilt == 1
    rest(simulation)
    np.testing.assert_allclose(simulation.state.floor, normals(SLOPE, WAYS), atol=1e-12)
    assert simulation.state.height == pytest.approx(A1.file.base_height, abs=0.02)


def test_a_rebuilt_world_has_the_slope_it_was_given_meanwhile(simulate):
    simulation = simulate()
    restart(simulation)
    diverge(simulation, 1)
    restart(simulation, [1], sloping(simulation, ways=0.5, n=1))
    rest(simulation)
    np.testing.assert_allclose(simulation.state.floor[1], normals(SLOPE, 0.5)[0], atol=1e-12)
    assert simulation.state.height == pytest.approx(A1.file.base_height, abs=0.02)


def test_with_workers_and_after_one_has_died(simulate, engine_name):
    simulation, alone = simulate(workers=2), simulate()
    for each in (simulation, alone):
        restart(each, variant=sloping(each))
        rest(each, 3)
    np.testing.assert_array_equal(simulation.state.floor, alone.state.floor)
    np.testing.assert_array_equal(simulation.state.height, alone.state.height)
    engine = simulation.engine
    if engine_name == "mujoco":
        return  # its workers are threads
    assert isinstance(engine, EnginePool)
    os.kill(engine.pids[1], signal.SIGKILL)
    rest(simulation, 1)
    lost = np.flatnonzero(~simulation.state.healthy)
    assert 0 < len(lost) < 3
    restart(simulation, lost)
    rest(simulation)
    np.testing.assert_allclose(simulation.state.floor, normals(SLOPE, WAYS), atol=1e-12)
    assert simulation.state.height == pytest.approx(A1.file.base_height, abs=0.02)


def test_robots_that_are_bolted_down_have_no_slope(simulate):
    simulation = simulate(2, CARTPOLE)
    nominal = Variant(simulation.engine.space, np.tile(simulation.engine.space.nominal, (2, 1)))
    simulation.reset(np.zeros((2, 2)), np.zeros((2, 2)), np.arange(2), nominal)
    np.testing.assert_array_equal(simulation.state.floor, [[0, 0, 1], [0, 0, 1]])
