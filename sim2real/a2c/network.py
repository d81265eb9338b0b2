"""Actor and critic as Keras layers for learning, and in numpy for acting: a TensorFlow call takes 50 times longer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.backend import keras, tf
from sim2real.a2c.config import A2CConfig
from sim2real.policy import ACTIVATIONS

Float32 = NDArray[np.float32]


class ActorCritic(keras.Model):
    """Observation (n, n_in) -> actor output (n, n_out) and value (n,).

    The actor's output is the mean of a Gaussian with state-independent deviation, or the logits of a categorical.
    """

    def __init__(self, n_in: int, n_out: int, config: A2CConfig, discrete: bool, seed: int) -> None:
        super().__init__()
        self.shared, self.activation = config.shared, config.activation
        self._seeds = iter(np.random.default_rng(seed).integers(2**31, size=64).tolist())
        trunk_gain = 2**0.5
        self.actor_layers = [self._dense(w, config.activation, config.init, trunk_gain) for w in config.hidden]
        self.critic_layers = (
            self.actor_layers
            if self.shared
            else [self._dense(w, config.activation, config.init, trunk_gain) for w in config.hidden]
        )
        self.actor_head = self._dense(n_out, None, config.init, 0.01)
        self.critic_head = self._dense(1, None, config.init, 1.0)
        self.log_std = self.add_weight(
            name="log_std",
            shape=(n_out,),
            initializer=keras.initializers.Constant(np.log(config.initial_std)),
            trainable=not discrete,
        )
        self(tf.zeros((1, n_in)))

    def _dense(self, width: int, activation: str | None, init: str, gain: float) -> keras.layers.Dense:
        seed = next(self._seeds)
        kernel = keras.initializers.HeNormal(seed) if init == "he_normal" else keras.initializers.Orthogonal(gain, seed)
        return keras.layers.Dense(width, activation=activation, kernel_initializer=kernel)

    def call(self, observation: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return actor output (n, n_out) and value (n,)."""
        features = _through(self.actor_layers, observation)
        value_features = features if self.shared else _through(self.critic_layers, observation)
        return self.actor_head(features), self.critic_head(value_features)[:, 0]

    def snapshot(self) -> "NumpyActorCritic":
        """Return the present weights for acting."""
        actor, critic = (
            [(layer.kernel.numpy(), layer.bias.numpy()) for layer in [*trunk, head]]
            for trunk, head in ((self.actor_layers, self.actor_head), (self.critic_layers, self.critic_head))
        )
        return NumpyActorCritic(actor, critic, self.log_std.numpy(), self.activation, self.shared)


def _through(layers: Sequence[keras.layers.Layer], x: tf.Tensor) -> tf.Tensor:
    for layer in layers:
        x = layer(x)
    return x


@dataclass(frozen=True)
class NumpyActorCritic:
    """The same function as ActorCritic, on numpy: layers as (weight (in, out), bias (out,)) pairs, single precision."""

    actor: Sequence[tuple[Float32, Float32]]
    critic: Sequence[tuple[Float32, Float32]]
    log_std: Float32
    activation: str
    shared: bool

    def __call__(self, observation: Float32) -> tuple[Float32, Float32]:
        """Return actor output (n, n_out) and value (n,)."""
        features = self._trunk(self.actor, observation)
        weight, bias = self.actor[-1]
        output = features @ weight + bias
        return output, self.value(observation, features if self.shared else None)

    def value(self, observation: Float32, features: Float32 | None = None) -> Float32:
        """Return the value (n,)."""
        features = self._trunk(self.critic, observation) if features is None else features
        weight, bias = self.critic[-1]
        value: Float32 = (features @ weight + bias)[:, 0]
        return value

    def _trunk(self, layers: Sequence[tuple[Float32, Float32]], x: Float32) -> Float32:
        for weight, bias in layers[:-1]:
            x = ACTIVATIONS[self.activation](x @ weight + bias)
        return x


class RunningNorm:
    """Mean and deviation of all observations so far, by Chan's parallel update."""

    def __init__(self, size: int) -> None:
        self.mean = np.zeros(size)
        self.var = np.ones(size)
        self.count = 0.0

    @property
    def std(self) -> NDArray[np.float64]:
        """Deviation: (size,), never 0."""
        return np.sqrt(self.var) + 1e-6

    def update(self, batch: NDArray[np.floating]) -> None:
        """Take in observations (n, size)."""
        mean, var, n = batch.mean(axis=0, dtype=np.float64), batch.var(axis=0, dtype=np.float64), len(batch)
        delta, total = mean - self.mean, self.count + n
        self.mean = self.mean + delta * n / total
        self.var = (self.var * self.count + var * n + delta**2 * self.count * n / total) / total
        self.count = total
