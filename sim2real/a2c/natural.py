"""The natural gradient: the step that changes the policy, not its parameters, by a given amount (Amari 1998).

x = F^-1 g, by conjugate gradients (Hestenes and Stiefel 1952), never with F itself, only with products F v
F v = J^T M J v / n + damping v    J: how outputs move with the parameters; M: Fisher's matrix of the distribution
step = -sqrt(2 max_kl / (x^T F x)) x
"""

from collections.abc import Callable, Sequence
from typing import Any

from sim2real.a2c.backend import tf
from sim2real.a2c.distributions import Distribution

Tensors = Sequence[tf.Tensor]


def fisher_product(
    network: Callable[[], tf.Tensor], variables: Sequence[tf.Variable], distribution: Distribution, damping: float
) -> Callable[[Tensors], list[tf.Tensor]]:
    """Return v -> F v for a network's outputs (n, size) on some observations; v has the shapes of `variables`.

    The network is passed through once, not for each product. u -> J^T u is linear, so that its own gradient is J: what
    moves backwards moves forwards too (Townsend 2017, "A new trick for calculating Jacobian vector products").
    """
    values = [v.value for v in variables]
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as forwards:
        with tf.GradientTape(persistent=True) as backwards:
            output = network()
        u = tf.zeros_like(output)
        forwards.watch(u)
        pulled = backwards.gradient(output, values, output_gradients=u)
    n = tf.cast(tf.shape(output)[0], tf.float32)

    def product(vector: Tensors) -> list[tf.Tensor]:
        moved = forwards.gradient(pulled, u, output_gradients=list(vector))
        weighed = distribution.fisher(output, moved) / n
        products = backwards.gradient(output, values, output_gradients=weighed)
        return [p + damping * v for p, v in zip(products, vector, strict=True)]

    return product


def conjugate_gradient(product: Callable[[Tensors], list[tf.Tensor]], g: Tensors, iterations: int) -> list[tf.Tensor]:
    """Return x with F x = g after so many iterations, from 0 on; stays put once it is exact."""

    def improve(k: tf.Tensor, x: Tensors, residual: Tensors, direction: Tensors, size: tf.Tensor) -> tuple[Any, ...]:
        along = product(direction)
        rate = tf.math.divide_no_nan(size, dot(direction, along))
        residual = _add(residual, along, -rate)
        smaller = dot(residual, residual)
        ahead = _add(residual, direction, tf.math.divide_no_nan(smaller, size))
        return k + 1, _add(x, direction, rate), residual, ahead, smaller

    start = (0, [tf.zeros_like(part) for part in g], list(g), list(g), dot(g, g))
    # A loop in the graph: unrolled, it would take seconds to trace.
    x: list[tf.Tensor] = tf.while_loop(lambda k, *_: k < iterations, improve, start)[1]
    return x


def dot(a: Tensors, b: Tensors) -> tf.Tensor:
    """Return the inner product of two lists of tensors."""
    return tf.add_n([tf.reduce_sum(x * y) for x, y in zip(a, b, strict=True)])


def _add(a: Tensors, b: Tensors, factor: tf.Tensor) -> list[tf.Tensor]:
    return [x + factor * y for x, y in zip(a, b, strict=True)]
