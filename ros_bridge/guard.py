"""Guard: the one place that decides whether a policy may move the robot. A pure state machine, with no ROS in it.

    IDLE --activate--> READY --enable--> RAMP --ramp over--> RUN
    RAMP, RUN --trouble--> HOLD           a recoverable HOLD goes back to RAMP by itself, a latched one waits for enable
    HOLD --disable, then `rest_s`--> READY
    any --estop--> ESTOP                  left by clear_estop alone, and only while nothing is wrong

Times are monotonic seconds that the caller passes in: no clock is read here, least of all the wall's, and a test runs a
year in a second. What a mode means for the command topic:

    IDLE, READY   nothing is published: the robot is not ours
    RAMP, RUN     the policy's command; in RAMP blended with the fallback, see `blend`
    HOLD, ESTOP   the fallback, at control rate, for as long as it lasts: forwarding controllers hold their last command
                  for ever, and one message can be lost
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Mode(Enum):
    """What the policy node is doing."""

    IDLE = "idle"
    READY = "ready"
    RAMP = "ramp"
    RUN = "run"
    HOLD = "hold"
    ESTOP = "estop"


MOVING = frozenset({Mode.RAMP, Mode.RUN})
STOPPING = frozenset({Mode.HOLD, Mode.ESTOP})

INTERVENTIONS = ("stale_state", "bad_state", "bad_output", "overrun", "stall", "hold", "latched_hold", "estop")


@dataclass(frozen=True, kw_only=True)
class GuardLimits:
    """When a Guard steps in; times in seconds."""

    period_s: float  # of control
    max_age_s: float  # an older state stops the robot: three control periods, as a rule
    latch_age_s: float = 0.2  # after an outage this long, the robot does not start again by itself
    latch_stall_s: float = 0.5  # the same, after this process stood still for so long
    ramp_s: float = 0.0
    rest_s: float = 1.0  # how long the fallback is published after disable
    bad_states: int = 3  # this many in a row
    overruns: int = 3  # this many in a row


class Answer(NamedTuple):
    """The answer to a request: whether it was granted, and why not (or what happened)."""

    granted: bool
    message: str


@dataclass
class _Stream:
    """One source of measured state."""

    newest: float = float("-inf")  # [s] arrival of the newest usable message
    asleep: float = 0.0  # [s] the Guard's `_asleep` at that time
    bad: int = 0  # unusable messages since


@dataclass(frozen=True)
class _Trouble:
    reason: str
    latch: bool
    stale: bool = False


class Guard:
    """See the module. `mode`, `reason` and `latched` say how it stands; `counts` every intervention so far."""

    def __init__(self, limits: GuardLimits, streams: Sequence[str] = ("joint_states",)) -> None:
        """`streams` are the topics that must be fresh, all of them."""
        self.limits = limits
        self.mode = Mode.IDLE
        self.reason = "not active"
        self.latched = False  # of a HOLD: it waits for enable
        self.counts: Counter[str] = Counter(dict.fromkeys(INTERVENTIONS, 0))
        self.largest_gap_s = 0.0  # between two ticks since activate
        self.standing_fault = ""  # something wrong outside, for as long as it stands
        self._streams = {name: _Stream() for name in streams}
        self._active = False
        self._ramp_start = 0.0
        self._rest_end = float("inf")
        self._last_tick = 0.0
        self._asleep = 0.0  # [s] that this process stood still, in all: silence that nobody listened to is no outage
        self._overruns = 0

    # What happens to it

    def activate(self, now: float) -> None:
        """Allow enable from now on."""
        self._active, self._last_tick, self.largest_gap_s = True, now, 0.0
        if self.mode is Mode.IDLE:
            self._go(Mode.READY, "waiting for enable")

    def deactivate(self) -> None:
        """Forbid everything until activate; an e-stop stays."""
        self._active = False
        if self.mode is not Mode.ESTOP:
            self._go(Mode.IDLE, "not active")

    def enable(self, now: float) -> Answer:
        """Start the policy by way of the ramp, if nothing speaks against it."""
        if self.mode in MOVING:
            return Answer(True, "already enabled")
        if self.mode is Mode.ESTOP:
            return Answer(False, "e-stop: call clear_estop first")
        if not self._active:
            return Answer(False, "the node is not active")
        if trouble := self._trouble(now):
            return Answer(False, trouble.reason)
        self._start(now)
        return Answer(True, "enabled")

    def disable(self, now: float) -> Answer:
        """Stop the policy: the fallback for `rest_s`, then silence."""
        if self.mode in MOVING or self.mode is Mode.HOLD:
            self._go(Mode.HOLD, "disabled", latch=True)
            self._rest_end = now + self.limits.rest_s
        return Answer(True, "disabled")

    def estop(self, reason: str = "asked for") -> Answer:
        """Stop until clear_estop, from any mode."""
        if self.mode is not Mode.ESTOP:
            self.counts["estop"] += 1
            self._go(Mode.ESTOP, f"e-stop: {reason}")
        return Answer(True, "e-stop")

    def clear_estop(self, now: float) -> Answer:
        """Leave an e-stop, if nothing is wrong any more; enable is needed to move again."""
        if self.mode is not Mode.ESTOP:
            return Answer(True, "there was no e-stop")
        if self._active and (trouble := self._trouble(now)):
            return Answer(False, trouble.reason)
        self._go(Mode.READY, "waiting for enable") if self._active else self._go(Mode.IDLE, "not active")
        return Answer(True, "e-stop cleared; enable to go on")

    def state(self, arrived: float, usable: bool = True, stream: str = "joint_states") -> None:
        """Note a state that arrived at a time; not `usable` means not finite, or not of this robot."""
        source = self._streams[stream]
        if usable:
            source.newest, source.asleep, source.bad = max(source.newest, arrived), self._asleep, 0
        else:
            source.bad += 1
            self.counts["bad_state"] += 1

    def fault(self, reason: str) -> None:
        """Note something wrong outside, such as a second commander; "" says that it is over."""
        self.standing_fault = reason

    def output(self, finite: bool, duration_s: float) -> None:
        """Note what the policy computed in this period, and how long it took."""
        if self.mode not in MOVING:
            return
        late = duration_s > self.limits.period_s
        self.counts["overrun"] += late
        self._overruns = self._overruns + 1 if late else 0
        if not finite:
            self.counts["bad_output"] += 1
            self._hold("the policy's output is not finite", latch=True)
        elif self._overruns >= self.limits.overruns:
            allowed = f"{1e3 * self.limits.period_s:.0f} ms"
            self._hold(f"the policy took longer than {allowed} {self._overruns} times in a row", latch=True)

    def tick(self, now: float) -> Mode:
        """Judge the situation, once a control period, and return the mode that holds for it."""
        gap, self._last_tick = now - self._last_tick, now
        self.largest_gap_s = max(self.largest_gap_s, gap)
        if gap > 3 * self.limits.period_s:
            self.counts["stall"] += 1
            self._asleep += gap - self.limits.period_s
        if self.mode in MOVING:
            trouble = self._stall(gap) or self._trouble(now)
            if trouble:
                self.counts["stale_state"] += trouble.stale
                self._hold(trouble.reason, trouble.latch)
            elif self.mode is Mode.RAMP and self.blend(now) >= 1.0:
                self._go(Mode.RUN, "running")
        elif self.mode is Mode.HOLD:
            self._recover(now, gap)
        return self.mode

    # How it stands

    def age_s(self, now: float) -> float:
        """Age of the state [s]: of the stream that has been silent longest."""
        return now - min(stream.newest for stream in self._streams.values())

    def blend(self, now: float) -> float:
        """Share of the policy in the command, 0..1; the rest is the fallback."""
        if self.mode is not Mode.RAMP or self.limits.ramp_s <= 0:
            return 1.0
        return min(1.0, max(0.0, (now - self._ramp_start) / self.limits.ramp_s))

    def _trouble(self, now: float) -> _Trouble | None:
        """Return what is wrong, if anything is."""
        if self.standing_fault:
            return _Trouble(self.standing_fault, latch=True)
        for name, stream in self._streams.items():
            age = now - stream.newest
            if age > min(self.limits.max_age_s, self.limits.latch_age_s):
                silent = f"silent for {1e3 * age:.0f} ms" if stream.newest > float("-inf") else "nothing received yet"
                outage = age - (self._asleep - stream.asleep)
                return _Trouble(f"{name}: {silent}", outage > self.limits.latch_age_s, stale=True)
            if stream.bad >= self.limits.bad_states:
                return _Trouble(f"{name}: {stream.bad} unusable messages in a row", latch=False)
        return None

    def _stall(self, gap: float) -> _Trouble | None:
        """Return the trouble of a control loop that stood still: the robot ran on its last command meanwhile.

        A short one is forgiven, if the state is fresh: computers hiccup.
        """
        if gap > self.limits.latch_age_s:
            return _Trouble(f"the control loop stood still for {1e3 * gap:.0f} ms", gap > self.limits.latch_stall_s)
        return None

    def _recover(self, now: float, gap: float) -> None:
        """Go on after a short outage; latch after a long one; fall silent after disable."""
        if now >= self._rest_end:
            self._go(Mode.READY, "disabled; waiting for enable")
            return
        if self.latched:
            return
        trouble = self._stall(gap) or self._trouble(now)
        if trouble is None:
            self._start(now)
        elif trouble.latch:
            self._hold(trouble.reason, latch=True)

    def _start(self, now: float) -> None:
        self._ramp_start, self._overruns = now, 0
        self._go(Mode.RAMP, "starting")

    def _hold(self, reason: str, latch: bool) -> None:
        if self.mode is Mode.ESTOP:
            return
        self.counts["hold"] += self.mode is not Mode.HOLD
        self.counts["latched_hold"] += latch and not self.latched
        self._go(Mode.HOLD, reason, latch)

    def _go(self, mode: Mode, reason: str, latch: bool = False) -> None:
        self.mode, self.reason, self.latched, self._rest_end = mode, reason, latch, float("inf")
