"""The losses by hand, their gradient by finite differences, and updates that are skipped, saved and restored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim2real.a2c.agent import (
    A2C,
    Batch,
    entropy_categorical,
    entropy_gaussian,
    log_prob_categorical,
    log_prob_gaussian,
    policy_loss,
    value_loss,
)
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.returns import gae
from sim2real.errors import TrainingError

N_IN, N_OUT, STEPS, WORLDS = 3, 2, 4, 3
LOG_2PI = 1.8378770664093453


def agent(discrete: bool = False, seed: int = 0, updates: int = 10, n_in: int = N_IN, **changes: Any) -> A2C:
    return A2C(n_in, N_OUT, discrete, A2CConfig(**({"hidden": (4,)} | changes)), updates, seed)


def batch(seed: int = 0, discrete: bool = False, n_in: int = N_IN) -> Batch:
    rng = np.random.default_rng(seed)
    shape = (STEPS, WORLDS)
    return Batch(
        observation=rng.normal(size=(*shape, n_in)).astype(np.float32),
        action=rng.integers(0, N_OUT, shape) if discrete else rng.normal(size=(*shape, N_OUT)).astype(np.float32),
        reward=rng.normal(size=shape),
        ended=rng.random(shape) < 0.3,
        value=rng.normal(size=shape),
        next_value=rng.normal(size=shape),
    )


def state(agent_: A2C) -> list[np.ndarray]:
    """Everything that learning changes."""
    variables = [*agent_.network.variables, *agent_.optimizer.variables]
    return [v.numpy().copy() for v in variables] + [agent_.norm.mean, agent_.norm.var, np.array(agent_.norm.count)]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_categorical_by_hand():
    logits = np.log([[1.0, 2.0, 5.0]]).astype(np.float32) + 3  # a shift changes nothing: p = 1/8, 2/8, 5/8
    assert log_prob_categorical(logits, np.array([2])).numpy() == pytest.approx([np.log(0.625)])
    assert log_prob_categorical(logits, np.array([0])).numpy() == pytest.approx([np.log(0.125)])
    # 0.125 log 8 + 0.25 log 4 + 0.625 log 1.6
    assert entropy_categorical(logits).numpy() == pytest.approx([0.9002560513])
    assert entropy_categorical(np.zeros((1, 4), np.float32)).numpy() == pytest.approx([np.log(4)])
    certain = np.array([[1e4, 0.0]], np.float32)
    assert entropy_categorical(certain).numpy() == pytest.approx([0.0])


def test_gaussian_by_hand():
    mean, action = np.array([[1.0, -1.0]], np.float32), np.array([[1.5, 0.0]], np.float32)
    log_std = np.log([0.5, 2.0]).astype(np.float32)  # z = 1, 0.5; the logarithms cancel
    assert log_prob_gaussian(mean, log_std, action).numpy() == pytest.approx([-0.625 - LOG_2PI])
    assert float(entropy_gaussian(log_std)) == pytest.approx(1 + LOG_2PI)
    assert float(entropy_gaussian(np.log([2.0]).astype(np.float32))) == pytest.approx(np.log(2) + 0.5 * (1 + LOG_2PI))


def test_losses_by_hand():
    log_prob, advantage = np.array([-1.0, -2.0], np.float32), np.array([3.0, -4.0], np.float32)
    assert float(policy_loss(log_prob, advantage)) == pytest.approx(-2.5)  # -(-3 + 8) / 2
    assert float(value_loss(np.array([1.0, 2.0]), np.array([3.0, -1.0]))) == pytest.approx(6.5)  # (4 + 9) / 2


def total_loss(weights: list[np.ndarray], shared: bool, discrete: bool, data: Batch, config: A2CConfig) -> float:
    """The loss once more, in double precision and numpy: one hidden tanh layer, weights in the order of the network."""
    advantage, returns = gae(data.reward, data.value, data.next_value, data.ended, config.gamma, config.lam)
    x = data.observation.reshape(-1, N_IN).astype(np.float64)
    log_std, (w1, b1), rest = weights[0], weights[1:3], weights[3:]
    hidden = np.tanh(x @ w1 + b1)
    critic_hidden = hidden if shared else np.tanh(x @ rest[0] + rest[1])
    wa, ba, wc, bc = rest[-4:]
    output, value = hidden @ wa + ba, (critic_hidden @ wc + bc)[:, 0]
    if discrete:
        p = np.exp(output) / np.exp(output).sum(axis=1, keepdims=True)
        log_prob = np.log(p[np.arange(len(p)), data.action.ravel()])
        entropy = -(p * np.log(p)).sum(axis=1).mean()
    else:
        z = (data.action.reshape(-1, N_OUT) - output) / np.exp(log_std)
        log_prob = (-(z**2) / 2 - log_std - LOG_2PI / 2).sum(axis=1)
        entropy = (log_std + (1 + LOG_2PI) / 2).sum()
    loss = config.policy_weight * -(log_prob * advantage.ravel()).mean()
    loss += config.value_weight * ((returns.ravel() - value) ** 2).mean()
    return float(loss - config.entropy_weight * entropy)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("discrete", [True, False])
def test_gradient_against_finite_differences(discrete, shared):
    """Adam's first moment after one update is 0.1 of the gradient that it was given."""
    options: dict[str, Any] = {
        "policy_weight": 0.7,
        "value_weight": 0.3,
        "entropy_weight": 0.2,
        "gamma": 0.9,
        "lam": 0.8,
    }
    options |= {"normalize_advantage": False, "normalize_observation": False, "shared": shared}
    learner = agent(discrete, max_grad_norm=1e6, **options)
    rng = np.random.default_rng(1)
    for variable in learner.network.variables:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    data = batch(2, discrete)
    named = [learner.network.log_std]
    layers = [*learner.network.actor_layers, *([] if shared else learner.network.critic_layers)]
    for layer in (*layers, learner.network.actor_head, learner.network.critic_head):
        named += [layer.kernel, layer.bias]
    weights = [v.numpy().astype(np.float64) for v in named]
    expected = []
    for weight in weights:
        gradient = np.zeros_like(weight)
        for index in np.ndindex(weight.shape):
            middle = weight[index]
            losses = []
            for weight[index] in (middle + 1e-5, middle - 1e-5):
                losses.append(total_loss(weights, shared, discrete, data, learner.config))
            weight[index] = middle
            gradient[index] = (losses[0] - losses[1]) / 2e-5
        expected.append(gradient)
    metrics = learner.learn(data)
    trained = learner.network.trainable_variables
    moments = dict(zip((id(v) for v in trained), learner.optimizer._momentums, strict=True))
    for variable, gradient in zip(named, expected, strict=True):
        if id(variable) in moments:
            np.testing.assert_allclose(moments[id(variable)].numpy() / 0.1, gradient, rtol=1e-3, atol=1e-5)
        else:
            assert discrete
            assert variable is learner.network.log_std
    norm = np.sqrt(sum((g**2).sum() for g in expected))
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert norm > 0.1
    loss = options["policy_weight"] * metrics["policy_loss"] + options["value_weight"] * metrics["value_loss"]
    loss -= options["entropy_weight"] * metrics["entropy"]
    assert loss == pytest.approx(total_loss(weights, shared, discrete, data, learner.config), rel=1e-5)


