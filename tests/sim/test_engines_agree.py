"""The same robot, Variants, commands and delays give the same motion in both engines; a command acts when it is due."""

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization import Variant, VariantSpace
from robots import Robot, load_robot
from sim2real.sim.actuators import DelayLine

PERIODS = 100  # 2 s at 50 Hz
WORLDS = 8

# Largest difference between the engines in 2 s, about twice what was measured: q, dq of each joint, then tau. They
# differ in how they integrate damping (PyBullet explicitly and for some steps at once, MuJoCo implicitly) and the
# velocity gain of a servo (explicitly, implicitly).
BOUNDS = {
    "cartpole": [2.3e-3, 2e-2, 1.4e-2, 6e-2, 1e-12],  # [m, rad, m/s, rad/s, N]
    "furuta": [5e-3, 6e-3, 0.13, 0.1, 0.022],  # [rad, rad, rad/s, rad/s, N m]
}


def variants(robot: Robot, rng: np.random.Generator) -> Variant:
    """Draw WORLDS Variants of the dynamics, the first of them nominal."""
    space = VariantSpace(robot)
    values = np.tile(space.nominal, (WORLDS, 1))
    for quantity, low, high in (("mass", 0.5, 2), ("inertia", 0.5, 2), ("strength", 0.5, 1.25)):
        block = values[1:, space.block(quantity)]
        block *= rng.uniform(low, high, block.shape)
    ranges = {"cartpole": {"damping": [1.0, 0.005], "friction": [1.0, 0.003]}}.get(robot.name, {})
    for quantity in ("damping", "friction"):
        block = values[1:, space.block(quantity)]
        block[:] = rng.uniform(0, 1, block.shape) * ranges.get(quantity, 2 * space.nominal[space.block(quantity)])
    return Variant(space, values)


def difference(build, run, robot: Robot, variant: Variant, q: Any, commands: Any, delays: Any) -> np.ndarray:
    """Return |PyBullet - MuJoCo|: (n_steps, n_worlds, 2 n_joints + n_actuators)."""
    records = []
    for name in ("bullet", "mujoco"):
        engine = build(name, robot, len(variant))
        engine.apply(variant, np.arange(len(variant)))
        engine.reset(q, np.zeros_like(q), np.arange(len(variant)))
        records.append(run(engine, commands, delays))
    error: np.ndarray = np.abs(records[0] - records[1])
    return error


@pytest.mark.parametrize(("name", "amplitude", "hanging"), [("cartpole", 5.0, 0.0), ("furuta", 0.6, np.pi)])
def test_same_motion(build, run, name, amplitude, hanging):
    robot, rng = load_robot(name), np.random.default_rng(1)
    pole = robot.joint_index(robot.role("pole"))
    q = np.zeros((WORLDS, robot.n_joints))
    q[:, pole] = hanging + rng.uniform(-0.5, 0.5, WORLDS)
    time = np.arange(PERIODS) * robot.control_dt
    commands = np.tile(amplitude * np.sin(2 * np.pi * 0.8 * time)[:, None, None], (1, WORLDS, 1))
    delays = rng.uniform(0, 0.05, (PERIODS, WORLDS))
    error = difference(build, run, robot, variants(robot, rng), q, commands, delays)
    assert (error.max(axis=(0, 1)) <= BOUNDS[name]).all()


def test_same_motion_to_rounding_without_friction(build, run):
    robot = load_robot("cartpole")
    q = np.array([[0.0, 0.3]])
    commands = 5 * np.random.default_rng(0).uniform(-1, 1, (PERIODS, 1, 1))
    error = difference(build, run, robot, Variant.nominal(VariantSpace(robot)), q, commands, 0.013)
    assert error.max() < 1e-11


def test_same_flight(build, make_robot):
    """A free base with an off-centre mass, thrown about by its own motor: every field of the state agrees."""
    robot = make_robot("box", {"joint": "axle"}, fixed_base=False, base_height=50, imu={"link": "wheel"})
    engines = [build(name, robot) for name in ("bullet", "mujoco")]
    for engine in engines:
        np.testing.assert_allclose(engine.state.base_position, [[0, 0, 50]], atol=1e-12)
    for k in range(50):
        for engine in engines:
            engine.step(np.full((1, 1), 0.2 * np.sin(0.3 * k)), np.zeros(1))
        a, b = (engine.state for engine in engines)
        for field in ("q", "dq", "base_angular_velocity"):
            np.testing.assert_allclose(getattr(a, field), getattr(b, field), atol=1e-11)
        # MuJoCo moves the base by the velocity of its frame, PyBullet by that of its centre of mass.
        for field in ("base_position", "base_velocity"):
            np.testing.assert_allclose(getattr(a, field), getattr(b, field), atol=1e-3)
        # PyBullet hands out link poses in single precision.
        np.testing.assert_allclose(a.imu_angular_velocity, b.imu_angular_velocity, atol=1e-6)
        for field in ("base_quaternion", "imu_quaternion"):  # q and -q are the same rotation
            assert abs((getattr(a, field) * getattr(b, field)).sum()) == pytest.approx(1.0, abs=1e-7)
    assert np.abs(a.base_angular_velocity).min() > 0.01


