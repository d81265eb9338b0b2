"""What a learner learns from: a batch as worlds give it, and as the update takes it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.backend import tf

Array = NDArray[np.float64]


@dataclass
class Batch:
    """What the worlds did under one snapshot of the policy; arrays begin with (n_steps, n_worlds).

    seen (..., n_in + n_privileged): what the critic sees, raw; of it the actor sees the first n_in
    action (...) int, (..., n_choices) int or (..., n_out); reward (...); ended (...), in either way
    value (...): V of each observation; next_value (...): V of what followed, as `returns.gae` wants it
    """

    seen: NDArray[np.float32]
    action: NDArray[np.generic]
    reward: Array
    ended: NDArray[np.bool_]
    value: Array
    next_value: Array


class Data(NamedTuple):
    """A batch as the update takes it: seen (n, n_in + n_privileged), action (n, ...), advantage and returns (n,).

    max_kl, entropy_weight: scalars
    """

    seen: tf.Tensor
    action: tf.Tensor
    advantage: tf.Tensor
    returns: tf.Tensor
    max_kl: tf.Tensor
    entropy_weight: tf.Tensor

    def is_finite(self) -> tf.Tensor:
        """Return whether all that a step is made of is finite: scalar."""
        parts = [self.seen, self.advantage, self.returns, *([self.action] if self.action.dtype.is_floating else [])]
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(part)) for part in parts])
