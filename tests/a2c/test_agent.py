"""The losses by hand, their gradient by finite differences, and updates that are skipped, saved and restored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from sim2real.a2c.agent import A2C, policy_loss, value_loss
from sim2real.a2c.batch import Batch
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.returns import gae
from sim2real.errors import TrainingError

N_IN, N_OUT, STEPS, WORLDS = 3, 2, 4, 3
LOG_2PI = 1.8378770664093453
CONTINUOUS = gymnasium.spaces.Box(-1, 1, (N_OUT,), np.float32)
DISCRETE = gymnasium.spaces.Discrete(N_OUT)
SEVERAL = gymnasium.spaces.MultiDiscrete([2, 3])
FIRST: dict[str, Any] = {"actor_step": "first_order"}
STEP_KINDS: dict[str, dict[str, Any]] = {"first_order": FIRST, "natural": {"actor_step": "natural"}}
step_kinds = pytest.mark.parametrize("kind", STEP_KINDS.values(), ids=STEP_KINDS)


def agent(
    space: gymnasium.Space[Any] = CONTINUOUS,
    seed: int = 0,
    updates: int = 10,
    n_in: int = N_IN,
    n_privileged: int = 0,
    **changes: Any,
) -> A2C:
    config = {"hidden": (4,), "critic_parts": 2, "cg_iterations": 4} | FIRST
    return A2C(n_in, n_privileged, space, A2CConfig(**(config | changes)), updates, seed)


def batch(seed: int = 0, space: gymnasium.Space[Any] = CONTINUOUS, n_seen: int = N_IN, steps: int = STEPS) -> Batch:
    rng = np.random.default_rng(seed)
    shape = (steps, WORLDS)
    action: np.ndarray = rng.normal(size=(*shape, N_OUT)).astype(np.float32)
    if space != CONTINUOUS:
        action = rng.integers(0, N_OUT, shape) if space == DISCRETE else rng.integers(0, [2, 3], (*shape, 2))
    return Batch(
        seen=rng.normal(size=(*shape, n_seen)).astype(np.float32),
        action=action,
        reward=rng.normal(size=shape),
        ended=rng.random(shape) < 0.3,
        value=rng.normal(size=shape),
        next_value=rng.normal(size=shape),
    )


def variables_of(learner: A2C) -> list[Any]:
    return [*learner.network.actor_variables, *learner.network.critic_variables]


def state(learner: A2C) -> list[np.ndarray]:
    """Everything that learning changes."""
    norms = [x for norm in (learner.norm, learner.return_norm) for x in (norm.mean, norm.var, np.array(norm.count))]
    return [v.numpy().copy() for v in (*variables_of(learner), *learner.optimizer.variables)] + norms


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_losses_by_hand():
    log_prob, advantage = np.array([-1.0, -2.0], np.float32), np.array([3.0, -4.0], np.float32)
    assert float(policy_loss(log_prob, advantage)) == pytest.approx(-2.5)  # -(-3 + 8) / 2
    assert float(value_loss(np.array([1.0, 2.0]), np.array([3.0, -1.0]))) == pytest.approx(6.5)  # (4 + 9) / 2


def total_loss(weights: list[np.ndarray], learner: A2C, space: gymnasium.Space[Any], data: Batch) -> float:
    """The loss once more, in double precision and numpy: one hidden tanh layer, weights in the order of the network."""
    config = learner.config
    advantage, returns = gae(data.reward, data.value, data.next_value, data.ended, config.gamma, config.lam)
    seen = data.seen.reshape(-1, data.seen.shape[-1]).astype(np.float64)
    (w1, b1, wa, ba), rest = weights[:4], weights[4:]
    log_std, rest = (rest[0], rest[1:]) if learner.network.log_std is not None else (None, rest)
    hidden = np.tanh(seen[:, :N_IN] @ w1 + b1)
    critic_hidden = hidden if config.shared else np.tanh(seen @ rest[0] + rest[1])
    output, value = hidden @ wa + ba, (critic_hidden @ rest[-2] + rest[-1])[:, 0]
    if space == DISCRETE:
        p = np.exp(output) / np.exp(output).sum(axis=1, keepdims=True)
        log_prob = np.log(p[np.arange(len(p)), data.action.ravel()])
        entropy = -(p * np.log(p)).sum(axis=1).mean()
    else:
        spread = output[:, N_OUT:] if log_std is None else np.tile(log_std, (len(output), 1))
        z = (data.action.reshape(-1, N_OUT) - output[:, :N_OUT]) / np.exp(spread)
        log_prob = (-(z**2) / 2 - spread - LOG_2PI / 2).sum(axis=1)
        entropy = (spread + (1 + LOG_2PI) / 2).sum(axis=1).mean()
    loss = config.policy_weight * -(log_prob * advantage.ravel()).mean()
    loss += config.value_weight * ((returns.ravel() - value) ** 2).mean()
    return float(loss - config.entropy_weight * entropy)


@pytest.mark.parametrize(
    ("space", "options"),
    [
        (CONTINUOUS, {"shared": True}),
        (CONTINUOUS, {"std": "dependent"}),
        (CONTINUOUS, {"n_privileged": 2}),
        (DISCRETE, {"shared": True}),
        (DISCRETE, {}),
    ],
    ids=str,
)
def test_gradient_against_finite_differences(space, options):
    """Adam's first moment after one update is 0.1 of the gradient that it was given."""
    weighted: dict[str, Any] = {"policy_weight": 0.7, "value_weight": 0.3, "entropy_weight": 0.2}
    weighted |= {"gamma": 0.9, "lam": 0.8, "normalize_advantage": False, "normalize_observation": False}
    learner = agent(space, max_grad_norm=1e6, **weighted, **options)
    rng = np.random.default_rng(1)
    variables = variables_of(learner)
    for variable in variables:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    data = batch(2, space, N_IN + options.get("n_privileged", 0))
    weights = [v.numpy().astype(np.float64) for v in variables]
    expected = []
    for weight in weights:
        gradient = np.zeros_like(weight)
        for index in np.ndindex(weight.shape):
            middle = weight[index]
            losses = []
            for weight[index] in (middle + 1e-5, middle - 1e-5):
                losses.append(total_loss(weights, learner, space, data))
            weight[index] = middle
            gradient[index] = (losses[0] - losses[1]) / 2e-5
        expected.append(gradient)
    metrics = learner.learn(data)
    for moment, gradient in zip(learner.optimizer._momentums, expected, strict=True):
        np.testing.assert_allclose(moment.numpy() / 0.1, gradient, rtol=1e-3, atol=1e-5)
    norm = np.sqrt(sum((g**2).sum() for g in expected))
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert norm > 0.1
    loss = 0.7 * metrics["policy_loss"] + 0.3 * metrics["value_loss"] - 0.2 * metrics["entropy"]
    assert loss == pytest.approx(total_loss(weights, learner, space, data), rel=1e-5)


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


