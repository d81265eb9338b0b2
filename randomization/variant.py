"""Variant: one sample of the physical truth, a named float vector with units. The one currency of the project.

Randomization draws it, engines apply it, the critic may look at it, the stand-in robot hides one, the twin is one.
A new quantity is one more row in `QUANTITIES` and one place in the engines (or sensors) that reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from sim2real.errors import RandomizationError, nearest

Array = NDArray[np.float64]
Scope = Literal["world", "body", "joint", "actuator"]


@dataclass(frozen=True)
class Quantity:
    """One kind of physical quantity: where it acts, its unit, its nominal value and the values physics can bear.

    `nominal` maps (robot, name of body, joint or actuator) to the value that changes nothing. Values lie in
    [`minimum`, inf), or in (`minimum`, inf) where `strict`.
    """

    name: str
    scope: Scope
    unit: str
    meaning: str
    nominal: Callable[[Robot, str], float]
    minimum: float = float("-inf")
    strict: bool = False


def _one(_: Robot, __: str) -> float:
    return 1.0


def _zero(_: Robot, __: str) -> float:
    return 0.0


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("mass", "body", "x nominal", "mass; the inertia follows it", _one, 0.0, strict=True),
    Quantity("inertia", "body", "x nominal", "inertia about the centre of mass, at equal mass", _one, 0.0, strict=True),
    Quantity("damping", "joint", "N m s/rad | N s/m", "viscous friction", lambda r, j: r.model.joint(j).damping, 0.0),
    Quantity("friction", "joint", "N m | N", "Coulomb friction", lambda r, j: r.model.joint(j).friction, 0.0),
    Quantity("strength", "actuator", "x nominal", "effort delivered for effort asked, and the effort limit", _one, 0.0),
    Quantity("latency", "world", "s", "from the command's issue to the motor", _zero, 0.0),
    Quantity("jitter", "world", "s", "largest extra hold of a command, drawn anew each period", _zero, 0.0),
    Quantity("encoder_noise", "joint", "rad | m", "deviation of white noise on a measured position", _zero, 0.0),
    Quantity("encoder_bias", "joint", "rad | m", "constant error of a measured position", _zero),
    Quantity("encoder_resolution", "joint", "rad | m", "step of a measured position; 0 is continuous", _zero, 0.0),
    Quantity("velocity_noise", "joint", "rad/s | m/s", "deviation of white noise on a measured velocity", _zero, 0.0),
)


class VariantSpace:
    """The coordinates of a Variant for one robot: `mass/pole`, `friction/slider_to_cart`, `latency`, ...

    A body is what fixed joints hold together, named after its topmost link (`Robot.merged`).
    """

    def __init__(self, robot: Robot) -> None:
        self.robot_name = robot.name
        members = {
            "world": ("",),
            "body": robot.merged.model.bodies,
            "joint": robot.joint_names,
            "actuator": robot.actuator_names,
        }
        entries = [(q, member) for q in QUANTITIES for member in members[q.scope]]
        self.quantities = tuple(q for q, _ in entries)
        self.names = tuple(f"{q.name}/{member}" if member else q.name for q, member in entries)
        self.nominal = np.array([q.nominal(robot, member) for q, member in entries])
        self.nominal.setflags(write=False)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.names)

    @cached_property
    def _slices(self) -> dict[str, slice]:
        """A robot without motors has no strength: its slice is empty."""
        kinds = [q.name for q in self.quantities]
        starts = {q.name: kinds.index(q.name) if q.name in kinds else 0 for q in QUANTITIES}
        return {name: slice(start, start + kinds.count(name)) for name, start in starts.items()}

    def block(self, quantity: str) -> slice:
        """Return the columns of one quantity, in canonical order of its bodies, joints or actuators."""
        return self._slices[quantity]

    def index(self, name: str) -> int:
        """Return the column of a coordinate; raise RandomizationError naming the nearest one."""
        if name not in self.names:
            known = ", ".join(self.names)
            raise RandomizationError(
                f"robot '{self.robot_name}' has no quantity '{name}'{nearest(name, self.names)}; it has {known}"
            )
        return self.names.index(name)

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
        """Return one world's Variant by name, for YAML and reports."""
        return {name: float(v) for name, v in zip(self.space.names, self.values[world], strict=True)}