def test_gradient_is_clipped_to_a_global_norm():
    learner = agent(max_grad_norm=0.01)
    metrics = learner.learn(batch())
    assert metrics["grad_norm"] > 0.1
    clipped = np.sqrt(sum((m.numpy() ** 2).sum() for m in learner.optimizer._momentums)) / 0.1
    assert clipped == pytest.approx(0.01, rel=1e-3)


def test_advantages_are_normalized_over_the_batch():
    """Rewards and values a hundred times as large give the same policy gradient."""
    gradients = []
    for scale in (1.0, 100.0):
        learner = agent(normalize_advantage=True, value_weight=0.0, max_grad_norm=1e6)
        data = batch()
        learner.learn(
            replace(data, reward=scale * data.reward, value=scale * data.value, next_value=scale * data.next_value)
        )
        gradients.append(np.concatenate([m.numpy().ravel() for m in learner.optimizer._momentums]))
    assert np.abs(gradients[0]).max() > 1e-3
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-6)


def test_observations_are_normalized_with_what_was_known_when_acting():
    learner, data = agent(), batch()
    raw = data.observation.reshape(-1, N_IN)
    np.testing.assert_allclose(learner.normalize(raw), raw, rtol=2e-6)  # nothing known yet
    learner.learn(data)
    np.testing.assert_allclose(learner.norm.mean, raw.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(learner.normalize(raw), (raw - raw.mean(axis=0)) / raw.std(axis=0), atol=1e-4)
    assert np.abs(learner.normalize(1e6 * raw)).max() == 10.0
    plain = agent(normalize_observation=False)
    plain.learn(data)
    np.testing.assert_array_equal(plain.normalize(raw), raw)


def test_explained_variance():
    learner, data = agent(lam=1.0), batch()
    _, returns = gae(data.reward, data.value, data.next_value, data.ended, 0.99, 1.0)
    assert learner.learn(replace(data, value=data.value))["explained_variance"] == pytest.approx(
        1 - (returns - data.value).var() / returns.var()
    )


FIELDS = ["observation", "action", "reward", "value", "next_value"]


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # numpy's, on purpose
def test_a_batch_that_is_not_finite_changes_nothing():
    learner, sound = agent(), agent()
    for a in (learner, sound):
        a.learn(batch(1))
    before, data = state(learner), batch(2)
    skipped = 0
    for field in FIELDS:
        for bad in (np.nan, np.inf, -np.inf):
            if field == "observation" and np.isinf(bad):
                continue  # the network sees +-10 in its place: the next test
            spoiled = getattr(data, field).copy()
            spoiled[2, 1] = bad
            learner.learn(replace(data, **{field: spoiled}))
            skipped += 1
            assert learner.skipped == skipped, (field, bad)
            assert same(state(learner), before), (field, bad)
    for a in (learner, sound):
        a.learn(batch(3))
    assert same(state(learner), state(sound)), "it goes on as if those batches had never been"
    assert learner.skipped == skipped


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # numpy's, on purpose
def test_an_infinite_observation_spoils_neither_weights_nor_statistics():
    learner, data = agent(), batch()
    for bad in (np.inf, -np.inf):
        data.observation[1, 1, 1] = bad
        learner.learn(data)
        assert all(np.isfinite(array).all() for array in state(learner))
    assert learner.skipped == 0


def test_linear_schedule_counts_the_steps_taken():
    learner = agent(learning_rate=0.1, schedule="linear", updates=4)
    rates = []
    for k in range(6):
        rates.append(learner.learning_rate)
        learner.learn(batch(k))
        if k == 1:
            data = batch(9)
            learner.learn(replace(data, reward=data.reward * np.nan))
    assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0, 0.0])


