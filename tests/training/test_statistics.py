"""Figures of several runs: known values, the exact bootstrap distribution, and scipy's."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim2real.training.statistics import bootstrap_interval, interquartile_mean, spread

FIVE = np.array([12.0, 3.0, 8.0, 40.0, 9.0])


@pytest.mark.parametrize("n", range(1, 13))
def test_the_interquartile_mean_is_scipys_trimmed_mean(n):
    scores = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25), rel=1e-12)


def test_an_outlier_does_not_move_it():
    assert interquartile_mean(FIVE) == pytest.approx((8.0 + 9.0 + 12.0) / 3)
    assert interquartile_mean(np.where(FIVE == 40.0, 1e9, FIVE)) == interquartile_mean(FIVE)


def test_the_interval_is_that_of_all_resamples():
    """Five runs have 3,125 resamples: their exact distribution tells what 10,000 random ones must come to."""
    exact = np.sort([float(interquartile_mean(FIVE[list(rows)])) for rows in product(range(5), repeat=5)])
    found = bootstrap_interval(FIVE[:, None], np.random.default_rng(0))
    assert found == pytest.approx(np.quantile(exact, [0.025, 0.975]), abs=0.5)


def test_the_interval_is_scipys():
    scores = np.random.default_rng(3).normal(10.0, 2.0, 16)
    low, high = bootstrap_interval(scores[:, None], np.random.default_rng(0))
    theirs = stats.bootstrap(
        (scores,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.1)


def test_strata_are_drawn_from_apart():
    """Two tasks whose runs are all alike: no resample can mix them, so nothing is uncertain."""
    scores = np.tile([0.0, 10.0], (6, 1))
    assert bootstrap_interval(scores, np.random.default_rng(0)) == (5.0, 5.0)
    mixed = bootstrap_interval(scores.reshape(-1, 1), np.random.default_rng(0))
    assert mixed[0] < 2.0
    assert mixed[1] > 8.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_what_a_spread_holds(values):
    found = spread(values)
    assert found == spread(values)
    near = 1e-9 * max(1.0, *map(abs, values))
    assert found.least - near <= found.low <= found.high <= found.most + near
    assert found.least - near <= found.iqm <= found.most + near
    assert found.median == np.median(values)
