"""One widening for worlds that several threads step: ranges move between batches only, whatever the threads' timing."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from randomization import Randomization
from randomization.curriculum import Curriculum, CurriculumSettings
from randomization.draws import Widening
from randomization.widening import AutomaticSettings, AutomaticWidening
from sim2real.config import Strict, validate
from sim2real.errors import RandomizationError

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class AutomaticState(Strict):
    """What `AutomaticWidening.state` gives: a checkpoint may come from anybody."""

    places: list[list[Share]]
    moves: list[Count]
    episodes: list[Count]
    boundary: list[Annotated[int, Field(ge=-1)]]
    since: list[Count]
    at: list[Share]
    queues: list[list[Share]]


class CurriculumState(Strict):
    """What `Curriculum.state` gives."""

    steps: Count
    used: Count


class BatchedWidening(AutomaticWidening):
    """Automatic widening whose boundaries move at `settle` only: until then, threads report in any order."""

    def __init__(self, full: Randomization, seed: int, n_worlds: int, settings: AutomaticSettings) -> None:
        super().__init__(full, seed, n_worlds, settings)
        self._notes: list[tuple[int, int, int, int, float]] = []

    def report(self, worlds: Index, score: Array) -> None:
        """Note how the episodes that end in some worlds went. See `AutomaticWidening.report`."""
        for world, value in zip(worlds.tolist(), score.tolist(), strict=True):
            boundary = int(self._boundary[world])
            if boundary >= 0:
                note = (world, int(self._episodes[world]), boundary, int(self._since[world]), float(value))
                self._notes.append(note)
            self._boundary[world] = -1

    def settle(self) -> None:
        """Move boundaries by what was reported, in the order of worlds and episodes."""
        for _, _, boundary, since, value in sorted(self._notes):
            if since == self._moves[boundary]:
                self._queues[boundary].append(value)
                self._judge(boundary)
        self._notes.clear()


Core = BatchedWidening | Curriculum


class SharedWidening:
    """What sets the ranges of all worlds of a training, and a part of it for each group of worlds.

    While groups run, reports and steps are only noted; `settle` passes them on, group by group.
    """

    def __init__(
        self, full: Randomization, settings: AutomaticSettings | CurriculumSettings, seed: int, n_worlds: int
    ) -> None:
        """full: the ranges to reach; n_worlds: of all groups together."""
        self.core: Core = (
            Curriculum(full, settings)
            if isinstance(settings, CurriculumSettings)
            else BatchedWidening(full, seed, n_worlds, settings)
        )
        self._parts: list[_Part] = []

    def part(self, first_world: int) -> Widening:
        """Return the widening of the group whose worlds are numbered from `first_world` on."""
        self._parts.append(_Part(self.core, first_world))
        return self._parts[-1]

    def settle(self) -> None:
        """Let the ranges follow what happened since: call it while no world runs."""
        for part in self._parts:
            part.settle()
        if isinstance(self.core, BatchedWidening):
            self.core.settle()
        self.core.begin(np.zeros(0, dtype=np.intp))  # of no world: what is left of it is to take up the new ranges

    @property
    def kind(self) -> str:
        """What sets the ranges: automatic or curriculum."""
        return "automatic" if isinstance(self.core, BatchedWidening) else "curriculum"

    @property
    def summary(self) -> str:
        """How far the ranges have come, in a line."""
        return self.core.summary

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes: plain data for JSON."""
        return {"kind": self.kind, **self.core.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, between two batches; all worlds are to begin anew then.

        Raise RandomizationError or ConfigError if it is another training's, or nobody's.
        """
        kind = state.get("kind") if isinstance(state, Mapping) else None
        if kind != self.kind:
            raise RandomizationError(
                f"widening: the run that goes on has widened by {kind}, this is {self.kind}; keep to one"
            )
        plain = {key: value for key, value in state.items() if key != "kind"}
        validate(AutomaticState if kind == "automatic" else CurriculumState, plain, "worlds.json of the checkpoint")
        try:
            self.core.restore(plain)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RandomizationError("widening: the checkpoint's worlds.json holds no state of this training") from None

    def metrics(self) -> dict[str, float]:
        """Return the figures to log: entropy or progress, and both ends of each range."""
        core = self.core
        overall = {"entropy": core.entropy} if isinstance(core, AutomaticWidening) else {"progress": core.progress}
        ends = {
            f"{end}/{key.removeprefix('quantities.')}": value
            for key, written in core.ranges.items()
            for end, value in zip(("low", "high"), written, strict=True)
        }
        return {f"widening/{name}": value for name, value in (overall | ends).items()}


class _Part:
    """The widening as one group of worlds sees it. See `randomization.draws.Widening`."""

    def __init__(self, core: Core, first_world: int) -> None:
        self._core, self._first = core, first_world
        self._seen = core.randomization
        self._steps = 0

    @property
    def randomization(self) -> Randomization:
        return self._core.randomization

    def begin(self, worlds: Index) -> bool:
        self._core.begin(worlds + self._first)
        changed = self._core.randomization is not self._seen
        self._seen = self._core.randomization
        return changed

    def pin(self, worlds: Index, values: Array) -> None:
        self._core.pin(worlds + self._first, values)

    def tick(self, n_worlds: int) -> None:
        self._steps += n_worlds

    def report(self, worlds: Index, score: Array) -> None:
        self._core.report(worlds + self._first, score)

    def settle(self) -> None:
        self._core.tick(self._steps)
        self._steps = 0

    def state(self) -> dict[str, Any]:
        return self._core.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self._core.restore(state)