def moved(learner: A2C, data: Batch) -> tuple[float, dict[str, float]]:
    """Learn a batch; return how far the policy has moved on what the actor saw [nat], and the metrics."""
    seen = learner.normalize(data.seen.reshape(-1, data.seen.shape[-1]))
    before = learner.network.act(seen).numpy()
    metrics = learner.learn(data)
    return float(np.mean(learner.distribution.kl(before, learner.network.act(seen)))), metrics


@pytest.mark.parametrize(("space", "max_kl"), [(CONTINUOUS, 1e-3), (DISCRETE, 1e-4), (SEVERAL, 1e-3)], ids=str)
def test_a_natural_step_makes_the_kl_that_was_asked_for(space, max_kl):
    """max_kl is that of F with its damping, whose share of it is damping / 2 x the step's length squared."""
    learner = agent(space, actor_step="natural", max_kl=max_kl, damping=0.02, cg_iterations=20, fisher_share=1.0)
    rng = np.random.default_rng(3)
    variables = learner.network.actor_variables
    for variable in variables:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    before = [v.numpy().copy() for v in variables]
    kl, metrics = moved(learner, batch(1, space, steps=40))
    way = sum(((v.numpy() - start) ** 2).sum() for v, start in zip(variables, before, strict=True))
    assert kl == pytest.approx(max_kl - 0.02 / 2 * way, rel=0.15)
    assert metrics["kl"] == pytest.approx(kl, rel=0.02)
    assert learner.skipped == 0


