"""Evaluation: a policy, on numpy alone, in worlds it has not seen; how often it succeeds, and which worlds break it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, Variant, stream
from randomization.entries import ChoiceEntry
from robots import Robot, load_robot
from sim2real.errors import ConfigError
from sim2real.measures import Motion, Tracking
from sim2real.policy import Policy
from sim2real.sim import make_engine
from sim2real.sim.channels import available
from sim2real.sim.engine import BASIC
from sim2real.sim.simulation import Simulation
from sim2real.tasks import Task, load_task
from sim2real.tasks.steady import SteadyError
from sim2real.worlds import Worlds

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
Z95 = 1.959964
MAX_WORLDS = 64  # at a time; a PyBullet world takes 30 MB


@dataclass(frozen=True)
class Evaluation:
    """One episode in each of n worlds.

    success (n,): the episode reached its time limit; returns (n,): sum of rewards; seconds (n,): time until failure, or
    the episode's length; variants: the n worlds' truth; errors, figures: see `sim2real.measures`, (n,) each, by name
    """

    engine: str
    variants: Variant
    success: NDArray[np.bool_]
    returns: Array
    seconds: Array
    diverged: int
    errors: dict[str, Array] = field(default_factory=dict)
    figures: dict[str, Array] = field(default_factory=dict)

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
            "errors": {name: _mean(values) for name, values in self.errors.items()},
            "figures": {name: _mean(values) for name, values in self.figures.items()},
            "worst": worlds,
        }


def _mean(values: Array) -> float | None:
    """Return the mean over the worlds that have a value, None if none has."""
    return None if np.isnan(values).all() else float(np.nanmean(values))


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
    progress: Progress = lambda done, total: None,
) -> Evaluation:
    """Run one episode in each of `variants` worlds and return what happened.

    Worlds come from `randomization` (the one the policy was trained on if None), in a random stream of their own that
    training never draws from. `progress` is called with (steps done, steps in all).
    """
    if variants < 1:
        raise ConfigError(f"variants: must be at least 1, got {variants}")
    robot = robot or policy_robot(policy)
    family = family_of(policy, robot, randomization)
    return _run(_Job(policy, robot, engine, seed, workers, progress), family, variants)


def evaluate_in(
    policy: Policy,
    truth: Variant,
    engine: str = "mujoco",
    seed: int = 0,
    robot: Robot | None = None,
    workers: int = 2,
    progress: Progress = lambda done, total: None,
    paired: int = 0,
) -> Evaluation:
    """Run one episode in each of the given worlds, which stay as they are throughout; else as `evaluate`.

    With `paired`, `truth` is several sets of so many worlds, and world k has the same first state in each of them.
    """
    return _run(_Job(policy, robot or policy_robot(policy), engine, seed, workers, progress), truth, len(truth), paired)


def family_of(policy: Policy, robot: Robot, randomization: str | Path | Randomization | None = None) -> Randomization:
    """Return a Randomization as given or by name; the one that the policy was trained on if None."""
    if isinstance(randomization, Randomization):
        return randomization
    if randomization is None:
        return Randomization.from_dict(policy.contract.randomization, robot, "policy.yaml: randomization")
    task = load_task(policy.contract.task, robot, policy.contract.task_options)
    return Randomization.load(randomization, robot, task.episode_s)


def sameness(randomization: Randomization) -> str | None:
    """Say that the worlds drawn from a Randomization are all the same but for choices of sensors; None if they are not.

    So are those of a policy whose training never widened its ranges.
    """
    low, high = randomization.bounds()
    space = randomization.space
    varied = np.flatnonzero(low < high).tolist()
    sensors = [
        column
        for column in varied
        if space.quantities[column].place == "sensor"
        and isinstance(randomization.laws[space.names[column]], ChoiceEntry)
    ]
    if varied != sensors:
        return None
    fixed = np.delete(low != space.nominal, varied).any()
    but = f" but {', '.join(dict.fromkeys(space.quantities[c].name for c in varied))}" if varied else ""
    return f"nothing varies{but}: these worlds are all {'the same' if fixed else 'nominal'}"


@dataclass(frozen=True)
class _Job:
    """What stays the same over all rounds of worlds."""

    policy: Policy
    robot: Robot
    engine: str
    seed: int
    workers: int
    progress: Progress


def _run(job: _Job, truth: Randomization | Variant, variants: int, paired: int = 0) -> Evaluation:
    """Run `variants` episodes, as many at a time as memory bears; none depends on how they are put together."""
    task = load_task(job.policy.contract.task, job.robot, job.policy.contract.task_options)
    seed = int(stream(job.seed, "evaluate").integers(2**63))  # no stream of training's, whatever its seed
    n = min(variants, MAX_WORLDS)
    has = available(job.robot)
    channels = [channel for channel in (*BASIC, "contact") if channel in has]  # what policies see, and which feet stand
    engine = make_engine(job.engine, job.robot, n, job.workers, channels)
    simulation = Simulation(engine, seed, pixels=task.layout.pixels)
    parts = []
    try:
        for first in range(0, variants, n):
            rows = np.minimum(np.arange(first, first + n), variants - 1)  # the last round repeats the last world
            here = truth.rows(rows) if isinstance(truth, Variant) else truth
            simulation.reseed(seed, first)
            episodes = _Episodes(job.policy, task, simulation, Worlds(task, here, seed, n, first, paired=paired))
            episodes.run(partial(_report, job.progress, first, n, variants))
            parts.append(episodes)
    finally:
        simulation.close()
    truth_values, success, returns, seconds, diverged = (
        np.concatenate([getattr(p, name) for p in parts])[:variants]
        for name in ("truth", "running", "returns", "seconds", "diverged")
    )
    drawn = Variant(simulation.variant.space, truth_values)
    errors, figures = (_joined([measures(p) for p in parts], variants) for measures in (_errors_of, _figures_of))
    return Evaluation(job.engine, drawn, success, returns, seconds, int(diverged.sum()), errors, figures)


def _errors_of(episodes: "_Episodes") -> dict[str, Array]:
    return episodes.tracking.errors()


def _figures_of(episodes: "_Episodes") -> dict[str, Array]:
    return episodes.motion.figures()


def _joined(parts: list[dict[str, Array]], n: int) -> dict[str, Array]:
    """Return the first n values of each name, part after part."""
    return {name: np.concatenate([part[name] for part in parts])[:n] for name in parts[0]}


def _report(progress: Progress, first: int, n: int, variants: int, done: int, total: int) -> None:
    """Turn the steps of one round of n worlds into those of all `variants`."""
    progress(min(first * total + done * n, variants * total), variants * total)


class _Episodes:
    """One episode in each world of a simulation; `truth` is how the worlds began: (n, size of the VariantSpace)."""

    def __init__(self, policy: Policy, task: Task, simulation: Simulation, worlds: Worlds) -> None:
        n = simulation.n_worlds
        self.policy, self.task, self.simulation, self.worlds = policy, task, simulation, worlds
        self.running, self.diverged = np.ones(n, bool), np.zeros(n, bool)
        self.returns, self.seconds = np.zeros(n), np.zeros(n)
        self.truth = np.zeros((n, simulation.variant.space.size))
        self.tracking = Tracking(task, worlds, n, simulation.robot.control_dt)
        self.motion = Motion(simulation.robot, n)
        self.steady = SteadyError(task, n, simulation.robot.control_dt)

    def run(self, progress: Progress) -> None:
        """Run until the time limit, or until no episode is left."""
        simulation, task, n = self.simulation, self.task, self.simulation.n_worlds
        runner, dt = self.policy.runner(n), simulation.robot.control_dt
        n_steps = round(task.episode_s / dt)
        variant, q, dq = self.worlds.begin(np.arange(n))
        self.truth = variant.values
        simulation.reset(q, dq, np.arange(n), variant)
        for step in range(n_steps):
            last_action = runner.action.copy()
            asked = self.worlds.command.copy()
            simulation.advance(runner.step(*simulation.sense(), asked, simulation.look()))
            steady = self.steady.observe(simulation.state, asked, self.worlds.since)
            terms = task.reward(simulation.state, runner.action, last_action, asked, steady)
            self.returns += sum(terms.values(), np.zeros(n)) * self.running
            self.seconds += dt * self.running
            self.diverged |= ~simulation.state.healthy
            self.running &= ~task.failed(simulation.state) & simulation.state.healthy
            self.tracking.observe(simulation.state, self.running)
            self.motion.observe(simulation.state, runner.action, self.running, simulation.engine.readings)
            if (redrawn := self.worlds.tick(dt)) is not None:
                simulation.redraw(*redrawn)
            progress(step + 1, n_steps)
            if not self.running.any():
                break
        self._judge()
        progress(n_steps, n_steps)

    def _judge(self) -> None:
        """Count as failed what has not come as close as the task asks."""
        errors = self.tracking.errors()
        for name, most in self.task.tolerances.items():
            self.running &= errors[name] <= most
