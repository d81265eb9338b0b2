"""Mirror: feeds a Twin from two streams that keep no step with each other, measured states and commands.

Both carry the time at which they arrived. A command takes effect when it arrives, so the robot's state at that moment
is what the twin is compared with and anchored to; it lies between two measured states and is interpolated. Without
that, a state up to one period old would show as a gap of velocity times age.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.twin.twin import Drift, Twin

Array = NDArray[np.float64]

LATE = 1.5  # control periods; a command that comes later than this after the last one means that one was lost
WAITING = 100  # commands kept until a state comes


@dataclass(frozen=True)
class Sample:
    """One control period of the mirror.

    time [s]: when `command` (n_actuators,) arrived; q, dq (n_joints,): the robot's measured state at that time
    drift: robot and twin, after the commands before this one; None where the twin was put onto the robot anew
    """

    time: float
    q: Array
    dq: Array
    command: Array
    drift: Drift | None


class Mirror:
    """See the module. Times are in seconds on one clock; each stream in order of time."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self._commands: deque[tuple[float, Array]] = deque(maxlen=WAITING)
        self._before: tuple[float, Array, Array] | None = None
        self._last_command = float("-inf")

    def command(self, time: float, values: Array) -> None:
        """Take in a command (n_actuators,), as the robot got it."""
        self._commands.append((time, values))

    def state(self, time: float, q: Array, dq: Array) -> list[Sample]:
        """Take in a measured state, (n_joints,) each; return a sample for each command that it completes."""
        samples = []
        while self._commands and self._commands[0][0] <= time:
            arrived, command = self._commands.popleft()
            if self._before is not None and self._before[0] <= arrived:
                samples.append(self._follow(arrived, *self._between(arrived, time, q, dq), command))
        self._before = (time, q, dq)
        return samples

    def _between(self, when: float, time: float, q: Array, dq: Array) -> tuple[Array, Array]:
        """Interpolate the robot's state at `when`, between the last measured state and this one.

        Linearly: a cubic through the velocities is no better, as a command that arrives in between bends the motion.
        """
        assert self._before is not None  # noqa: S101 - the caller has looked
        then, q_then, dq_then = self._before
        share = (when - then) / max(time - then, 1e-9)
        return q_then + share * (q - q_then), dq_then + share * (dq - dq_then)

    def _follow(self, arrived: float, q: Array, dq: Array, command: Array) -> Sample:
        gap = arrived - self._last_command
        in_step = gap < LATE * self.twin.robot.control_dt
        drift = self.twin.compare(q, dq) if in_step else None
        if not in_step:
            self.twin.anchor(q, dq, keep_commands=False)
        self.twin.advance(command)
        self._last_command = arrived
        return Sample(arrived, q, dq, command, drift)
