"""Where episodes come from: Variants, first states and commands for some worlds, each with random streams of its own.

World k gets the same numbers whether it is one of 64 or alone: an episode does not depend on its neighbours.
"""

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, Variant, stream
from randomization.draws import Draws, Widening
from sim2real.tasks import Task

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class Worlds:
    """The truth of n worlds, episode by episode, drawn from a Randomization or given once and for all.

    command: (n, n_commands), what is asked of each robot now, in the units of the task; since: (n,) [s] for how long
    """

    def __init__(
        self,
        task: Task,
        truth: Randomization | Variant,
        seed: int,
        n_worlds: int,
        first_world: int = 0,
        *,
        widening: Widening | None = None,
        paired: int = 0,
    ) -> None:
        """truth: what to draw from, or a Variant of n_worlds; first_world: number of the first in the streams.

        widening: sets the ranges to draw from; paired: first states and commands repeat after so many worlds, 0 never
        """
        self._task = task
        self._source = truth if isinstance(truth, Variant) else Draws(truth, seed, n_worlds, first_world, widening)
        numbers = [n % paired if paired else n for n in range(first_world, first_world + n_worlds)]
        self._starts = [stream(seed, "start", number) for number in numbers]
        self._asks = [stream(seed, "ask", number) for number in numbers]
        self.command = np.zeros((n_worlds, len(task.commands)))
        self.since = np.zeros(n_worlds)

    def begin(self, worlds: Index) -> tuple[Variant, Array, Array]:
        """Return Variants, joint positions and velocities for new episodes: (len(worlds), ...) each."""
        variant = self._source.begin(worlds) if isinstance(self._source, Draws) else self._source.rows(worlds)
        q, dq = zip(*(self._task.start(self._starts[world], 1) for world in worlds.tolist()), strict=True)
        self._ask(worlds)
        return variant, np.concatenate(q), np.concatenate(dq)

    def _ask(self, worlds: Index) -> None:
        for world in worlds.tolist():
            self.command[world] = self._task.command(self._asks[world])
        self.since[worlds] = 0.0

    def tick(self, dt: float) -> tuple[Index, Variant] | None:
        """Let dt [s] pass; return the worlds that change within their episodes, with their Variants, or None."""
        self.since += dt
        due = np.flatnonzero(self.since > self._task.command_s - dt / 2)
        if len(due):
            self._ask(due)
        return self._source.tick(dt) if isinstance(self._source, Draws) else None

    def report(self, worlds: Index, success: NDArray[np.bool_]) -> None:
        """Tell what widens the ranges how the episodes that ended in some worlds went: (len(worlds),)."""
        if isinstance(self._source, Draws):
            self._source.report(worlds, success.astype(np.float64))
