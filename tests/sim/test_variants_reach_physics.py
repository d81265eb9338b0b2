"""What no audit shows: the nominal Variant does nothing at all, and no history shows through a reset."""

import numpy as np
import pytest

from randomization import QUANTITIES, Randomization, Variant, VariantSpace
from robots import Robot, load_robot
from sim2real.sim import Engine
from sim2real.sim.simulation import Simulation

# A height field takes milliseconds to change; tests/sim/test_floors.py has it.
SLOW = ("roughness", "step_height", "stone_height", "terrain_seed")


def history(engine: Engine, variant: Variant | None, periods: int = 50) -> dict[str, np.ndarray]:
    """Run one world under a Variant; return the true and the measured q and dq: (periods, 2 n_joints) each."""
    robot = engine.robot
    simulation = Simulation(engine, seed=0)
    simulation.reset(robot.default_q[None] + 0.1, np.full((1, robot.n_joints), 0.2), np.arange(1), variant)
    true, measured = [], []
    for k in range(periods):
        simulation.advance(np.full((1, robot.n_actuators), 0.5 * np.sin(0.3 * k)))
        senses = simulation.sense()
        true.append(np.concatenate([engine.state.q[0], engine.state.dq[0]]))
        measured.append(np.concatenate([senses.q[0], senses.dq[0]]))
    return {"true": np.array(true), "measured": np.array(measured)}


@pytest.mark.parametrize("name", ["cartpole", "furuta"])
def test_nominal_changes_nothing(make, name):
    robot = load_robot(name)
    untouched = history(make(robot), None)
    nominal = history(make(robot), Variant.nominal(VariantSpace(robot)))
    np.testing.assert_array_equal(nominal["true"], untouched["true"])
    np.testing.assert_array_equal(nominal["measured"], untouched["true"])


@pytest.mark.parametrize(
    ("name", "resets"),
    [
        ("cartpole", 1000),
        ("box on the floor", 1000),
        pytest.param("furuta", 3_000, marks=pytest.mark.slow),
    ],
)
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
    """A family that varies every quantity, by the laws of the table."""
    space = VariantSpace(robot)
    laws = {
        quantity.name + ("/*" if members[0] else ""): quantity.default.model_dump() | {"relative": quantity.relative}
        for quantity in QUANTITIES
        if (members := space.members[space.block(quantity.name)]) and quantity.name not in SLOW
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
