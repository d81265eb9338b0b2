"""Which values an audit tries: every coordinate of a robot's Variants, at the ends of its law, alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from randomization import Quantity, Randomization, VariantSpace
from sim2real.errors import RandomizationError, nearest

Array = NDArray[np.float64]
End = Literal["low", "high"]


@dataclass(frozen=True, eq=False)
class Case:
    """One coordinate of the Variants at one end of its law, in the unit of its quantity."""

    name: str
    quantity: Quantity
    member: str
    end: End
    nominal: float
    value: float

    @property
    def context(self) -> tuple[tuple[str, float], ...]:
        """The values of other quantities, of all their members, under which this one acts."""
        return tuple(self.quantity.context.items())


def ends(space: VariantSpace, randomization: Randomization | None) -> Array:
    """Return the lowest and highest value of each coordinate: (2, space.size).

    Those of the Randomization where it has a law, else of the table's default law.
    """
    found = np.empty((2, space.size))
    for column, (quantity, nominal) in enumerate(zip(space.quantities, space.nominal.tolist(), strict=True)):
        low, high = quantity.default.support
        match quantity.relative:
            case "scale":
                low, high = sorted((nominal * low, nominal * high))
            case "offset":
                low, high = nominal + low, nominal + high
        found[:, column] = low, high
    if randomization is not None:
        columns = list(varied(space, randomization))
        found[:, columns] = randomization.bounds()[:, columns]
    return found


def varied(space: VariantSpace, randomization: Randomization | None) -> Sequence[int]:
    """Return the columns that a Randomization varies, all of them for None; raise RandomizationError for none."""
    if randomization is None:
        return range(space.size)
    columns: list[int] = np.flatnonzero((randomization.bounds() != space.nominal).any(axis=0)).tolist()
    if not columns:
        raise RandomizationError(
            f"--randomization: it varies nothing of {space.robot_name}; leave it out to audit all quantities within "
            "their default ranges"
        )
    return columns


def choose(
    space: VariantSpace, patterns: Sequence[str] | None, per_quantity: int | None, among: Sequence[int]
) -> list[int]:
    """Return the columns to audit, of those in `among`, that a pattern matches.

    A pattern is a coordinate, a quantity, or either with `*` and `?`; per_quantity: how many members of each quantity
    at most. Raise RandomizationError for a pattern that the robot does not have, and where nothing is left.
    """
    columns = list(among)
    if patterns is not None:
        kinds = [q.name for q in space.quantities]
        for pattern in patterns:
            if not any(fnmatchcase(n, pattern) for n in (*space.names, *kinds)):
                known = ", ".join(dict.fromkeys(kinds))
                hint = nearest(pattern, (*kinds, *space.names))
                raise RandomizationError(
                    f"--quantity: '{pattern}' is none of {space.robot_name}'s quantities{hint}; there are {known}"
                )
        columns = [c for c in columns if any(fnmatchcase(n, p) for p in patterns for n in (space.names[c], kinds[c]))]
        if not columns:
            raise RandomizationError(
                f"--quantity: nothing that {' or '.join(patterns)} matches varies in the Randomization; leave "
                "--randomization out to audit the default ranges"
            )
    if per_quantity is None:
        return columns
    kept = []
    for name in dict.fromkeys(space.quantities[c].name for c in columns):
        own = [c for c in columns if space.quantities[c].name == name]
        spread = np.unique(np.linspace(0, len(own) - 1, min(per_quantity, len(own))).round().astype(int))
        kept += [own[k] for k in spread]
    return kept


def make_cases(space: VariantSpace, bounds: Array, columns: Sequence[int]) -> list[Case]:
    """Return a Case for each end that is not the nominal value of a coordinate; bounds (2, space.size)."""
    cases = []
    for column in columns:
        quantity, nominal = space.quantities[column], float(space.nominal[column])
        nominal = dict(quantity.context).get(quantity.name, nominal)
        for end, value in zip(("low", "high"), bounds[:, column].tolist(), strict=True):
            if value != nominal:
                cases.append(Case(space.names[column], quantity, space.members[column], end, nominal, value))  # type: ignore[arg-type]
    return cases
