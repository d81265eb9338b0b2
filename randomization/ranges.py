"""The ranges of a Randomization on a common scale: 0 at the low end of each term's full range, 1 at its high end."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from randomization.distributions import LogUniform
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
        self._terms = [term for term in full.terms if _has_width(term)]
        if not self._terms:
            raise RandomizationError(
                "widening: nothing to widen: no quantity has the law uniform, log_uniform or normal over some width"
            )
        self.keys = tuple(term.key for term in self._terms)
        for key in initial:
            if key not in self.keys:
                raise RandomizationError(f"widening: no range '{key}'{nearest(key, self.keys)} to start from")
        starts = [initial.get(term.key, _nominal(term, full)) for term in self._terms]
        places = [[_place(term, end) for end in start] for term, start in zip(self._terms, starts, strict=True)]
        self.start = np.clip(np.array(places).T, 0.0, 1.0)
        self.start.setflags(write=False)

    def written(self, places: Array) -> dict[str, tuple[float, float]]:
        """Return the ranges at some places, by key and as written in the YAML."""
        columns = zip(self._terms, *places.tolist(), strict=True)
        return {term.key: (_value(term, low), _value(term, high)) for term, low, high in columns}

    def at(self, places: Array) -> Randomization:
        """Return the Randomization whose ranges are at some places."""
        return self._full.within(self.written(places))

    def put(self, row: Array, term: int, place: float) -> None:
        """Set all members of a term in one world's values, (space.size,), to a place in the term's range."""
        columns = list(self._terms[term].columns)
        value = np.full(len(columns), _value(self._terms[term], place))
        row[columns] = absolute(value, self._terms[term].law.relative, self._full.space.nominal[columns])


def _has_width(term: Term) -> bool:
    return isinstance(term.law, UniformEntry | LogUniformEntry | NormalEntry) and term.law.low < term.law.high


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
    low, high = _ends(term)
    value = low + place * (high - low)
    return float(np.clip(np.exp(value) if isinstance(term.law, LogUniform) else value, *term.support[:, 0]))


def _ends(term: Term) -> tuple[float, float]:
    low, high = term.support[:, 0].tolist()
    return (float(np.log(low)), float(np.log(high))) if isinstance(term.law, LogUniform) else (low, high)
