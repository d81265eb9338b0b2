"""Every coordinate of a Variant does something, the nominal one does nothing, and no history shows through a reset."""

from typing import Any

import numpy as np
import pytest

from randomization import QUANTITIES, Randomization, Variant, VariantSpace, stream
from robots import Robot, load_robot
from sim2real.sim import Engine, WorldState
from sim2real.sim.sensors import Encoders
from sim2real.sim.simulation import Simulation

# A value for each quantity that nobody could overlook. A new quantity needs an entry here.
EXTREMES = {
    "mass": 3.0,
    "inertia": 3.0,
    "damping": 0.05,
    "friction": 0.05,
    "strength": 0.3,
    "latency": 0.05,
    "jitter": 0.05,
    "encoder_noise": 0.01,
    "encoder_bias": 0.05,
    "encoder_resolution": 0.05,
    "velocity_noise": 0.1,
}
SENSORS = {"encoder_noise", "encoder_bias", "encoder_resolution", "velocity_noise"}
# What mechanics does not feel: a bolted base, and the inertia of what only slides.
INERT = {"mass/base_link", "inertia/base_link", "inertia/cart"}


def history(engine: Engine, variant: Variant | None, periods: int = 50) -> dict[str, np.ndarray]:
    """Run one world under a Variant; return the true and the measured q and dq: (periods, 2 n_joints) each."""
    robot = engine.robot
    simulation = Simulation(engine, stream(0, "test"))
    simulation.reset(robot.default_q[None] + 0.1, np.full((1, robot.n_joints), 0.2), np.arange(1), variant)
    true, measured = [], []
    for k in range(periods):
        simulation.advance(np.full((1, robot.n_actuators), 0.5 * np.sin(0.3 * k)))
        senses = simulation.sense()
        true.append(np.concatenate([engine.state.q[0], engine.state.dq[0]]))
        measured.append(np.concatenate([senses.q[0], senses.dq[0]]))
    return {"true": np.array(true), "measured": np.array(measured)}


@pytest.mark.parametrize("quantity", [q.name for q in QUANTITIES])
@pytest.mark.parametrize("name", ["cartpole", "furuta"])
def test_each_coordinate_acts(make, name, quantity):
    robot = load_robot(name)
    engine = make(robot)
    nominal = history(engine, Variant.nominal(engine.space))
    for coordinate in engine.space.names[engine.space.block(quantity)]:
        changed = history(engine, Variant.of(engine.space, {coordinate: EXTREMES[quantity]}))
        difference = np.abs(changed["measured"] - nominal["measured"]).max()
        if coordinate in INERT:
            assert difference == pytest.approx(0.0, abs=1e-12)
        else:
            assert difference > 1e-5, coordinate
        if quantity in SENSORS:
            np.testing.assert_array_equal(changed["true"], nominal["true"])


@pytest.mark.parametrize("name", ["cartpole", "furuta"])
def test_nominal_changes_nothing(make, name):
    robot = load_robot(name)
    untouched = history(make(robot), None)
    nominal = history(make(robot), Variant.nominal(VariantSpace(robot)))
    np.testing.assert_array_equal(nominal["true"], untouched["true"])
    np.testing.assert_array_equal(nominal["measured"], untouched["true"])


