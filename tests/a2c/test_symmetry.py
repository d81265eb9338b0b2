"""A symmetric actor: the mirrored act in the mirrored world, in TensorFlow and numpy, and in what is saved of it."""

from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import pytest

from sim2real.a2c.agent import A2C
from sim2real.a2c.batch import Batch
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.network import ActorCritic
from sim2real.env import RobotVectorEnv
from sim2real.policy.policy import normalize
from sim2real.tasks import Mirror
from sim2real.training.selection import export_policy
from tests.trainings import tiny

# Two places of six change with each other, one of them turned around; so do two of three motors; the rest stay.
MIRROR = Mirror(
    np.array([1, 0, 2, 3, 5, 4]), np.array([1, 1, -1, 1, -1, -1.0]), np.array([1, 0, 2]), np.array([-1, -1, 1.0])
)
N_IN, N_OUT, N_PRIVILEGED = 6, 3, 2
BOX = gymnasium.spaces.Box(-1, 1, (N_OUT,), np.float32)
each_depth = pytest.mark.parametrize("hidden", [(), (8,), (16, 8), (8, 8, 8)], ids=str)


def scattered(network: ActorCritic, seed: int = 1) -> ActorCritic:
    """Give a network weights, biases and deviations without any pattern."""
    rng = np.random.default_rng(seed)
    for variable in [*network.actor_variables, *network.critic_variables]:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    return network


def symmetric(n_std: int = N_OUT, **config: Any) -> ActorCritic:
    made = ActorCritic(N_IN, N_PRIVILEGED, N_OUT, A2CConfig(symmetry=True, **config), 0, n_std=n_std, mirror=MIRROR)
    return scattered(made)


def seen_by(n: int = 50, width: int = N_IN + N_PRIVILEGED) -> np.ndarray:
    return np.random.default_rng(2).normal(scale=2, size=(n, width)).astype(np.float32)


@each_depth
@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
def test_it_acts_in_the_mirror_as_its_mirror_image_would(hidden, activation):
    network, seen = symmetric(hidden=hidden, activation=activation), seen_by()
    image = MIRROR.image(seen).astype(np.float32)
    assert np.abs(image - seen).max() > 1.0
    for acting in (network, network.snapshot()):
        plain, mirrored = np.asarray(acting.act(seen)), np.asarray(acting.act(image))
        np.testing.assert_allclose(mirrored[:, :N_OUT], plain[:, MIRROR.acts] * MIRROR.acts_sign, atol=1e-5)
        assert np.abs(mirrored[:, :N_OUT] - plain[:, :N_OUT]).max() > 0.1
        np.testing.assert_allclose(mirrored[:, N_OUT:], plain[:, N_OUT + MIRROR.acts], atol=1e-6)


@each_depth
@pytest.mark.parametrize("std", ["none", "independent", "dependent"])
def test_the_snapshot_is_the_network(hidden, std):
    """Also without deviations, and with some that depend on the state: those are the actor's last outputs."""
    n_out, n_std = (2 if std == "dependent" else 1) * N_OUT, N_OUT if std == "independent" else 0
    config = A2CConfig(symmetry=True, hidden=hidden)
    network = scattered(ActorCritic(N_IN, N_PRIVILEGED, n_out, config, 0, n_std=n_std, mirror=MIRROR))
    seen, acting = seen_by(), network.snapshot()
    np.testing.assert_allclose(acting.act(seen), network.act(seen).numpy(), atol=1e-5)
    np.testing.assert_allclose(acting.value(seen), network.value(seen).numpy(), atol=1e-5)
    assert acting.act(seen).dtype == np.float32
    assert acting.act(seen).shape == (50, n_out + n_std)
    ends = [N_IN, *(2 * width for width in hidden), n_out]
    assert [w.shape for w, _ in acting.actor] == list(pairwise(ends)), "one plain network of twice the width"
    if std == "dependent":
        there = network.act(MIRROR.image(seen).astype(np.float32)).numpy()
        np.testing.assert_allclose(there[:, N_OUT:], network.act(seen).numpy()[:, N_OUT + MIRROR.acts], atol=1e-5)


def test_both_are_the_mean_of_what_is_said_and_what_is_said_in_the_mirror():
    network, seen = symmetric(0, hidden=(8,)), seen_by()
    lone = ActorCritic(N_IN, N_PRIVILEGED, N_OUT, A2CConfig(hidden=(8,)), 0)
    for mine, theirs in zip(lone.actor_variables, network.actor_variables, strict=True):
        mine.assign(theirs)
    there = lone.act(MIRROR.image(seen).astype(np.float32)).numpy()
    expected = (lone.act(seen).numpy() + there[:, MIRROR.acts] * MIRROR.acts_sign) / 2
    np.testing.assert_allclose(network.act(seen).numpy(), expected, atol=1e-5)


