"""Sensitivity: how success depends on each quantity that varies, which have a cliff, and which pairs are worst.

One quantity at a time is put at some places in its trained range and beyond (`axes`), while all others keep
the values of the same `worlds` Variants drawn from the Randomization: at every place a policy meets the same worlds,
from the same first states, but for that one quantity. Each keeps its value for an episode, whenever it is drawn in
training.

A quantity has a **cliff** where, at some place within its trained range, success falls below half of its value at the
middle; a cliff **beyond** is one that lies outside of the range only. Its drop is what success loses within the range,
from the best place to the worst. The quantities that drop most are then varied in pairs, over a grid in both ranges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, Variant, stream
from robots import Robot
from sim2real.errors import ConfigError, RandomizationError
from sim2real.evaluate import Progress, evaluate_in, family_of, policy_robot, wilson_interval
from sim2real.policy import Policy
from sim2real.robustness.axes import GRID, Axis, axes_of
from sim2real.robustness.trained_range import trained_ranges

Array = NDArray[np.float64]

CLIFF = 0.5  # of the success at the middle
PAIRED = 3  # quantities that are varied in pairs

Cliff = Literal["within", "beyond", "none"]


@dataclass(frozen=True)
class Curve:
    """Success against one quantity: at `places` (k,), of `values` (k,), `successes` (k,) of `worlds` episodes each."""

    axis: Axis
    places: Array
    values: Array
    successes: NDArray[np.int64]
    worlds: int

    @property
    def rates(self) -> Array:
        """Success rate at each place: (k,)."""
        return self.successes / self.worlds

    @property
    def within(self) -> NDArray[np.bool_]:
        """Which places lie in the trained range: (k,)."""
        return np.abs(self.places) <= 1.0 + 1e-9

    @property
    def drop(self) -> float:
        """What success loses within the trained range, from the best place to the worst."""
        inside = self.rates[self.within]
        return float(inside.max() - inside.min())

    @property
    def cliff(self) -> Cliff:
        """Whether success falls below half of its value at the middle; see the module."""
        middle = self.rates[np.abs(self.places).argmin()]
        low = self.rates < CLIFF * middle
        if (low & self.within).any():
            return "within"
        return "beyond" if low.any() else "none"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for --json."""
        return {
            "name": self.axis.name,
            "unit": self.axis.unit,
            "drop": self.drop,
            "cliff": self.cliff,
            "places": self.places.tolist(),
            "values": self.values.tolist(),
            "success": self.rates.tolist(),
            "confidence_95": [list(wilson_interval(int(k), self.worlds)) for k in self.successes],
        }


@dataclass(frozen=True)
class Pair:
    """Success over a grid of two quantities: `rates` (len(first's places), len(second's places))."""

    first: Axis
    second: Axis
    rates: Array

    @property
    def worst(self) -> tuple[float, float, float]:
        """Return the lowest success and the two places where it is."""
        row, column = np.unravel_index(self.rates.argmin(), self.rates.shape)
        return float(self.rates.min()), float(self.first.grid()[row]), float(self.second.grid()[column])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for --json."""
        success, first, second = self.worst
        return {
            "names": [self.first.name, self.second.name],
            "worst": {"success": success, "values": [self.first.value(first), self.second.value(second)]},
            "places": [self.first.grid().tolist(), self.second.grid().tolist()],
            "success": self.rates.tolist(),
        }


@dataclass(frozen=True)
class Sensitivity:
    """Curves of all quantities, the most sensitive first, and pairs of those, the worst first."""

    engine: str
    worlds: int
    episodes: int
    curves: list[Curve]
    pairs: list[Pair]

    def cliffs(self, where: Cliff = "within") -> list[str]:
        """Return the names of the quantities with a cliff within the trained range, or beyond it only."""
        return [c.axis.name for c in self.curves if c.cliff == where]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for --json."""
        return {
            "engine": self.engine,
            "worlds": self.worlds,
            "episodes": self.episodes,
            "cliffs": self.cliffs(),
            "cliffs_beyond": self.cliffs("beyond"),
            "quantities": [c.to_dict() for c in self.curves],
            "pairs": [p.to_dict() for p in self.pairs],
        }


