"""Convolutions on numpy: what an actor that sees pictures acts with, in training and on the robot.

A picture goes through each as one product of matrices: its patches, one a row, times the filters, one a column. For the
network of the preset `cartpole-pixels` that takes 0.1 ms a picture. LiteRT's interpreter takes a fifth of it, and for
this 60 MB of libraries, with a parser in native code of a file that may come from anywhere; a period has 20 ms.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import Field

from sim2real.config import Strict

Float32 = NDArray[np.float32]
Shape = tuple[int, int, int]
"""Of a picture: height, width, channels."""


class Convolution(Strict):
    """One layer: square filters, moved by `stride` pixels, only where they lie inside the picture."""

    filters: int = Field(gt=0, le=512)
    size: int = Field(gt=0, le=64, description="Edge of a filter [pixels]")
    stride: int = Field(default=1, gt=0, le=64, description="[pixels]")

    def inputs(self, picture: Shape) -> int:
        """Numbers that one filter looks at."""
        return self.size * self.size * picture[2]

    def output(self, picture: Shape) -> Shape:
        """Return the shape of what becomes of a picture; raise ValueError for one smaller than a filter."""
        height, width, _ = picture
        if min(height, width) < self.size:
            raise ValueError(
                f"convolutions: filters of {self.size} x {self.size} on a picture of {height} x {width}; make them "
                "smaller, or leave some out (a picture's shape is height, width, channels)"
            )
        return (height - self.size) // self.stride + 1, (width - self.size) // self.stride + 1, self.filters


def shapes(picture: Shape, stack: Sequence[Convolution]) -> list[Shape]:
    """Return a picture's shape before each of some convolutions and after the last; ValueError if one is bigger."""
    found = [picture]
    for convolution in stack:
        found.append(convolution.output(found[-1]))
    return found


@dataclass(frozen=True)
class Eye:
    """Some convolutions with their weights, (inputs, filters) and (filters,) each, in single precision.

    A filter's inputs are in the order row, column, channel, as in Keras' kernels.
    """

    picture: Shape
    stack: Sequence[Convolution]
    weights: Sequence[tuple[Float32, Float32]]
    activation: Callable[[Any], Any]

    def see(self, pixels: Float32) -> Float32:
        """Return what is made of pictures (n, height * width * channels): (n, features); of each the same for any n."""
        x = pixels.reshape(-1, *self.picture)
        for convolution, (weight, bias) in zip(self.stack, self.weights, strict=True):
            height, width, _ = convolution.output(x.shape[1:])
            edge, stride = convolution.size, convolution.stride
            windows = sliding_window_view(x, (edge, edge), axis=(1, 2))[:, ::stride, ::stride]
            patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), height * width, -1)
            x = self.activation(patches @ weight + bias).reshape(len(x), height, width, -1)
        return x.reshape(len(x), prod(x.shape[1:]))
