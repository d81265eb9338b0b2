"""This project's training as a contestant: `python -m benchmarks.learners walk ENGINE CORES WORLDS` and the like.

Worlds, collector and learner are those that `sim2real train` makes of the shipped presets; what it writes is left out.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contest import Figures, arguments_of, serve
from benchmarks.solving import Stopwatch
from sim2real.training.config import TrainConfig, load_train_config
from sim2real.training.run import TrainingRun

PHYSICS_HZ = 500.0  # of the walk, in both engines


class Learner:
    """A training that goes on for as long as it is asked to."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        with tempfile.TemporaryDirectory() as folder:
            self.run = TrainingRun(config, Path(folder), [], None)
            self.run.start()
        self.agent = self.run.agent

    def step(self) -> int:
        """Collect and learn from a batch; return its size."""
        batch = self.run.collector.collect(self.agent, self.config.a2c.horizon)
        self.agent.learn(batch)
        return batch.reward.size

    def measure(self, seconds: float) -> Figures:
        """Return the steps/s of whole batches."""
        began, steps = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            steps += self.step()
        return {"rate": steps / elapsed}

    def greedy(self, observation: Any) -> Any:
        """Return the most likely actions."""
        return self.agent.distribution.mode(self.agent.snapshot().act(self.agent.normalize(observation)))


def walk(engine: str, cores: int, worlds: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    changes = {"environment.engine": engine, "environment.physics_hz": PHYSICS_HZ, "workers": cores, "worlds": worlds}
    learner = Learner(load_train_config("a1", changes))
    learner.step()  # compiles the update
    serve(learner.measure)


def cartpole(worlds: int) -> None:
    learner = Learner(load_train_config("cartpole-v1", {"worlds": worlds}))
    learner.step()
    serve(learner.measure)


def solve() -> None:
    """Learn CartPole-v1 from a seed, building and compiling included; importing TensorFlow is not."""

    def measure(seed: int) -> Figures:
        stopwatch = Stopwatch()
        learner, steps = Learner(load_train_config("cartpole-v1", {"seed": seed})), 0
        while not stopwatch.over(steps, learner.greedy, seed):
            steps += learner.step()
        learner.run.close()
        return stopwatch.figures

    Learner(load_train_config("cartpole-v1")).step()  # what a library loads when it is first used
    serve(measure)


if __name__ == "__main__":
    what, arguments = arguments_of(sys.argv[1:])
    works: dict[str, Callable[..., None]] = {"walk": walk, "cartpole": cartpole, "solve": solve}
    works[what](*arguments)
