"""A2C: synchronous advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), one step of the actor a batch.

Read from top to bottom: what a batch is, the losses with their formulas, the two kinds of step (the first-order one as
published, and the natural one of ACKTR and TRPO: Wu et al. 2017, arXiv 1708.05144; Schulman et al. 2015, arXiv
1502.05477), and the schedules.
"""

from pathlib import Path
from typing import Any, BinaryIO

import gymnasium
import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.backend import keras, tf
from sim2real.a2c.batch import Batch, Data
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.distributions import Gaussian, distribution_of
from sim2real.a2c.learner_state import load_state, save_state
from sim2real.a2c.natural import conjugate_gradient, dot, fisher_product
from sim2real.a2c.network import ActorCritic, NumpyActorCritic, RunningNorm
from sim2real.a2c.norms import norm_of
from sim2real.a2c.returns import gae
from sim2real.tasks import Mirror

Array = NDArray[np.float64]
FASTER = 1.5  # factor of a learning rate that follows the measured KL
NARROWING = 2 / 3  # share of a run in which a deviation that is set falls
TOO_FAR = 1.5  # share of max_kl up to which a natural step is left as it is


def policy_loss(log_prob: tf.Tensor, advantage: tf.Tensor) -> tf.Tensor:
    """L_pi = -mean(log pi(a|s) A)."""
    return -tf.reduce_mean(log_prob * advantage)


def value_loss(value: tf.Tensor, returns: tf.Tensor) -> tf.Tensor:
    """L_V = mean((R - V(s))^2)."""
    return tf.reduce_mean(tf.square(returns - value))


