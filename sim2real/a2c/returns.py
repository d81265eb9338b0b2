"""Advantages and returns: GAE(lambda) on a batch of steps, with truncation and termination told apart."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def gae(
    reward: Array, value: Array, next_value: Array, ended: NDArray[np.bool_], gamma: float, lam: float
) -> tuple[Array, Array]:
    """Return (advantages, returns), each (n_steps, n_worlds).

    reward, value: (n_steps, n_worlds); value is V(s_t)
    next_value: (n_steps, n_worlds), V of the state that step t led to: 0 where the episode terminated there, V of its
        last observation where it was truncated, so that termination does not bootstrap and truncation does
    ended: (n_steps, n_worlds), True where an episode ended in either way; nothing flows back across it

        delta_t = r_t + gamma V(s_t+1) - V(s_t)
        A_t     = delta_t + gamma lambda (1 - ended_t) A_t+1
        R_t     = A_t + V(s_t)
    """
    delta = reward + gamma * next_value - value
    advantage = np.zeros_like(delta)
    running = np.zeros(delta.shape[1])
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + gamma * lam * np.where(ended[t], 0.0, running)
        advantage[t] = running
    return advantage, advantage + value