@pytest.mark.parametrize("resets", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["cartpole", "furuta", "box on the floor"])
def test_no_history_shows_through_a_reset(make, make_robot, name, resets):
    if name in ("cartpole", "furuta"):
        robot = load_robot(name)
    else:
        robot = make_robot("box", {"joint": "axle"}, fixed_base=False, base_height=0.105)
    engine = make(robot, 2)
    rng = np.random.default_rng(0)
    family = anything(robot)
    both = np.arange(2)
    for _ in range(resets // 2):
        engine.apply(family.draw(rng, 2), both)
        q, dq = rng.normal(size=(2, 2, robot.n_joints))
        engine.reset(q, dq, both)
        engine.step(rng.normal(size=(2, robot.n_actuators)), rng.uniform(0, 0.05, 2))
    engine.apply(Variant.nominal(engine.space, 2), both)
    fresh = history(make(robot), None)
    assert engine.rebuilt == 0
    np.testing.assert_array_equal(history_of_all(engine)[:, 1], fresh["true"])
    np.testing.assert_array_equal(history_of_all(engine)[:, 0], fresh["true"])


def history_of_all(engine: Engine) -> np.ndarray:
    """Run all worlds as `history` does one, without its Simulation: (periods, n_worlds, 2 n_joints)."""
    robot, n = engine.robot, engine.n_worlds
    engine.reset(np.tile(robot.default_q + 0.1, (n, 1)), np.full((n, robot.n_joints), 0.2), np.arange(n))
    rows = []
    for k in range(50):
        engine.step(np.full((n, robot.n_actuators), 0.5 * np.sin(0.3 * k)), np.zeros(n))
        rows.append(np.concatenate([engine.state.q, engine.state.dq], axis=1))
    return np.array(rows)


def anything(robot: Robot) -> Randomization:
    """A family that varies every quantity."""
    laws: dict[str, Any] = {
        "mass/*": {"law": "log_uniform", "low": 0.3, "high": 3},
        "inertia/*": {"law": "log_uniform", "low": 0.3, "high": 3},
        "strength/*": {"law": "uniform", "low": 0, "high": 2},
    }
    laws |= {
        f"{q.name}*": {"law": "uniform", "low": 0, "high": EXTREMES[q.name] / 10}
        for q in QUANTITIES[2:]
        if q.name != "strength"
    }
    return Randomization.from_dict({"robot": robot.name, "quantities": laws}, robot)


@pytest.mark.parametrize("mode", ["effort", "position", "velocity"])
def test_strength_scales_effort_and_its_limit(make, make_robot, mode):
    robot = make_robot("slider", {"joint": "rail", "mode": mode, "effort": 10, "kp": 4 * (mode == "position"), "kd": 4})
    engine = make(robot, 3)
    engine.apply(Variant.of(engine.space, {"strength/rail": np.array([1.0, 0.5, 0.0])}, 3), np.arange(3))
    gain = 1 if mode == "effort" else 4
    for command, effort in ((2.0, 2.0 * gain), (-1e3, -10.0)):
        engine.reset(np.zeros((3, 1)), np.zeros((3, 1)), np.arange(3))
        engine.step(np.full((3, 1), command), np.zeros(3))
        expected = np.array([1.0, 0.5, 0.0]) * effort
        if mode == "effort" or command == -1e3:
            np.testing.assert_allclose(engine.state.tau[:, 0], expected, rtol=1e-12)
        else:  # the servo's error shrinks while it moves
            assert (np.abs(engine.state.tau[:, 0]) <= np.abs(expected)).all()
            np.testing.assert_allclose(engine.state.tau[:, 0], expected, rtol=0.1)
        np.testing.assert_allclose(engine.state.dq[:, 0], expected * robot.control_dt / 1.5, rtol=0.1)


def test_encoders():
    """Bias, noise and steps as the formula in `sensors` says, over many readings."""
    robot, n = load_robot("cartpole"), 20_000
    space = VariantSpace(robot)
    state = WorldState.zeros(robot, n)
    state.q[:], state.dq[:] = [0.1234, -0.5], [1.0, 2.0]
    rng = np.random.default_rng(0)
    changes = {
        "encoder_bias/slider_to_cart": 0.01,
        "encoder_noise/slider_to_cart": 0.002,
        "velocity_noise/cart_to_pole": 0.05,
        "encoder_resolution/cart_to_pole": 0.03,
    }
    q, dq = Encoders(Variant.of(space, changes, n)).read(state, rng)
    assert q[:, 0].mean() == pytest.approx(0.1334, abs=5 * 0.002 / np.sqrt(n))
    assert q[:, 0].std() == pytest.approx(0.002, rel=0.03)
    np.testing.assert_allclose(q[:, 1], -0.51, atol=1e-15)
    np.testing.assert_array_equal(dq[:, 0], 1.0)
    assert dq[:, 1].mean() == pytest.approx(2.0, abs=5 * 0.05 / np.sqrt(n))
    assert dq[:, 1].std() == pytest.approx(0.05, rel=0.03)
    dq[:] = 0.0
    assert state.dq.any(), "a reading must not share memory with the true state"
    q, dq = Encoders(Variant.nominal(space, n)).read(state, rng)
    q[:], dq[:] = 0.0, 0.0
    assert state.q.any()
    assert state.dq.any()
