"""When a learner has solved CartPole-v1: the same evaluation and the same stopwatch for all."""

import time
from collections.abc import Callable

import gymnasium
import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import Figures

TARGET = 475.0  # mean return that solves CartPole-v1, by Gymnasium's own threshold
EPISODES = 100
EVERY = 5_000  # steps from one evaluation to the next
STREAK = 2  # evaluations in a row; a single one may be luck, and the next be at 200 again
LIMIT = 500_000  # steps

Act = Callable[[NDArray[np.float32]], NDArray[np.integer]]


def mean_return(act: Act, seed: int) -> float:
    """Return the mean return of 100 episodes under a policy's most likely actions."""
    envs = gymnasium.make_vec("CartPole-v1", num_envs=EPISODES, vectorization_mode="vector_entry_point")
    returns, running = np.zeros(EPISODES), np.ones(EPISODES, bool)
    observation, _ = envs.reset(seed=seed)
    while running.any():
        observation, reward, terminated, truncated, _ = envs.step(act(observation))
        returns += reward * running
        running &= ~(terminated | truncated)
    envs.close()
    return float(returns.mean())


class Stopwatch:
    """Runs while a learner learns and stands while it is judged."""

    def __init__(self) -> None:
        self._began, self._paused = time.perf_counter(), 0.0
        self._due, self._streak = EVERY, 0
        self.touched: Figures = {}  # when an evaluation first was good enough
        self.solved: Figures = {}  # when STREAK of them in a row had been

    def over(self, step: int, act: Act, seed: int) -> bool:
        """Judge the policy after so many steps, if that is due; return whether there is nothing more to wait for."""
        if step < self._due:
            return False
        now = time.perf_counter()
        good = mean_return(act, seed) >= TARGET
        self._due = (step // EVERY + 1) * EVERY
        self._streak = self._streak + 1 if good else 0
        reached = {"seconds": now - self._began - self._paused, "steps": float(step)}
        if good and not self.touched:
            self.touched = reached
        if self._streak == STREAK or step >= LIMIT:
            self.solved = reached
        self._paused += time.perf_counter() - now
        return bool(self.solved)

    @property
    def figures(self) -> Figures:
        """What was reached, and when."""
        first = self.touched or self.solved
        return {**self.solved, "first_seconds": first["seconds"], "first_steps": first["steps"]}