def test_a_natural_step_goes_down_and_a_lower_rate_shortens_it():
    def step(rate: float) -> tuple[float, float]:
        learner, data = agent(actor_step="natural", max_kl=1e-3, fisher_share=1.0), batch(1, steps=40)
        learner.scale_rate(rate)
        kl, _ = moved(learner, data)
        seen = data.seen.reshape(-1, N_IN)
        advantage, _ = gae(data.reward, data.value, data.next_value, data.ended, 0.99, 0.95)
        advantage = (advantage - advantage.mean()) / advantage.std()
        output = learner.network.act(seen)
        action = data.action.reshape(-1, N_OUT).astype(np.float32)
        return kl, float(
            policy_loss(learner.distribution.log_prob(output, action), advantage.astype(np.float32).ravel())
        )

    still, short, far = step(0.0), step(0.25), step(1.0)
    assert still[0] == pytest.approx(0.0, abs=1e-9)
    assert short[0] == pytest.approx(far[0] / 4, rel=0.2)  # KL goes with the square of the way
    assert far[1] < short[1] < still[1]


def test_a_step_too_bold_is_partly_taken_back():
    """A max_kl that is beyond any quadratic model: deviations enter KL through an exponential."""
    learner = agent(actor_step="natural", max_kl=50.0, fisher_share=1.0)
    kl, metrics = moved(learner, batch(1, steps=4))
    assert metrics["kl"] > 1.5 * 50.0, "the model was too bold"
    assert kl < 0.8 * metrics["kl"]
    for variable in variables_of(learner):
        assert np.isfinite(variable.numpy()).all()


def test_a_natural_step_fits_the_critic_by_itself():
    learner, data = agent(actor_step="natural", learning_rate=0.02, critic_passes=10), batch(1, steps=16)
    data = replace(data, next_value=np.zeros_like(data.value), value=np.zeros_like(data.value))
    losses = [learner.learn(data)["value_loss"] for _ in range(8)]
    assert losses[-1] < 0.7 * losses[0]
    assert len(learner.optimizer._momentums) == len(learner.network.critic_variables)


def test_observations_are_normalized_with_what_was_known_when_acting():
    learner, data = agent(), batch()
    raw = data.seen.reshape(-1, N_IN)
    np.testing.assert_allclose(learner.normalize(raw), raw, rtol=2e-6)  # nothing known yet
    learner.learn(data)
    np.testing.assert_allclose(learner.norm.mean, raw.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(learner.normalize(raw), (raw - raw.mean(axis=0)) / raw.std(axis=0), atol=1e-4)
    assert np.abs(learner.normalize(1e6 * raw)).max() == 10.0
    plain = agent(normalize_observation=False)
    plain.learn(data)
    np.testing.assert_array_equal(plain.normalize(raw), raw)


def test_returns_are_normalized_for_the_critic_and_not_for_anyone_else():
    learner, data = agent(normalize_return=True), batch()
    _, returns = gae(data.reward, data.value, data.next_value, data.ended, 0.99, 0.95)
    learner.learn(data)
    assert learner.return_norm.mean == pytest.approx([returns.mean()])
    actor, seen = learner.snapshot(), learner.normalize(data.seen.reshape(-1, N_IN))
    expected = actor.value(seen) * returns.std() + returns.mean()
    assert learner.value(actor, seen) == pytest.approx(expected, rel=1e-4)


def test_explained_variance():
    learner, data = agent(lam=1.0), batch()
    _, returns = gae(data.reward, data.value, data.next_value, data.ended, 0.99, 1.0)
    assert learner.learn(data)["explained_variance"] == pytest.approx(1 - (returns - data.value).var() / returns.var())


@step_kinds
def test_what_is_privileged_moves_the_critic_and_no_action(kind):
    """Two learners of the same batch, but for what only the critic sees: their actors stay the same to the bit."""
    data, learners = batch(1, n_seen=N_IN + 2), [agent(n_privileged=2, max_grad_norm=1e6, **kind) for _ in range(2)]
    other = data.seen.copy()
    other[..., N_IN:] += 1.0
    for learner, seen in zip(learners, (data.seen, other), strict=True):
        learner.learn(replace(data, seen=seen))
    first, second = learners
    if kind != FIRST:  # one optimizer for all would let them meet in its clipping
        assert same(*([v.numpy() for v in a.network.actor_variables] for a in learners))
    assert not same(*([v.numpy() for v in a.network.critic_variables] for a in learners))
    seen = data.seen.reshape(-1, N_IN + 2)
    np.testing.assert_array_equal(first.snapshot().act(seen), first.snapshot().act(other.reshape(seen.shape)))
    np.testing.assert_allclose(first.snapshot().act(seen), second.snapshot().act(seen), atol=1e-6)


FIELDS = ["seen", "action", "reward", "value", "next_value"]


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # numpy's, on purpose
@step_kinds
@pytest.mark.parametrize("normalize_advantage", [True, False])
def test_a_batch_that_is_not_finite_changes_nothing(kind, normalize_advantage):
    options = {"n_privileged": 1, "normalize_advantage": normalize_advantage, "schedule": "constant"}
    learner, sound = agent(**kind, **options), agent(**kind, **options)
    for a in (learner, sound):
        a.learn(batch(1, n_seen=N_IN + 1))
    before, data = state(learner), batch(2, n_seen=N_IN + 1)
    skipped = 0
    for field in FIELDS:
        for bad in (np.nan, np.inf, -np.inf):
            if field == "seen" and np.isinf(bad):
                continue  # the network sees +-10 in its place: the next test
            for place in (0, -1):  # the last number of what is seen is the critic's alone
                spoiled = getattr(data, field).copy()
                spoiled.reshape(STEPS, WORLDS, -1)[2, 1, place] = bad
                learner.learn(replace(data, **{field: spoiled}))
                skipped += 1
                assert learner.skipped == skipped, (field, bad, place)
                assert same(state(learner), before), (field, bad, place)
    learner.updates = sound.updates  # which shuffles
    for a in (learner, sound):
        a.learn(batch(3, n_seen=N_IN + 1))
    assert same(state(learner), state(sound)), "it goes on as if those batches had never been"
    assert learner.skipped == skipped


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # numpy's, on purpose
@step_kinds
def test_an_infinite_observation_spoils_neither_weights_nor_statistics(kind):
    learner, data = agent(**kind), batch()
    for bad in (np.inf, -np.inf):
        data.seen[1, 1, 1] = bad
        learner.learn(data)
        assert all(np.isfinite(array).all() for array in state(learner))
    assert learner.skipped == 0


def test_linear_schedule_falls_to_zero_over_the_run():
    learner = agent(learning_rate=0.1, schedule="linear", updates=4)
    rates = []
    for k in range(6):
        rates.append(learner.learning_rate)
        learner.learn(batch(k))
    assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0, 0.0])


