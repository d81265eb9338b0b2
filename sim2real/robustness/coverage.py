"""Coverage: does a Variant, such as a calibrated robot's, lie in what a policy was trained on, and does it work there?

Depth says where a value lies in the trained range: 1 in the middle, 0 at the end, -1 half the range's width beyond it;
the half width is the unit. Places along a log-uniform law are measured in factors. A value of a coordinate that did not
vary in training has depth 1 where it is the value of training, else minus infinity.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, Variant, stream
from robots import Robot
from sim2real.errors import ConfigError, RandomizationError
from sim2real.evaluate import Evaluation, Progress, evaluate_in, family_of, policy_robot
from sim2real.policy import Policy
from sim2real.robustness.trained_range import TrainedRange, trained_ranges

Array = NDArray[np.float64]


MAX_RADIUS = 100.0  # [half widths]


@dataclass(frozen=True)
class Coordinate:
    """How one coordinate of n Variants lies in the trained range `low` to `high` [unit]; depth: (n,)."""

    name: str
    unit: str
    low: float
    high: float
    values: Array
    depth: Array

    @property
    def inside(self) -> float:
        """Share of the Variants that lie in the range, ends included."""
        return float((self.depth >= 0).mean())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; depth is None where it is minus infinity."""
        least = float(self.depth.min())
        return {
            "name": self.name,
            "unit": self.unit,
            "trained": [self.low, self.high],
            "values": [float(self.values.min()), float(self.values.max())],
            "inside": self.inside,
            "depth": least if np.isfinite(least) else None,
        }


@dataclass(frozen=True)
class Coverage:
    """What a policy makes of n Variants.

    coordinates: all that varied in training or are not as in training here, shallowest first
    radius: of the neighbourhood, in half widths of each trained range
    evaluation: one episode in each of the worlds around the Variants, `sample` (n_episodes,) says around which
    """

    variants: Variant
    coordinates: list[Coordinate]
    radius: float
    evaluation: Evaluation
    sample: NDArray[np.intp]

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Which Variants lie inside in all coordinates: (n,)."""
        return (
            np.all([c.depth >= 0 for c in self.coordinates], axis=0)
            if self.coordinates
            else np.ones(len(self.variants), bool)
        )

    def success_of(self, sample: int) -> float:
        """Share of successes around one Variant."""
        return float(self.evaluation.success[self.sample == sample].mean())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for --json."""
        return {
            "engine": self.evaluation.engine,
            "variants": len(self.variants),
            "inside": float(self.inside.mean()),
            "coordinates": [c.to_dict() for c in self.coordinates],
            "neighbourhood": {
                "radius": self.radius,
                "episodes": len(self.sample),
                "success_rate": self.evaluation.success_rate,
                "confidence_95": list(self.evaluation.interval),
                "success_of_each": [self.success_of(k) for k in range(len(self.variants))],
            },
        }


def coverage(
    policy: Policy,
    variants: Variant,
    engine: str = "mujoco",
    randomization: Randomization | None = None,
    episodes: int = 200,
    radius: float = 0.25,
    seed: int = 0,
    robot: Robot | None = None,
    workers: int = 2,
    progress: Progress = lambda done, total: None,
) -> Coverage:
    """Compare Variants with the Randomization that a policy was trained on, or the one given, and try them.

    The policy is tried in `episodes` worlds, or as many as there are Variants if those are more. Each lies around one
    of the Variants: what varied in training is drawn evenly within `radius` half widths of its range.
    """
    if episodes < 1 or not 0 <= radius <= MAX_RADIUS:
        raise ConfigError(
            f"coverage: episodes must be at least 1 and radius 0 to {MAX_RADIUS:g}, got {episodes} and {radius:g}"
        )
    robot = robot or policy_robot(policy)
    family = family_of(policy, robot, randomization)
    if variants.space.names != family.space.names:
        raise RandomizationError(
            f"variants: are of robot '{variants.space.robot_name}', the policy's is '{robot.name}'"
        )
    ranges = trained_ranges(family)
    sample = np.arange(max(episodes, len(variants))) % len(variants)
    around = neighbours(variants.rows(sample), ranges, radius, stream(seed, "neighbours"))
    result = evaluate_in(policy, around, engine, seed, robot, workers, progress)
    return Coverage(variants, compare(variants, family), radius, result, sample)


def compare(variants: Variant, randomization: Randomization) -> list[Coordinate]:
    """Return how each coordinate lies in its trained range, shallowest first; see `Coverage.coordinates`."""
    space = randomization.space
    low, high = randomization.bounds()
    found = []
    for r in trained_ranges(randomization):
        values = variants[r.name]
        found.append(Coordinate(r.name, r.unit, r.low, r.high, values, depth(r, values)))
    for column in np.flatnonzero((low == high) & (variants.values != low).any(axis=0)).tolist():
        values = variants.values[:, column]
        deep = np.where(values == low[column], 1.0, -np.inf)
        found.append(
            Coordinate(space.names[column], space.quantities[column].unit, low[column], high[column], values, deep)
        )
    return sorted(found, key=lambda c: float(c.depth.min()))


def depth(trained: TrainedRange, values: Array) -> Array:
    """Return how deep values lie in a range, in half widths: 1 in its middle, 0 at its ends, negative outside."""
    return 1.0 - np.abs(trained.place(values))


def neighbours(variants: Variant, ranges: list[TrainedRange], radius: float, rng: np.random.Generator) -> Variant:
    """Return one Variant near each, drawn evenly within `radius` half widths of each range.

    A choice stays as it is, and nothing goes more than half way on to what physics cannot bear.
    """
    values = variants.values.copy()
    for r in ranges:
        drawn = rng.uniform(-radius, radius, len(variants))
        if not r.choices:
            here = values[:, r.column]
            values[:, r.column] = r.bearable(r.value(r.place(here) + drawn), here)
    return Variant(variants.space, values)