def sensitivity(
    policy: Policy,
    engine: str = "mujoco",
    randomization: Randomization | None = None,
    worlds: int = 28,
    pattern: str = "*",
    seed: int = 0,
    robot: Robot | None = None,
    workers: int = 2,
    progress: Progress = lambda done, total: None,
) -> Sensitivity:
    """Measure success against the quantities whose names match `pattern`, in `worlds` worlds at each place.

    The policy's own Randomization says what varies, unless one is given; raise RandomizationError if nothing does.
    """
    if worlds < 1:
        raise ConfigError(f"worlds: must be at least 1, got {worlds}")
    robot = robot or policy_robot(policy)
    family = family_of(policy, robot, randomization)
    ranges = trained_ranges(family, pattern)
    if not ranges:
        raise RandomizationError("sensitivity: nothing varies in the policy's Randomization; give another one")
    base = family.draw(stream(seed, "sensitivity"), worlds)
    study = _Study(policy, robot, engine, base, seed, workers)
    axes = axes_of(family, ranges)
    n_points = sum(len(axis.places()) for axis in axes)
    n_paired = len(GRID) ** 2 * len(list(combinations(axes[:PAIRED], 2)))  # at most: a choice has fewer places
    curves = study.curves(axes, _share(progress, 0, n_points, n_points + n_paired))
    curves.sort(key=lambda c: -c.drop)
    sensitive = [curve.axis for curve in curves[:PAIRED]]
    pairs = study.pairs(sensitive, _share(progress, n_points, n_paired, n_points + n_paired))
    pairs.sort(key=lambda p: p.worst[0])
    return Sensitivity(engine, worlds, study.episodes, curves, pairs)


def _share(progress: Progress, before: int, points: int, total: int) -> Progress:
    """Return the progress of a part, which begins after some points, as that of the whole, in thousandths of points."""
    return lambda done, steps: progress(1000 * before + 1000 * points * done // steps, 1000 * total)


class _Study:
    """Runs a policy in variations of the same worlds and counts successes."""

    def __init__(self, policy: Policy, robot: Robot, engine: str, base: Variant, seed: int, workers: int) -> None:
        self.policy, self.robot, self.engine, self.base, self.seed, self.workers = (
            policy, robot, engine, base, seed, workers
        )  # fmt: skip
        self.episodes = 0

    def curves(self, axes: Sequence[Axis], progress: Progress) -> list[Curve]:
        """Return success along each axis."""
        points = [[(axis, float(place))] for axis in axes for place in axis.places()]
        successes = iter(self._count(points, progress))
        found = []
        for axis in axes:
            places = axis.places()
            values = np.array([axis.value(p) for p in places])
            counts = np.array([next(successes) for _ in places])
            found.append(Curve(axis, places, values, counts, len(self.base)))
        return found

    def pairs(self, axes: Sequence[Axis], progress: Progress) -> list[Pair]:
        """Return success over the grid of each pair of axes."""
        couples = list(combinations(axes, 2))
        points = [[(a, float(p)), (b, float(q))] for a, b in couples for p in a.grid() for q in b.grid()]
        successes = iter(self._count(points, progress))
        found = []
        for a, b in couples:
            counts = [[next(successes) for _ in b.grid()] for _ in a.grid()]
            found.append(Pair(a, b, np.array(counts) / len(self.base)))
        return found

    def _count(self, points: Sequence[Sequence[tuple[Axis, float]]], progress: Progress) -> list[int]:
        """Return how many of the base's worlds succeed with some quantities put at places, for each point."""
        if not points:
            return []
        values = np.tile(self.base.values, (len(points), 1, 1))
        for k, moves in enumerate(points):
            for axis, place in moves:
                axis.put(values[k], place)
        truth = Variant(self.base.space, values.reshape(-1, self.base.space.size))
        self.episodes += len(truth)
        result = evaluate_in(
            self.policy, truth, self.engine, self.seed, self.robot, self.workers, progress, len(self.base)
        )
        return [int(n) for n in result.success.reshape(len(points), -1).sum(axis=1)]
