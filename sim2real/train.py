"""Training: a config in, a run folder out (checkpoints, learning curve, TensorBoard log and, for a robot, a Policy)."""

import csv
import fcntl
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.spaces import flatdim

from randomization import stream
from sim2real import __version__
from sim2real.a2c.agent import A2C
from sim2real.a2c.rollout import Collector, Group, greedy_returns
from sim2real.checkpoint import Checkpoint, CheckpointFolder
from sim2real.config import dump_yaml
from sim2real.env import RobotVectorEnv
from sim2real.episode_log import EpisodeLog
from sim2real.errors import TrainingError
from sim2real.export import make_policy
from sim2real.policy import NetworkContract, Policy
from sim2real.train_config import TrainConfig
from sim2real.training_worlds import TrainingWorlds, load_family, make_envs

WRITE_EVERY_S = 1.0
EVALUATION_EPISODES = 100
_DRAWN = "# What the worlds of this training are drawn from, with every pattern resolved.\n"
_AIMED_AT = "# The ranges that widening aims at; those reached are in randomization-reached.yaml.\n"
_REACHED = "# The ranges that widening has reached, as the policy has them; those aimed at are in randomization.yaml.\n"
MAX_SKIPPED = 10  # updates in a row without a finite gradient before training gives up


class MetricsWriter(Protocol):
    """Takes the figures of a running training: a progress bar, TensorBoard, a file."""

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Take figures by name (train/..., rollout/..., time/...) after `step` control steps."""


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    policy: None for environments without a robot; widening: how far the ranges have come in a line, None if they stay
    """

    folder: Path
    steps: int
    seconds: float
    interrupted: bool
    metrics: dict[str, float]
    policy: Policy | None
    widening: str | None = None


def train(
    config: TrainConfig, folder: Path, *, resume: bool = False, writers: Sequence[MetricsWriter] = ()
) -> TrainResult:
    """Train and leave everything in `folder`; Ctrl-C ends after the present batch, with a checkpoint and a policy.

    With `resume`, go on from the newest intact checkpoint. Raise TrainingError if the folder is in use, holds a run and
    `resume` is not asked for, or if the gradients stay without a finite value.
    """
    load_family(config)  # refuses what cannot be drawn from before there is a folder
    folder.mkdir(parents=True, exist_ok=True)
    with _only_user(folder):
        checkpoints = CheckpointFolder(folder / "checkpoints")
        found = checkpoints.newest()
        if found and not resume:
            raise TrainingError(
                f"{folder}: holds a run already; add --resume to go on with it, or choose another --out"
            )
        run = _Run(config, folder, checkpoints, writers, found)
        try:
            if found:
                run.restore(found)
            run.describe()  # once nothing can be refused any more
            return run.go()
        finally:
            run.collector.close()


