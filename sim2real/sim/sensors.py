"""What a robot's sensors make of the true state: encoders with bias, noise and steps."""

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from sim2real.sim.engine import WorldState

Array = NDArray[np.float64]


class Encoders:
    """The joint encoders of n worlds; what their Variants say of them is laid out once, not at each reading."""

    def __init__(self, variant: Variant) -> None:
        self._bias = variant.block("encoder_bias")
        self._noise, self._velocity_noise = variant.block("encoder_noise"), variant.block("velocity_noise")
        self._noisy, self._velocity_noisy = bool(self._noise.any()), bool(self._velocity_noise.any())
        resolution = variant.block("encoder_resolution")
        self._stepped = resolution > 0
        self._step = np.where(self._stepped, resolution, 1.0) if self._stepped.any() else None

    def read(self, state: WorldState, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return measured joint positions and velocities, (n_worlds, n_joints) each, one fresh reading.

        position: (q + bias + noise) rounded to the resolution; velocity: dq + noise
        """
        q = state.q + self._bias
        dq = state.dq.copy()
        if self._noisy:
            q += self._noise * rng.standard_normal(q.shape)
        if self._velocity_noisy:
            dq += self._velocity_noise * rng.standard_normal(dq.shape)
        if self._step is not None:
            q = np.where(self._stepped, np.round(q / self._step) * self._step, q)
        return q, dq
