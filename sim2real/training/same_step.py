"""Gymnasium's cart-poles as arrays, all worlds at once, with episodes that end and begin within the same step."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

_ARRAYS = "gymnasium.envs.classic_control.cartpole:CartPoleVectorEnv"


def has_arrays(name: str) -> bool:
    """Tell whether Gymnasium has this environment as arrays, and `SameStepCartPole` fits it."""
    spec = gymnasium.registry.get(name)
    return spec is not None and spec.vector_entry_point == _ARRAYS


class SameStepCartPole(VectorWrapper[NDArray[np.float32], NDArray[np.integer], NDArray[Any]]):
    """Resets a world in the step that ends its episode (AutoresetMode.SAME_STEP).

    CartPoleVectorEnv by itself spends a further step on it, whose action does nothing and whose reward is 0.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        """Take what gymnasium.make_vec gives for a cart-pole with vectorization_mode="vector_entry_point"."""
        super().__init__(envs)
        self.metadata = {**envs.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        worlds = envs.unwrapped
        if not isinstance(worlds, CartPoleVectorEnv):
            raise TypeError(f"{worlds} is not a CartPoleVectorEnv")
        self._worlds = worlds

    def step(self, actions: NDArray[np.integer]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance all worlds; `infos["final_obs"]` (n, 4) holds last observations where `infos["_final_obs"]` (n,)."""
        observation, reward, terminated, truncated, infos = self.env.step(actions)
        worlds, ended = self._worlds, self._worlds.prev_done
        if ended.any():
            infos |= {"final_obs": observation.copy(), "_final_obs": ended}
            first = worlds.np_random.uniform(worlds.low, worlds.high, (4, int(ended.sum())))
            np.asarray(worlds.state)[:, ended] = first
            worlds.steps[ended] = 0
            worlds.prev_done = np.zeros_like(ended)
            observation[ended] = first.T
        return observation, reward, terminated, truncated, infos
