"""Search for a better training config: trials under optuna, the hopeless ones ended early, all in a journal.

Trials train and are judged under a seed of their own, which no run and no `sim2real evaluate` uses: what is chosen here
has not seen the worlds that it will be judged in.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from randomization import stream
from sim2real.config import Strict, dump_yaml, load
from sim2real.errors import ConfigError, TrainingError, TrainingFailedError
from sim2real.evaluate import evaluate
from sim2real.train import train
from sim2real.training.config import RobotEnvironment, TrainConfig, load_train_config
from sim2real.training.folder import claimed, write_atomically, written
from sim2real.training.reports import MetricsWriter
from sim2real.training.run import TrainResult
from sim2real.training.worlds import load_family
from sim2real.tuning.space import SearchSpace
from sim2real.tuning.trials import STOPPED, Asked, TrialCurve, Tried, best_of, ended, open_study

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

JOURNAL, BEST, ASKED = "journal.log", "best.yaml", "tune.yaml"
JUDGED = 64  # worlds
_BEST = "# The best of {n} trials of `sim2real tune`: {objective} {score:.6g}.\n"

Watch = Callable[[int, TrainConfig], Sequence[MetricsWriter]]


class _Description(Strict):
    asked: Asked
    space: SearchSpace


@dataclass(frozen=True)
class Tuned:
    """All trials so far, and the best config. interrupted: before as many as were asked for were done."""

    trials: tuple[Tried, ...]
    best: Tried | None
    interrupted: bool


def tune(
    asked: Asked, space: SearchSpace, trials: int, folder: Path, *, resume: bool = False, watch: Watch = lambda *_: ()
) -> Tuned:
    """Run trials until there are `trials` of them in the folder's journal, and leave the best config as best.yaml.

    watch: called with each trial's number and config, returns writers for its training
    Raise TrainingError where a search is there and `resume` is not asked for, or is for something else; or where the
    folder is in use or cannot be written.
    """
    description = _Description(asked=asked, space=space)
    _check_objective(description)
    with claimed(folder):
        _check(description, folder, resume)
        return _Search(description, folder, watch).run(trials)


def _check_objective(description: _Description) -> None:
    """Raise ConfigError where scores of different trials would not compare, or there would be none."""
    asked, space = description.asked, description.space.space
    config = load_train_config(asked.config, dict(asked.overrides))
    if asked.objective == "success" and not isinstance(config.environment, RobotEnvironment):
        raise ConfigError("--objective success: environments of Gymnasium know no success; leave it at return")
    weights = [key for key in space if key.startswith("environment.options.weights")]
    if asked.objective == "return" and weights:
        raise ConfigError(f"space: {weights[0]}: returns under other weights do not compare; add --objective success")


def _check(description: _Description, folder: Path, resume: bool) -> None:
    path = folder / ASKED
    if not path.exists():
        with written(folder):
            write_atomically(path, dump_yaml(description.model_dump(mode="json")).encode())
        return
    if not resume:
        raise TrainingError(f"{folder}: holds a search already; add --resume to go on with it, or choose another --out")
    there = load(_Description, path)
    for key in ("config", "overrides", "objective", "pruner", "minutes", "seed"):
        if (theirs := getattr(there.asked, key)) != (mine := getattr(description.asked, key)):
            raise TrainingError(f"{path}: asked: {key}: was {theirs}, now {mine}; keep to it, or choose another --out")
    if there.space != description.space:
        raise TrainingError(f"{path}: space: is another one; keep to it, or choose another --out")


class _Search:
    """A search while it runs."""

    def __init__(self, description: _Description, folder: Path, watch: Watch) -> None:
        self.asked, self.space, self.folder, self.watch = description.asked, description.space, folder, watch
        self.seed = int(stream(self.asked.seed, "tune").integers(2**31))
        self.study = open_study(folder / JOURNAL, self.asked)
        self.stop = Event()

    def run(self, trials: int) -> Tuned:
        """Run until there are so many trials; Ctrl-C ends the one at work without a score."""
        from optuna.trial import TrialState

        for left in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):  # by a search that was killed
            self._again(left)
        while not self.stop.is_set() and self._counted() < trials:
            self._try(self.study.ask())
        found = ended(self.study)
        return Tuned(found, best_of(found), self.stop.is_set())

    def _counted(self) -> int:
        return sum(trial.reason != STOPPED for trial in ended(self.study))

    def _again(self, trial: "FrozenTrial | Trial") -> None:
        """End a trial without a score, and let another one try the same values."""
        from optuna.trial import TrialState

        self.study.tell(trial.number, state=TrialState.FAIL)
        if len(trial.params) == len(self.space.space):
            self.study.enqueue_trial(trial.params)

    def _try(self, trial: "Trial") -> None:
        from optuna import TrialPruned
        from optuna.trial import TrialState

        folder = self.folder / "trials" / f"{trial.number:03d}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            score = self._score(trial, folder)
        except TrialPruned as error:
            self._end(trial, TrialState.PRUNED, str(error))
        except (ConfigError, TrainingFailedError) as error:
            self._end(trial, TrialState.FAIL, str(error))
        else:
            if score is None:
                self._again(trial)
                return
            self.study.tell(trial, score)
            self._keep(trial.number)

    def _end(self, trial: "Trial", state: Any, reason: str) -> None:
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=state)

    def _score(self, trial: "Trial", folder: Path) -> float | None:
        """Train and judge one trial; return None if it was interrupted."""
        chosen = self.space.suggest(trial)
        config = load_train_config(self.asked.config, {**self.asked.overrides, **chosen, "seed": self.seed})
        stop = Event()
        curve = TrialCurve(trial, config.steps, self.asked, stop)
        result = train(config, folder, writers=[curve, *self.watch(trial.number, config)], stop=stop)
        if result.interrupted and not curve.time_is_up:
            self.stop.set()
            return None
        return self._judge(config, result)

    def _judge(self, config: TrainConfig, result: TrainResult) -> float:
        """Return the objective of a trained policy in worlds of its own training's engine and ranges."""
        environment = config.environment
        if result.policy is None or not isinstance(environment, RobotEnvironment):
            score = result.metrics[f"evaluation/{self.asked.objective}"]
        else:
            family = load_family(config)
            found = evaluate(result.policy, environment.engine, family, JUDGED, self.seed, workers=config.workers)
            score = found.success_rate if self.asked.objective == "success" else float(found.returns.mean())
        if not isfinite(score):
            raise TrainingFailedError(f"{result.folder}: its policy's {self.asked.objective} is {score}")
        return score

    def _keep(self, number: int) -> None:
        """Write the best config down, if it is this trial's."""
        trials = ended(self.study)
        best = best_of(trials)
        if best is None or best.number != number or best.score is None:
            return
        config = load_train_config(self.asked.config, {**self.asked.overrides, **best.values})
        comment = _BEST.format(n=len(trials), objective=self.asked.objective, score=best.score)
        data = comment + dump_yaml(config.model_dump(mode="json", exclude_none=True))
        with written(self.folder):
            write_atomically(self.folder / BEST, data.encode())
