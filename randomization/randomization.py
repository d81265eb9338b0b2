"""Randomization: a distribution over Variants, read from YAML.

    robot: cartpole
    quantities:
      mass/cart: {law: log_uniform, low: 0.5, high: 2.0}
      friction/*: {law: uniform, low: 0.0, high: 0.5}
      latency: {law: uniform, low: 0.0, high: 0.04, when: episode}
    correlated:
      - {law: gaussian, names: [mass/pole, inertia/pole], mean: [1.0, 1.0], std: [0.1, 0.1],
         correlation: [[1.0, 0.8], [0.8, 1.0]]}

A key names one coordinate or, with `*` and `?`, several, which are then drawn independently unless `shared: true`.
`fits:` in the place of `robot:` says which kinds of robots it is for, as in the presets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randomization.correlated import Together
from randomization.distributions import Law
from randomization.entries import LogUniformEntry, NormalEntry, UniformEntry, entry_of, plain
from randomization.reader import read_terms
from randomization.suspicions import suspicions
from randomization.table import Row, table
from randomization.terms import Clock, Sampler, Term
from randomization.variant import Variant, VariantSpace
from robots import Robot
from sim2real.config import read_yaml
from sim2real.errors import RandomizationError, nearest

FAMILIES = Path(__file__).parent / "families"
PRESETS = Path(__file__).parent / "presets"

Array = NDArray[np.float64]


def family_names() -> list[str]:
    """Return the names of the Randomizations that ship with the package, for one robot or for robots of a kind."""
    return sorted(p.stem for p in FAMILIES.glob("*.yaml"))


def preset_names() -> list[str]:
    """Return the names of the Randomizations that ship with the package from published work, for kinds of robots."""
    return sorted(p.stem for p in PRESETS.glob("*.yaml"))


class Randomization:
    """Laws for some coordinates of a VariantSpace; the others stay nominal."""

    def __init__(self, space: VariantSpace, terms: Sequence[Term]) -> None:
        """Take terms that `load` or `from_dict` have checked."""
        self.space = space
        self.terms = tuple(terms)

    @classmethod
    def none(cls, robot: Robot) -> "Randomization":
        """Return the Randomization that always draws the nominal Variant."""
        return cls(VariantSpace(robot), ())

    @classmethod
    def load(cls, name: str | Path, robot: Robot, episode_s: float | None = None) -> "Randomization":
        """Load a Randomization by the name of a shipped family or preset, by path, or `none`.

        episode_s: length of an episode [s], if known: delays that do not end within it are refused
        Raise RandomizationError with everything that is wrong, ConfigError if the file is not YAML.
        """
        if str(name) == "none":
            return cls.none(robot)
        path = Path(name)
        if path.suffix not in (".yaml", ".yml"):
            path = _shipped(str(name))
        return cls._read(read_yaml(path), robot, str(path), path.parent, episode_s)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], robot: Robot, source: str = "randomization", episode_s: float | None = None
    ) -> "Randomization":
        """Build from plain data as `to_dict` returns it; `source` names the origin in errors."""
        return cls._read(dict(data), robot, source, None, episode_s)

    @classmethod
    def _read(
        cls, data: dict[str, Any], robot: Robot, source: str, folder: Path | None, episode_s: float | None
    ) -> "Randomization":
        space = VariantSpace(robot)
        return cls(space, read_terms(data, space, robot, source, folder, episode_s))

    @cached_property
    def laws(self) -> dict[str, Law | Together]:
        """The law of every coordinate that varies, as written: its values may be scales or offsets."""
        found = {column: term.law for term in self.terms for column in term.columns}
        return {self.space.names[column]: found[column] for column in sorted(found)}

    @cached_property
    def clocks(self) -> dict[Clock, Sampler]:
        """What draws the coordinates of each (when, every)."""
        clocks = dict.fromkeys(term.clock for term in self.terms)
        return {clock: Sampler([t for t in self.terms if t.clock == clock], self.space) for clock in clocks}

    @cached_property
    def warnings(self) -> list[str]:
        """Ranges that are allowed and hardly meant, such as a delay of seconds: a line each, with the key."""
        return list(suspicions(self.terms, self.space))

    @cached_property
    def _sampler(self) -> Sampler:
        return Sampler(self.terms, self.space)

    def draw(self, rng: np.random.Generator, n: int) -> Variant:
        """Draw n independent Variants, of every coordinate whatever its `when`."""
        values = np.tile(self.space.nominal, (n, 1))
        values[:, self._sampler.columns] = self._sampler.draw(rng, n)
        return Variant(self.space, values)

    def bounds(self) -> Array:
        """Return the support of every coordinate: (2, space.size), rows low and high; nominal where nothing varies."""
        bounds = np.tile(self.space.nominal, (2, 1))
        for term in self.terms:
            bounds[:, list(term.columns)] = term.bounds(self.space)
        return bounds

    def within(self, ranges: Mapping[str, tuple[float, float]]) -> "Randomization":
        """Return this Randomization with the laws of some terms limited to [low, high], as written in the YAML.

        ranges: a term's key, such as `quantities.mass/*`, to a range inside of its law's support
        Raise RandomizationError for a term whose law is not one of an interval.
        """
        terms = []
        for term in self.terms:
            if term.key not in ranges:
                terms.append(term)
            elif isinstance(term.law, UniformEntry | LogUniformEntry | NormalEntry):
                terms.append(replace(term, law=entry_of(term.law.within(*ranges[term.key]), term.law)))
            else:
                raise RandomizationError(f"{term.key}: a law without an interval cannot be narrowed")
        return Randomization(self.space, terms)

    def to_dict(self) -> dict[str, object]:
        """Return plain data that `from_dict` reads back equal: patterns resolved, but for draws shared or together."""
        quantities: dict[str, Any] = {}
        correlated = []
        for term in sorted(self.terms, key=lambda term: term.columns):
            if isinstance(term.law, Together):
                correlated.append(plain(term.law))
            elif term.grouped:
                quantities[term.key.removeprefix("quantities.")] = plain(term.law)
            else:
                quantities |= {self.space.names[column]: plain(term.law) for column in term.columns}
        data: dict[str, object] = {"robot": self.space.robot_name, "quantities": quantities}
        return data | ({"correlated": correlated} if correlated else {})

    def table(self) -> list[Row]:
        """Return rows (quantity, law, range, nominal, unit, when) of what varies; members of equal law share one."""
        return table(self.terms, self.space)


def _shipped(name: str) -> Path:
    paths = {path.stem: path for folder in (FAMILIES, PRESETS) for path in sorted(folder.glob("*.yaml"))}
    if name not in paths:
        known = [*paths, "none"]
        raise RandomizationError(
            f"no randomization '{name}'{nearest(name, known)}; shipped: {', '.join(known)}; or give a .yaml file"
        )
    return paths[name]