def test_constant_schedule():
    learner = agent(learning_rate=0.1, schedule="constant", updates=4)
    for k in range(6):
        learner.learn(batch(k))
    assert learner.learning_rate == pytest.approx(0.1)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize("discrete", [True, False])
def test_save_and_load_go_on_to_the_bit(tmp_path: Path, discrete, optimizer):
    first, second = (agent(discrete, seed, optimizer=optimizer, schedule="linear") for seed in (0, 1))
    for k in range(3):
        first.learn(batch(k, discrete))
    first.skipped = 2
    first.save(tmp_path / "learner.npz")
    assert not same(state(first), state(second))
    second.load(tmp_path / "learner.npz")
    assert same(state(first), state(second))
    assert second.skipped == 2
    for learner in (first, second):
        learner.learn(batch(5, discrete))
    assert same(state(first), state(second))
    assert first.learning_rate == second.learning_rate


OTHERS: list[dict[str, Any]] = [
    {"hidden": (5,)},
    {"hidden": (4, 4)},
    {"hidden": ()},
    {"n_in": 4},
    {"discrete": True},
    {"shared": False},
    {"optimizer": "rmsprop"},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, other):
    for here, there in ((agent(), agent(**other)), (agent(**other), agent())):
        there.save(tmp_path / "learner.npz")
        before = state(here)
        with pytest.raises(TrainingError, match=r"learner\.npz: is a checkpoint of another network"):
            here.load(tmp_path / "learner.npz")
        assert same(state(here), before)


@pytest.mark.parametrize("discrete", [True, False])
def test_fifty_updates_trace_once(discrete):
    learner = agent(discrete)
    for k in range(50):
        learner.learn(batch(k, discrete))
    assert learner._update.experimental_get_tracing_count() == 1


def test_it_learns_a_bandit():
    """Action 1 pays, action 0 does not: after some updates it is preferred. The sign of the policy loss, end to end."""
    learner = agent(discrete=True, hidden=(), learning_rate=0.05, schedule="constant", n_in=1)
    rng = np.random.default_rng(0)
    shape = (8, 8)
    for _ in range(100):
        observation = np.ones((*shape, 1), np.float32)
        output, value = learner.snapshot()(observation.reshape(-1, 1))
        action = (output + rng.gumbel(size=output.shape)).argmax(axis=1).reshape(shape)
        ended, values = np.ones(shape, bool), value.reshape(shape).astype(np.float64)
        learner.learn(Batch(observation, action, action.astype(np.float64), ended, values, np.zeros(shape)))
    logits = learner.snapshot()(np.ones((1, 1), np.float32))[0][0]
    assert logits[1] - logits[0] > 2.0