MOTORS = [{"mode": "effort"}, {"mode": "position", "kp": 80, "kd": 4}, {"mode": "velocity", "kd": 20}]


@pytest.mark.parametrize("motor", MOTORS, ids=lambda motor: motor["mode"])
def test_a_command_acts_when_its_delay_is_over(make, make_robot, run, motor):
    """A robot at 50 Hz with delays, and one commanded anew in each physics step with what should act there."""
    robot = make_robot("slider", {"joint": "rail"} | motor)
    fine = make_robot("slider", {"joint": "rail"} | motor, control_hz=1000)
    rng = np.random.default_rng(2)
    commands, steps = rng.uniform(-2, 2, PERIODS), rng.integers(0, 75, PERIODS)  # up to 3.75 periods late
    acting = in_order(commands, steps, robot.substeps, 0.0)
    expected = run(make(fine), acting[:, None, None])[robot.substeps - 1 :: robot.substeps]
    late = run(make(robot), commands[:, None, None], steps[:, None] / 1000)
    np.testing.assert_allclose(late, expected, atol=1e-12)


def test_a_constant_delay_shifts_the_motion(make, make_robot, run):
    robot = make_robot("slider", {"joint": "rail"})
    commands = np.random.default_rng(3).uniform(-2, 2, (PERIODS, 1, 1))
    prompt = run(make(robot), commands)
    for periods in (1, 2, 7):
        late = run(make(robot), commands, periods * robot.control_dt)
        assert not late[:periods].any()
        np.testing.assert_array_equal(late[periods:], prompt[:-periods])


def test_a_reset_drops_what_is_on_its_way_unless_told_to_keep_it(make, make_robot, run):
    """A reset to where a world is anyway: with the commands kept, nothing happened at all."""
    robot = make_robot("slider", {"joint": "rail"})
    commands = np.random.default_rng(4).uniform(1, 2, (20, 1, 1))
    expected = run(make(robot), commands, 0.055)
    for keep in (True, False):
        engine = make(robot)
        run(engine, commands[:10], 0.055)
        q, dq = engine.state.q.copy(), engine.state.dq.copy()
        engine.reset(q, dq, np.arange(1), keep_commands=keep)
        after = run(engine, commands[10:], 0.055)
        if keep:
            np.testing.assert_array_equal(after, expected[10:])
        else:
            np.testing.assert_array_equal(after[:2, 0, 1], dq[0, 0])  # no effort before the first new one arrives
            assert after[3, 0, 1] > dq[0, 0]


def in_order(commands: Any, arrivals: Any, substeps: int, hold: Any) -> np.ndarray:
    """What acts in each physics step, as a queue that a command leaves when it is due and first in line."""
    queue, acting, rows = deque[tuple[int, Any]](), hold, []
    for period, (command, arrival) in enumerate(zip(commands, arrivals, strict=True)):
        queue.append((period * substeps + int(arrival), command))
        for step in range(period * substeps, (period + 1) * substeps):
            while queue and queue[0][0] <= step:
                acting = queue.popleft()[1]
            rows.append(acting)
    return np.array(rows)


delays = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.floats(0, 0.99)), min_size=1, max_size=40)


@given(delays, st.integers(1, 8), st.none() | st.integers(0, 39))
def test_delay_line_is_a_queue(periods, substeps, reset_at):
    """Two worlds with delays of their own, not rounded to physics steps; one of them may be reset on the way."""
    robot = load_robot("cartpole")
    robot = replace(robot, file=robot.file.model_copy(update={"physics_hz": 50.0 * substeps}))
    line = DelayLine(robot, 2)
    line.reset(np.full((2, 1), -1.0), np.arange(2))
    acted = np.zeros((len(periods), 2, substeps))
    for k, (first, second, off) in enumerate(periods):
        if k == reset_at:
            line.reset(np.full((1, 1), -2.0), np.array([1]))
        steps = np.maximum(np.array([first, second]) - off, 0)  # rounded up to the whole number
        acted[k] = line.issue(np.full((2, 1), float(k)), steps * line.physics_dt)[:, :, 0]
    for world in range(2):
        issued = [(float(k), p[world]) for k, p in enumerate(periods)]
        split = len(periods) if world == 0 or reset_at is None else reset_at
        for part, hold in ((slice(0, split), -1.0), (slice(split, None), -2.0)):
            if issued[part]:
                commands, arrivals = zip(*issued[part], strict=True)
                expected = in_order(commands, arrivals, substeps, hold)
                np.testing.assert_array_equal(acted[part, world].ravel(), expected)
