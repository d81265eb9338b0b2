"""Ranges that physics bears and hardly anybody means: they are drawn from, with a warning."""

from collections.abc import Iterator, Sequence

import numpy as np

from randomization.problems import is_delay, members
from randomization.terms import Term
from randomization.variant import VariantSpace

LONG_S = 1.0  # [s] a delay that no robot is controlled over
FACTOR = 100.0  # that a quantity in multiples of its nominal value is hardly ever off by


def suspicions(terms: Sequence[Term], space: VariantSpace) -> Iterator[str]:
    """Yield "key.path: what may be meant otherwise" for each suspicious range of terms without problems."""
    for term in terms:
        yield from _upward(term, space)
        yield from _late(term, space)
        yield from _far(term, space)


def _upward(term: Term, space: VariantSpace) -> Iterator[str]:
    up = np.array([space.quantities[column].name == "gravity_z" for column in term.columns])
    up &= term.bounds(space)[1] > 0
    if up.any():
        highest = term.bounds(space)[1][up].max()
        yield (
            f"{term.key}: gravity can be drawn as {highest:g} m/s^2{members(term, space, up)}, which is up; "
            "down is negative, nominal is -9.81 (relative: offset adds to it)"
        )


def _late(term: Term, space: VariantSpace) -> Iterator[str]:
    late = np.array([is_delay(space.quantities[column]) for column in term.columns])
    late &= term.bounds(space)[1] > LONG_S
    if late.any():
        longest = term.bounds(space)[1][late].max()
        yield f"{term.key}: can draw {longest:g} s{members(term, space, late)}; is it meant in milliseconds?"


def _far(term: Term, space: VariantSpace) -> Iterator[str]:
    scale = np.array([space.quantities[column].unit == "x nominal" for column in term.columns])
    scale |= term.law.relative == "scale"
    ends = np.where(scale, term.bounds(space) if term.law.relative == "value" else term.support, 1.0)
    far = scale & ((ends[0] < 1 / FACTOR) | (ends[1] > FACTOR))
    if far.any():
        place = int(far.argmax())
        worst = ends[0, place] if ends[0, place] < 1 / FACTOR else ends[1, place]
        yield (
            f"{term.key}: can draw {worst:g} times the nominal value{members(term, space, far)}; "
            "is it meant as a value in SI units?"
        )
