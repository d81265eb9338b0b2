"""Actor and critic as Keras layers for learning, and in numpy for acting: a TensorFlow call takes 50 times longer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.backend import keras, tf
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.convolution import Convolutions
from sim2real.policy.convolution import Eye, Shape
from sim2real.policy.policy import ACTIVATIONS
from sim2real.tasks import Mirror

Float32 = NDArray[np.float32]


class ActorCritic:
    """What the actor sees, (n, n_in), and what the critic sees besides, (n, n_privileged), to output and value.

    The actor's output names a distribution (see `distributions`). For a Gaussian whose deviation does not depend on the
    state, `n_std` further numbers are the same for all observations: the logarithms of the deviations.
    """

    def __init__(
        self, n_in: int, n_privileged: int, n_out: int, config: A2CConfig, seed: int, *, n_std: int = 0,
        mirror: Mirror | None = None, picture: Shape | None = None,
    ) -> None:  # fmt: skip
        """n_out: numbers that depend on the state; n_std: numbers that do not, and follow them.

        mirror: the actor is made symmetric: half of what it says, and half of the mirror image of what it says in the
        mirror (a Gaussian's mean; its deviation is of each pair the same)
        picture: shape of what the actor sees, where that is one; a critic that sees more sees only that
        """
        self._mirror = mirror
        self.n_in, self.shared, self.activation = n_in, config.shared, config.activation
        self._seeds = iter(np.random.default_rng(seed).integers(2**31, size=64).tolist())
        self._config = config
        self.critic_from = n_in if picture is not None and n_privileged else 0
        critic_widths, n_critic = config.critic_hidden or config.hidden, n_in + n_privileged - self.critic_from
        self.actor_layers, n_actor = self._trunk(n_in, config.hidden, picture)
        if self.shared:
            self.critic_layers, n_critic = self.actor_layers, n_actor
        else:
            watched = None if self.critic_from else picture
            self.critic_layers, n_critic = self._trunk(n_critic, critic_widths, watched)
        self.actor_head = self._dense(n_actor, n_out, None, 0.01)
        self.critic_head = self._dense(n_critic, 1, None, 1.0)
        initial = np.full(n_std, np.log(config.initial_std), np.float32)
        self.log_std = keras.Variable(initial, name="log_std") if n_std else None

    def _trunk(self, n_in: int, widths: Sequence[int], picture: Shape | None) -> tuple[list[keras.layers.Layer], int]:
        """Return the layers below a head, and how many numbers they give it."""
        layers: list[keras.layers.Layer] = []
        if picture is not None:
            eye = Convolutions(picture, self._config.convolutions, self.activation, lambda: self._kernel(2**0.5))
            layers, n_in = [eye], eye.size
        ends = zip([n_in, *widths], widths, strict=False)
        return [*layers, *(self._dense(a, b, self.activation, 2**0.5) for a, b in ends)], [n_in, *widths][-1]

    def _dense(self, n_in: int, width: int, activation: str | None, gain: float) -> keras.layers.Dense:
        layer = keras.layers.Dense(width, activation=activation, kernel_initializer=self._kernel(gain))
        layer.build((None, n_in))
        return layer

    def _kernel(self, gain: float) -> keras.initializers.Initializer:
        seed = next(self._seeds)
        he = self._config.init == "he_normal"
        return keras.initializers.HeNormal(seed) if he else keras.initializers.Orthogonal(gain, seed)

    @property
    def actor_variables(self) -> list[keras.Variable]:
        """What the actor learns, with the shared trunk if there is one."""
        learned = self.log_std is not None and self._config.final_std is None
        own = [self.log_std] if learned else []
        return [*_weights([*self.actor_layers, self.actor_head]), *own]

    @property
    def critic_variables(self) -> list[keras.Variable]:
        """What the critic learns apart from the actor."""
        return _weights([*([] if self.shared else self.critic_layers), self.critic_head])

    def act(self, seen: tf.Tensor) -> tf.Tensor:
        """Return the actor's output (n, size) from what is seen (n, n_in or more)."""
        watched, mirror = seen[:, : self.n_in], self._mirror
        if mirror is None:
            return self._output(_through(self.actor_layers, watched))
        image = tf.gather(watched, mirror.seen, axis=1) * mirror.seen_sign.astype(np.float32)
        # One after the other, not side by side in one batch: so each can have a core.
        output, answer = (self._output(_through(self.actor_layers, x)) for x in (watched, image))
        return 0.5 * (output + answer @ _swap(mirror, output.shape[1]))

    def value(self, seen: tf.Tensor) -> tf.Tensor:
        """Return the critic's value (n,) from all that is seen (n, n_in + n_privileged)."""
        watched = seen[:, self.critic_from :] if self.critic_from else seen
        return self.critic_head(_through(self.critic_layers, watched))[:, 0]

    def both(self, seen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return output and value; a shared trunk is passed through once."""
        if not self.shared:
            return self.act(seen), self.value(seen)
        features = _through(self.actor_layers, seen)
        return self._output(features), self.critic_head(features)[:, 0]

    def _output(self, features: tf.Tensor) -> tf.Tensor:
        output = self.actor_head(features)
        if self.log_std is None:
            return output
        rows = tf.shape(output)[0]
        return tf.concat([output, tf.broadcast_to(self.log_std.value[None], [rows, self.log_std.shape[0]])], axis=1)

    def snapshot(self) -> "NumpyActorCritic":
        """Return the present weights for acting."""
        trunks = (self.actor_layers, self.actor_head), (self.critic_layers, self.critic_head)
        eyes, (actor, critic) = [_eye(trunk) for trunk, _ in trunks], [_dense([*trunk, head]) for trunk, head in trunks]
        log_std = np.zeros(0, np.float32) if self.log_std is None else self.log_std.numpy()
        if self._mirror is not None:
            actor = _doubled(actor, self._mirror)
            log_std = 0.5 * (log_std + log_std[self._mirror.acts]) if len(log_std) else log_std
        activation = ACTIVATIONS[self.activation]
        return NumpyActorCritic(actor, critic, log_std, activation, self.n_in, self.critic_from, *eyes)


def _paired(mirror: Mirror, size: int) -> tuple[NDArray[np.intp], Float32]:
    """Return where each of `size` numbers of an actor's output is found in the mirror, and its sign.

    The first are means, one a motor; deviations, where they follow, have no sign.
    """
    places, sign = mirror.acts, mirror.acts_sign.astype(np.float32)
    if size == len(places):
        return places, sign
    return np.concatenate([places, len(places) + places]), np.concatenate([sign, np.ones_like(sign)])


def _swap(mirror: Mirror, size: int) -> Float32:
    """Return `_paired` as a matrix (size, size) to multiply outputs with: quicker to differentiate than a gather."""
    places, sign = _paired(mirror, size)
    swap = np.zeros((size, size), np.float32)
    swap[places, np.arange(size)] = sign
    return swap


def _doubled(layers: Sequence[tuple[Float32, Float32]], mirror: Mirror) -> list[tuple[Float32, Float32]]:
    """Return the symmetric actor as one plain network of twice the width: itself, and beside it what sees the image."""
    *trunk, (last, last_bias) = layers
    places, sign = _paired(mirror, len(last_bias))
    answer, answer_bias = last[:, places] * sign, last_bias[places] * sign
    bias = (last_bias + answer_bias) * np.float32(0.5)
    if not trunk:
        return [(0.5 * (last + _seeing_image(answer, mirror)), bias)]
    (first, b), *middle = trunk
    doubled = [(np.concatenate([first, _seeing_image(first, mirror)], axis=1), np.concatenate([b, b]))]
    for weight, b in middle:
        nothing = np.zeros_like(weight)
        doubled.append((np.block([[weight, nothing], [nothing, weight]]), np.concatenate([b, b])))
    return [*doubled, (0.5 * np.concatenate([last, answer]), bias)]


def _seeing_image(weight: Float32, mirror: Mirror) -> Float32:
    """Return the weights (n_in, any) that make of an observation what `weight` makes of its mirror image."""
    seeing = np.zeros_like(weight)
    seeing[mirror.seen] = weight * mirror.seen_sign.astype(np.float32)[:, None]
    return seeing


def _eye(layers: Sequence[keras.layers.Layer]) -> Eye | None:
    return next((layer.snapshot() for layer in layers if isinstance(layer, Convolutions)), None)


def _dense(layers: Sequence[keras.layers.Layer]) -> list[tuple[Float32, Float32]]:
    return [(layer.kernel.numpy(), layer.bias.numpy()) for layer in layers if not isinstance(layer, Convolutions)]


def _weights(layers: Sequence[keras.layers.Layer]) -> list[keras.Variable]:
    return [variable for layer in layers for variable in layer.trainable_variables]


def _through(layers: Sequence[keras.layers.Layer], x: tf.Tensor) -> tf.Tensor:
    for layer in layers:
        x = layer(x)
    return x


@dataclass(frozen=True)
class NumpyActorCritic:
    """The same functions as ActorCritic's, on numpy: layers as (weight (in, out), bias (out,)), single precision.

    critic_from: where what the critic sees begins; actor_eye, critic_eye: what pictures go through first
    """

    actor: Sequence[tuple[Float32, Float32]]
    critic: Sequence[tuple[Float32, Float32]]
    log_std: Float32
    activation: Callable[[Float32], Float32]
    n_in: int
    critic_from: int = 0
    actor_eye: Eye | None = None
    critic_eye: Eye | None = None

    def act(self, seen: Float32) -> Float32:
        """Return the actor's output (n, size) from what is seen (n, n_in or more)."""
        output = self._through(self.actor, seen[:, : self.n_in], self.actor_eye)
        if not len(self.log_std):
            return output
        return np.concatenate([output, np.broadcast_to(self.log_std, (len(output), len(self.log_std)))], axis=1)

    def value(self, seen: Float32) -> Float32:
        """Return the critic's value (n,) from all that is seen."""
        return self._through(self.critic, seen[:, self.critic_from :], self.critic_eye)[:, 0]

    def _through(self, layers: Sequence[tuple[Float32, Float32]], x: Float32, eye: Eye | None) -> Float32:
        x = x if eye is None else eye.see(x)
        for k, (weight, bias) in enumerate(layers):
            x = x @ weight
            x += bias
            x = self.activation(x) if k < len(layers) - 1 else x
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

    def normalize(self, seen: NDArray[np.floating]) -> Float32:
        """Return what networks get of observations (n, size): as `policy.normalize`, but for rounding and time."""
        normal: Float32 = np.subtract(seen, self.mean.astype(np.float32), dtype=np.float32)
        normal *= (1.0 / self.std).astype(np.float32)
        return np.clip(normal, -10.0, 10.0, out=normal)

    def scale(self, n_in: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and deviation of what the actor sees: (n_in,) each."""
        return self.mean[:n_in], self.std[:n_in]

    def update(self, batch: NDArray[np.floating], mirror: Mirror | None = None) -> None:
        """Take in observations (n, size), and their mirror images if there is a mirror."""
        mean, var, n = batch.mean(axis=0, dtype=np.float64), batch.var(axis=0, dtype=np.float64), len(batch)
        self._take(mean, var, n)
        if mirror is not None:
            self._take(mirror.image(mean[None])[0], np.abs(mirror.image(var[None])[0]), n)

    def _take(self, mean: NDArray[np.float64], var: NDArray[np.float64], n: int) -> None:
        """Take in n observations with this mean and variance."""
        delta, total = mean - self.mean, self.count + n
        self.mean = self.mean + delta * n / total
        self.var = (self.var * self.count + var * n + delta**2 * self.count * n / total) / total
        self.count = total
