"""Randomization: a distribution over Variants, read from YAML.

    robot: cartpole
    quantities:
      mass/cart: {law: log_uniform, low: 0.5, high: 2.0}
      friction/*: {law: uniform, low: 0.0, high: 0.5}
      latency: {law: uniform, low: 0.0, high: 0.04}

A key names one coordinate or, with `*` and `?`, several, which are then drawn independently.
"""

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from randomization.distributions import Distribution, Law
from randomization.variant import Variant, VariantSpace
from robots import Robot
from sim2real.config import Strict, load, validate
from sim2real.errors import RandomizationError, nearest

FAMILIES = Path(__file__).parent / "families"


class RandomizationFile(Strict):
    """The contents of a Randomization's YAML."""

    robot: str
    quantities: dict[str, Distribution]


def family_names() -> list[str]:
    """Return the names of the Randomizations that ship with the package."""
    return sorted(p.stem for p in FAMILIES.glob("*.yaml"))


class Randomization:
    """Independent laws for some coordinates of a VariantSpace; the others stay nominal."""

    def __init__(self, space: VariantSpace, laws: dict[str, Law], source: str = "randomization") -> None:
        """Check each law against what physics can bear; `source` names the origin in errors."""
        for name, law in laws.items():
            minimum, strict = space.minimum(name)
            low = law.support[0]
            if low < minimum or (strict and low <= minimum):
                bound = f"{'above' if strict else 'at least'} {minimum:g}"
                raise RandomizationError(
                    f"{source}: quantities.{name}: can draw {low:g}, but must be {bound}; raise it"
                )
        self.space = space
        self.laws = {name: laws[name] for name in space.names if name in laws}

    @classmethod
    def none(cls, robot: Robot) -> "Randomization":
        """Return the Randomization that always draws the nominal Variant."""
        return cls(VariantSpace(robot), {})

    @classmethod
    def load(cls, name: str | Path, robot: Robot) -> "Randomization":
        """Load a Randomization by the name of a shipped family, by path, or `none`."""
        if str(name) == "none":
            return cls.none(robot)
        path = Path(name)
        if path.suffix not in (".yaml", ".yml"):
            if str(name) not in family_names():
                known = ", ".join([*family_names(), "none"])
                hint = nearest(str(name), [*family_names(), "none"])
                raise RandomizationError(f"no randomization '{name}'{hint}; shipped: {known}; or give a .yaml file")
            path = FAMILIES / f"{name}.yaml"
        return cls._from_file(load(RandomizationFile, path), robot, str(path))

    @classmethod
    def from_dict(cls, data: dict[str, object], robot: Robot, source: str = "randomization") -> "Randomization":
        """Build from plain data as `to_dict` returns it."""
        return cls._from_file(validate(RandomizationFile, data, source), robot, source)

    @classmethod
    def _from_file(cls, file: RandomizationFile, robot: Robot, source: str) -> "Randomization":
        if file.robot != robot.name:
            raise RandomizationError(
                f"{source}: robot: this Randomization is for '{file.robot}', the robot is '{robot.name}'"
            )
        space = VariantSpace(robot)
        laws: dict[str, Law] = {}
        for pattern, law in file.quantities.items():
            where = f"{source}: quantities.{pattern}"
            names = [pattern] if pattern in space.names else [n for n in space.names if fnmatchcase(n, pattern)]
            if not names:
                known = ", ".join(space.names)
                raise RandomizationError(f"{where}: no such quantity{nearest(pattern, space.names)}; there are {known}")
            for name in names:
                if name in laws:
                    raise RandomizationError(f"{where}: '{name}' already has a law from another key; keep one of them")
                laws[name] = law
        return cls(space, laws, source)

    def draw(self, rng: np.random.Generator, n: int) -> Variant:
        """Draw n Variants."""
        values = np.tile(self.space.nominal, (n, 1))
        for name, law in self.laws.items():
            values[:, self.space.index(name)] = law.sample(rng, n)
        return Variant(self.space, values)

    def bounds(self) -> NDArray[np.float64]:
        """Return the support of every coordinate: (2, space.size), rows low and high; nominal where nothing varies."""
        bounds = np.tile(self.space.nominal, (2, 1))
        for name, law in self.laws.items():
            bounds[:, self.space.index(name)] = law.support
        return bounds

    def to_dict(self) -> dict[str, object]:
        """Return plain data that `from_dict` reads back equal."""
        quantities = {name: law.model_dump(mode="json", exclude_none=True) for name, law in self.laws.items()}
        return {"robot": self.space.robot_name, "quantities": quantities}

    def table(self) -> list[tuple[str, str, str, str]]:
        """Return rows (name, law, range, unit) of what varies."""
        rows = []
        for name, law in self.laws.items():
            low, high = law.support
            quantity = self.space.quantities[self.space.index(name)]
            rows.append((name, str(law.model_dump()["law"]), f"{low:g} .. {high:g}", quantity.unit))
        return rows
