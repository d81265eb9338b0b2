"""One training run while it runs: eras of updates, and at the end of each what is kept of it.

All worlds begin anew with each era, from a seed that only the step decides. So whatever an engine holds need not be
saved: a run that was killed goes on from the end of an era with the same bits as one that was not.
"""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from gymnasium.spaces import flatdim

from sim2real.a2c.agent import A2C
from sim2real.a2c.convolution import picture_of
from sim2real.a2c.rollout import Collector, Group
from sim2real.env import RobotVectorEnv
from sim2real.errors import TrainingFailedError
from sim2real.policy import Policy
from sim2real.training.checkpoint import Checkpoint, CheckpointFolder
from sim2real.training.config import TrainConfig
from sim2real.training.counters import Counters, check_config, check_origin, in_full, made_by, read_counters
from sim2real.training.episode_log import EpisodeLog
from sim2real.training.folder import describe, write_reached, written
from sim2real.training.record import Record
from sim2real.training.reports import MetricsWriter, Reports
from sim2real.training.selection import Selection, judge_learner
from sim2real.training.worlds import TrainingWorlds

WRITE_EVERY_S = 1.0
MAX_SKIPPED = 10  # updates in a row without a finite gradient before the learner is put back
SLOWER = 0.5  # what its learning rate is multiplied by then


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    policy: None for environments without a robot; widening: how far the ranges have come in a line, None if they stay
    notes: a line for each thing that happened on the way and is to be known of
    """

    folder: Path
    steps: int
    seconds: float
    interrupted: bool
    metrics: dict[str, float]
    policy: Policy | None
    widening: str | None = None
    notes: tuple[str, ...] = ()


class TrainingRun:
    """Worlds, learner and record of one run. Close it in any case."""

    def __init__(
        self, config: TrainConfig, folder: Path, writers: Sequence[MetricsWriter], found: Checkpoint | None
    ) -> None:
        """found: where to go on from; raise an error of one line where nobody could."""
        self.config, self.folder = config, folder
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        counters = None if found is None else read_counters(found, self.checkpoints.path)
        self.step = 0 if counters is None else counters.step
        self.worlds = TrainingWorlds(config, None if found is None else found.worlds)
        self.record = Record(config, None if counters is None else counters.record)
        self.collector = Collector([self._group(k) for k in range(config.workers)])
        self.envs = self.collector.groups[0].envs
        self._found, self._counters, self._writers = found, counters, writers
        self._updates = self._skipped = 0  # in this era; in a row
        self._put_back = counters is not None and counters.put_back
        self._losses: dict[str, float] = {}
        self.metrics: dict[str, float] = {}

    def _group(self, k: int) -> Group:
        envs, first_world = self.worlds.group(k, self.worlds.seed_of(self.step))
        return Group(envs, k, first_world, plain=not isinstance(envs, RobotVectorEnv))

    def start(self) -> None:
        """Make the learner, or go on with the one found, and write down what is trained.

        Raise an error of one line, and change nothing, where the checkpoint is of another training.
        """
        self._made_by = made_by(self.config, self.envs)
        self._config = in_full(self.config, self.envs, self.worlds.full)
        if self._counters is not None:
            check_origin(self._counters, self._made_by, self.checkpoints.path)
            check_config(self._counters, self._config, self.checkpoints.path)
        self._begin_era()
        n_in, n_privileged = flatdim(self.envs.single_observation_space), self.collector.groups[0].n_privileged
        actions, config = self.envs.single_action_space, self.config
        mirror = self.envs.task.mirror() if config.a2c.symmetry and isinstance(self.envs, RobotVectorEnv) else None
        picture = picture_of(self.envs.single_observation_space.shape or ())
        self.agent = A2C(n_in, n_privileged, actions, config.a2c, config.updates, config.seed, mirror, picture)
        if self._found is not None:
            self.agent.load(io.BytesIO(self._found.learner))
        best = None if self._found is None else self._found.best
        self.selection = Selection(self.worlds, self.envs, self.agent, self.record, self.folder, best)
        self._good = self._found or self._checkpoint(self._learner())
        with written(self.folder):
            describe(config, self.worlds.full, self.folder, self.step)
            self.reports = Reports(self.folder, self._writers, self.step)

    def go(self, interrupted: Event) -> TrainResult:
        """Train until the steps are taken, the goal is reached or `interrupted` is set; leave a policy."""
        self._started = self._saved = self._written = time.monotonic()
        first_step = self.step
        while self.step < self.config.steps and not interrupted.is_set() and not self.record.goal_reached:
            self._iterate()
            if self._updates == self.config.era_updates:
                self._end_era()
            if time.monotonic() - self._written > WRITE_EVERY_S:
                self._write(first_step)
        if self.config.evaluation is not None and self._updates and not interrupted.is_set() and not self._skipped:
            self.selection.evaluate(self.step, self._learner(), self.reports)
        self._write(first_step)
        self._save(self._good if self._skipped else self._checkpoint(self._learner()))
        policy = self.selection.keep(self.step, self.reports)
        if policy is None:
            self.metrics |= judge_learner(self.config, self.agent, purpose="evaluate").metrics
        widened = None if self.worlds.widening is None else self.worlds.widening.summary
        seconds = time.monotonic() - self._started
        notes = tuple(self.reports.notes)
        return TrainResult(
            self.folder, self.step, seconds, interrupted.is_set(), dict(self.metrics), policy, widened, notes
        )

    def _iterate(self) -> None:
        batch = self.collector.collect(self.agent, self.config.a2c.horizon)
        skipped = self.agent.skipped
        self._losses = self.agent.learn(batch)
        self._skipped = self._skipped + 1 if self.agent.skipped > skipped else 0
        self._updates += 1
        self.step += batch.reward.size
        for k, group in enumerate(self.collector.groups):
            self.record.add(k, (episode.total for episode in group.ended))
            with self.reports.tolerant(self.step, self._log.path.name):
                self._log.write(self.step, group.ended)
        if self.worlds.widening is not None:
            self.worlds.widening.settle()
        if self._skipped > MAX_SKIPPED:
            self._recover()

    def _begin_era(self) -> None:
        seed = self.worlds.seed_of(self.step)
        self.collector.restart(seed)
        self._log = EpisodeLog(self.folder, seed, self.worlds.full)
        self._updates = 0

    def _end_era(self) -> None:
        """Keep the learner of now, unless its last update was skipped: then it may be what makes them so."""
        if not self._skipped:
            learner = self._learner()
            better, news = self.record.end_era(self.step)
            if better:
                self.selection.best = learner
            if news:
                self.reports.note(self.step, news)
            if self.config.evaluation is not None and self.record.eras % self.config.evaluation.every_eras == 0:
                self.selection.evaluate(self.step, learner, self.reports)
            self._good = self._checkpoint(learner)
            if time.monotonic() - self._saved > self.config.checkpoint_s:
                self._save(self._good)
        self._begin_era()

    def _recover(self) -> None:
        """Go back to the learner of the last era that ended well, once."""
        step = self._good.counters["step"]
        reason = f"{self._skipped} updates in a row had no finite gradient"
        skipped = self.agent.skipped
        self.agent.load(io.BytesIO(self._good.learner))
        self.agent.skipped = skipped
        if self._put_back:
            if step:
                self._save(self._good)
                self.selection.keep(step, self.reports)
            raise TrainingFailedError(
                f"{reason}, for the second time; the checkpoint of step {step:,} is in {self.checkpoints.path}; lower "
                "a2c.learning_rate, and look for what is not finite in the environment"
            )
        self._put_back, self._skipped = True, 0
        self.agent.scale_rate(SLOWER)
        if self.worlds.widening is not None and self._good.worlds is not None:
            self.worlds.widening.restore(self._good.worlds)
        self.reports.note(self.step, f"{reason}: the learner of step {step:,} is put back, at {SLOWER:g} of its rate")
        self._begin_era()

    def _learner(self) -> bytes:
        file = io.BytesIO()
        self.agent.save(file)
        return file.getvalue()

    def _checkpoint(self, learner: bytes) -> Checkpoint:
        counters = Counters(
            step=self.step,
            made_by=self._made_by,
            config=self._config,
            record=self.record.state,
            put_back=self._put_back,
        )
        widened = None if self.worlds.widening is None else self.worlds.widening.state()
        return Checkpoint(counters.model_dump(mode="json"), learner, self.selection.best, widened)

    def _save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; where that cannot be, say so each time, and go on."""
        self._saved = time.monotonic()
        try:
            self.checkpoints.save(checkpoint)
            if self.worlds.widening is not None and self.worlds.randomization is not None:
                write_reached(self.worlds.randomization, self.folder)
        except OSError as error:
            step = checkpoint.counters["step"]
            self.reports.note(
                self.step,
                f"the checkpoint of step {step:,} could not be written: {error.strerror or error}; training goes on, "
                "and older checkpoints stay",
            )

    def _write(self, first_step: int) -> None:
        """Tell the writers how things stand; steps and seconds are of this process."""
        self._written = time.monotonic()
        agent, seconds = self.agent, self._written - self._started
        self.metrics = {f"train/{k}": v for k, v in self._losses.items()} | self.collector.metrics()
        self.metrics |= self.selection.metrics | {
            "train/skipped": float(agent.skipped),
            "train/learning_rate": agent.learning_rate,
        }
        if agent.network.log_std is not None:
            self.metrics["train/std"] = float(np.exp(agent.network.log_std.numpy()).mean())
        engines = [g.envs.simulation.engine for g in self.collector.groups if isinstance(g.envs, RobotVectorEnv)]
        if engines:
            self.metrics["rollout/rebuilt"] = float(sum(engine.rebuilt for engine in engines))
        if self.worlds.widening is not None:
            self.metrics |= self.worlds.widening.metrics()
        self.metrics |= {"time/seconds": seconds, "time/steps_per_s": (self.step - first_step) / seconds}
        self.reports.write(self.step, self.metrics)

    def close(self) -> None:
        """End the threads and release all worlds."""
        self.collector.close()