class _Run:
    """One training run while it runs."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        checkpoints: CheckpointFolder,
        writers: Sequence[MetricsWriter],
        found: Checkpoint | None,
    ) -> None:
        self.config, self.folder, self.checkpoints = config, folder, checkpoints
        self.writers = [*writers, _CurveFile(folder / "progress.csv")]
        self.worlds = TrainingWorlds(config, found.counters["step"] if found else 0, found.worlds if found else None)
        self.log = EpisodeLog(folder, self.worlds.seed, self.worlds.full)
        self.collector = Collector([self._group(k) for k in range(config.workers)])
        envs = self.collector.groups[0].envs
        discrete = isinstance(envs.single_action_space, gymnasium.spaces.Discrete)
        n_in, n_out = (flatdim(space) for space in (envs.single_observation_space, envs.single_action_space))
        self.agent = A2C(n_in, n_out, discrete, config.a2c, config.updates, config.seed)
        self.step, self._skipped_in_a_row = 0, 0
        self.metrics: dict[str, float] = {}
        self._losses: dict[str, float] = {}

    def _group(self, k: int) -> Group:
        envs, first_world = self.worlds.group(k)
        return Group(envs, stream(self.config.seed, "actions", k), self.worlds.seed, first_world)

    def restore(self, checkpoint: Checkpoint) -> None:
        envs, policy = self.collector.groups[0].envs, self.folder / "policy"
        if isinstance(envs, RobotVectorEnv) and policy.is_dir():  # the robot may have changed since
            Policy.load(policy).contract.check_robot(envs.robot)
        self.agent.load(checkpoint.learner)
        self.step = int(checkpoint.counters["step"])

    def describe(self) -> None:
        """Write down what is trained, and in which worlds: the config, and the Randomization with nothing left open."""
        _write_yaml(self.config.model_dump(mode="json", exclude_none=True), self.folder / "config.yaml")
        if self.worlds.full is not None:
            comment = _DRAWN if self.worlds.widening is None else _AIMED_AT
            _write_yaml(self.worlds.full.to_dict(), self.folder / "randomization.yaml", comment)

    def go(self) -> TrainResult:
        start = last_save = last_write = time.monotonic()
        first_step = self.step
        with graceful_interrupt() as interrupted:
            while self.step < self.config.steps and not interrupted.is_set() and not self._goal_reached():
                self._iterate()
                now = time.monotonic()
                if now - last_write > WRITE_EVERY_S:
                    self._write(now - start, self.step - first_step)
                    last_write = now
                if now - last_save > self.config.checkpoint_s:
                    self._save()
                    last_save = now
            self._write(time.monotonic() - start, self.step - first_step)
            self._save()
            policy = self._export()
            if policy is None:
                self.metrics["evaluation/return"] = self._greedy_return()
        return TrainResult(
            self.folder,
            self.step,
            time.monotonic() - start,
            interrupted.is_set(),
            dict(self.metrics),
            policy,
            None if self.worlds.widening is None else self.worlds.widening.summary,
        )

    def _iterate(self) -> None:
        batch = self.collector.collect(self.agent, self.config.a2c.horizon)
        skipped = self.agent.skipped
        self._losses = self.agent.learn(batch)
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if self.agent.skipped > skipped else 0
        if self._skipped_in_a_row > MAX_SKIPPED:
            raise TrainingError(
                f"{self._skipped_in_a_row} updates in a row had no finite gradient; the newest checkpoint in "
                f"{self.checkpoints.path} is intact; lower a2c.learning_rate"
            )
        self.step += batch.reward.size
        for group in self.collector.groups:
            self.log.write(self.step, group.ended)
        if self.worlds.widening is not None:
            self.worlds.widening.settle()

    def _goal_reached(self) -> bool:
        goal = self.config.goal
        if goal is None:
            return False
        groups = self.collector.groups
        share = -(-goal.episodes // len(groups))  # of each group, as many of its last episodes
        returns = [r for g in groups for r in list(g.episodes.returns)[-share:]]
        return len(returns) >= goal.episodes and float(np.mean(returns)) >= goal.mean_return

    def _write(self, seconds: float, steps: int) -> None:
        """Tell the writers how things stand after `steps` steps in `seconds` of this process."""
        agent = self.agent
        self.metrics = {f"train/{k}": v for k, v in self._losses.items()} | self.collector.metrics()
        self.metrics |= {"train/skipped": float(agent.skipped), "train/learning_rate": agent.learning_rate}
        if not agent.discrete:
            self.metrics["train/std"] = float(np.exp(agent.network.log_std.numpy()).mean())
        if self.worlds.widening is not None:
            self.metrics |= self.worlds.widening.metrics()
        self.metrics |= {"time/seconds": seconds, "time/steps_per_s": steps / seconds}
        for writer in self.writers:
            writer.write(self.step, self.metrics)

    def _greedy_return(self) -> float:
        """Judge what no `sim2real evaluate` can judge, since there is no robot: the policy without exploration."""
        envs = make_envs(self.config, EVALUATION_EPISODES, self.config.seed)
        try:
            seed = int(stream(self.config.seed, "evaluate").integers(2**31))
            return float(greedy_returns(self.agent, envs, seed).mean())
        finally:
            envs.close()

    def _save(self) -> None:
        widened = None if self.worlds.widening is None else self.worlds.widening.state()
        counters = {"step": self.step, "seed": self.config.seed}
        self.checkpoints.save(self.step, self.agent.save, counters, widened)
        if self.worlds.widening is not None and self.worlds.randomization is not None:
            _write_yaml(self.worlds.randomization.to_dict(), self.folder / "randomization-reached.yaml", _REACHED)

    def _export(self) -> Policy | None:
        envs = self.collector.groups[0].envs
        if not isinstance(envs, RobotVectorEnv):
            return None
        network = self.agent.snapshot()
        sizes = (network.actor[0][0].shape[0], *(weight.shape[1] for weight, _ in network.actor))
        weights: dict[str, Any] = {f"w{k}": w for k, (w, _) in enumerate(network.actor)} | {
            f"b{k}": b for k, (_, b) in enumerate(network.actor)
        }
        norm, on = self.agent.norm, self.config.a2c.normalize_observation
        weights |= {
            "obs_mean": norm.mean if on else np.zeros_like(norm.mean),
            "obs_std": norm.std if on else np.ones_like(norm.std),
        }
        contract = NetworkContract(sizes=sizes, activation=self.config.a2c.activation)
        training = {"config": self.config.model_dump(mode="json"), "steps": self.step, "versions": versions()}
        family = self.worlds.randomization or envs.randomization  # as wide as its ranges have become
        policy = make_policy(envs.robot, envs.task, family, contract, weights, training)
        policy.save(self.folder / "policy")
        return policy


def versions() -> dict[str, str]:
    """Return the versions that decide what a run computes."""
    packages = ("tensorflow", "numpy", "gymnasium", "pybullet", "mujoco")
    return {"python": platform.python_version(), "sim2real": __version__, **{name: version(name) for name in packages}}


@contextmanager
def graceful_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event; the second ends the process as usual. Main thread only."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    previous = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, _: object) -> None:
        interrupted.set()
        signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, on_signal)
    try:
        yield interrupted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _only_user(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel drops it when the process dies, however it dies."""
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise TrainingError(
                f"{folder}: in use by process {file.read().strip() or '?'}; choose another --out"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _write_yaml(data: dict[str, Any], path: Path, comment: str = "") -> None:
    path.write_text(comment + dump_yaml(data), encoding="utf-8")


class _CurveFile:
    """The learning curve as CSV: one row a second, with what widens. A resumed run goes on with the same columns."""

    COLUMNS = (
        "step",
        "rollout/return",
        "rollout/length",
        "rollout/success",
        "train/std",
        "train/entropy",
        "time/seconds",
        "time/steps_per_s",
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] = []

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """See MetricsWriter."""
        if not self.path.exists():
            self._append((*self.COLUMNS, *(name for name in metrics if name.startswith("widening/"))))
        if not self._columns:
            with self.path.open(newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file))
        self._append((step, *(f"{metrics.get(name, float('nan')):.6g}" for name in self._columns[1:])))

    def _append(self, row: Sequence[object]) -> None:
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(row)
