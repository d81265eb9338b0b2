"""Variant: one sample of the physical truth, a named float vector with units. The one currency of the project.

Randomization draws it, engines apply it, the critic may look at it, the stand-in robot hides one, the twin is one.
What its coordinates can be is the table in `randomization.quantities`.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from randomization.quantities import QUANTITIES
from robots import Robot
from sim2real.errors import RandomizationError, nearest

Array = NDArray[np.float64]


class VariantSpace:
    """The coordinates of a Variant for one robot: `mass/pole`, `friction/slider_to_cart`, `latency`, ...

    A body is what fixed joints hold together, named after its topmost link (`Robot.merged`).
    """

    def __init__(self, robot: Robot) -> None:
        self.robot_name = robot.name
        entries = [(q, member) for q in QUANTITIES for member in q.members(robot)]
        self.quantities = tuple(q for q, _ in entries)
        self.members = tuple(member for _, member in entries)
        self.names = tuple(f"{q.name}/{member}" if member else q.name for q, member in entries)
        self._columns = {name: column for column, name in enumerate(self.names)}
        self.nominal = np.array([q.nominal(robot, member) for q, member in entries])
        self.nominal.setflags(write=False)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.names)

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """The kinds of quantities, as patterns that stand for all their members: `mass/*`, `latency`, ..."""
        found = dict.fromkeys((q.name, bool(member)) for q, member in zip(self.quantities, self.members, strict=True))
        return tuple(f"{name}/*" if several else name for name, several in found)

    @cached_property
    def _slices(self) -> dict[str, slice]:
        """A robot without motors has no strength: its slice is empty."""
        kinds = [q.name for q in self.quantities]
        slices = {q.name: slice(0, 0) for q in QUANTITIES}
        for name in dict.fromkeys(kinds):
            slices[name] = slice(kinds.index(name), kinds.index(name) + kinds.count(name))
        return slices

    def block(self, quantity: str) -> slice:
        """Return the columns of one quantity, in the order of its members; none where the robot has none."""
        return self._slices[quantity]

    def index(self, name: str) -> int:
        """Return the column of a coordinate; raise RandomizationError naming the nearest one."""
        if name not in self._columns:
            known = ", ".join(self.patterns)
            raise RandomizationError(
                f"robot '{self.robot_name}' has no quantity '{name}'{nearest(name, self.names)}; it has {known}"
            )
        return self._columns[name]

    def minimum(self, name: str) -> tuple[float, bool]:
        """Return the least value physics bears for a coordinate, and whether that value itself is excluded."""
        quantity = self.quantities[self.index(name)]
        return quantity.minimum, quantity.strict


class Variant:
    """One sample of the truth for each of n worlds: `values` is (n_worlds, space.size), read-only."""

    def __init__(self, space: VariantSpace, values: Array) -> None:
        self.space = space
        self.values = np.array(values, dtype=np.float64).reshape(-1, space.size)
        self.values.setflags(write=False)

    @classmethod
    def nominal(cls, space: VariantSpace, n: int = 1) -> "Variant":
        """Return n times the Variant that changes nothing."""
        return cls(space, np.tile(space.nominal, (n, 1)))

    @classmethod
    def of(cls, space: VariantSpace, changes: Mapping[str, float | Array], n: int = 1) -> "Variant":
        """Return nominal Variants with some coordinates set: a number for all worlds or an array (n,)."""
        values = np.tile(space.nominal, (n, 1))
        for name, value in changes.items():
            values[:, space.index(name)] = value
        return cls(space, values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Array:
        """Values of one coordinate: (n_worlds,)."""
        return self.values[:, self.space.index(name)]

    def block(self, quantity: str) -> Array:
        """Values of one quantity: (n_worlds, number of its bodies, joints or actuators)."""
        return self.values[:, self.space.block(quantity)]

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Variant":
        """Return the Variants of some worlds."""
        return Variant(self.space, self.values[index])

    def as_dict(self, world: int = 0) -> dict[str, float]:
        """Return what is not nominal in one world, by name, for YAML and reports; `of` makes the same world of it."""
        row = self.values[world]
        changed = np.flatnonzero(row != self.space.nominal)
        return {self.space.names[column]: float(row[column]) for column in changed}
