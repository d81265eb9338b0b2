"""What a robot's sensors make of the true state: encoders with bias, noise and steps."""

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from sim2real.sim.engine import WorldState

Array = NDArray[np.float64]


def encoders(state: WorldState, variant: Variant, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return measured joint positions and velocities, (n_worlds, n_joints) each, one fresh reading.

    position: (q + bias + noise) rounded to the resolution; velocity: dq + noise
    """
    q = state.q + variant.block("encoder_bias")
    dq = state.dq
    noise, velocity_noise = variant.block("encoder_noise"), variant.block("velocity_noise")
    if noise.any():
        q = q + noise * rng.standard_normal(q.shape)
    if velocity_noise.any():
        dq = dq + velocity_noise * rng.standard_normal(dq.shape)
    resolution = variant.block("encoder_resolution")
    stepped = resolution > 0
    if stepped.any():
        step = np.where(stepped, resolution, 1.0)
        q = np.where(stepped, np.round(q / step) * step, q)
    return q, dq.copy() if dq is state.dq else dq
