"""Evaluation: a policy, on numpy alone, in worlds it has not seen; how often it succeeds, and which worlds break it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, Variant, stream
from robots import Robot, load_robot
from sim2real.errors import ConfigError
from sim2real.policy import Policy
from sim2real.sim import make_engine
from sim2real.sim.simulation import Simulation
from sim2real.tasks import Task, load_task

Array = NDArray[np.float64]
Z95 = 1.959964
MAX_WORLDS = 64  # at a time; a PyBullet world takes 30 MB


@dataclass(frozen=True)
class Evaluation:
    """One episode in each of n worlds.

    success (n,): the episode reached its time limit; returns (n,): sum of rewards; seconds (n,): time until failure, or
    the episode's length; variants: the n worlds' truth
    """

    engine: str
    variants: Variant
    success: NDArray[np.bool_]
    returns: Array
    seconds: Array
    diverged: int

    @property
    def success_rate(self) -> float:
        """Share of episodes that reached their time limit."""
        return float(self.success.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the success rate (Wilson 1927)."""
        return wilson_interval(int(self.success.sum()), len(self.success))

    def worst(self, k: int = 5) -> NDArray[np.intp]:
        """Return the worlds that failed first, or had the lowest return, worst first: (k,)."""
        return np.lexsort((self.returns, self.seconds))[:k]

    def to_dict(self, worst: int = 5) -> dict[str, Any]:
        """Return plain data for --json."""
        worlds = [
            {
                "success": bool(self.success[w]),
                "seconds": float(self.seconds[w]),
                "return": float(self.returns[w]),
                "variant": self.variants.as_dict(w),
            }
            for w in self.worst(worst)
        ]
        figures = {
            "success_rate": self.success_rate,
            "confidence_95": list(self.interval),
            "return_mean": float(self.returns.mean()),
            "return_std": float(self.returns.std()),
        }
        return {
            "engine": self.engine,
            "variants": len(self.success),
            **figures,
            "seconds_mean": float(self.seconds.mean()),
            "diverged": self.diverged,
            "worst": worlds,
        }


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a proportion."""
    p, z2 = successes / n, Z95**2 / n
    middle = (p + z2 / 2) / (1 + z2)
    half = Z95 * ((p * (1 - p) + z2 / 4) / n) ** 0.5 / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)


def policy_robot(policy: Policy, robot: str | Path | None = None) -> Robot:
    """Load the robot a policy was made for, by its name in the catalog or from `robot`; refuse another one."""
    loaded = load_robot(robot or policy.contract.robot.name)
    policy.contract.check_robot(loaded)
    return loaded


def evaluate(
    policy: Policy,
    engine: str = "bullet",
    randomization: str | Path | Randomization | None = None,
    variants: int = 200,
    seed: int = 0,
    robot: Robot | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Run one episode in each of `variants` worlds and return what happened.

    Worlds come from `randomization` (the one the policy was trained on if None), in a random stream of their own that
    training never draws from. `progress` is called with (steps done, steps in all).
    """
    if variants < 1:
        raise ConfigError(f"variants: must be at least 1, got {variants}")
    robot = robot or policy_robot(policy)
    task = load_task(policy.contract.task, robot, policy.contract.task_options)
    family = _family(policy, robot, randomization)
    rng = stream(seed, "evaluate")
    truth = family.draw(rng, variants)
    start = task.start(rng, variants)
    n = min(variants, MAX_WORLDS)
    simulation = Simulation(make_engine(engine, robot, n, workers), stream(seed, "evaluate-sensors"))
    parts = []
    try:
        for first in range(0, variants, n):
            worlds = np.minimum(np.arange(first, first + n), variants - 1)  # the last round repeats the last world
            episodes = _Episodes(policy, task, simulation)
            report = partial(_report, progress, first, n, variants)
            episodes.run(truth.rows(worlds), start[0][worlds], start[1][worlds], report)
            parts.append(episodes)
    finally:
        simulation.close()
    success, returns, seconds, diverged = (
        np.concatenate([getattr(p, name) for p in parts])[:variants]
        for name in ("running", "returns", "seconds", "diverged")
    )
    return Evaluation(engine, truth, success, returns, seconds, int(diverged.sum()))


def _report(progress: Callable[[int, int], None], first: int, n: int, variants: int, done: int, total: int) -> None:
    """Turn the steps of one round of n worlds into those of all `variants`."""
    progress(first * total + done * n, variants * total)


class _Episodes:
    """One episode in each world of a simulation."""

    def __init__(self, policy: Policy, task: Task, simulation: Simulation) -> None:
        n = simulation.n_worlds
        self.policy, self.task, self.simulation = policy, task, simulation
        self.running, self.diverged = np.ones(n, bool), np.zeros(n, bool)
        self.returns, self.seconds = np.zeros(n), np.zeros(n)

    def run(self, truth: Variant, q: Array, dq: Array, progress: Callable[[int, int], None]) -> None:
        """Run until the time limit, or until no episode is left."""
        simulation, task, n = self.simulation, self.task, self.simulation.n_worlds
        runner = self.policy.runner(n)
        n_steps = round(task.episode_s / simulation.robot.control_dt)
        simulation.reset(q, dq, np.arange(n), truth)
        for step in range(n_steps):
            last_action = runner.action.copy()
            simulation.advance(runner.step(*simulation.sense()))
            reward = sum(task.reward(simulation.state, runner.action, last_action).values(), np.zeros(n))
            self.returns += reward * self.running
            self.seconds += simulation.robot.control_dt * self.running
            self.diverged |= ~simulation.state.healthy
            self.running &= ~task.failed(simulation.state) & simulation.state.healthy
            progress(step + 1, n_steps)
            if not self.running.any():
                break


def _family(policy: Policy, robot: Robot, randomization: str | Path | Randomization | None) -> Randomization:
    if isinstance(randomization, Randomization):
        return randomization
    if randomization is None:
        return Randomization.from_dict(policy.contract.randomization, robot, "policy.yaml: randomization")
    return Randomization.load(randomization, robot)
