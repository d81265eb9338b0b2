"""The convolutions of an actor-critic that sees pictures, as Keras layers."""

from collections.abc import Callable, Sequence
from math import prod

from sim2real.a2c.backend import keras, tf
from sim2real.errors import TrainingError
from sim2real.policy.convolution import Convolution, Eye, Shape, shapes
from sim2real.policy.policy import ACTIVATIONS


def picture_of(shape: tuple[int, ...]) -> Shape | None:
    """Return the shape (height, width, channels) of observations that are pictures, None of others."""
    height, width, *channels = shape if len(shape) > 1 else (0, 0)
    return (height, width, prod(channels)) if height else None


class Convolutions:
    """Pictures (n, height * width * channels), 0 to 1, through a stack of convolutions: (n, size)."""

    def __init__(
        self, picture: Shape, stack: Sequence[Convolution], activation: str,
        kernel: Callable[[], keras.initializers.Initializer],
    ) -> None:  # fmt: skip
        """kernel: gives each layer's initializer; raise TrainingError where the picture is too small."""
        try:
            pictures = shapes(picture, stack)
        except ValueError as error:
            raise TrainingError(f"a2c.{error}") from None
        self._picture, self._stack, self._activation = picture, stack, activation
        self.layers = [
            keras.layers.Conv2D(c.filters, c.size, c.stride, activation=activation, kernel_initializer=kernel())
            for c in stack
        ]
        for layer, shape in zip(self.layers, pictures, strict=False):
            layer.build((None, *shape))
        self.size = prod(pictures[-1])

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """Kernels and biases, in the order of the stack."""
        return [variable for layer in self.layers for variable in layer.trainable_variables]

    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return features (n, size) of pictures (n, height * width * channels)."""
        x = tf.reshape(pixels, (-1, *self._picture))
        for layer in self.layers:
            x = layer(x)
        return tf.reshape(x, (-1, self.size))

    def snapshot(self) -> Eye:
        """Return the present weights for acting in numpy."""
        weights = [(layer.kernel.numpy().reshape(-1, layer.filters), layer.bias.numpy()) for layer in self.layers]
        return Eye(self._picture, self._stack, weights, ACTIVATIONS[self._activation])
