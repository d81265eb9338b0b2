"""Each law stays in its support, has the distribution it names, and refuses settings that mean nothing."""

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from randomization.distributions import (
    Choice,
    Distribution,
    Fixed,
    Law,
    LogUniform,
    Mixture,
    TruncatedNormal,
    Uniform,
)
from sim2real.config import Strict, validate
from sim2real.errors import ConfigError

N = 20_000

LAWS: TypeAdapter[Law] = TypeAdapter(Distribution)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def truncated(low: float, high: float, mean: float, std: float) -> Any:
    return stats.truncnorm((low - mean) / std, (high - mean) / std, loc=mean, scale=std)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (Uniform(low=-2, high=5), stats.uniform(-2, 7)),
        (Uniform(low=0, high=1e-9), stats.uniform(0, 1e-9)),
        (LogUniform(low=0.2, high=5), stats.loguniform(0.2, 5)),
        (LogUniform(low=1e-6, high=1e6), stats.loguniform(1e-6, 1e6)),
        (TruncatedNormal(mean=1, std=0.5, low=0, high=2), truncated(0, 2, 1, 0.5)),
        (TruncatedNormal(mean=0, std=1, low=0.5, high=9), truncated(0.5, 9, 0, 1)),
        (TruncatedNormal(mean=0, std=1, low=-9, high=-0.5), truncated(-9, -0.5, 0, 1)),
        (TruncatedNormal(mean=0, std=1, low=4, high=9), truncated(4, 9, 0, 1)),
        (TruncatedNormal(mean=0, std=1, low=-50, high=-4), truncated(-50, -4, 0, 1)),
        (TruncatedNormal(mean=3, std=1, low=2.5, high=2.500001), stats.uniform(2.5, 1e-6)),
        (TruncatedNormal(mean=0, std=1, low=-100, high=100), stats.norm()),
    ],
)
def test_the_distribution_is_the_one_named(law, reference):
    values = law.sample(rng(), N)
    assert values.shape == (N,)
    assert stats.kstest(values, reference.cdf).pvalue > 1e-3
    # The test would notice: the same values shifted by a tenth of their spread fail it.
    assert stats.kstest(values + 0.1 * values.std(), reference.cdf).pvalue < 1e-3


