"""PyBullet worlds of servos: one law whichever way it is worked out, and steps as fine as it needs."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.raw import BulletWorld
from randomization import Variant, VariantSpace
from robots import Robot, load_robot
from sim2real.sim import Engine
from sim2real.sim.bullet import BulletEngine
from sim2real.sim.bullet_rate import ServoRate
from sim2real.sim.channels import available
from sim2real.sim.pool import EnginePool


@pytest.fixture(scope="module")
def a1() -> Robot:
    return load_robot("a1").at(500)


def walk(engine: Engine, periods: int) -> np.ndarray:
    """Step all worlds under the same commands and delays; return q, tau and base: (periods, n_worlds, ...)."""
    rng, rows, robot = np.random.default_rng(0), [], engine.robot
    for _ in range(periods):
        target = robot.default_q[robot.actuated] + rng.uniform(-0.3, 0.3, robot.n_actuators)
        engine.step(np.tile(target, (engine.n_worlds, 1)), np.full(engine.n_worlds, rng.uniform(0.0, 0.03)))
        state = engine.state
        rows.append(np.concatenate([state.q, state.tau, state.base_position], axis=1))
    return np.array(rows)


def test_a_linear_law_is_the_full_one(a1):
    """A dead zone too small to matter has a world's efforts worked out by `Motors.torque`."""
    engine = BulletEngine(a1, 2)
    motors = {"strength": 0.8, "kp": 1.1, "kd": 0.9, "zero_offset": 0.02}
    each = {f"{quantity}/{joint}": value for quantity, value in motors.items() for joint in a1.actuator_names}
    engine.apply(Variant.of(engine.space, each, 2), np.arange(2))
    engine.apply(Variant.of(engine.space, each | {"dead_zone/FR_hip_joint": 1e-12}), np.array([1]))
    rows = walk(engine, 10)
    assert np.ptp(rows[:, 0], axis=0).max() > 0.3
    np.testing.assert_allclose(rows[:, 1], rows[:, 0], rtol=0, atol=1e-6)
    engine.close()


def test_readings_within_a_period_are_those_of_that_moment(a1):
    """An engine whose control period ends at the tap reads the same at its end."""
    quick = replace(a1, file=a1.file.model_copy(update={"control_hz": 125}))
    long, short = BulletEngine(a1, 2, available(a1)), BulletEngine(quick, 1, available(a1))
    long.listen({channel: np.array([4, 10]) for channel in long.channels})
    command = a1.default_q[a1.actuated] + 0.2
    long.step(np.tile(command, (2, 1)), np.zeros(2))
    short.step(command[None], np.zeros(1))
    for channel, (early, late) in long.readings.items():
        np.testing.assert_array_equal(early, short.readings[channel][0], err_msg=channel)
        assert (early != late).any(), channel
    long.close()
    short.close()


def test_a_pool_steps_at_the_rate_that_its_robot_has(a1):
    pool, engine = EnginePool(a1, 2, 2), BulletEngine(a1, 2)
    np.testing.assert_array_equal(walk(pool, 5), walk(engine, 5))
    pool.close()
    engine.close()


@pytest.mark.parametrize(("hz", "gain", "finer"), [(1000, 1.0, 1), (1000, 1.3, 1), (500, 1.0, 1), (500, 1.2, 2)])
def test_steps_are_as_fine_as_the_servos_need(hz, gain, finer):
    robot = load_robot("a1").at(hz)
    space = VariantSpace(robot)
    gains = {f"{quantity}/{joint}": gain for quantity in ("kp", "kd") for joint in robot.actuator_names}
    rate = ServoRate(robot, space)
    values = Variant.of(space, gains).values[0]
    assert rate.of(values) == pytest.approx(gain * rate.of(space.nominal))
    assert rate.fineness(values) == finer


def test_one_strong_motor_is_not_all(a1):
    rate, space = ServoRate(a1, VariantSpace(a1)), VariantSpace(a1)
    one = Variant.of(space, {"strength/FR_hip_joint": 1.2}).values[0]
    assert rate.of(space.nominal) <= rate.of(one) < 1.2 * rate.of(space.nominal)


def test_at_500_hz_a_leg_swings_as_with_fine_steps(a1):
    """Nothing shakes, and what single steps are off by is 3 % of the swing: what MuJoCo at 500 Hz is off by, too."""
    swings = []
    for finer in (1, 8):
        engine = BulletEngine(a1)
        engine.apply(Variant.of(engine.space, {"gravity_z": 0.0}), np.arange(1))
        engine.reset(a1.default_q[None], np.zeros((1, a1.n_joints)), np.arange(1))
        engine.worlds[0].divide(finer)
        q = []
        for sign in (1, -1, 1, -1):
            for _ in range(8):
                engine.step(a1.default_q[a1.actuated][None] + sign * 0.1, np.zeros(1))
                q.append(engine.state.q[0].copy())
        assert np.abs(engine.state.dq).max() < 0.1
        swings.append(np.array(q))
        engine.close()
    coarse, fine = swings
    assert np.sqrt(((coarse - fine) ** 2).mean()) < 0.04 * np.sqrt(((fine - a1.default_q) ** 2).mean())


def test_the_raw_loop_does_the_same_physics(a1):
    """The benchmark's limit: as many steps of Bullet, and a robot that stands as it does here."""
    engine = BulletEngine(a1)
    raw = BulletWorld(a1, Variant.nominal(engine.space), plain=False)
    hold = a1.default_q[a1.actuated]
    for _ in range(50):
        engine.step(hold[None], np.zeros(1))
        raw.advance(hold.tolist())
    assert raw.steps == a1.substeps * engine.worlds[0].finer
    np.testing.assert_allclose(raw.read()[0], engine.state.q[0], atol=1e-3)
    engine.close()
