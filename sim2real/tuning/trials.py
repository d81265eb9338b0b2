"""The trials of `sim2real tune` in optuna's journal: what they are for, how they are compared, what came of them."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from randomization import stream
from sim2real.config import Strict

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial, Trial

MARKS = 20  # places of the learning curve where trials are compared
WARM_MARKS = 4  # of these, before which none is ended
FIRST_TRIALS = 5  # that are never ended: there is nothing to compare them with
STOPPED = "stopped"  # by Ctrl-C or a kill: another trial gets its values

Objective = Literal["return", "success"]
Pruner = Literal["median", "hyperband", "none"]


class Asked(Strict):
    """What a search is for, beside its space. config: its name; seed: of the trials and of the search."""

    config: str
    overrides: dict[str, Any] = Field(default_factory=dict)
    objective: Objective = "return"
    pruner: Pruner = "median"
    minutes: float = Field(gt=0, description="Of each trial")
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Tried:
    """One trial. score: None where it has none; state: complete, pruned, failed; reason: why it is not complete."""

    number: int
    state: str
    score: float | None
    seconds: float
    values: dict[str, Any]
    reason: str


class TrialCurve:
    """A metrics writer that compares a trial's learning curve with the others', and ends it when its time is up.

    time_is_up: whether it has; Ctrl-C sets `stop` as well
    """

    def __init__(self, trial: "Trial", steps: int, asked: Asked, stop: Event) -> None:
        self._trial, self._steps, self._stop, self.time_is_up = trial, steps, stop, False
        self._seconds, self._name = asked.minutes * 60.0, f"rollout/{asked.objective}"
        self._began, self._mark = time.monotonic(), 0

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Report the figure at each mark, of the trial's steps or time; raise TrialPruned if it is hopeless."""
        from optuna import TrialPruned

        elapsed = (time.monotonic() - self._began) / self._seconds
        if elapsed >= 1.0:
            self.time_is_up = True
            self._stop.set()
        value, reached = metrics.get(self._name, float("nan")), int(MARKS * min(1.0, max(step / self._steps, elapsed)))
        if not isfinite(value):
            return
        while self._mark < reached:
            self._mark += 1
            self._trial.report(value, self._mark)
            if self._trial.should_prune():
                raise TrialPruned(f"{self._name} {value:.4g} at {self._mark / MARKS:.0%}")


def open_study(journal: Path, asked: Asked) -> "Study":
    """Open the study of a journal, or begin it. A sampler that goes on draws other numbers than it has drawn."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(
        study_name="tune",
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        pruner=_pruner(asked.pruner),
    )
    rng = stream(asked.seed, "search", len(study.trials))
    study.sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**32)))
    return study


def _pruner(name: Pruner) -> "BasePruner":
    from optuna import pruners

    if name == "median":
        return pruners.MedianPruner(n_startup_trials=FIRST_TRIALS, n_warmup_steps=WARM_MARKS)
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=WARM_MARKS, max_resource=MARKS, reduction_factor=3)
    return pruners.NopPruner()


def tried(trial: "FrozenTrial") -> Tried:
    """Return a trial as plain data."""
    from optuna.distributions import CategoricalDistribution

    values = {
        key: json.loads(value) if isinstance(trial.distributions[key], CategoricalDistribution) else value
        for key, value in trial.params.items()
    }
    duration = trial.duration.total_seconds() if trial.duration else 0.0
    complete = trial.state.name == "COMPLETE"
    state = "failed" if trial.state.name == "FAIL" else trial.state.name.lower()
    reason = "" if complete else str(trial.user_attrs.get("reason", STOPPED))
    return Tried(trial.number, state, trial.value if complete else None, duration, values, reason)


def ended(study: "Study") -> tuple[Tried, ...]:
    """Return the trials that are over, in order."""
    return tuple(tried(trial) for trial in study.get_trials(deepcopy=False) if trial.state.is_finished())


def best_of(trials: Sequence[Tried]) -> Tried | None:
    """Return the trial with the highest score, the first of equals; None if none has one."""
    scored = [trial for trial in trials if trial.score is not None]
    return max(scored, key=lambda trial: (trial.score or 0.0, -trial.number), default=None)
