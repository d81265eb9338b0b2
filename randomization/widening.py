"""Automatic domain randomization: ranges that follow what a policy can bear.

Akkaya et al. 2019 (Solving Rubik's Cube with a Robot Hand), and in the vectorised form that is here Handa et al. 2022
(DeXtreme), keep a boundary for each side of each range. Some worlds run with one quantity at one boundary.
Where the policy succeeds there often enough, that boundary moves out by a step; where it fails, back in.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from randomization.randomization import Randomization
from randomization.ranges import Ranges
from randomization.streams import stream
from sim2real.config import Strict
from sim2real.errors import RandomizationError

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class AutomaticSettings(Strict):
    """Settings of automatic domain randomization, as in DeXtreme.

    There an episode scores the goals it reaches in a row, 50 at most, and the mean score at a boundary is held against
    5 and 20. Here it scores 1 if it succeeds and 0 if not, or any share between: the same shares of the best are 0.1
    and 0.4.
    """

    boundary_fraction: float = Field(default=0.4, gt=0, le=1, description="Share of episodes run at a boundary")
    queue: int = Field(default=256, ge=1, description="Episodes at a boundary that its mean score is taken over")
    low: float = Field(default=5 / 50, ge=0, le=1, description="Mean score at which a boundary moves in, or below")
    high: float = Field(default=20 / 50, ge=0, le=1, description="Mean score at which a boundary moves out, or above")
    step: float = Field(default=0.01, gt=0, le=1, description="How far it moves, as a share of the full range")

    @model_validator(mode="after")
    def _ordered(self) -> "AutomaticSettings":
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        return self


class AutomaticWidening:
    """Automatic domain randomization of n worlds, from nominal (or `initial`) to at most the ranges of `full`.

    What moves are the ranges of a Randomization's terms (keys of its YAML) with an interval: uniform, log_uniform and
    normal. Members of one term share its range, and are at its boundary together. Other laws stay as they are.
    """

    def __init__(
        self,
        full: Randomization,
        seed: int,
        n_worlds: int,
        settings: AutomaticSettings | None = None,
        initial: Mapping[str, tuple[float, float]] | None = None,
        first_world: int = 0,
    ) -> None:
        """initial: ranges to start from, by key as in `ranges`, for keys that shall not start at the nominal value."""
        self.settings = settings or AutomaticSettings()
        self._ranges = Ranges(full, initial or {})
        self._seed, self._first = seed, first_world
        self._places = self._ranges.start.copy()  # (2, number of terms): the boundaries, 0 .. 1 of the full range
        self._queues = [deque[float](maxlen=self.settings.queue) for _ in range(self._places.size)]
        self._moves = np.zeros(self._places.size, dtype=np.int64)
        self._episodes = np.zeros(n_worlds, dtype=np.int64)
        self._boundary = np.full(n_worlds, -1, dtype=np.int64)  # at which a world runs, -1: at none
        self._since = np.zeros(n_worlds, dtype=np.int64)  # moves of that boundary when the episode began
        self._at = np.zeros(n_worlds)  # where it was then
        self._stale = False
        self.randomization = self._ranges.at(self._places)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The ranges of now, by key and as written in the YAML."""
        return self._ranges.written(self._places)

    @property
    def entropy(self) -> float:
        """Mean logarithm of the ranges' widths as shares of the full ones [nat per term].

        0 at the full ranges; a width below one step counts as one step, so that the nominal robot has log(step) and not
        minus infinity. Akkaya et al. take the same mean of the widths in their units.
        """
        return self._entropy(self._places)

    def _entropy(self, places: Array) -> float:
        low, high = places
        return float(np.log(np.maximum(high - low, self.settings.step)).mean())

    @property
    def summary(self) -> str:
        """How far the ranges have come, in a line."""
        moved, start = self._ranges.moved(self._places), self._entropy(self._ranges.start)
        return f"{moved} of {len(self._ranges.keys)} ranges moved; entropy {start:.2f} -> {self.entropy:.2f} (full: 0)"

    def begin(self, worlds: Index) -> bool:
        """Choose which of some worlds run at which boundary; return whether the ranges have changed."""
        for world in worlds.tolist():
            rng = stream(self._seed, "widening", self._first + world, int(self._episodes[world]))
            at_boundary = rng.random() < self.settings.boundary_fraction
            self._boundary[world] = rng.integers(self._places.size) if at_boundary else -1
        self._episodes[worlds] += 1
        self._since[worlds] = self._moves[self._boundary[worlds]]
        self._at[worlds] = self._places.flat[self._boundary[worlds]]
        changed, self._stale = self._stale, False
        if changed:
            self.randomization = self._ranges.at(self._places)
        return changed

    def pin(self, worlds: Index, values: Array) -> None:
        """Put worlds that run at a boundary there, in their `values`: (len(worlds), space.size)."""
        for row, boundary in enumerate(self._boundary[worlds].tolist()):
            if boundary >= 0:
                self._ranges.put(values[row], boundary % self._places.shape[1], float(self._at[worlds[row]]))

    def tick(self, n_worlds: int) -> None:
        """Nothing: boundaries move with episodes, not with time."""

    def report(self, worlds: Index, score: Array) -> None:
        """Note how the episodes that end in some worlds went: (len(worlds),), from 0 (failed) to 1 (succeeded).

        An episode that began before its boundary moved does not count: it ran at another place.
        """
        for world, value in zip(worlds.tolist(), score.tolist(), strict=True):
            boundary = int(self._boundary[world])
            if boundary >= 0 and self._since[world] == self._moves[boundary]:
                self._queues[boundary].append(float(value))
                self._judge(boundary)
            self._boundary[world] = -1

    def _judge(self, boundary: int) -> None:
        queue, settings = self._queues[boundary], self.settings
        if len(queue) < settings.queue:
            return
        score = sum(queue) / len(queue)
        outward = 1 if score >= settings.high else -1 if score <= settings.low else 0
        side, term = divmod(boundary, self._places.shape[1])
        place, start = self._places[side, term], self._ranges.start[side, term]
        moved = place + outward * settings.step * (1 if side else -1)
        moved = np.clip(moved, start, 1.0) if side else np.clip(moved, 0.0, start)
        if moved != place:
            self._places[side, term] = moved
            self._moves[boundary] += 1
            self._stale = True
            queue.clear()

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes: plain data for JSON."""
        return {
            "places": self._places.tolist(),
            "queues": [list(queue) for queue in self._queues],
            "moves": self._moves.tolist(),
            "episodes": self._episodes.tolist(),
            "boundary": self._boundary.tolist(),
            "since": self._since.tolist(),
            "at": self._at.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; raise RandomizationError if it is of other ranges or another number."""
        shapes = (np.shape(state["places"]), len(state["episodes"]))
        if shapes != (self._places.shape, len(self._episodes)):
            raise RandomizationError("widening: the state is of another Randomization or number of worlds")
        places = np.array(state["places"], dtype=np.float64)
        if not ((places >= 0) & (places <= 1)).all():
            raise RandomizationError("widening: the state has a place outside of 0..1")
        self._places[:] = places
        self._moves[:], self._episodes[:] = state["moves"], state["episodes"]
        self._boundary[:], self._since[:], self._at[:] = state["boundary"], state["since"], state["at"]
        for queue, saved in zip(self._queues, state["queues"], strict=True):
            queue.clear()
            queue.extend(saved)
        self._stale = False
        self.randomization = self._ranges.at(self._places)
