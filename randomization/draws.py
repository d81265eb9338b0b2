"""Draws: what a Randomization gives to each of n worlds, when: once a world, an episode, an interval or a step."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from randomization.randomization import Randomization
from randomization.streams import stream
from randomization.terms import Clock, Sampler
from randomization.variant import Variant
from sim2real.errors import RandomizationError

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_AHEAD = 16  # rows drawn at once: beyond that, a row costs little less, and ranges that move cost more
_LATE = 1e-9  # [s] that a sum of time steps may fall short of an interval


class Widening(Protocol):
    """What changes the ranges while worlds run: automatic widening, or a plain curriculum."""

    @property
    def randomization(self) -> Randomization:
        """The Randomization with the ranges of now."""

    def begin(self, worlds: Index) -> bool:
        """Prepare for new episodes in some worlds; return whether the ranges have changed."""

    def pin(self, worlds: Index, values: Array) -> None:
        """Set what is not drawn in some worlds, in their `values`: (len(worlds), space.size)."""

    def tick(self, n_worlds: int) -> None:
        """Note that so many worlds have made a step of the control loop."""

    def report(self, worlds: Index, score: Array) -> None:
        """Note how the episodes that end in some worlds went: (len(worlds),), from 0 (failed) to 1 (succeeded)."""

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes: plain data for JSON."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""


class Draws:
    """The Variants of n worlds as time goes on.

    Each world draws from streams of its own, which `seed` and its number fix: world k draws the same whether it is one
    of a thousand or alone, and a coordinate the same whatever is drawn at other times.
    """

    def __init__(
        self,
        randomization: Randomization,
        seed: int,
        n_worlds: int,
        first_world: int = 0,
        widening: Widening | None = None,
    ) -> None:
        """first_world: number of the first world; widening: sets the ranges (in the place of `randomization`'s)."""
        self._seed, self._first, self._widening = seed, first_world, widening
        self.randomization = randomization if widening is None else widening.randomization
        self._values = np.tile(self.randomization.space.nominal, (n_worlds, 1))
        self._rows = {
            clock: _Rows(self._stream(clock), sampler, n_worlds, 1 if clock[0] == "world" else _AHEAD)
            for clock, sampler in self.randomization.clocks.items()
        }
        self._elapsed = {clock: np.zeros(n_worlds) for clock in self._rows if clock[0] == "interval"}  # [s]
        self._redrawn = any(clock[0] in ("interval", "step") for clock in self._rows)

    def _stream(self, clock: Clock) -> Callable[[int, int], np.random.Generator]:
        when, every = clock
        purpose = f"draws/{when}" if every is None else f"draws/{when}/{every!r}"
        return lambda world, block: stream(self._seed, purpose, self._first + world, block)

    @property
    def variant(self) -> Variant:
        """The Variants of all worlds as they are now."""
        return Variant(self.randomization.space, self._values)

    def begin(self, worlds: Index) -> Variant:
        """Draw for new episodes in some worlds (each named once); what is drawn once a world stays."""
        if self._widening is not None and self._widening.begin(worlds):
            self._follow(self._widening.randomization)
        for clock, rows in self._rows.items():
            new = worlds[rows.drawn[worlds] == 0] if clock[0] == "world" else worlds
            self._values[new[:, None], rows.columns] = rows.take(new)
            if clock in self._elapsed:
                self._elapsed[clock][worlds] = 0.0
        return self._pinned(worlds)

    def tick(self, dt: float) -> tuple[Index, Variant] | None:
        """Let a step of the control loop [s] pass in every world.

        Return the worlds in which anything was drawn anew, and their Variants; None if there are none.
        """
        if self._widening is not None:
            self._widening.tick(len(self._values))
        if not self._redrawn:
            return None
        changed = np.zeros(len(self._values), dtype=np.bool_)
        for clock, rows in self._rows.items():
            due = self._due(clock, dt)
            if due.any():
                new = np.flatnonzero(due)
                self._values[new[:, None], rows.columns] = rows.take(new)
                changed |= due
        worlds = np.flatnonzero(changed)
        return (worlds, self._pinned(worlds)) if len(worlds) else None

    def report(self, worlds: Index, score: Array) -> None:
        """Tell the widening how the episodes that ended in some worlds went: (len(worlds),), 0 failed, 1 succeeded."""
        if self._widening is not None:
            self._widening.report(worlds, score)

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on with equal bits: plain data for JSON."""
        state: dict[str, Any] = {
            "drawn": [rows.drawn.tolist() for rows in self._rows.values()],
            "elapsed": [elapsed.tolist() for elapsed in self._elapsed.values()],
        }
        if self._widening is not None:  # else the counts tell the values
            varied = [rows.columns for rows in self._rows.values()]
            state |= {"widening": self._widening.state(), "values": [self._values[:, c].tolist() for c in varied]}
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, of the same Randomization, seed and number of worlds."""
        drawn, elapsed = state["drawn"], state["elapsed"]
        if [len(row) for row in drawn] != [len(self._values)] * len(self._rows) or len(elapsed) != len(self._elapsed):
            raise RandomizationError("draws: the state is of another Randomization or number of worlds")
        if self._widening is not None:
            self._widening.restore(state["widening"])
            self._follow(self._widening.randomization)
        for place, rows in enumerate(self._rows.values()):
            rows.drawn[:] = drawn[place]
            worlds = np.flatnonzero(rows.drawn)
            last = rows.last(worlds) if self._widening is None else np.array(state["values"][place])[worlds]
            self._values[np.ix_(worlds, rows.columns)] = last
        for seconds, saved in zip(self._elapsed.values(), elapsed, strict=True):
            seconds[:] = saved

    def _pinned(self, worlds: Index) -> Variant:
        if self._widening is not None:
            values = self._values[worlds]
            self._widening.pin(worlds, values)
            self._values[worlds] = values
        return Variant(self.randomization.space, self._values[worlds])

    def _follow(self, randomization: Randomization) -> None:
        """Draw from other ranges from now on; the coordinates and their times are the same."""
        self.randomization = randomization
        for clock, sampler in randomization.clocks.items():
            self._rows[clock].follow(sampler)

    def _due(self, clock: Clock, dt: float) -> NDArray[np.bool_]:
        when, every = clock
        if every is None:
            return np.full(len(self._values), when == "step")
        elapsed = self._elapsed[clock]
        elapsed += dt
        due: NDArray[np.bool_] = elapsed >= every - _LATE
        elapsed[due] -= every
        return due


class _Rows:
    """Rows of draws of each world, some drawn ahead at once; how many a world has taken is all there is to save."""

    def __init__(
        self, streams: Callable[[int, int], np.random.Generator], sampler: Sampler, n_worlds: int, ahead: int
    ) -> None:
        """streams: maps (world, number of a block of `ahead` rows) to what draws the block."""
        self._streams, self._sampler, self._ahead = streams, sampler, ahead
        self.columns = sampler.columns
        self.drawn = np.zeros(n_worlds, dtype=np.int64)
        self._number = np.full(n_worlds, -1, dtype=np.int64)
        self._blocks = np.zeros((n_worlds, ahead, len(self.columns)))

    def take(self, worlds: Index) -> Array:
        """Return the next row of some worlds: (len(worlds), len(columns))."""
        self.drawn[worlds] += 1
        return self.last(worlds)

    def last(self, worlds: Index) -> Array:
        """Return the row that some worlds took last, once more."""
        number, place = np.divmod(self.drawn[worlds] - 1, self._ahead)
        stale = self._number[worlds] != number
        for world, block in zip(worlds[stale].tolist(), number[stale].tolist(), strict=True):
            self._blocks[world] = self._sampler.draw(self._streams(world, block), self._ahead)
        self._number[worlds] = number
        rows: Array = self._blocks[worlds, place]
        return rows

    def follow(self, sampler: Sampler) -> None:
        """Draw from other laws of the same coordinates from now on."""
        columns = sampler.columns.tolist()
        if columns != self.columns.tolist():
            raise RandomizationError("draws: the ranges are of other coordinates")
        self._sampler = sampler
        self._number[:] = -1
