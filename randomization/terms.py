"""Terms: what one key of a Randomization's YAML draws, and a Sampler that draws many of them at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from randomization.correlated import Together
from randomization.entries import AnyEntry, Relative
from randomization.variant import VariantSpace

Array = NDArray[np.float64]
Clock = tuple[str, float | None]
"""When a term is drawn: (when, every)."""


@dataclass(frozen=True)
class Term:
    """One key of the YAML and the coordinates that it stands for.

    key: as in errors, such as `quantities.mass/*` or `correlated.0`; columns: of these coordinates in the space
    """

    key: str
    columns: tuple[int, ...]
    law: AnyEntry | Together

    @property
    def clock(self) -> Clock:
        """When this term is drawn: (when, every)."""
        return self.law.when, self.law.every

    @property
    def grouped(self) -> bool:
        """Whether its coordinates are drawn together, so that the term cannot be split."""
        return isinstance(self.law, Together) or (self.law.shared and len(self.columns) > 1)

    @cached_property
    def support(self) -> Array:
        """Smallest and largest draw of each coordinate, as written in the YAML: (2, number of coordinates)."""
        if isinstance(self.law, Together):
            return self.law.support
        return np.repeat(np.array(self.law.support)[:, None], len(self.columns), axis=1)

    def bounds(self, space: VariantSpace) -> Array:
        """Smallest and largest value of each coordinate in its unit: (2, number of coordinates)."""
        ends = absolute(self.support, self.law.relative, space.nominal[list(self.columns)])
        return np.sort(ends, axis=0)

    def split(self) -> Iterable["Term"]:
        """Yield a term for each coordinate, or this one where they are drawn together."""
        if self.grouped:
            yield self
        else:
            yield from (replace(self, columns=(column,)) for column in self.columns)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent rows as written in the YAML: (n, number of coordinates)."""
        width = len(self.columns)
        if isinstance(self.law, Together):
            return self.law.sample(rng, n)
        if self.law.shared:
            return np.repeat(self.law.sample(rng, n)[:, None], width, axis=1)
        return self.law.sample(rng, n * width).reshape(n, width)


def absolute(draws: Array, relative: Relative, nominal: Array) -> Array:
    """Return draws (n, k) as values in the coordinates' units; `nominal`: (k,)."""
    if relative == "scale":
        return draws * nominal
    return draws + nominal if relative == "offset" else draws


class Sampler:
    """Draws the coordinates of some terms; the numbers depend on the laws alone, not on how keys group them."""

    def __init__(self, terms: Sequence[Term], space: VariantSpace) -> None:
        self._terms = _joined(terms)
        self._nominal = [space.nominal[list(term.columns)] for term in self._terms]
        self.columns = np.array([c for term in self._terms for c in term.columns], dtype=np.intp)

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent rows of values in the coordinates' units: (n, len(columns))."""
        drawn = [
            absolute(term.sample(rng, n), term.law.relative, nominal)
            for term, nominal in zip(self._terms, self._nominal, strict=True)
        ]
        return np.concatenate(drawn, axis=1) if drawn else np.zeros((n, 0))


def _joined(terms: Sequence[Term]) -> list[Term]:
    """Return terms in the order of their columns, neighbours of the same law in one: one call draws them all."""
    pieces = sorted((piece for term in terms for piece in term.split()), key=lambda piece: piece.columns[0])
    joined: list[Term] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is None or last.grouped or piece.grouped or last.law != piece.law:
            joined.append(piece)
        else:
            joined[-1] = replace(last, columns=last.columns + piece.columns)
    return joined
