"""The ranges of a Randomization on a common scale: 0 at the low end of each term's full range, 1 at its high end."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from randomization.distributions import LogUniform, label
from randomization.entries import LogUniformEntry, NormalEntry, UniformEntry
from randomization.randomization import Randomization
from randomization.terms import Term, absolute
from sim2real.errors import RandomizationError, nearest

Array = NDArray[np.float64]


class Ranges:
    """Where the ranges of a Randomization's terms start, and what they are at some places on the way to full.

    A place is between 0 and 1, in the logarithm where the law is log-uniform. Arrays are (2, number of terms), rows low
    and high, of the terms whose law has an interval of some width.
    """

    def __init__(self, full: Randomization, initial: Mapping[str, tuple[float, float]]) -> None:
        """Take the widest ranges and, by key and as written, those to start from; where none is given, the nominal."""
        self._full = full
        self._terms = [term for term in full.terms if widens(term)]
        if not self._terms:
            raise RandomizationError(
                "widening: nothing to widen: no quantity has the law uniform, log_uniform or normal over some width"
            )
        self.keys = tuple(term.key for term in self._terms)
        for key in initial:
            if key not in self.keys:
                raise RandomizationError(f"widening: no range '{key}'{nearest(key, self.keys)} to start from")
        starts = [np.clip(initial.get(t.key, _nominal(t, full)), *t.support[:, 0]).tolist() for t in self._terms]
        places = [[_place(term, end) for end in start] for term, start in zip(self._terms, starts, strict=True)]
        self._starts = tuple((float(low), float(high)) for low, high in starts)
        self.start = np.clip(np.array(places).T, 0.0, 1.0)
        self.start.setflags(write=False)

    def written(self, places: Array) -> dict[str, tuple[float, float]]:
        """Return the ranges at some places, by key and as written in the YAML."""
        return {term.key: self._written(k, places[:, k]) for k, term in enumerate(self._terms)}

    def moved(self, places: Array) -> int:
        """Return how many of the ranges are not where they started."""
        return int((places != self.start).any(axis=0).sum())

    def _written(self, k: int, places: Array) -> tuple[float, float]:
        low, high = places.tolist()
        return self._end(k, low), self._end(k, high)

    def _end(self, k: int, place: float) -> float:
        """Return a value of the k-th range; one that has not moved is exactly what it was, whatever logarithms make."""
        for start, first in zip(self._starts[k], self.start[:, k].tolist(), strict=True):
            if place == first:
                return start
        return _value(self._terms[k], place)

    def at(self, places: Array) -> Randomization:
        """Return the Randomization whose ranges are at some places."""
        return self._full.within(self.written(places))

    def put(self, row: Array, term: int, place: float) -> None:
        """Set all members of a term in one world's values, (space.size,), to a place in the term's range."""
        columns = list(self._terms[term].columns)
        value = np.full(len(columns), self._end(term, place))
        row[columns] = absolute(value, self._terms[term].law.relative, self._full.space.nominal[columns])


def widens(term: Term) -> bool:
    """Whether a term's range is one that widening can move: an interval of some width."""
    return isinstance(term.law, UniformEntry | LogUniformEntry | NormalEntry) and term.law.low < term.law.high


def unwidened(full: Randomization) -> list[str]:
    """Name the keys that vary at full width from the start under any widening, each with its law."""
    varied = [t for t in full.terms if not widens(t) and (t.support[0] < t.support[1]).any()]
    return [f"{t.key.removeprefix('quantities.')} ({label(type(t.law))})" for t in varied]


def _nominal(term: Term, full: Randomization) -> tuple[float, float]:
    """Return the least and largest nominal value of a term's members, as its draws are written."""
    nominal = full.space.nominal[list(term.columns)]
    if term.law.relative != "value":
        nominal = np.full_like(nominal, 1.0 if term.law.relative == "scale" else 0.0)
    return float(nominal.min()), float(nominal.max())


def _place(term: Term, value: float) -> float:
    low, high = _ends(term)
    if isinstance(term.law, LogUniform):
        value = float(np.log(np.clip(value, *term.law.support)))
    return float((np.clip(value, low, high) - low) / (high - low))


def _value(term: Term, place: float) -> float:
    if place in (0.0, 1.0):  # the ends themselves, which a sum or a logarithm may miss by a bit
        return float(term.support[int(place), 0])
    low, high = _ends(term)
    value = low + place * (high - low)
    return float(np.clip(np.exp(value) if isinstance(term.law, LogUniform) else value, *term.support[:, 0]))


def _ends(term: Term) -> tuple[float, float]:
    low, high = term.support[:, 0].tolist()
    return (float(np.log(low)), float(np.log(high))) if isinstance(term.law, LogUniform) else (low, high)
