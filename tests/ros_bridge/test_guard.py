"""The Guard under a clock of our own: each rule by itself, then whatever order of events can be thought of."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ros_bridge.guard import MOVING, Guard, GuardLimits, Mode

PERIOD = 2.0**-6  # [s] a power of two, so that sums of periods are exact
LIMITS = GuardLimits(period_s=PERIOD, max_age_s=3 * PERIOD, latch_age_s=10 * PERIOD, ramp_s=5 * PERIOD)


class Bench:
    """A Guard with a clock that only goes on when asked."""

    def __init__(self, limits=LIMITS, streams=("joint_states",)):
        self.guard, self.now = Guard(limits, streams), 100.0

    def periods(self, n, states=True, usable=True):
        for _ in range(n):
            self.now += PERIOD
            if states:
                self.guard.state(self.now, usable)
            self.guard.tick(self.now)
        return self.guard.mode

    def running(self):
        self.guard.activate(self.now)
        self.periods(2)
        assert self.guard.enable(self.now).granted
        assert self.periods(10) is Mode.RUN
        return self


def test_from_idle_through_the_ramp_to_run():
    b = Bench()
    assert b.periods(5) is Mode.IDLE
    b.guard.activate(b.now)
    assert b.periods(5) is Mode.READY
    assert b.guard.enable(b.now).granted
    assert b.periods(1) is Mode.RAMP
    assert b.guard.blend(b.now) == pytest.approx(0.2)
    assert b.periods(4) is Mode.RUN
    assert b.guard.blend(b.now) == 1.0


def test_without_a_ramp_it_runs_in_the_first_period():
    b = Bench(GuardLimits(period_s=PERIOD, max_age_s=3 * PERIOD, ramp_s=0.0))
    b.guard.activate(b.now)
    b.periods(1)
    b.guard.enable(b.now)
    assert b.periods(1) is Mode.RUN


def test_a_state_of_three_periods_is_borne_an_older_one_is_not():
    b = Bench().running()
    assert b.periods(3, states=False) is Mode.RUN
    assert b.periods(1, states=False) is Mode.HOLD
    assert not b.guard.latched
    assert b.guard.reason == "joint_states: silent for 62 ms"


def test_it_goes_on_by_itself_after_a_short_outage_through_the_ramp():
    b = Bench().running()
    assert b.periods(9, states=False) is Mode.HOLD
    assert b.periods(1) is Mode.RAMP
    assert b.periods(6) is Mode.RUN
    assert b.guard.counts["hold"] == 1
    assert b.guard.counts["latched_hold"] == 0


def test_it_does_not_go_on_by_itself_after_a_long_outage():
    b = Bench().running()
    b.periods(11, states=False)
    assert b.guard.latched
    assert b.periods(100) is Mode.HOLD
    assert b.guard.enable(b.now).granted
    assert b.periods(6) is Mode.RUN


def test_two_unusable_states_are_borne_three_are_not():
    b = Bench(GuardLimits(period_s=PERIOD, max_age_s=1.0, latch_age_s=1.0)).running()
    assert b.periods(2, usable=False) is Mode.RUN
    assert b.periods(1) is Mode.RUN
    assert b.periods(3, usable=False) is Mode.HOLD
    assert not b.guard.latched
    assert b.guard.counts["bad_state"] == 5
    assert b.periods(1) is Mode.RAMP


def test_every_stream_must_be_fresh_and_is_named():
    b = Bench(streams=("joint_states", "imu/data"))
    b.guard.activate(b.now)
    b.periods(2)
    assert b.guard.enable(b.now) == (False, "imu/data: nothing received yet")
    b.guard.state(b.now, stream="imu/data")
    assert b.guard.enable(b.now).granted
    b.periods(5)
    assert b.guard.reason == "imu/data: silent for 62 ms"


@pytest.mark.parametrize(
    ("outputs", "mode", "count"),
    [
        ([(False, 0.001)], Mode.HOLD, "bad_output"),
        ([(True, 2 * PERIOD)] * 3, Mode.HOLD, "overrun"),
        (
            [(True, 2 * PERIOD), (True, 2 * PERIOD), (True, 0.001), (True, 2 * PERIOD), (True, 2 * PERIOD)],
            Mode.RUN,
            "overrun",
        ),
    ],
)
def test_what_the_policy_does(outputs, mode, count):
    b = Bench().running()
    for finite, duration in outputs:
        b.guard.output(finite, duration)
    assert b.guard.mode is mode
    assert b.guard.latched == (mode is Mode.HOLD)
    assert b.guard.counts[count] > 0


@pytest.mark.parametrize(
    ("periods", "modes", "latched"),
    [
        (5, [Mode.RUN, Mode.RUN], False),
        (15, [Mode.HOLD, Mode.RAMP], False),
        (40, [Mode.HOLD, Mode.HOLD], True),
    ],
)
def test_a_process_that_stands_still(periods, modes, latched):
    """A hiccup is forgiven, a longer stall starts the policy anew, a long one is for the operator to look at."""
    b = Bench().running()
    b.now += periods * PERIOD
    assert [b.periods(1), b.periods(1)] == modes
    assert b.guard.latched == latched
    assert b.guard.counts["stall"] == 1
    assert b.guard.largest_gap_s == (periods + 1) * PERIOD


def test_silence_while_nobody_listened_is_no_outage_but_no_reason_to_move():
    b = Bench().running()
    b.now += 15 * PERIOD  # the robot and this process were both stopped
    assert b.periods(1, states=False) is Mode.HOLD
    assert b.periods(5, states=False) is Mode.HOLD
    assert not b.guard.latched
    assert b.periods(1) is Mode.RAMP
    b.now += 15 * PERIOD
    b.periods(12, states=False)
    assert b.guard.latched, "it was silent for long enough while we listened"


def test_disable_rests_and_then_falls_silent():
    b = Bench().running()
    b.guard.disable(b.now)
    assert b.periods(63) is Mode.HOLD
    assert b.periods(1) is Mode.READY
    assert b.guard.enable(b.now).granted


def test_a_fault_outside_forbids_enable_and_stops_a_run():
    b = Bench()
    b.guard.activate(b.now)
    b.guard.fault("/teleop also publishes")
    b.periods(2)
    assert b.guard.enable(b.now) == (False, "/teleop also publishes")
    b.guard.fault("")
    b.running()
    b.guard.fault("/teleop also publishes")
    assert b.periods(1) is Mode.HOLD
    b.guard.fault("")
    assert b.periods(10) is Mode.HOLD


def test_estop_stays_until_cleared_without_a_fault_and_then_wants_enable():
    b = Bench().running()
    b.guard.estop()
    assert b.periods(10) is Mode.ESTOP
    assert not b.guard.enable(b.now).granted
    b.periods(5, states=False)
    assert not b.guard.clear_estop(b.now).granted
    b.periods(1)
    assert b.guard.clear_estop(b.now).granted
    assert b.periods(10) is Mode.READY
    assert b.guard.enable(b.now).granted


def test_estop_survives_the_lifecycle():
    b = Bench().running()
    b.guard.estop()
    b.guard.deactivate()
    assert b.guard.mode is Mode.ESTOP
    b.guard.activate(b.now)
    assert b.periods(3) is Mode.ESTOP


EVENTS = {
    "tick": lambda guard, now: guard.tick(now),
    "state": lambda guard, now: guard.state(now),
    "bad": lambda guard, now: guard.state(now, usable=False),
    "wait": lambda guard, now: None,
    "long_wait": lambda guard, now: None,
    "enable": lambda guard, now: guard.enable(now),
    "disable": lambda guard, now: guard.disable(now),
    "estop": lambda guard, now: guard.estop(),
    "clear": lambda guard, now: guard.clear_estop(now),
    "activate": lambda guard, now: guard.activate(now),
    "deactivate": lambda guard, now: guard.deactivate(),
    "fault": lambda guard, now: guard.fault("x"),
    "fault_over": lambda guard, now: guard.fault(""),
    "output": lambda guard, now: guard.output(True, 0.001),
    "bad_output": lambda guard, now: guard.output(False, 0.001),
    "late_output": lambda guard, now: guard.output(True, 2 * PERIOD),
}
WAITS = {"tick": PERIOD, "wait": 2 * PERIOD, "long_wait": 30 * PERIOD}


def play(events, waits):
    """Run events on a Guard and check after each what must always be so; return the modes seen."""
    guard, now, newest, fault, seen = Guard(LIMITS), 0.0, float("-inf"), False, Counter[Mode]()
    for event, wait in zip(events, waits, strict=True):
        before = guard.mode
        now += WAITS.get(event, 0.0) * wait
        if event == "state":
            newest = now
        fault = {"fault": True, "fault_over": False}.get(event, fault)
        EVENTS[event](guard, now)
        after = guard.mode
        if before is Mode.ESTOP and after is not Mode.ESTOP:
            assert event == "clear"
            assert after in (Mode.READY, Mode.IDLE)
            assert after is Mode.IDLE or (not fault and now - newest <= LIMITS.max_age_s)
        if event == "estop":
            assert after is Mode.ESTOP
        if after in MOVING and before not in MOVING:
            assert event in ("enable", "tick")
            assert event == "enable" or before is Mode.HOLD
        if event == "tick" and after in MOVING:
            assert not fault
            assert now - newest <= LIMITS.max_age_s
        if event == "bad_output":
            assert after not in MOVING
        if guard.latched:
            assert after is Mode.HOLD
        if event == "deactivate":
            assert after in (Mode.IDLE, Mode.ESTOP)
        seen[after] += 1
    return seen


@settings(max_examples=500)
@given(st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.floats(0.0, 2.0)), max_size=80))
@example([(event, 1.0) for event in ("activate", "state", "enable", "tick", "estop", "clear", "tick")])
def test_no_order_of_events_breaks_the_rules(steps):
    play([event for event, _ in steps], [wait for _, wait in steps])


def test_ten_thousand_random_runs_break_no_rule_and_reach_every_mode():
    rng = np.random.default_rng(5)
    usual = {"tick": 6.0, "state": 5.0, "enable": 2.0, "estop": 0.2, "deactivate": 0.2, "fault": 0.2, "bad_output": 0.3}
    weights = np.array([usual.get(event, 1.0) for event in EVENTS])
    weights /= weights.sum()
    # A run begins as real ones do, so that most of the events meet a robot that moves.
    start = ["activate", "state", "enable", "tick", "state", "tick"]
    seen = Counter[Mode]()
    for _ in range(10_000):
        n = int(rng.integers(5, 60))
        events = start + rng.choice(list(EVENTS), n, p=weights).tolist()
        seen += play(events, np.concatenate([np.ones(6), rng.uniform(0, 2, n)]).tolist())
    assert set(seen) == set(Mode)
    assert min(seen.values()) > 5_000, seen
