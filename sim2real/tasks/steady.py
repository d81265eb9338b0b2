"""The steady-state error of a command: what is left of the deviation once the swing of a gait has averaged out."""

import numpy as np
from numpy.typing import NDArray

from sim2real.sim.engine import WorldState
from sim2real.tasks.task import Task

Array = NDArray[np.float64]


class SteadyError:
    """Low-passed deviations of n worlds from what is asked of them, over `Task.steady_s`.

    A squared deviation is mostly swing: a constant error of 0.05 m/s hides in a stride's 0.1 m/s. Here it shows.
    Deviations count once a command has stood for `settle_s`, so that nothing is gained by making up for the way there.
    """

    def __init__(self, task: Task, n_worlds: int, dt: float) -> None:
        """dt: control period [s]."""
        self._task, self._dt = task, dt
        n = len(task.deviation_names) if task.steady_s else 0
        self._share = 1.0 - np.exp(-dt / task.steady_s) if n else 0.0
        self.value = np.zeros((n_worlds, n))

    def observe(self, state: WorldState, command: Array, since: Array) -> Array:
        """Take in the state at the end of a control period; return the errors: (n, n_deviations), or (n, 0).

        command: (n, n_commands) that was followed in it; since: (n,) [s], for how long at its beginning
        """
        if self.value.shape[1]:
            deviation = np.stack(tuple(self._task.deviation(state, command).values()), axis=1)
            settled = since + self._dt / 2 >= self._task.settle_s
            self.value = np.where(settled[:, None], self.value + self._share * (deviation - self.value), 0.0)
        return self.value
