"""The network in numpy is the one in TensorFlow; who sees what; its initial weights; the running mean and deviation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.a2c.config import A2CConfig
from sim2real.a2c.network import ActorCritic, RunningNorm

SHARED: dict[str, Any] = {"shared": True, "actor_step": "first_order"}


def network_of(n_out: int = 3, n_privileged: int = 0, n_std: int = 0, seed: int = 0, **config: Any) -> ActorCritic:
    return ActorCritic(5, n_privileged, n_out, A2CConfig(**config), seed, n_std=n_std)


def variables_of(network: ActorCritic) -> list[Any]:
    return [*network.actor_variables, *network.critic_variables]


@pytest.mark.parametrize("hidden", [(), (8,), (32, 16)])
@pytest.mark.parametrize("kind", [SHARED, {"critic_hidden": (7,)}, {}], ids=["shared", "other widths", "apart"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
def test_numpy_equals_tensorflow(activation, kind, hidden):
    n_privileged = 0 if kind is SHARED else 2
    network = network_of(3, n_privileged, n_std=3, hidden=hidden, activation=activation, **kind)
    rng = np.random.default_rng(1)
    for variable in variables_of(network):  # biases too, which begin at 0
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    seen = rng.normal(scale=2, size=(100, 5 + n_privileged)).astype(np.float32)
    acting = network.snapshot()
    for result in (network.both(seen), (network.act(seen), network.value(seen))):
        for theirs, ours in zip(result, (acting.act(seen), acting.value(seen)), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
            assert ours.dtype == np.float32
    assert network.log_std is not None
    assert (acting.act(seen).shape, acting.value(seen).shape) == ((100, 6), (100,))
    np.testing.assert_array_equal(acting.act(seen)[:, 3:], np.tile(network.log_std.numpy(), (100, 1)))


def test_a_snapshot_does_not_follow_the_network():
    network, seen = network_of(1, hidden=(4,)), np.ones((1, 5), np.float32)
    acting = network.snapshot()
    before = acting.act(seen), acting.value(seen)
    for variable in variables_of(network):
        variable.assign_add(np.ones(variable.shape))
    np.testing.assert_array_equal(acting.act(seen), before[0])
    np.testing.assert_array_equal(acting.value(seen), before[1])
    assert not np.array_equal(network.snapshot().value(seen), before[1])


def test_only_the_critic_sees_what_is_privileged():
    network = network_of(2, n_privileged=3, n_std=2, hidden=(6,))
    rng = np.random.default_rng(0)
    for variable in variables_of(network):
        variable.assign(rng.normal(size=variable.shape))
    seen = rng.normal(size=(20, 8)).astype(np.float32)
    other = seen.copy()
    other[:, 5:] = rng.normal(size=(20, 3))
    for acting in (network, network.snapshot()):
        np.testing.assert_array_equal(acting.act(seen), acting.act(other))
        np.testing.assert_array_equal(acting.act(seen), acting.act(seen[:, :5]))
        assert (np.abs(acting.value(seen) - acting.value(other)) > 1e-6).all()


def test_trunks_are_shared_or_not():
    count = {kind: len(variables_of(network_of(**options))) for kind, options in (("shared", SHARED), ("apart", {}))}
    assert count == {"shared": 2 * 2 + 2 + 2, "apart": 4 * 2 + 2 + 2}
    apart = network_of()
    assert not np.array_equal(apart.actor_layers[0].kernel.numpy(), apart.critic_layers[0].kernel.numpy())
    for network in (apart, network_of(**SHARED)):
        assert len({id(v) for v in variables_of(network)}) == len(variables_of(network)), "each is learned once"


def test_widths_of_the_critic():
    network = network_of(3, n_privileged=2, hidden=(8, 4), critic_hidden=(16,))
    assert [layer.kernel.shape for layer in network.actor_layers] == [(5, 8), (8, 4)]
    assert [layer.kernel.shape for layer in network.critic_layers] == [(7, 16)]
    assert (network.actor_head.kernel.shape, network.critic_head.kernel.shape) == ((4, 3), (16, 1))


def test_the_seed_decides_the_weights():
    def weights(seed: int) -> np.ndarray:
        return np.concatenate([v.numpy().ravel() for v in variables_of(network_of(seed=seed))])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


def test_he_normal_and_orthogonal_weights():
    he = ActorCritic(400, 0, 3, A2CConfig(hidden=(300, 300), init="he_normal"), 0)
    for layer, fan_in in zip(he.actor_layers, (400, 300), strict=True):
        assert layer.kernel.numpy().std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.03)
        assert not layer.bias.numpy().any()
    orthogonal = ActorCritic(64, 0, 3, A2CConfig(hidden=(64,), initial_std=0.3), 0, n_std=3)
    kernel = orthogonal.actor_layers[0].kernel.numpy()
    np.testing.assert_allclose(kernel.T @ kernel, 2 * np.eye(64), atol=1e-5)
    assert np.linalg.norm(orthogonal.actor_head.kernel.numpy(), axis=0) == pytest.approx(0.01, rel=1e-4)
    assert np.linalg.norm(orthogonal.critic_head.kernel.numpy()) == pytest.approx(1.0, rel=1e-4)
    assert orthogonal.log_std is not None
    assert np.exp(orthogonal.log_std.numpy()) == pytest.approx(0.3)


def test_deviations_are_parameters_only_where_they_do_not_depend_on_the_state():
    assert network_of(n_std=0).log_std is None
    network = network_of(n_std=2)
    assert any(v is network.log_std for v in network.actor_variables)
    assert not any(v is network.log_std for v in network.critic_variables)


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
