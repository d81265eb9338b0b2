"""The network in numpy is the one in TensorFlow; its initial weights; the running mean and deviation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.a2c.config import A2CConfig
from sim2real.a2c.network import ActorCritic, RunningNorm


@pytest.mark.parametrize("hidden", [(), (8,), (32, 16)])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
def test_numpy_equals_tensorflow(activation, shared, hidden):
    config = A2CConfig(hidden=hidden, activation=activation, shared=shared)
    network = ActorCritic(5, 3, config, False, 0)
    rng = np.random.default_rng(1)
    for variable in network.variables:  # biases too, which begin at 0
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    observation = rng.normal(scale=2, size=(100, 5)).astype(np.float32)
    output, value = network(observation)
    acting = network.snapshot()
    for result in (acting(observation), (acting(observation)[0], acting.value(observation))):
        np.testing.assert_allclose(result[0], output.numpy(), atol=1e-5)
        np.testing.assert_allclose(result[1], value.numpy(), atol=1e-5)
        assert {str(array.dtype) for array in result} == {"float32"}
        assert (result[0].shape, result[1].shape) == ((100, 3), (100,))
    np.testing.assert_array_equal(acting.log_std, network.log_std.numpy())


def test_a_snapshot_does_not_follow_the_network():
    network = ActorCritic(2, 1, A2CConfig(hidden=(4,)), False, 0)
    acting, observation = network.snapshot(), np.ones((1, 2), np.float32)
    before = acting(observation)
    for variable in network.variables:
        variable.assign_add(np.ones(variable.shape))
    for now, then in zip(acting(observation), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert not np.array_equal(network.snapshot()(observation)[1], before[1])


def test_trunks_are_shared_or_not():
    count = {shared: len(ActorCritic(5, 3, A2CConfig(shared=shared), True, 0).variables) for shared in (True, False)}
    assert count == {True: 2 * 2 + 2 + 2 + 1, False: 4 * 2 + 2 + 2 + 1}
    apart = ActorCritic(5, 3, A2CConfig(shared=False), True, 0)
    assert not np.array_equal(apart.actor_layers[0].kernel.numpy(), apart.critic_layers[0].kernel.numpy())


def test_the_seed_decides_the_weights():
    def weights(seed: int) -> np.ndarray:
        return np.concatenate([v.numpy().ravel() for v in ActorCritic(5, 3, A2CConfig(), False, seed).variables])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


def test_he_normal_and_orthogonal_weights():
    he = ActorCritic(400, 3, A2CConfig(hidden=(300, 300), init="he_normal"), True, 0)
    for layer, fan_in in zip(he.actor_layers, (400, 300), strict=True):
        assert layer.kernel.numpy().std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.03)
        assert not layer.bias.numpy().any()
    orthogonal = ActorCritic(64, 3, A2CConfig(hidden=(64,), initial_std=0.3), False, 0)
    kernel = orthogonal.actor_layers[0].kernel.numpy()
    np.testing.assert_allclose(kernel.T @ kernel, 2 * np.eye(64), atol=1e-5)
    assert np.linalg.norm(orthogonal.actor_head.kernel.numpy(), axis=0) == pytest.approx(0.01, rel=1e-4)
    assert np.linalg.norm(orthogonal.critic_head.kernel.numpy()) == pytest.approx(1.0, rel=1e-4)
    assert np.exp(orthogonal.log_std.numpy()) == pytest.approx(0.3)


def test_the_deviation_is_trained_only_where_actions_are_continuous():
    for discrete in (True, False):
        network = ActorCritic(2, 3, A2CConfig(hidden=(4,)), discrete, 0)
        trained = any(v is network.log_std for v in network.trainable_variables)
        assert trained is not discrete


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(0, 100), st.floats(-100, 100))
def test_running_norm_equals_numpy_on_all_data(sizes, seed, offset):
    rng = np.random.default_rng(seed)
    batches = [rng.normal(offset, [0.1, 1, 10], (n, 3)).astype(np.float32) for n in sizes]
    norm = RunningNorm(3)
    for batch in batches:
        norm.update(batch)
    data = np.concatenate(batches).astype(np.float64)
    np.testing.assert_allclose(norm.mean, data.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(norm.std, data.std(axis=0), rtol=1e-6, atol=2e-6)
    assert norm.count == len(data)
    assert (norm.std > 0).all()
