"""Each distribution against numbers by hand, its Fisher matrix against its KL divergence, its draws against its law."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.a2c.distributions import MAX_ACTIONS, Categorical, Gaussian, MultiCategorical, distribution_of
from sim2real.errors import TrainingError

LOG_2PI = 1.8378770664093453
FAMILIES: dict[str, Any] = {
    "gaussian": Gaussian(2),
    "categorical": Categorical(4),
    "multi_categorical": MultiCategorical((2, 3)),
}
families = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def f32(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def outputs(family: Any, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.7, size=(n, family.size)).astype(np.float32)


def test_gaussian_by_hand():
    family = Gaussian(2)
    output = f32([1.0, -1.0, np.log(0.5), np.log(2.0)])
    # z = 1 and 0.5; the logarithms of the deviations cancel
    assert family.log_prob(output, f32([1.5, 0.0])).numpy() == pytest.approx([-0.625 - LOG_2PI])
    assert family.entropy(output).numpy() == pytest.approx([1 + LOG_2PI])
    assert Gaussian(1).entropy(f32([9.0, np.log(2.0)])).numpy() == pytest.approx([np.log(2) + 0.5 * (1 + LOG_2PI)])
    assert family.mode(output).tolist() == [[1.0, -1.0]]


def test_kl_of_gaussians_by_hand():
    old, new = f32([1.0, np.log(2.0)]), f32([0.0, 0.0])
    assert Gaussian(1).kl(old, new).numpy() == pytest.approx([-np.log(2) + (4 + 1) / 2 - 0.5])
    assert Gaussian(1).kl(new, old).numpy() == pytest.approx([np.log(2) + (1 + 1) / 8 - 0.5])


def test_categorical_by_hand():
    family = Categorical(3)
    logits = f32(np.log([1.0, 2.0, 5.0]).tolist()) + 3  # a shift changes nothing: p = 1/8, 2/8, 5/8
    assert family.log_prob(logits, np.array([2])).numpy() == pytest.approx([np.log(0.625)])
    assert family.log_prob(logits, np.array([0])).numpy() == pytest.approx([np.log(0.125)])
    assert family.entropy(logits).numpy() == pytest.approx([0.9002560513])  # log 8 / 8 + log 4 / 4 + 5/8 log 1.6
    assert Categorical(4).entropy(np.zeros((1, 4), np.float32)).numpy() == pytest.approx([np.log(4)])
    assert Categorical(2).entropy(f32([1e4, 0.0])).numpy() == pytest.approx([0.0])
    assert family.mode(logits).tolist() == [2]


def test_kl_of_categoricals_by_hand():
    old, new = f32(np.log([0.5, 0.5]).tolist()), f32(np.log([0.25, 0.75]).tolist()) - 7
    assert Categorical(2).kl(old, new).numpy() == pytest.approx([0.5 * np.log(2) + 0.5 * np.log(2 / 3)], abs=1e-6)
    assert Categorical(2).kl(new, old).numpy() == pytest.approx([0.25 * np.log(0.5) + 0.75 * np.log(1.5)], abs=1e-6)


def test_several_choices_are_each_by_itself():
    family, first, second = MultiCategorical((2, 3)), Categorical(2), Categorical(3)
    old, new = outputs(family, 5, 0), outputs(family, 5, 1)
    action = np.array([[0, 2], [1, 0], [1, 1], [0, 0], [1, 2]])
    for name, a, b in (
        ("log_prob", (old[:, :2], action[:, 0]), (old[:, 2:], action[:, 1])),
        ("entropy", (old[:, :2],), (old[:, 2:],)),
        ("kl", (old[:, :2], new[:, :2]), (old[:, 2:], new[:, 2:])),
    ):
        whole = getattr(family, name)(old, *{"log_prob": (action,), "kl": (new,)}.get(name, ()))
        np.testing.assert_allclose(whole, getattr(first, name)(*a) + getattr(second, name)(*b), rtol=1e-6)
    np.testing.assert_array_equal(family.mode(old), np.stack([first.mode(old[:, :2]), second.mode(old[:, 2:])], axis=1))


@families
@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_kl_is_above_zero_and_zero_for_the_same(family, seed):
    old, new = outputs(family, 6, seed), outputs(family, 6, seed + 1)
    assert (family.kl(old, new).numpy() > 0).all()
    np.testing.assert_allclose(family.kl(old, old), 0.0, atol=1e-6)


def kl64(family: Any, old: np.ndarray, new: np.ndarray) -> float:
    """The divergence once more, in double precision and from its definition, of one row each."""
    if isinstance(family, Gaussian):
        k = family.k
        variance, other = np.exp(2 * old[k:]), np.exp(2 * new[k:])
        terms = 0.5 * np.log(other / variance) + (variance + (old[:k] - new[:k]) ** 2) / (2 * other) - 0.5
        return float(terms.sum())
    total = 0.0
    ends = [2] if isinstance(family, MultiCategorical) else []
    for a, b in zip(np.split(old, ends), np.split(new, ends), strict=True):
        p, q = np.exp(a) / np.exp(a).sum(), np.exp(b) / np.exp(b).sum()
        total += float((p * np.log(p / q)).sum())
    return total


@families
def test_fisher_is_the_second_derivative_of_kl(family):
    """M_ij = d^2 KL(theta || theta') / (d theta'_i d theta'_j) at theta' = theta."""
    rows, n, step = outputs(family, 3, 2), family.size, 1e-4
    for row in rows.astype(np.float64):
        hessian = np.zeros((n, n))
        for i, j in np.ndindex(n, n):
            for si, sj in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                moved = row + step * (si * np.eye(n)[i] + sj * np.eye(n)[j])
                hessian[i, j] += si * sj * kl64(family, row, moved) / (4 * step**2)
        products = family.fisher(np.tile(row, (n, 1)).astype(np.float32), np.eye(n, dtype=np.float32))
        np.testing.assert_allclose(products, hessian, rtol=1e-3, atol=1e-5)
        assert np.abs(hessian).max() > 0.1


@families
def test_kl_agrees_with_its_definition(family):
    old, new = outputs(family, 5, 3), outputs(family, 5, 4)
    expected = [kl64(family, a, b) for a, b in zip(old.astype(float), new.astype(float), strict=True)]
    assert family.kl(old, new).numpy() == pytest.approx(expected, rel=1e-5)


def test_gaussian_draws_have_the_named_mean_and_deviation():
    drawn = Gaussian(2).sample(np.tile(f32([1.0, -2.0, np.log(0.5), 0.0]), (4000, 1)), np.random.default_rng(0))
    assert drawn.dtype == np.float32
    assert drawn.mean(axis=0) == pytest.approx([1.0, -2.0], abs=5 / np.sqrt(4000))
    assert drawn.std(axis=0) == pytest.approx([0.5, 1.0], rel=0.05)
    first, second = drawn.T
    assert np.mean((first - 1.0) * (second + 2.0)) == pytest.approx(0.0, abs=0.04)


def test_categorical_draws_follow_the_probabilities():
    logits = np.log(f32([0.2, 0.3, 0.5, 0.9, 0.1]))
    drawn = MultiCategorical((3, 2)).sample(np.tile(logits, (4000, 1)), np.random.default_rng(0))
    assert np.bincount(drawn[:, 0]) / 4000 == pytest.approx([0.2, 0.3, 0.5], abs=0.04)
    assert np.bincount(drawn[:, 1]) / 4000 == pytest.approx([0.9, 0.1], abs=0.04)
    one = Categorical(3).sample(np.tile(logits[:, :3], (4000, 1)), np.random.default_rng(1))
    assert one.shape == (4000,)
    assert np.bincount(one) / 4000 == pytest.approx([0.2, 0.3, 0.5], abs=0.04)


@families
def test_the_same_generator_draws_the_same_actions(family):
    output = outputs(family, 50, 5)
    first, again, other = (family.sample(output, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


BOX = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


@pytest.mark.parametrize(
    ("space", "kind", "size"),
    [
        (BOX, Gaussian, 6),
        (gymnasium.spaces.Discrete(4), Categorical, 4),
        (gymnasium.spaces.MultiDiscrete([2, 3, 4]), MultiCategorical, 9),
    ],
)
def test_a_space_names_its_distribution(space, kind, size):
    found = distribution_of(space)
    assert (type(found), found.size) == (kind, size)


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Box(-1, 1, (2, 2), np.float32),
        gymnasium.spaces.Discrete(4, start=1),
        gymnasium.spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
        gymnasium.spaces.MultiDiscrete([2, 3], start=[0, 1]),
        gymnasium.spaces.MultiBinary(3),
        gymnasium.spaces.Dict({"a": BOX}),
    ],
    ids=str,
)
def test_other_spaces_are_refused(space):
    with pytest.raises(TrainingError, match=r"^environment: actions are .*; A2C here takes a Box of one dimension"):
        distribution_of(space)


def test_a_space_too_large_is_refused():
    assert distribution_of(gymnasium.spaces.Discrete(MAX_ACTIONS)).size == MAX_ACTIONS
    for space in (gymnasium.spaces.Discrete(MAX_ACTIONS + 1), gymnasium.spaces.Box(-1, 1, (MAX_ACTIONS,), np.float32)):
        with pytest.raises(TrainingError, match=rf"outputs, more than {MAX_ACTIONS}$"):
            distribution_of(space)
