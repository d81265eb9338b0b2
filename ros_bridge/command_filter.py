"""CommandFilter: the last thing that a command passes before it is published."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from sim2real.action import ActionMap

Array = NDArray[np.float64]

INTERVENTIONS = ("command_not_finite", "command_wrong_length", "command_limited")


class CommandFilter:
    """finite -> one number a motor -> within one step of the last command -> inside the limits.

    Finite comes first, because np.clip lets NaN pass. `counts` has every intervention.
    """

    def __init__(self, action_map: ActionMap) -> None:
        """`last` (n_actuators,) is the command sent last; it must be set by `restart` before the first."""
        self.action_map = action_map
        self.last = np.full(len(action_map.actuators), np.nan)
        self.counts: Counter[str] = Counter(dict.fromkeys(INTERVENTIONS, 0))

    def restart(self, pose: Array) -> None:
        """Let the next step be counted from the command at which a robot rests in a pose (n_actuators,)."""
        self.last = self.action_map.at_rest(pose)

    def apply(self, command: Array) -> Array | None:
        """Return what may be sent of a command (n_actuators,); None, and the last command stands, if nothing may."""
        if command.shape != self.last.shape:
            self.counts["command_wrong_length"] += 1
            return None
        if not np.isfinite(command).all():
            self.counts["command_not_finite"] += 1
            return None
        limited = self.action_map.limit(command, self.last)
        self.counts["command_limited"] += int(np.abs(limited - command).max() > 1e-9)
        self.last = limited
        return limited
