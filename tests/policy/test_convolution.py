"""Convolutions on numpy against loops; a picture's features do not depend on how many there are beside it."""

import numpy as np
import pytest

from sim2real.policy.convolution import Convolution, Eye, shapes
from sim2real.policy.policy import ACTIVATIONS

PICTURE = (9, 12, 2)
STACK = (Convolution(filters=3, size=4, stride=2), Convolution(filters=5, size=2))


def make_eye(activation: str = "relu") -> Eye:
    rng = np.random.default_rng(0)
    kernels = [
        (rng.normal(size=(4 * 4 * 2, 3)), rng.normal(size=3)),
        (rng.normal(size=(2 * 2 * 3, 5)), rng.normal(size=5)),
    ]
    weights = [(w.astype(np.float32), b.astype(np.float32)) for w, b in kernels]
    return Eye(PICTURE, STACK, weights, ACTIVATIONS[activation])


def convolved(x: np.ndarray, convolution: Convolution, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """One picture (height, width, channels), filter by filter and pixel by pixel."""
    edge, stride = convolution.size, convolution.stride
    height, width = (x.shape[0] - edge) // stride + 1, (x.shape[1] - edge) // stride + 1
    kernel, result = weight.reshape(edge, edge, x.shape[2], -1), np.zeros((height, width, convolution.filters))
    for row in range(height):
        for column in range(width):
            patch = x[row * stride : row * stride + edge, column * stride : column * stride + edge]
            result[row, column] = [(patch * kernel[..., k]).sum() + bias[k] for k in range(convolution.filters)]
    return result


def test_an_eye_against_loops():
    eye = make_eye()
    pixels = np.random.default_rng(1).uniform(size=(2, 9 * 12 * 2)).astype(np.float32)
    for picture, features in zip(pixels, eye.see(pixels), strict=True):
        x = picture.reshape(PICTURE)
        for convolution, (weight, bias) in zip(STACK, eye.weights, strict=True):
            x = np.maximum(convolved(x, convolution, weight, bias), 0.0)
        np.testing.assert_allclose(features, x.ravel(), atol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
def test_what_is_seen_does_not_depend_on_how_many_look(activation):
    eye, pixels = make_eye(activation), np.random.default_rng(2).uniform(size=(33, 9 * 12 * 2)).astype(np.float32)
    together = eye.see(pixels)
    assert together.dtype == np.float32
    for n in (1, 2, 16):
        np.testing.assert_array_equal(eye.see(pixels[:n]), together[:n])


def test_shapes_of_the_published_network():
    """Mnih et al. 2015, which the network of Mnih et al. 2016 is cut from: 84 x 84 to 20 x 20, 9 x 9 and 7 x 7."""
    stack = [
        Convolution(filters=32, size=8, stride=4),
        Convolution(filters=64, size=4, stride=2),
        Convolution(filters=64, size=3),
    ]
    assert shapes((84, 84, 4), stack) == [(84, 84, 4), (20, 20, 32), (9, 9, 64), (7, 7, 64)]


def test_a_picture_smaller_than_a_filter_is_refused():
    with pytest.raises(ValueError, match=r"^convolutions: filters of 4 x 4 on a picture of 3 x 90; make them smaller"):
        shapes((3, 90, 1), STACK)
