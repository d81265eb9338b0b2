"""A twin with the robot's own physics stays with it; one with other physics leaves; and the gap says which."""

from dataclasses import replace

import numpy as np
import pytest

from randomization import Variant, VariantSpace
from robots import load_robot
from sim2real.errors import EngineError
from sim2real.sim import make_engine
from sim2real.twin import Mirror, Twin

ROBOT = load_robot("cartpole")
SPACE = VariantSpace(ROBOT)
DT = ROBOT.control_dt


class FakeRobot:
    """An engine with a Variant, read through noiseless sensors."""

    def __init__(self, engine="bullet", **changes):
        self.variant = Variant.of(SPACE, {k.replace("__", "/"): v for k, v in changes.items()})
        self.engine = make_engine(engine, ROBOT)
        self.engine.apply(self.variant, np.arange(1))
        self.engine.reset(np.array([[0.1, 0.05]]), np.array([[0.2, -0.1]]), np.arange(1))

    def sense(self):
        q = self.engine.readings["position"][0] + self.variant.block("encoder_bias")[0]
        return q, self.engine.readings["velocity"][0].copy()

    def advance(self, command):
        self.engine.step(command[None], self.variant["latency"])


def gaps(robot, twin, periods=100):
    """Gap after each control period, and where a horizon ended."""
    rng = np.random.default_rng(2)
    twin.anchor(*robot.sense())
    result = []
    for _ in range(periods):
        command = rng.uniform(-10, 10, 1)
        robot.advance(command)
        twin.advance(command)
        result.append(twin.compare(*robot.sense()))
    return np.array([d.gap for d in result]), np.array([d.anchored for d in result]), result


CHANGED = {"mass__pole": 2.0, "friction__slider_to_cart": 0.5, "strength__slider_to_cart": 0.8}


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
@pytest.mark.parametrize(
    "changes", [{}, CHANGED, {"latency": 0.033}, {"encoder_bias__cart_to_pole": 0.02}, {"damping__cart_to_pole": 0.003}]
)
def test_the_same_physics_leave_no_gap(engine, changes):
    robot = FakeRobot(engine, **changes)
    twin = Twin(ROBOT, engine, robot.variant)
    gap, anchored, _ = gaps(robot, twin)
    assert gap.max() < 1e-6
    assert anchored.sum() == 4


@pytest.mark.parametrize("changes", [{"mass__pole": 2.0}, {"strength__slider_to_cart": 0.8}, {"latency": 0.03}])
def test_other_physics_leave_a_gap_that_grows_within_the_horizon(changes):
    gap, anchored, _ = gaps(FakeRobot(**changes), Twin(ROBOT))
    ends = gap[anchored]
    assert ends.min() > 1e-4
    for end in np.flatnonzero(anchored):
        assert gap[end] > gap[end - 24], "it is smallest right after an anchor"


def test_more_difference_is_more_gap():
    medians = []
    for scale in (1.0, 1.1, 1.3, 2.0):
        gap, anchored, _ = gaps(FakeRobot(mass__pole=scale), Twin(ROBOT))
        medians.append(np.median(gap[anchored]))
    assert (np.diff(medians) > 0).all()


def test_the_drift_is_robot_minus_twin_in_canonical_order():
    robot, twin = FakeRobot(strength__slider_to_cart=0.5), Twin(ROBOT, horizon_s=0.1)
    _, anchored, drifts = gaps(robot, twin, 10)
    np.testing.assert_array_equal(np.flatnonzero(anchored), [4, 9])
    assert drifts[4].age_s == pytest.approx(0.1)
    last = drifts[-1]
    q, dq = robot.sense()
    np.testing.assert_allclose(last.q + last.q_error, q)
    np.testing.assert_allclose(last.dq + last.dq_error, dq)
    assert last.gap == pytest.approx(np.sqrt((last.q_error**2).mean()))


def test_a_turn_is_no_gap_on_a_joint_that_turns_without_end():
    twin = Twin(ROBOT)
    twin.anchor(np.array([0.0, 0.1]), np.zeros(2))
    drift = twin.compare(np.array([0.0, 0.1 + 4 * np.pi]), np.zeros(2))
    assert drift.gap == pytest.approx(0.0, abs=1e-9)


def mirror_gaps(period, phase, state_period=DT / 2, jitter=0.0):
    """Gap of a twin with the robot's own physics that sees both streams at times of their own."""
    rng = np.random.default_rng(0)
    robot, mirror, fine = FakeRobot("mujoco"), Mirror(Twin(ROBOT, "mujoco", horizon_s=0.5)), 1e-3
    samples, next_command, next_state, command = [], phase, 0.0, np.zeros(1)
    physics = make_engine("mujoco", _at(1 / fine))
    physics.reset(robot.engine.state.q, robot.engine.state.dq, np.arange(1))
    for tick in range(4000):
        now = tick * fine
        if now >= next_command - 1e-9:
            command = np.array([4.0 * np.sin(3 * now)])
            mirror.command(now, command)
            next_command += period + jitter * rng.uniform(-1, 1)
        if now >= next_state - 1e-9:
            samples += mirror.state(now, physics.state.q[0].copy(), physics.state.dq[0].copy())
            next_state += state_period
        physics.step(command[None], np.zeros(1))
    return samples


def _at(rate):
    return replace(ROBOT, file=ROBOT.file.model_copy(update={"control_hz": rate}))


@pytest.mark.parametrize(("phase", "state_period"), [(0.0, DT / 2), (0.003, DT / 2), (0.013, DT), (0.007, DT / 4)])
def test_streams_that_keep_no_step_show_no_gap_of_their_own(phase, state_period):
    samples = mirror_gaps(DT, phase, state_period)
    gap = np.array([s.drift.gap for s in samples if s.drift])
    assert len(gap) > 190
    assert np.median(gap) < 3e-4
    assert gap.max() < 3e-3


def test_a_lost_command_begins_anew():
    mirror = Mirror(Twin(ROBOT, "mujoco"))
    for k in range(60):
        now = k * DT
        if k not in (20, 21, 22):
            mirror.command(now, np.zeros(1))
        samples = mirror.state(now + 0.004, np.array([0.0, 0.01]), np.zeros(2))
        if k == 0:
            assert samples == [], "nothing is known of the time before"
        elif k in (1, 23):
            assert samples[0].drift is None
        elif samples:
            assert samples[0].drift is not None


@pytest.mark.parametrize("engine", ["bullet", "mujoco", "bullet in a process"])
@pytest.mark.parametrize("keep", [True, False])
def test_commands_on_their_way_survive_an_anchor_if_they_shall(engine, keep):
    """A command with 0.03 s to go is issued, the world is put back, and another one is issued: who acts meanwhile?"""
    worlds = make_engine(engine.split()[0], ROBOT, workers=1 if "process" in engine else 0)
    start, zero = np.zeros((1, 2)), np.zeros((1, 1))
    worlds.reset(start, start, np.arange(1))
    worlds.step(zero + 10.0, np.array([0.03]))
    worlds.reset(start, start, np.arange(1), keep_commands=keep)
    worlds.step(zero, np.array([0.03]))
    moved = float(worlds.state.dq[0, 0])
    worlds.close()
    assert moved == pytest.approx(10.0 / 1.025 * 0.01 if keep else 0.0, rel=0.01)  # of the cart, the pole yields


def test_a_free_base_is_refused():
    floating = replace(ROBOT, file=ROBOT.file.model_copy(update={"fixed_base": False}))
    with pytest.raises(EngineError, match="free base"):
        Twin(floating)
