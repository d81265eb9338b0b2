"""Axes of a sensitivity: what is moved as one, and the places in its range at which success is asked for.

Places are in half widths of the trained range: -1 and 1 are its ends, 0 its middle. Beyond them a value goes as far as
physics bears.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization
from randomization.correlated import Together
from sim2real.robustness.trained_range import TrainedRange

Array = NDArray[np.float64]

PLACES = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
GRID = (-1.0, -0.5, 0.0, 0.5, 1.0)
MANY = 40  # coordinates; of more than these, all members of a quantity are moved together


@dataclass(frozen=True)
class Axis:
    """What is moved as one: a coordinate, or several of a quantity, each to the same place in its own range."""

    name: str
    ranges: tuple[TrainedRange, ...]

    @property
    def unit(self) -> str:
        """Unit of `value`."""
        return self.ranges[0].unit if len(self.ranges) == 1 else "half widths"

    def places(self) -> Array:
        """Return where success is asked for: (k,), ascending; of a choice its values, else `PLACES` that differ."""
        first = self.ranges[0]
        if first.choices:
            return np.unique(first.place(np.array(first.choices)))
        kept = [PLACES[0]]
        for place in PLACES[1:]:  # two places beyond an end may have the same value, for physics bears no more
            if any(self._values(r, place) != self._values(r, kept[-1]) for r in self.ranges):
                kept.append(place)
            elif place <= -1.0:
                kept[-1] = place
        return np.array(kept)

    def grid(self) -> Array:
        """Return the places of one side of a pair's grid, all within the range."""
        return self.places() if self.ranges[0].choices else np.array(GRID)

    def put(self, values: Array, place: float) -> None:
        """Move Variants' values (n, size) to a place, in place."""
        for r in self.ranges:
            values[:, r.column] = self._values(r, place)

    def value(self, place: float) -> float:
        """Return the value of a single coordinate at a place, or the place itself where several move together."""
        return self._values(self.ranges[0], place) if len(self.ranges) == 1 else place

    @staticmethod
    def _values(r: TrainedRange, place: float) -> float:
        value = r.value(np.array(place))
        return float(r.bearable(value, np.array(r.low)))


def axes_of(randomization: Randomization, ranges: Sequence[TrainedRange]) -> list[Axis]:
    """Return what to move: each coordinate, or what has one draw; of more than `MANY` all members of a quantity."""
    shared = {
        randomization.space.names[column]: term.key.removeprefix("quantities.")
        for term in randomization.terms
        if term.grouped and not isinstance(term.law, Together)
        for column in term.columns
    }
    groups: dict[str, list[TrainedRange]] = {}
    for r in ranges:
        groups.setdefault(shared.get(r.name, r.name), []).append(r)
    if len(groups) > MANY:
        groups = {}
        for r in ranges:
            groups.setdefault(r.name.partition("/")[0], []).append(r)
        groups = {f"{kind}/*" if len(found) > 1 else found[0].name: found for kind, found in groups.items()}
    return [Axis(name, tuple(found)) for name, found in groups.items()]