def test_constant_schedule():
    learner = agent(learning_rate=0.1, schedule="constant", updates=4)
    for k in range(6):
        learner.learn(batch(k))
    assert learner.learning_rate == pytest.approx(0.1)


@pytest.mark.parametrize(("max_kl", "factor"), [(1e-9, 1 / 1.5), (1e3, 1.5)])
def test_the_learning_rate_follows_the_measured_kl(max_kl, factor):
    learner = agent(schedule="kl", learning_rate=0.01, max_kl=max_kl)
    learner.learn(batch())
    learner.learn(batch(1))
    assert learner.learning_rate == pytest.approx(0.01 * factor**2)


def test_the_weight_of_the_entropy_falls_over_the_run():
    learner, weights = agent(entropy_weight=0.4, entropy_final=0.2, updates=4), []
    for k in range(6):
        weights.append(learner.entropy_weight)
        learner.learn(batch(k))
    assert weights == pytest.approx([0.4, 0.35, 0.3, 0.25, 0.2, 0.2])
    assert agent(entropy_weight=0.4).entropy_weight == 0.4


@step_kinds
@pytest.mark.parametrize(("last", "half"), [(0.1, 0.2), (1.6, 0.8)], ids=["falls", "rises"])
def test_a_deviation_that_is_set_changes_by_the_same_factor_each_update(kind, last, half):
    learner, found = agent(updates=6, initial_std=0.4, final_std=last, **kind), []
    log_std = learner.network.log_std
    assert log_std is not None
    assert not any(v is log_std for v in learner.network.actor_variables), "it is not learned"
    for k in range(6):
        found.append(np.exp(learner.snapshot().log_std))
        learner.learn(batch(k))
    factor = (last / 0.4) ** 0.25
    expected = np.outer(0.4 * factor ** np.array([0, 1, 2, 3, 4, 4]), np.ones(N_OUT))  # two thirds of 6 updates
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[2] == pytest.approx(half, rel=1e-5)


