"""Cart-poles as arrays: Gymnasium's physics, and an episode that begins in the step that ends the one before."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from sim2real.training.same_step import SameStepCartPole, has_arrays

N = 16


def make(**options: Any) -> SameStepCartPole:
    return SameStepCartPole(
        gymnasium.make_vec("CartPole-v1", num_envs=N, vectorization_mode="vector_entry_point", **options)
    )


def test_moves_as_the_single_environment_does():
    envs = make()
    observation, _ = envs.reset(seed=3)
    single: Any = gymnasium.make("CartPole-v1").unwrapped
    single.reset(seed=0)
    arrays: Any = envs.unwrapped
    single.state = arrays.state[:, 0].copy()
    for action in (1, 0, 0, 1, 1, 0, 1):
        one, reward, *_ = single.step(action)
        observation, rewards, *_ = envs.step(np.full(N, action))
        np.testing.assert_allclose(observation[0], one, atol=1e-6)
        assert rewards[0] == reward


def test_an_episode_ends_and_the_next_begins_in_one_step():
    envs = make(max_episode_steps=30)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    length, lengths = np.zeros(N), []
    for _ in range(200):
        observation, reward, terminated, truncated, infos = envs.step(rng.integers(2, size=N))
        ended = terminated | truncated
        assert (reward == 1.0).all()  # no step is spent on beginning anew
        length += 1
        if ended.any():
            np.testing.assert_array_equal(infos["_final_obs"], ended)
            assert (np.abs(observation[ended]) <= 0.05).all()
            out = np.abs(infos["final_obs"][:, [0, 2]]) > [2.4, np.radians(12)]
            np.testing.assert_array_equal(out.any(axis=1)[ended], terminated[ended])
            lengths += length[ended].tolist()
            length[ended] = 0
    assert max(lengths) == 30
    assert min(lengths) < 30


def test_the_same_seed_gives_the_same_episodes():
    actions = np.random.default_rng(1).integers(2, size=(100, N))
    runs = []
    for _ in range(2):
        envs = make()
        envs.reset(seed=5)
        runs.append(np.stack([envs.step(action)[0] for action in actions]))
    np.testing.assert_array_equal(runs[0], runs[1])


def test_only_cart_poles_are_known_as_arrays():
    assert has_arrays("CartPole-v1")
    assert not has_arrays("Pendulum-v1")
    assert not has_arrays("NoSuch-v0")
    with pytest.raises(TypeError, match="not a CartPoleVectorEnv"):
        SameStepCartPole(gymnasium.make_vec("Pendulum-v1", num_envs=1, vectorization_mode="sync"))
