"""What the actor's output means: a Gaussian, one categorical or several; sampled in numpy, learned in TensorFlow.

The network's output is (n, size) numbers that name one distribution for each of n observations.
"""

from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.backend import tf
from sim2real.errors import TrainingError

LOG_2PI = float(np.log(2.0 * np.pi))
MAX_ACTIONS = 4096  # numbers that a network may give out: beyond, it is no control problem but a mistake


class Distribution(Protocol):
    """A family of distributions over actions. size: numbers that name one of them."""

    size: int

    def log_prob(self, output: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """Return log pi(a|s): (n,)."""

    def entropy(self, output: tf.Tensor) -> tf.Tensor:
        """Return the entropy: (n,) [nat]."""

    def kl(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """Return KL(old || new): (n,) [nat]."""

    def fisher(self, output: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        """Return M tangent: (n, size), M Fisher's matrix of the distribution in its own parameters."""

    def sample(self, output: NDArray[np.float32], rng: np.random.Generator) -> NDArray[Any]:
        """Draw an action for each row."""

    def mode(self, output: NDArray[np.float32]) -> NDArray[Any]:
        """Return the most likely action for each row."""


class Gaussian:
    """Independent normal distributions of k numbers; the output is their means, then the logarithms of deviations."""

    def __init__(self, k: int) -> None:
        self.k, self.size = k, 2 * k

    def log_prob(self, output: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """log pi(a|s) = sum_i -(a_i - mu_i)^2 / (2 sigma_i^2) - log sigma_i - log(2 pi) / 2."""
        mean, log_std = output[:, : self.k], output[:, self.k :]
        z = (action - mean) * tf.exp(-log_std)
        return tf.reduce_sum(-0.5 * tf.square(z) - log_std - 0.5 * LOG_2PI, axis=-1)

    def entropy(self, output: tf.Tensor) -> tf.Tensor:
        """H = sum_i log sigma_i + (1 + log 2 pi) / 2."""
        return tf.reduce_sum(output[:, self.k :] + 0.5 * (1.0 + LOG_2PI), axis=-1)

    def kl(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """KL = sum_i log(sigma'_i / sigma_i) + (sigma_i^2 + (mu_i - mu'_i)^2) / (2 sigma'_i^2) - 1/2."""
        narrower = old[:, self.k :] - new[:, self.k :]
        moved = (old[:, : self.k] - new[:, : self.k]) * tf.exp(-new[:, self.k :])
        return tf.reduce_sum(0.5 * (tf.exp(2.0 * narrower) + tf.square(moved) - 1.0) - narrower, axis=-1)

    def fisher(self, output: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        """M = diag(1 / sigma_i^2) for the means, 2 for the logarithms of deviations."""
        precision = tf.exp(-2.0 * output[:, self.k :])
        return tf.concat([precision * tangent[:, : self.k], 2.0 * tangent[:, self.k :]], axis=1)

    def sample(self, output: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """See `Distribution.sample`: (n, k)."""
        mean, log_std = output[:, : self.k], output[:, self.k :]
        noise: NDArray[np.float32] = rng.standard_normal(mean.shape, dtype=np.float32)
        return np.asarray(mean + np.exp(log_std) * noise, np.float32)

    def mode(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Distribution.mode`: (n, k)."""
        return output[:, : self.k]


class Categorical:
    """One of k choices; the output is their logits."""

    def __init__(self, k: int) -> None:
        self.size = k

    def log_prob(self, output: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """log pi(a|s) = l_a - log sum_k exp(l_k)."""
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=action, logits=output)

    def entropy(self, output: tf.Tensor) -> tf.Tensor:
        """H = -sum_k p_k log p_k."""
        log_p = tf.nn.log_softmax(output)
        return -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)

    def kl(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """KL = sum_k p_k (log p_k - log p'_k)."""
        log_p = tf.nn.log_softmax(old)
        return tf.reduce_sum(tf.exp(log_p) * (log_p - tf.nn.log_softmax(new)), axis=-1)

    def fisher(self, output: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        """M = diag(p) - p p^T."""
        p = tf.nn.softmax(output)
        return p * (tangent - tf.reduce_sum(p * tangent, axis=-1, keepdims=True))

    def sample(self, output: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
        """See `Distribution.sample`: (n,). The largest of logits + Gumbel noise is a categorical draw."""
        return np.asarray((output + rng.gumbel(size=output.shape)).argmax(axis=1))

    def mode(self, output: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `Distribution.mode`: (n,)."""
        return np.asarray(output.argmax(axis=1))


class MultiCategorical:
    """Several independent choices, of `sizes` kinds each; the output is the logits of one after the other."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.size = sum(sizes)
        self._parts = [Categorical(k) for k in sizes]
        self._ends = np.cumsum(sizes)[:-1].tolist()
        self._sizes = list(sizes)

    def _split(self, output: tf.Tensor) -> list[tf.Tensor]:
        return list(tf.split(output, self._sizes, axis=1))

    def log_prob(self, output: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """The sum over the choices."""
        split = self._split(output)
        return tf.add_n([p.log_prob(o, action[:, k]) for k, (p, o) in enumerate(zip(self._parts, split, strict=True))])

    def entropy(self, output: tf.Tensor) -> tf.Tensor:
        """The sum over the choices."""
        return tf.add_n([part.entropy(o) for part, o in zip(self._parts, self._split(output), strict=True)])

    def kl(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """The sum over the choices."""
        each = zip(self._parts, self._split(old), self._split(new), strict=True)
        return tf.add_n([part.kl(a, b) for part, a, b in each])

    def fisher(self, output: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        """M of each choice by itself."""
        each = zip(self._parts, self._split(output), self._split(tangent), strict=True)
        return tf.concat([part.fisher(o, t) for part, o, t in each], axis=1)

    def sample(self, output: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
        """See `Distribution.sample`: (n, n_choices)."""
        split = np.split(output, self._ends, axis=1)
        return np.stack([part.sample(o, rng) for part, o in zip(self._parts, split, strict=True)], axis=1)

    def mode(self, output: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `Distribution.mode`: (n, n_choices)."""
        return np.stack([o.argmax(axis=1) for o in np.split(output, self._ends, axis=1)], axis=1)


def distribution_of(space: gymnasium.Space[Any]) -> Gaussian | Categorical | MultiCategorical:
    """Return what fits an action space: a Box of one dimension, a Discrete or a MultiDiscrete, both from 0.

    Raise TrainingError for another space, or one that is too large.
    """
    kind: Gaussian | Categorical | MultiCategorical | None = None
    if isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1:
        kind = Gaussian(space.shape[0])
    elif isinstance(space, gymnasium.spaces.Discrete) and space.start == 0:
        kind = Categorical(int(space.n))
    elif isinstance(space, gymnasium.spaces.MultiDiscrete) and space.nvec.ndim == 1 and not space.start.any():
        kind = MultiCategorical(tuple(int(n) for n in space.nvec))
    if kind is None:
        allowed = "a Box of one dimension, a Discrete or a MultiDiscrete, both from 0"
        raise TrainingError(f"environment: actions are {space}; A2C here takes {allowed}")
    if kind.size > MAX_ACTIONS:
        raise TrainingError(f"environment: actions are {space}: {kind.size} outputs, more than {MAX_ACTIONS}")
    return kind