def test_a_deviation_is_learned_where_no_last_one_is_given():
    learner = agent(initial_std=0.4)
    assert any(v is learner.network.log_std for v in learner.network.actor_variables)
    for k in range(3):
        learner.learn(batch(k))
    learned = np.exp(learner.snapshot().log_std)
    assert learned[0] != learned[1]
    assert np.abs(learned - 0.4).max() > 1e-4


def test_a_deviation_that_is_set_is_right_after_load(tmp_path: Path):
    first, second, other = (agent(updates=15, seed=k, initial_std=0.4, final_std=0.1) for k in range(3))
    for k in range(5):
        first.learn(batch(k))
    first.save(tmp_path / "learner.npz")
    second.load(tmp_path / "learner.npz")
    assert np.exp(second.snapshot().log_std) == pytest.approx(0.2, rel=1e-5)  # halfway, in the logarithm
    other.save(tmp_path / "new.npz")
    second.load(tmp_path / "new.npz")
    assert np.exp(second.snapshot().log_std) == pytest.approx(0.4, rel=1e-5)


SAVED: list[tuple[Any, dict[str, Any]]] = [
    (CONTINUOUS, FIRST | {"optimizer": "rmsprop", "shared": True}),
    (DISCRETE, FIRST),
    (CONTINUOUS, {"actor_step": "natural", "normalize_return": True}),
    (SEVERAL, {"actor_step": "natural", "optimizer": "rmsprop"}),
]


@pytest.mark.parametrize(("space", "options"), SAVED, ids=str)
def test_save_and_load_go_on_to_the_bit(tmp_path: Path, space, options):
    first, second = (A2C(N_IN, 0, space, A2CConfig(hidden=(4,), **options), 10, 7) for _ in range(2))
    for k in range(3):
        first.learn(batch(k, space))
    first.skipped = 2
    first.scale_rate(0.5)
    first.save(tmp_path / "learner.npz")
    assert not same(state(first), state(second))
    second.load(tmp_path / "learner.npz")
    assert same(state(first), state(second))
    assert (second.updates, second.skipped, second.rate) == (3, 2, 0.5)
    for learner in (first, second):
        learner.learn(batch(5, space))
    assert same(state(first), state(second))
    assert first.learning_rate == second.learning_rate


OTHERS: list[dict[str, Any]] = [
    {"hidden": (5,)},
    {"hidden": (4, 4)},
    {"hidden": ()},
    {"n_in": 4},
    {"n_privileged": 1},
    {"space": DISCRETE},
    {"shared": True},
    {"std": "dependent"},
    {"final_std": 0.1},
    {"optimizer": "rmsprop"},
    {"actor_step": "natural"},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, other):
    for here, there in ((agent(), agent(**other)), (agent(**other), agent())):
        there.save(tmp_path / "learner.npz")
        before = state(here)
        with pytest.raises(TrainingError, match=r"^this is a checkpoint of another network; resume with the"):
            here.load(tmp_path / "learner.npz")
        assert same(state(here), before)


@step_kinds
@pytest.mark.parametrize("space", [CONTINUOUS, DISCRETE], ids=str)
def test_fifty_updates_trace_once(space, kind):
    learner = agent(space, **kind)
    for k in range(50):
        learner.learn(batch(k, space))
    assert learner._update.experimental_get_tracing_count() == 1


@step_kinds
def test_it_learns_a_bandit(kind):
    """Action 1 pays, action 0 does not: after some updates it is preferred. The sign of the policy loss, end to end."""
    learner = agent(DISCRETE, hidden=(), learning_rate=0.05, schedule="constant", n_in=1, **kind)
    rng = np.random.default_rng(0)
    shape = (8, 8)
    seen = np.ones((*shape, 1), np.float32)
    for _ in range(60):
        actor = learner.snapshot()
        action = learner.distribution.sample(actor.act(seen.reshape(-1, 1)), rng).reshape(shape)
        ended, values = np.ones(shape, bool), actor.value(seen.reshape(-1, 1)).reshape(shape).astype(np.float64)
        learner.learn(Batch(seen, action, action.astype(np.float64), ended, values, np.zeros(shape)))
    logits = learner.snapshot().act(np.ones((1, 1), np.float32))[0]
    assert logits[1] - logits[0] > 1.5