@pytest.mark.parametrize("weights", [None, (1, 2, 0, 5), (1e308, 1e308, 0, 1e308), (1e-320, 1e-320, 0, 1e-320)])
def test_choice_follows_its_weights(weights):
    law = Choice(values=(0, 1, 2, 3), weights=weights)
    counts = np.bincount(law.sample(rng(), N).astype(int), minlength=4)
    expected = np.ones(4) if weights is None else np.array(weights) / max(weights)
    drawn = expected > 0
    assert (counts[~drawn] == 0).all()
    assert stats.chisquare(counts[drawn], N * expected[drawn] / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize(
    ("law", "support"),
    [
        (Fixed(value=3), (3, 3)),
        (Uniform(low=-1, high=2), (-1, 2)),
        (LogUniform(low=0.5, high=2), (0.5, 2)),
        (TruncatedNormal(mean=0, std=1, low=-1, high=2), (-1, 2)),
        (Choice(values=(3, -1, 2)), (-1, 3)),
        (Choice(values=(3, -1, 2), weights=(1, 0, 1)), (2, 3)),
        (Choice(values=(0, 0, 5)), (0, 5)),
        (Mixture(parts=(Uniform(low=-1, high=2), Fixed(value=9), Fixed(value=99)), weights=(5, 1, 0)), (-1, 9)),
    ],
)
def test_support(law, support):
    assert law.support == support
    values = law.sample(rng(), 1000)
    assert (values.min(), values.max()) == (pytest.approx(support[0], abs=0.02), pytest.approx(support[1], abs=0.02))


def test_a_mixture_draws_from_each_part_as_often_as_its_weight_says():
    law = Mixture(parts=(Uniform(low=0, high=1), Uniform(low=2, high=4), Fixed(value=7)), weights=(1, 2, 1))
    values = law.sample(rng(), N)
    first, second = values[values < 1.5], values[(values > 1.5) & (values < 5)]
    counts = [len(first), len(second), (values == 7).sum()]
    assert stats.chisquare(counts, [N / 4, N / 2, N / 4]).pvalue > 1e-3
    assert stats.chisquare(counts, [N / 3, N / 3, N / 3]).pvalue < 1e-3
    assert stats.kstest(first, stats.uniform(0, 1).cdf).pvalue > 1e-3
    assert stats.kstest(second, stats.uniform(2, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("law", "low", "high", "reference"),
    [
        (Uniform(low=0, high=9), 2, 3, stats.uniform(2, 1)),
        (LogUniform(low=0.1, high=10), 0.5, 2, stats.loguniform(0.5, 2)),
        (TruncatedNormal(mean=0, std=1, low=-3, high=3), 0.5, 1, truncated(0.5, 1, 0, 1)),
        (TruncatedNormal(mean=0, std=1, low=-9, high=9), 6, 7, stats.uniform(6, 1)),
    ],
)
def test_a_law_within_a_range_is_the_law_given_that_range(law, low, high, reference):
    narrow = law.within(low, high)
    assert narrow.support == (low, high)
    assert stats.kstest(narrow.sample(rng(), N), reference.cdf).pvalue > 1e-3
    for place in (low, high):
        assert law.within(place, place).sample(rng(), 3) == pytest.approx([place] * 3, abs=1e-12)


REAL = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-6, 1e6)


@st.composite
def laws(draw: st.DrawFn) -> Law:
    kind = draw(st.sampled_from(["fixed", "uniform", "log_uniform", "normal", "choice", "mixture"]))
    if kind == "mixture":
        parts = draw(st.lists(laws().filter(lambda law: not isinstance(law, Mixture)), min_size=2, max_size=3))
        return Mixture(parts=tuple(parts), weights=(1.0,) * len(parts) if draw(st.booleans()) else None)
    if kind == "fixed":
        return Fixed(value=draw(REAL))
    if kind == "choice":
        values = draw(st.lists(REAL, min_size=1, max_size=5))
        weights = draw(st.none() | st.lists(st.floats(0, 1e300), min_size=len(values), max_size=len(values)))
        assume(weights is None or max(weights) > 0)
        return Choice(values=tuple(values), weights=weights and tuple(weights))
    low, high = sorted(
        (draw(POSITIVE if kind == "log_uniform" else REAL), draw(POSITIVE if kind == "log_uniform" else REAL))
    )
    if kind == "normal":
        mean, std = draw(REAL), draw(POSITIVE)
        assume(low < high and low <= mean + 4 * std and high >= mean - 4 * std)
        return TruncatedNormal(mean=mean, std=std, low=low, high=high)
    return Uniform(low=low, high=high) if kind == "uniform" else LogUniform(low=low, high=high)


@given(laws(), st.integers(0, 2**32))
def test_nothing_outside_the_support_is_ever_drawn(law, seed):
    low, high = law.support
    values = law.sample(np.random.default_rng(seed), 50)
    assert values.shape == (50,)
    assert (values >= low).all()
    assert (values <= high).all()


@given(laws())
def test_a_law_survives_the_way_through_plain_data(law):
    assert LAWS.validate_python(law.model_dump(mode="json")) == law


@given(laws())
def test_equal_streams_give_equal_bits_and_a_law_takes_only_its_own(law):
    a, b = np.random.default_rng(3), np.random.default_rng(3)
    assert law.sample(a, 20).tobytes() == law.sample(b, 20).tobytes()
    assert a.random() == b.random()


@pytest.mark.parametrize(
    ("low", "high", "mean", "std"),
    [
        (4, 4.0001, 0, 1),  # a share of 1e-8: rejection would draw ten billion times for a hundred values
        (-4.0001, -4, 0, 1),
        (0, 1e-15, 0, 1),
        (-1e9, -4e-9, 0, 1e-9),
        (1, math.nextafter(1, 2), 1, 1e6),
        (-1, 1, 0, 1e-320),
        (-8e307, 8e307, 0, 1e308),
    ],
)
def test_a_truncated_normal_ends_at_once_however_unlikely_its_interval(low, high, mean, std):
    law = TruncatedNormal(low=low, high=high, mean=mean, std=std)
    began = time.process_time()
    values = law.sample(rng(), N)
    assert time.process_time() - began < 1
    assert values.min() >= low
    assert values.max() <= high


class Holder(Strict):
    law: Distribution


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"law": "uniform", "low": 2, "high": 1}, "low 2 is above high 1; swap them"),
        ({"law": "uniform", "low": -1e308, "high": 1e308}, "high - low must be a finite number"),
        (
            {"law": "log_uniform", "low": 0, "high": 1},
            "low must be above 0 for log_uniform, got 0; use uniform to include 0",
        ),
        (
            {"law": "log_uniform", "low": -1, "high": 1},
            "low must be above 0 for log_uniform, got -1; use uniform to include 0",
        ),
        (
            {"law": "normal", "mean": 0, "std": 1, "low": 4.1, "high": 9},
            "[low, high] must be an interval within 4 std of mean",
        ),
        (
            {"law": "normal", "mean": 0, "std": 1, "low": -9, "high": -4.1},
            "[low, high] must be an interval within 4 std of mean",
        ),
        (
            {"law": "normal", "mean": 0, "std": 1, "low": 1, "high": 1},
            "[low, high] must be an interval within 4 std of mean",
        ),
        ({"law": "choice", "values": [1, 2], "weights": [1]}, "weights needs one number for each of values, not all 0"),
        (
            {"law": "choice", "values": [1, 2], "weights": [0, 0]},
            "weights needs one number for each of values, not all 0",
        ),
        (
            {"law": "mixture", "parts": [{"law": "fixed", "value": 1}] * 2, "weights": [1]},
            "weights needs one number for each of parts, not all 0",
        ),
    ],
)
def test_settings_that_mean_nothing(data, problem):
    with pytest.raises(ConfigError) as caught:
        validate(Holder, {"law": data}, "r.yaml")
    assert str(caught.value).startswith(f"r.yaml: law: {problem}")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"law": "normal", "mean": 0, "std": 0, "low": -1, "high": 1}, "law.std: must be greater than 0 (got 0)"),
        ({"law": "choice", "values": []}, "law.values: must not be empty"),
        ({"law": "mixture", "parts": [{"law": "fixed", "value": 1}]}, "law.parts: must have at least 2 entries"),
        (
            {"law": "mixture", "parts": [{"law": "fixed", "value": 1}, {"law": "mixture", "parts": []}]},
            "law.parts.1.law: must be one of fixed, uniform, log_uniform, normal, choice (got 'mixture')",
        ),
        (
            {"law": "mixture", "parts": [{"law": "fixed", "value": 1}, {"law": "uniform", "low": 2, "high": 1}]},
            "law.parts.1: low 2 is above high 1; swap them",
        ),
        (
            {"law": "choice", "values": [1, 2], "weights": [-1, 2]},
            "law.weights.0: must be greater than or equal to 0 (got -1)",
        ),
        ({"law": "uniform", "low": math.nan, "high": 1}, "law.low: must be a finite number (got nan)"),
        ({"law": "fixed", "value": math.inf}, "law.value: must be a finite number (got inf)"),
        ({"law": "fixed", "value": True}, "law.value: must be a number (got true)"),
        (
            {"law": "unifrm", "low": 0, "high": 1},
            "law.law: must be one of fixed, uniform, log_uniform, normal, choice, mixture (got 'unifrm')",
        ),
        (
            {"law": "uniform", "low": 0, "hgih": 1},
            "law.hgih: unknown key (did you mean 'high'?); known keys: high, law, low",
        ),
    ],
)
def test_a_mistake_names_the_key_in_the_file(data, problem):
    with pytest.raises(ConfigError) as caught:
        validate(Holder, {"law": data}, "r.yaml")
    assert str(caught.value).startswith(f"r.yaml: {problem}")
