"""Figures of several runs: median, spread, and the interquartile mean with its stratified bootstrap interval.

As Agarwal et al. 2021 (arXiv 2108.13264) ask for, since a mean of a few seeds says little and hides how little.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

RESAMPLES = 10_000
CUT = 0.25  # share of the scores that the interquartile mean leaves out at each end


@dataclass(frozen=True)
class Spread:
    """What several runs say of one figure. low, high: 95 % bootstrap interval of the interquartile mean, `iqm`."""

    median: float
    least: float
    most: float
    iqm: float
    low: float
    high: float


def interquartile_mean(scores: Array) -> Array:
    """Return the mean over the last axis without the lowest and the highest quarter, rounded down to whole scores."""
    n = scores.shape[-1]
    cut = int(CUT * n)
    mean: Array = np.sort(scores, axis=-1)[..., cut : n - cut].mean(axis=-1)
    return mean


def bootstrap_interval(scores: Array, rng: np.random.Generator, confidence: float = 0.95) -> tuple[float, float]:
    """Return the stratified bootstrap interval of the interquartile mean of scores (n_runs, n_tasks).

    Runs are drawn anew within each task, and the mean is taken over all of them; the interval lies between percentiles.
    """
    n_runs, n_tasks = scores.shape
    drawn = rng.integers(n_runs, size=(RESAMPLES, n_runs, n_tasks))
    means = interquartile_mean(scores[drawn, np.arange(n_tasks)].reshape(RESAMPLES, -1))
    outside = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [outside, 1.0 - outside])
    return float(low), float(high)


def spread(values: ArrayLike, seed: int = 0) -> Spread:
    """Return what runs say of one figure: values (n_runs,), finite, at least one. The same values, the same numbers."""
    scores = np.asarray(values, dtype=np.float64)
    low, high = bootstrap_interval(scores[:, None], np.random.default_rng(seed))
    middle = float(interquartile_mean(scores))
    return Spread(float(np.median(scores)), float(scores.min()), float(scores.max()), middle, low, high)
