"""Stable-Baselines3's A2C as a contestant: `python -m benchmarks.peers walk WORLDS` and the like.

It steps this project's own single environment, in a process for each world, with networks and batches as large as ours.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

from benchmarks.contest import Figures, arguments_of, serve
from benchmarks.solving import LIMIT, Stopwatch
from sim2real.env import RobotEnv
from sim2real.training.config import load_train_config

PHYSICS_HZ = 500.0


class _UntilTime(BaseCallback):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.perf_counter() + seconds

    def _on_step(self) -> bool:
        return time.perf_counter() < self._end


class _UntilSolved(BaseCallback):
    def __init__(self, stopwatch: Stopwatch, seed: int) -> None:
        super().__init__()
        self._stopwatch, self._seed = stopwatch, seed

    def _on_step(self) -> bool:
        return not self._stopwatch.over(self.num_timesteps, self._greedy, self._seed)

    def _greedy(self, observation: Any) -> Any:
        return self.model.predict(observation, deterministic=True)[0]


def _serve_rate(model: A2C) -> None:
    def measure(seconds: float) -> Figures:
        before, began = model.num_timesteps, time.perf_counter()
        model.learn(10**12, callback=_UntilTime(seconds), reset_num_timesteps=False)
        return {"rate": (model.num_timesteps - before) / (time.perf_counter() - began)}

    measure(0.5)
    serve(measure)


def walk(worlds: int) -> None:
    config = load_train_config("a1", {"environment.engine": "bullet", "environment.physics_hz": PHYSICS_HZ})
    options = config.environment.model_dump(exclude_none=True)
    envs = make_vec_env(
        RobotEnv, worlds, env_kwargs=options, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "fork"}
    )
    policy = {"net_arch": list(config.a2c.hidden)}
    _serve_rate(A2C("MlpPolicy", envs, n_steps=config.a2c.horizon, policy_kwargs=policy))
    envs.close()


def cartpole(worlds: int) -> None:
    _serve_rate(A2C("MlpPolicy", make_vec_env("CartPole-v1", worlds), ent_coef=0.0))


def solve() -> None:
    """Learn CartPole-v1 from a seed with the settings that rl-baselines3-zoo has tuned: 8 worlds, no entropy."""

    def measure(seed: int) -> Figures:
        stopwatch = Stopwatch()
        model = A2C("MlpPolicy", make_vec_env("CartPole-v1", 8, seed=seed), ent_coef=0.0, seed=seed)
        model.learn(2 * LIMIT, callback=_UntilSolved(stopwatch, seed))
        return stopwatch.figures

    A2C("MlpPolicy", make_vec_env("CartPole-v1", 8)).learn(80)  # what a library loads when it is first used
    serve(measure)


if __name__ == "__main__":
    torch.set_num_threads(1)  # faster than two on networks this small
    what, arguments = arguments_of(sys.argv[1:])
    works: dict[str, Callable[..., None]] = {"walk": walk, "cartpole": cartpole, "solve": solve}
    works[what](*arguments)
