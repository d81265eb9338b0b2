"""Simulation: a world lives through the same alone and among others, and nothing that is handed out changes later."""

from dataclasses import replace

import numpy as np
import pytest

from randomization import Randomization, Variant
from randomization.draws import Draws
from robots import Robot, load_robot
from sim2real.sim import make_engine
from sim2real.sim.simulation import Simulation

N_WORLDS, PERIODS = 6, 30


def coarse(name: str) -> Robot:
    """Return a robot of the catalog with 4 ms of physics."""
    robot = load_robot(name)
    return replace(robot, file=robot.file.model_copy(update={"physics_hz": 250}))


def everything(robot: Robot) -> Randomization:
    """Return what varies in training, with readings that come late and pushes within an episode."""
    ranges = {
        "ground_friction": (0.3, 1.2),
        "kp/*": (0.7, 1.3),
        "kd/*": (0.7, 1.3),
        "strength/*": (0.6, 1.0),
        "payload/trunk": (-1.0, 5.0),
        "com_x/trunk": (-0.05, 0.05),
        "armature/*": (0.0, 0.02),
        "damping/*": (0.0, 0.5),
        "latency": (0.0, 0.02),
        "zero_offset/*": (-0.03, 0.03),
        "encoder_delay": (0.0, 0.03),
        "gyro_delay": (0.0, 0.01),
        "push_impulse": (5.0, 12.0),
        "push_direction": (-3.0, 3.0),
        "push_interval": (0.1, 0.3),
    }
    noise = {"gyro_noise/*": 0.05, "orientation_noise/*": 0.01, "encoder_noise/*": 0.005, "velocity_noise/*": 0.3}
    quantities = {key: {"law": "uniform", "low": a, "high": b} for key, (a, b) in ranges.items()}
    quantities |= {key: {"law": "fixed", "value": value} for key, value in noise.items()}
    return Randomization.from_dict({"robot": robot.name, "quantities": quantities}, robot)


def live(worlds: int, first: int) -> list[np.ndarray]:
    """Live through episodes that begin at different times; return what sensors gave: (worlds, n) each period."""
    robot = coarse("a1")
    simulation = Simulation(make_engine("mujoco", robot, worlds), 3, first)
    draws = Draws(everything(robot), 3, worlds, first)
    rng, rows = np.random.default_rng(0), []
    actions = rng.normal(0, 0.3, (PERIODS, N_WORLDS, robot.n_actuators))[:, first : first + worlds]
    for period in range(PERIODS):
        ending = np.flatnonzero((period + first + np.arange(worlds)) % 11 == 0) if period else np.arange(worlds)
        if len(ending):
            q = np.tile(robot.default_q, (len(ending), 1))
            simulation.reset(q, np.zeros_like(q), ending, draws.begin(ending))
        simulation.advance(robot.default_q[robot.actuated] + actions[period])
        rows.append(np.concatenate([*simulation.sense(), simulation.state.q, simulation.state.base_velocity], axis=1))
    simulation.close()
    return rows


def test_a_world_lives_through_the_same_alone_and_among_others():
    together = live(N_WORLDS, 0)
    for world in (0, 4):
        for alone, all_of_them in zip(live(1, world), together, strict=True):
            np.testing.assert_array_equal(alone[0], all_of_them[world])


@pytest.fixture
def cartpole():
    simulation = Simulation(make_engine("mujoco", load_robot("cartpole"), 3), 0)
    yield simulation
    simulation.close()


def test_a_variant_that_was_handed_out_stays_as_it_was(cartpole):
    before = cartpole.variant
    kept = before.values.copy()
    heavy = Variant.of(before.space, {"mass/pole": np.array([2.0, 3.0])}, 2)
    cartpole.redraw(np.array([2, 0]), heavy)
    np.testing.assert_array_equal(before.values, kept)
    np.testing.assert_array_equal(cartpole.variant["mass/pole"], [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(cartpole.truth(np.array([2, 0])), heavy.values)
    cartpole.truth(np.array([1]))[:] = np.nan
    assert not np.isnan(cartpole.variant.values).any()


def test_commands_belong_to_who_gave_them(cartpole):
    command = np.full((3, 1), 0.5)
    cartpole.advance(command)
    cartpole.reset(np.zeros((3, 2)), np.zeros((3, 2)), np.arange(3))
    np.testing.assert_array_equal(command, 0.5)
