"""GAE(lambda) against numbers worked out by hand, and against its definition as a sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.a2c.returns import gae

REWARD, VALUE, GAMMA = [1.0, 2.0, 3.0], [0.5, 1.0, 1.5], 0.9
GOES_ON = [1.0, 1.5, 2.0]  # V of what follows; 2 after the last step


def one_world(
    next_value: list[float], ended: list[bool], lam: float, reward: list[float] = REWARD
) -> tuple[list[float], list[float]]:
    r, v, following, ends = (np.array(x)[:, None] for x in (reward, VALUE, next_value, ended))
    advantage, returns = gae(r, v, following, ends, GAMMA, lam)
    return advantage[:, 0].tolist(), returns[:, 0].tolist()


def test_lambda_1_gives_n_step_returns():
    advantage, returns = one_world(GOES_ON, [False] * 3, 1.0)
    assert returns == pytest.approx([6.688, 6.32, 4.8])  # 3 + 0.9 x 2; 2 + 0.9 x 4.8; 1 + 0.9 x 6.32
    assert advantage == pytest.approx([6.188, 5.32, 3.3])


def test_lambda_0_gives_one_step_errors():
    advantage, _ = one_world(GOES_ON, [False] * 3, 0.0)
    assert advantage == pytest.approx([1.4, 2.35, 3.3])  # r + 0.9 V' - V


def test_lambda_between():
    advantage, returns = one_world(GOES_ON, [False] * 3, 0.5)
    assert advantage == pytest.approx([3.12575, 3.835, 3.3])  # 2.35 + 0.45 x 3.3; 1.4 + 0.45 x 3.835
    assert returns == pytest.approx([3.62575, 4.835, 4.8])


def test_termination_does_not_bootstrap():
    _, returns = one_world([1.0, 0.0, 2.0], [False, True, False], 1.0)
    assert returns == pytest.approx([2.8, 2.0, 4.8])  # 1 + 0.9 x 2; nothing after; 3 + 0.9 x 2


def test_truncation_bootstraps_from_the_last_observation():
    _, returns = one_world([1.0, 10.0, 2.0], [False, True, False], 1.0)
    assert returns == pytest.approx([10.9, 11.0, 4.8])  # 1 + 0.9 x 11; 2 + 0.9 x 10; 3 + 0.9 x 2


@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
def test_nothing_leaks_across_the_end_of_an_episode(lam):
    ended = [False, True, False]
    before = one_world([1.0, 0.0, 2.0], ended, lam)[0][:2]
    assert one_world([1.0, 0.0, -50.0], ended, lam, reward=[1.0, 2.0, 1e6])[0][:2] == before


numbers = st.floats(-10, 10)
steps = st.lists(st.tuples(numbers, numbers, numbers, st.booleans()), min_size=1, max_size=12)


@given(steps, steps, st.floats(0.01, 1), st.floats(0, 1))
def test_equals_its_definition_in_every_world(first, second, gamma, lam):
    """A_t = sum_k (gamma lambda)^k delta_(t+k), as far as the episode goes (Schulman et al. 2016, eq. 16)."""
    n = min(len(first), len(second))
    reward, value, next_value, ended = np.array([first[:n], second[:n]]).transpose(2, 1, 0)
    advantage, returns = gae(reward, value, next_value, ended.astype(bool), gamma, lam)
    delta = reward + gamma * next_value - value
    for world in range(2):
        for t in range(n):
            last = next((k for k in range(t, n) if ended[k, world]), n - 1)
            expected = sum((gamma * lam) ** (k - t) * delta[k, world] for k in range(t, last + 1))
            assert advantage[t, world] == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(returns, advantage + value)