class A2C:
    """The learner: networks, optimizer, statistics of observations and returns, and one compiled update."""

    def __init__(
        self, n_in: int, n_privileged: int, actions: gymnasium.Space[Any], config: A2CConfig, updates: int, seed: int,
        mirror: Mirror | None = None, picture: tuple[int, int, int] | None = None,
    ) -> None:  # fmt: skip
        """updates: of the whole run; mirror: a symmetry to learn from; picture: shape of what is seen, if it is one."""
        self.config, self._total, self._seed, self._mirror = config, max(1, updates), seed, mirror
        self.distribution = distribution_of(actions)
        k = self.distribution.k if isinstance(self.distribution, Gaussian) and config.std == "independent" else 0
        n_out = self.distribution.size - k
        self.network = ActorCritic(n_in, n_privileged, n_out, config, seed, n_std=k, mirror=mirror, picture=picture)
        optimizers = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
        self.optimizer = optimizers[config.optimizer](config.learning_rate)
        self.natural = config.actor_step == "natural"
        mine, critics = self.network.actor_variables, self.network.critic_variables
        self._learned = critics if self.natural else [*mine, *critics]
        self.optimizer.build(self._learned)
        self.norm = norm_of(n_in, n_privileged, picture is not None, config.normalize_observation)
        self.return_norm = RunningNorm(1)
        self.updates = self.skipped = 0  # skipped: updates left out because a gradient was not finite
        self.rate = 1.0  # what the learning rate and max_kl are multiplied by
        self._update = tf.function(self._natural_update if self.natural else self._first_order_update, autograph=False)

    def snapshot(self) -> NumpyActorCritic:
        """Return the present policy and critic for acting in numpy."""
        return self.network.snapshot()

    def normalize(self, seen: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return what the networks get of what is seen (n, n_in + n_privileged)."""
        return self.norm.normalize(seen)

    def value(self, actor: NumpyActorCritic, seen: NDArray[np.float32]) -> Array:
        """Return the values (n,) of normalized observations under a snapshot, in the unit of rewards."""
        value = actor.value(seen).astype(np.float64)
        return value * self.return_norm.std + self.return_norm.mean if self.config.normalize_return else value

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one step of actor and critic and return the losses. A step that is not finite is skipped and counted."""
        config = self.config
        advantage, returns = gae(batch.reward, batch.value, batch.next_value, batch.ended, config.gamma, config.lam)
        if config.normalize_advantage:
            with np.errstate(invalid="ignore", over="ignore"):  # what is not finite makes the step be skipped
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        n = batch.reward.size
        seen, action = batch.seen.reshape(n, -1), batch.action.reshape(n, *batch.action.shape[2:])
        target = (returns - self.return_norm.mean) / self.return_norm.std if config.normalize_return else returns
        # Shuffled, so that any part of the batch is a fair sample of it.
        order = np.random.default_rng([self._seed, self.updates]).permutation(n)
        action = action.astype(np.float32 if isinstance(self.distribution, Gaussian) else np.int32)
        arrays = (self.normalize(seen), action, advantage.astype(np.float32).ravel(), target.astype(np.float32).ravel())
        knobs = np.float32(config.max_kl * self.rate * self._falling), np.float32(self.entropy_weight)
        self.optimizer.learning_rate.assign(self.learning_rate)
        data = (*(array[order] for array in arrays), *knobs)
        results = self._update(Data(*(tf.constant(array) for array in data)))
        metrics = {name: float(value) for name, value in results.items()}
        finite = not metrics.pop("skipped")
        self.updates, self.skipped = self.updates + 1, self.skipped + (not finite)
        self._narrow()
        if finite and np.isfinite(seen).all():
            self._follow(seen, returns, metrics["kl"])
        variance = returns.var()
        metrics["explained_variance"] = float(1.0 - (returns - batch.value).var() / variance) if variance > 0 else 0.0
        return metrics

    def _narrow(self) -> None:
        """Let a deviation that is set, not learned, fall, log-linear; what noise did to the robot is then unlearned."""
        first, last = self.config.initial_std, self.config.final_std
        if self.network.log_std is not None and last is not None:
            wide = max(0.0, 1.0 - (1.0 - self._left) / NARROWING)
            log_std = np.log(last) + wide * np.log(first / last)
            self.network.log_std.assign(np.full(self.network.log_std.shape, log_std, np.float32))

    def _follow(self, seen: NDArray[np.floating], returns: Array, kl: float) -> None:
        """Let statistics, and a rate that follows the measured KL, take up what a batch has shown."""
        self.norm.update(seen, self._mirror)
        self.return_norm.update(returns.reshape(-1, 1))
        if self.config.schedule == "kl":
            wanted = self.config.max_kl
            self.rate *= 1 / FASTER if kl > 2 * wanted else FASTER if kl < wanted / 2 else 1.0

    def _first_order_update(self, data: Data) -> dict[str, tf.Tensor]:
        """L = w_pi L_pi + w_V L_V - w_H H, its gradient clipped to a global norm, one optimizer step."""
        config, family = self.config, self.distribution
        with tf.GradientTape() as tape:
            output, value = self.network.both(data.seen)
            losses = {**self._actor_losses(output, data), "value_loss": value_loss(value, data.returns)}
            total = config.policy_weight * losses["policy_loss"] + config.value_weight * losses["value_loss"]
            total -= data.entropy_weight * losses["entropy"]
        finite, norm = self._descend(tape.gradient(total, self._learned))
        some = max(1, int(config.fisher_share * data.seen.shape[0]))
        kl = tf.reduce_mean(family.kl(output[:some], self.network.act(data.seen[:some])))
        return {**losses, "grad_norm": norm, "kl": kl, "skipped": tf.logical_not(finite)}

    def _natural_update(self, data: Data) -> dict[str, tf.Tensor]:
        """Move the actor along F^-1 grad(L_pi - w_H H) until the policy has changed by max_kl; fit the critic apart.

        Neither waits for the other: they take a core each.
        """
        sound = data.is_finite()
        losses, kl, moved = self._move_actor(data, sound)
        losses["value_loss"], norm, fitted = self._fit_critic(data.seen, data.returns, sound)
        return {**losses, "grad_norm": norm, "kl": kl, "skipped": tf.logical_not(moved & fitted)}

    def _move_actor(self, data: Data, sound: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Take the natural step if all is finite; return the losses before it, the KL it made, and if it was taken."""
        config, family, variables = self.config, self.distribution, self.network.actor_variables
        with tf.GradientTape() as tape:
            output = self.network.act(data.seen)
            losses = self._actor_losses(output, data)
            total = losses["policy_loss"] - data.entropy_weight * losses["entropy"]
        gradient = tape.gradient(total, variables)
        rows = max(1, int(config.fisher_share * data.seen.shape[0]))
        some, before = data.seen[:rows], output[:rows]
        product = fisher_product(lambda: self.network.act(some), variables, family, config.damping)
        direction = conjugate_gradient(product, gradient, config.cg_iterations)
        length = tf.sqrt(2.0 * data.max_kl / (dot(direction, product(direction)) + 1e-12))
        finite = sound & tf.math.is_finite(length) & tf.math.is_finite(dot(direction, direction))
        step = [tf.where(finite, length * d, 0.0) for d in direction]
        for variable, part in zip(variables, step, strict=True):
            variable.assign_sub(part)
        kl = tf.reduce_mean(family.kl(before, self.network.act(some)))
        # Where the quadratic model was too bold, part of the step is taken back; where nothing can be said of it, all.
        excess = 1.0 - tf.minimum(1.0, tf.sqrt(TOO_FAR * data.max_kl / tf.maximum(kl, 1e-12)))
        excess = tf.where(tf.math.is_finite(kl), excess, 1.0)
        for variable, part in zip(variables, step, strict=True):
            variable.assign_add(excess * part)
        return losses, kl, finite

    def _fit_critic(self, seen: tf.Tensor, returns: tf.Tensor, sound: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Descend on L_V, several passes of minibatches while all is finite.

        Return the mean L_V of the first pass, the last gradient's norm, and whether all was finite.
        """
        parts = min(self.config.critic_parts, seen.shape[0])
        rows, last = seen.shape[0] // parts, parts * self.config.critic_passes

        def fit(k: tf.Tensor, _: tf.Tensor, mean: tf.Tensor, __: tf.Tensor) -> tuple[tf.Tensor, ...]:
            some = slice(rows * (k % parts), rows * (k % parts + 1))
            with tf.GradientTape() as tape:
                loss = value_loss(self.network.value(seen[some]), returns[some])
            fitted, norm = self._descend(tape.gradient(loss, self._learned))
            return k + 1, fitted, mean + tf.where(k < parts, loss / parts, 0.0), norm

        # A loop in the graph: unrolled, it would take seconds to trace.
        _, fitted, loss, norm = tf.while_loop(lambda k, fitted, *_: (k < last) & fitted, fit, (0, sound, 0.0, 0.0))
        return loss, norm, fitted

    def _actor_losses(self, output: tf.Tensor, data: Data) -> dict[str, tf.Tensor]:
        return {
            "policy_loss": policy_loss(self.distribution.log_prob(output, data.action), data.advantage),
            "entropy": tf.reduce_mean(self.distribution.entropy(output)),
        }

    def _descend(self, gradient: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Take one optimizer step unless the gradient is not finite; return whether, and the gradient's norm."""
        gradient, norm = tf.clip_by_global_norm(gradient, self.config.max_grad_norm)
        finite = tf.math.is_finite(norm)  # one NaN under Adam stays in its moments for ever
        tf.cond(finite, lambda: self._apply(gradient), lambda: tf.constant(False))
        return finite, norm

    def _apply(self, gradient: list[tf.Tensor]) -> tf.Tensor:
        self.optimizer.apply_gradients(zip(gradient, self._learned, strict=True))
        return tf.constant(True)

    @property
    def _left(self) -> float:
        """Share of the run that is left."""
        return max(0.0, 1.0 - self.updates / self._total)

    @property
    def _falling(self) -> float:
        return self._left if self.config.schedule == "linear" else 1.0

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        return self.config.learning_rate * self.rate * self._falling

    @property
    def entropy_weight(self) -> float:
        """The weight of the entropy in the next update."""
        first, last = self.config.entropy_weight, self.config.entropy_final
        return first if last is None else last + (first - last) * self._left

    def scale_rate(self, factor: float) -> None:
        """Multiply the learning rate, and the length of natural steps, by `factor` from now on."""
        self.rate *= factor

    @property
    def _variables(self) -> dict[str, list[Any]]:
        network = [*self.network.actor_variables, *self.network.critic_variables]
        return {"network": network, "optimizer": self.optimizer.variables}

    @property
    def _norms(self) -> dict[str, RunningNorm]:
        return {"norm": self.norm, "returns": self.return_norm}

    def save(self, path: Path | BinaryIO) -> None:
        """Write everything that learning needs to go on."""
        save_state(path, self._variables, self._norms, (self.updates, self.skipped, self.rate))

    def load(self, path: Path | BinaryIO) -> None:
        """Restore what `save` wrote; raise TrainingError if it is of another network."""
        updates, skipped, self.rate = load_state(path, self._variables, self._norms, 3)
        self.updates, self.skipped = int(updates), int(skipped)
        self._narrow()