def test_partners_have_the_same_deviation():
    network = symmetric(hidden=(4,))
    assert network.log_std is not None
    network.log_std.assign([0.0, -1.0, -2.0])
    for acting in (network, network.snapshot()):
        np.testing.assert_allclose(np.asarray(acting.act(seen_by()))[:, N_OUT:], np.tile([-0.5, -0.5, -2.0], (50, 1)))


def test_an_image_leaves_what_follows_the_observation_as_it_is():
    seen = seen_by(4)
    image = MIRROR.image(seen)
    np.testing.assert_array_equal(image[:, N_IN:], seen[:, N_IN:])
    np.testing.assert_array_equal(image[:, :N_IN], seen[:, MIRROR.seen] * MIRROR.seen_sign)
    np.testing.assert_array_equal(MIRROR.image(image), seen)


def batch(seed: int) -> Batch:
    rng, shape = np.random.default_rng(seed), (16, 4)
    return Batch(
        seen=rng.normal(1.5, 2.0, (*shape, N_IN + N_PRIVILEGED)).astype(np.float32),
        action=rng.normal(size=(*shape, N_OUT)).astype(np.float32),
        reward=rng.normal(size=shape),
        ended=rng.random(shape) < 0.3,
        value=rng.normal(size=shape),
        next_value=rng.normal(size=shape),
    )


def agent(**config: Any) -> A2C:
    settings = {"hidden": (8,), "symmetry": True, "cg_iterations": 4, "schedule": "constant"} | config
    return A2C(N_IN, N_PRIVILEGED, BOX, A2CConfig(**settings), 10, 0, MIRROR)


@pytest.mark.parametrize("actor_step", ["natural", "first_order"])
def test_it_stays_symmetric_while_it_learns(actor_step):
    learner = agent(actor_step=actor_step, max_kl=0.1)
    for k in range(5):
        learner.learn(batch(k))
    assert learner.skipped == 0
    mean, std = learner.norm.mean, learner.norm.std
    np.testing.assert_allclose(mean[:N_IN], mean[MIRROR.seen] * MIRROR.seen_sign, atol=1e-9)
    np.testing.assert_allclose(std[:N_IN], std[MIRROR.seen], atol=1e-9)
    assert np.abs(mean[:2]).min() > 0.5, "what is not symmetric by itself was seen"
    assert mean[N_IN:] == pytest.approx(1.5, abs=0.5), "what only the critic sees has no mirror image"
    acting, seen = learner.snapshot(), seen_by()
    plain, image = (acting.act(learner.normalize(x))[:, :N_OUT] for x in (seen, MIRROR.image(seen)))
    np.testing.assert_allclose(image, plain[:, MIRROR.acts] * MIRROR.acts_sign, atol=1e-5)
    assert np.abs(plain).max() > 0.01, "it has learned to act"


def test_without_a_mirror_nothing_is_symmetric():
    learner = A2C(N_IN, N_PRIVILEGED, BOX, A2CConfig(hidden=(8,)), 10, 0)
    for k in range(2):
        learner.learn(batch(k))
    mean = learner.norm.mean
    assert np.abs(mean[:N_IN] - mean[MIRROR.seen] * MIRROR.seen_sign).max() > 1.0


@pytest.mark.parametrize("hidden", [(), (8, 8)], ids=str)
def test_an_exported_policy_acts_as_the_snapshot_and_symmetrically(hidden):
    config = tiny(
        environment={"robot": "a1", "task": "walk", "engine": "mujoco"},
        a2c={"symmetry": True, "shared": False, "actor_step": "natural", "hidden": list(hidden)},
    )
    envs = RobotVectorEnv(1, robot="a1", task="walk", engine="mujoco", seed=0)
    mirror, n_in = envs.task.mirror(), envs.task.layout.size
    learner = A2C(n_in, 0, envs.single_action_space, config.a2c, 10, 0, mirror)
    scattered(learner.network)
    shown = np.random.default_rng(0).normal(0.5, 1.0, (200, n_in))
    learner.norm.update(np.concatenate([shown, mirror.image(shown)]))
    policy = export_policy(config, learner, envs, envs.randomization, 0)
    envs.close()
    policy.verify_golden()
    seen = shown[:20]
    expected = learner.snapshot().act(normalize(seen, learner.norm.mean, learner.norm.std))[:, :12]
    np.testing.assert_allclose(policy.act(seen), expected, atol=1e-4)
    answer = policy.act(np.asarray(mirror.image(seen), np.float64))
    np.testing.assert_allclose(answer, policy.act(seen)[:, mirror.acts] * mirror.acts_sign, atol=1e-4)
    assert np.abs(answer - policy.act(seen)).max() > 0.1
