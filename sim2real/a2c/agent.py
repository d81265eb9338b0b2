"""A2C: synchronous advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), one gradient step a batch.

Read from top to bottom: what a batch is, the three losses with their formulas, the step, and what is saved.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.backend import keras, tf
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.network import ActorCritic, NumpyActorCritic, RunningNorm
from sim2real.a2c.returns import gae
from sim2real.errors import TrainingError
from sim2real.policy import normalize

Array = NDArray[np.float64]
LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass
class Batch:
    """What the worlds did under one snapshot of the policy; arrays begin with (n_steps, n_worlds).

    observation (..., n_in) raw; action (...) int or (..., n_out); reward (...); ended, terminated (...)
    value (...): V of each observation; next_value (...): V of what followed, as `returns.gae` wants it
    """

    observation: NDArray[np.float32]
    action: NDArray[np.generic]
    reward: Array
    ended: NDArray[np.bool_]
    value: Array
    next_value: Array


def log_prob_categorical(logits: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """log pi(a|s) = logits[a] - log sum_k exp(logits[k]): (n,)."""
    return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=action, logits=logits)


def entropy_categorical(logits: tf.Tensor) -> tf.Tensor:
    """H = -sum_k p_k log p_k: (n,) [nat]."""
    log_p = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)


def log_prob_gaussian(mean: tf.Tensor, log_std: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """log pi(a|s) = sum_i -(a_i - mu_i)^2 / (2 sigma_i^2) - log sigma_i - log(2 pi) / 2: (n,)."""
    z = (action - mean) * tf.exp(-log_std)
    return tf.reduce_sum(-0.5 * tf.square(z) - log_std - 0.5 * LOG_2PI, axis=-1)


def entropy_gaussian(log_std: tf.Tensor) -> tf.Tensor:
    """H = sum_i log sigma_i + (1 + log 2 pi) / 2: scalar [nat]."""
    return tf.reduce_sum(log_std + 0.5 * (1.0 + LOG_2PI))


def policy_loss(log_prob: tf.Tensor, advantage: tf.Tensor) -> tf.Tensor:
    """L_pi = -mean(log pi(a|s) A)."""
    return -tf.reduce_mean(log_prob * advantage)


def value_loss(value: tf.Tensor, returns: tf.Tensor) -> tf.Tensor:
    """L_V = mean((R - V(s))^2)."""
    return tf.reduce_mean(tf.square(returns - value))


class A2C:
    """The learner: network, optimizer, observation statistics, and one compiled update."""

    def __init__(self, n_in: int, n_out: int, discrete: bool, config: A2CConfig, total_updates: int, seed: int) -> None:
        self.config, self.discrete = config, discrete
        self.network = ActorCritic(n_in, n_out, config, discrete, seed)
        rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
        if config.schedule == "linear":
            rate = keras.optimizers.schedules.PolynomialDecay(
                config.learning_rate, max(1, total_updates), end_learning_rate=0.0
            )
        makers = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
        self.optimizer = makers[config.optimizer](rate)
        self.optimizer.build(self.network.trainable_variables)
        self.norm = RunningNorm(n_in)
        self.skipped = 0  # updates left out because a gradient was not finite
        self._update = tf.function(self._update_step, reduce_retracing=True)

    def snapshot(self) -> NumpyActorCritic:
        """Return the present policy and critic for acting in numpy."""
        return self.network.snapshot()

    def normalize(self, observation: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return what the network sees of raw observations (n, n_in)."""
        if not self.config.normalize_observation:
            return np.asarray(observation, np.float32)
        return normalize(np.asarray(observation, np.float64), self.norm.mean, self.norm.std)

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step on a batch and return the losses. A step that is not finite is skipped and counted."""
        config = self.config
        advantage, returns = gae(batch.reward, batch.value, batch.next_value, batch.ended, config.gamma, config.lam)
        if config.normalize_advantage:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        n = batch.reward.size
        observation = batch.observation.reshape(n, -1)
        action = batch.action.reshape(n, *batch.action.shape[2:])
        inputs = (
            self.normalize(observation),
            action.astype(np.int32 if self.discrete else np.float32),
            advantage.astype(np.float32).ravel(),
            returns.astype(np.float32).ravel(),
        )
        metrics = {name: float(v) for name, v in self._update(*(tf.constant(a) for a in inputs)).items()}
        skipped = bool(metrics.pop("skipped"))
        self.skipped += skipped
        if config.normalize_observation and not skipped and np.isfinite(observation).all():
            self.norm.update(observation)
        variance = returns.var()
        metrics["explained_variance"] = float(1.0 - (returns - batch.value).var() / variance) if variance > 0 else 0.0
        return metrics

    def _update_step(
        self, observation: tf.Tensor, action: tf.Tensor, advantage: tf.Tensor, returns: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """L = w_pi L_pi + w_V L_V - w_H H, its gradient clipped to a global norm, one optimizer step."""
        config = self.config
        with tf.GradientTape() as tape:
            output, value = self.network(observation)
            if self.discrete:
                log_prob, entropy = log_prob_categorical(output, action), tf.reduce_mean(entropy_categorical(output))
            else:
                log_std = tf.convert_to_tensor(self.network.log_std)
                log_prob, entropy = log_prob_gaussian(output, log_std, action), entropy_gaussian(log_std)
            losses = {
                "policy_loss": policy_loss(log_prob, advantage),
                "value_loss": value_loss(value, returns),
                "entropy": entropy,
            }
            total = (
                config.policy_weight * losses["policy_loss"]
                + config.value_weight * losses["value_loss"]
                - config.entropy_weight * entropy
            )
        variables = self.network.trainable_variables
        gradients, norm = tf.clip_by_global_norm(tape.gradient(total, variables), config.max_grad_norm)
        # One NaN under Adam stays in its moments for ever, so such a step must not reach the optimizer.
        finite = tf.math.is_finite(norm)
        tf.cond(finite, lambda: self._apply(gradients, variables), lambda: tf.constant(False))
        return {**losses, "grad_norm": norm, "skipped": tf.cast(tf.logical_not(finite), tf.float32)}

    def _apply(self, gradients: list[tf.Tensor], variables: list[tf.Variable]) -> tf.Tensor:
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return tf.constant(True)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        return float(self.optimizer.learning_rate)

    def save(self, path: Path) -> None:
        """Write everything that learning needs to go on, as one .npz of plain arrays (no pickle)."""
        arrays: dict[str, Any] = {f"network/{k}": v.numpy() for k, v in enumerate(self.network.variables)}
        arrays |= {f"optimizer/{k}": v.numpy() for k, v in enumerate(self.optimizer.variables)}
        arrays |= {"norm/mean": self.norm.mean, "norm/var": self.norm.var, "norm/count": np.array(self.norm.count)}
        np.savez(path, **arrays, skipped=np.array(self.skipped))

    def load(self, path: Path) -> None:
        """Restore what `save` wrote; raise TrainingError if it is of another network."""
        variables = {f"network/{k}": v for k, v in enumerate(self.network.variables)}
        variables |= {f"optimizer/{k}": v for k, v in enumerate(self.optimizer.variables)}
        with np.load(path, allow_pickle=False) as arrays:
            norm = {"norm/mean": self.norm.mean, "norm/var": self.norm.var}
            fits = set(arrays) == {*variables, *norm, "norm/count", "skipped"}
            if not fits or any(arrays[name].shape != tuple(v.shape) for name, v in (variables | norm).items()):
                raise TrainingError(
                    f"{path}: is a checkpoint of another network; resume with the settings it was made with"
                )
            for name, variable in variables.items():
                variable.assign(arrays[name])
            self.norm.mean, self.norm.var = arrays["norm/mean"], arrays["norm/var"]
            self.norm.count, self.skipped = float(arrays["norm/count"]), int(arrays["skipped"])
