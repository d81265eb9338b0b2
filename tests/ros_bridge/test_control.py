"""One control period without ROS: what reaches the command topic, whatever states and policies do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robots import load_robot
from ros_bridge.command_filter import CommandFilter
from ros_bridge.control import IMU, JOINTS, Control, streams_of
from ros_bridge.guard import GuardLimits, Mode
from sim2real.action import ActionMap
from sim2real.observation import ObservationLayout, Term
from sim2real.policy import Policy
from sim2real.tasks import walk

PERIOD = 0.02
LIMITS = GuardLimits(period_s=PERIOD, max_age_s=3 * PERIOD)
POSITION = ActionMap.of(load_robot("furuta"), 1.0)
EFFORT = ActionMap.of(load_robot("cartpole"), 1.0)
WILD = st.floats(width=64) | st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324])


def commanded(control, now):
    command = control.period(now)
    assert command is not None
    return float(command[0])


def started(policy, **limits):
    control = Control(policy, GuardLimits(period_s=PERIOD, max_age_s=3 * PERIOD, **limits))
    control.guard.activate(0.0)
    control.joints(0.0, np.array([0.1, 0.05]), np.zeros(2))
    assert control.guard.enable(0.0).granted
    return control


@pytest.mark.parametrize("action_map", [POSITION, EFFORT])
@settings(max_examples=300)
@given(
    commands=st.lists(arrays(np.float64, st.integers(0, 3), elements=WILD), min_size=1, max_size=20),
    pose=st.floats(-2, 2),
)
def test_the_filter_lets_nothing_wrong_through(action_map, commands, pose):
    command_filter = CommandFilter(action_map)
    command_filter.restart(np.array([pose]))
    last = command_filter.last
    for command in commands:
        sent = command_filter.apply(command)
        if sent is None:
            assert command.shape != (1,) or not np.isfinite(command).all()
            continue
        assert np.isfinite(sent).all()
        assert (action_map.lower <= sent).all()
        assert (sent <= action_map.upper).all()
        assert (np.abs(sent - last) <= np.array(action_map.max_step) + 1e-9).all()
        last = sent


def test_the_filter_counts_what_it_does():
    command_filter = CommandFilter(EFFORT)
    command_filter.restart(np.zeros(1))
    for command in ([5.0], [50.0], [np.nan], [1.0, 2.0]):
        command_filter.apply(np.array(command))
    assert dict(command_filter.counts) == {"command_not_finite": 1, "command_wrong_length": 1, "command_limited": 1}


def test_nothing_is_sent_before_enable(policy):
    control = Control(policy, LIMITS)
    control.guard.activate(0.0)
    for k in range(10):
        control.joints(k * PERIOD, np.zeros(2), np.zeros(2))
        assert control.period(k * PERIOD) is None


def test_the_same_commands_as_the_policy_alone(policy):
    control, runner, rng = started(policy), policy.runner(), np.random.default_rng(0)
    none = (np.full((1, 4), np.nan), np.full((1, 3), np.nan))
    for k in range(1, 50):
        q, dq = 0.1 * rng.standard_normal(2), rng.standard_normal(2)
        control.joints(k * PERIOD, q, dq)
        np.testing.assert_array_equal(control.period(k * PERIOD), runner.step(q[None], dq[None], *none)[0])


def following_policy(policy):
    """A policy whose action is half of the forward speed that is asked for, whatever it measures."""
    layout = policy.contract.observation.model_copy(
        update={"terms": (Term(name="command"),), "commands": walk.COMMANDS}
    )
    network = policy.contract.network.model_copy(update={"sizes": (3, 1)})
    options = {"forward": [-0.5, 1.0], "left": [0.0, 0.0], "turn": [-1.0, 1.0]}
    changed = {"observation": layout, "network": network, "task_options": options}
    layer = {"w0": np.array([[0.5], [0.0], [0.0]]), "b0": np.zeros(1)}
    weights = {"obs_mean": np.zeros(3), "obs_std": np.ones(3), **layer}
    return Policy(policy.contract.model_copy(update=changed), weights)


def test_what_is_asked_reaches_the_policy_inside_what_it_was_trained_for(policy):
    control = started(following_policy(policy))
    sent = []
    for k, forward in enumerate([None, 1.0, -0.25, None, 9.0], start=1):
        control.joints(k * PERIOD, np.zeros(2), np.zeros(2))
        if forward is not None:
            control.asked.take(k * PERIOD, np.array([forward, 0.0, 0.0]))
        sent.append(commanded(control, k * PERIOD))
    assert sent == pytest.approx([0.0, 10.0, -2.5, -2.5, 10.0]), "of an effort of 20 N; nothing at first"
    assert control.counts["asked_limited"] == 1


def test_silence_of_half_a_second_stops_it_one_period_later_at_most(policy):
    control = started(following_policy(policy))
    control.asked.take(0.0, np.array([1.0, 0.0, 0.0]))
    moved = []
    for k in range(1, 50):
        control.joints(k * PERIOD, np.zeros(2), np.zeros(2))
        if commanded(control, k * PERIOD):
            moved.append(k * PERIOD)
    assert moved[-1] == pytest.approx(0.5)
    assert control.guard.mode is Mode.RUN
    assert control.counts["asked_silence"] == 1


def test_an_arm_without_a_target_is_asked_to_stay_where_it_starts(arm_policy):
    control = Control(arm_policy, LIMITS)
    q = load_robot("kuka_iiwa").default_q
    control.guard.activate(0.0)
    control.joints(0.0, q, np.zeros_like(q))
    assert control.guard.enable(0.0).granted
    command = np.array(control.period(PERIOD))
    chain, columns = arm_policy.contract.observation.reach
    np.testing.assert_allclose(control.asked.values, chain.place(q[None, columns])[0])
    np.testing.assert_allclose(command, q, rtol=0, atol=1e-9)


def test_a_stale_state_gives_the_fallback_and_then_the_policy_begins_anew(policy):
    control = started(policy)
    for k in range(1, 4):
        assert control.period(k * PERIOD)[0] != 0.0
    for k in range(4, 8):
        assert control.period(k * PERIOD) == [0.0]
    control.joints(8 * PERIOD, np.array([0.1, 0.05]), np.zeros(2))
    control.period(8 * PERIOD)
    assert control.guard.mode is Mode.RAMP
    assert control.period(9 * PERIOD)[0] != 0.0


@pytest.mark.parametrize(
    "failure", [np.array([[np.nan]]), np.array([[np.inf]]), np.zeros((1, 2)), RuntimeError("broken")]
)
def test_a_policy_that_fails_gets_the_robot_its_fallback(policy, failure, monkeypatch):
    control = started(policy)
    control.period(PERIOD)

    def fail(*_):
        if isinstance(failure, Exception):
            raise failure
        return failure

    monkeypatch.setattr(control._runner, "step", fail)
    assert control.period(2 * PERIOD) == [0.0]
    assert control.guard.latched
    assert control.guard.counts["bad_output"] == 1


def test_a_ramp_fades_in_from_rest(policy):
    slow, fast = started(policy, ramp_s=0.2), started(policy)
    state = (np.array([0.1, 0.05]), np.zeros(2))
    ratios = []
    for k in range(1, 11):
        for control in (slow, fast):
            control.joints(k * PERIOD, *state)
        ratios.append(slow.period(k * PERIOD)[0] / fast.period(k * PERIOD)[0])
    assert ratios[0] == pytest.approx(0.1)
    assert (np.diff(ratios) > 0).all()


def test_an_estop_before_any_state_commands_no_pose_that_nobody_measured(furuta_policy):
    control = Control(furuta_policy, LIMITS)
    control.guard.activate(0.0)
    control.guard.estop()
    assert control.period(PERIOD) is None
    control.joints(2 * PERIOD, np.array([0.7, 0.0]), np.zeros(2))
    assert control.period(2 * PERIOD) == [0.7]
    control.joints(3 * PERIOD, np.array([0.9, 0.0]), np.zeros(2))
    assert control.period(3 * PERIOD) == [0.7], "it holds the pose that it had when it stopped"


def test_positions_start_and_stop_at_the_measured_pose(furuta_policy):
    control = Control(furuta_policy, GuardLimits(period_s=PERIOD, max_age_s=3 * PERIOD, ramp_s=0.2))
    control.guard.activate(0.0)
    control.joints(0.0, np.array([0.5, 0.0]), np.zeros(2))
    assert control.guard.enable(0.0) == (False, f"{IMU}: nothing received yet")
    control.imu(0.0, np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))
    assert control.guard.enable(0.0).granted
    first = commanded(control, PERIOD)
    assert 0.0 < first - 0.5 <= 0.1 * POSITION.max_step[0] + 1e-9, "a tenth of the ramp is over"
    control.guard.estop()
    assert abs(commanded(control, 2 * PERIOD) - first) <= POSITION.max_step[0] + 1e-9
    for k in range(3, 20):
        last = control.period(k * PERIOD)
    assert last == [0.5]


def test_streams_follow_the_observation():
    robot = load_robot("furuta")
    layout = ObservationLayout.of(robot, (Term(name="joint_position"), Term(name="gravity_direction")), 1)
    contract = type("Contract", (), {"observation": layout})()
    assert streams_of(contract) == (JOINTS, IMU)


def test_fifty_thousand_wild_periods_send_nothing_wrong(policy):
    """States, outputs, requests and times at random; every command must be finite, inside the limits, one number."""
    rng, control = np.random.default_rng(7), started(policy)
    wild = np.array([np.nan, np.inf, -np.inf, 1e308, 1e6, 0.0, 1.0, -1.0])
    now, sent, step = 0.0, 0, control._runner.step
    output = None
    control._runner.step = lambda *state: step(*state) if output is None else output
    for kind, number in zip(rng.integers(0, 40, 50_000).tolist(), rng.random(50_000).tolist(), strict=True):
        now += PERIOD * (number if kind == 0 else 1.0)
        if kind < 30:
            control.joints(now, rng.normal(0, 0.3, 2) if kind > 2 else np.full(2, 1e6 * number), rng.normal(0, 1, 2))
        output = wild[rng.integers(0, 8, (1, 1 + (kind == 31)))] if kind in (30, 31, 32) else None
        if kind == 33:
            control.guard.estop() if number < 0.1 else control.guard.disable(now)
        if kind >= 34:
            control.guard.clear_estop(now)
            control.guard.enable(now)
        command = control.period(now)
        if command is not None:
            sent += 1
            assert command.shape == (1,)
            assert np.isfinite(command).all()
            assert abs(command[0]) <= EFFORT.upper[0]
    assert sent > 25_000
    assert control.guard.counts["bad_output"] > 100
