"""The search for a config: its journal, its best, what ends a trial, and how it goes on."""

import signal
from pathlib import Path
from threading import Event

import optuna
import pytest

from randomization import stream
from sim2real.commands.tune import tune_table
from sim2real.config import dump_yaml
from sim2real.errors import ConfigError, TrainingError
from sim2real.training.config import TrainConfig, load_train_config
from sim2real.training.reports import MetricsWriter
from sim2real.tuning.search import BEST, JOURNAL, tune
from sim2real.tuning.space import SearchSpace
from sim2real.tuning.trials import MARKS, Asked, TrialCurve, Tried, best_of, ended, open_study
from tests.commands.test_console import text
from tests.trainings import BATCH, ENVIRONMENT, tiny

SPACE = SearchSpace(space={"a2c.learning_rate": {"law": "choice", "values": [1e-3, 2e-3]}})


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Asked:
    path = tmp_path_factory.mktemp("tune") / "small.yaml"
    short = ENVIRONMENT | {"options": {"episode_s": 0.5}}
    data = tiny(steps=2 * BATCH, seed=9, environment=short).model_dump(mode="json", exclude_none=True)
    path.write_text(dump_yaml(data))
    return Asked(config=str(path), minutes=1.0)


def test_a_search_leaves_a_journal_and_the_best_config(asked: Asked, tmp_path: Path):
    watched = []

    def watch(number: int, config: TrainConfig) -> list[MetricsWriter]:
        watched.append((number, config.seed))
        return []

    found = tune(asked, SPACE, 2, tmp_path, watch=watch)
    assert [trial.state for trial in found.trials] == ["complete", "complete"]
    assert not found.interrupted
    assert found.best == best_of(found.trials)
    assert found.best is not None
    config = load_train_config(tmp_path / BEST)
    assert config.a2c.learning_rate == found.best.values["a2c.learning_rate"]
    assert config.seed == 9, "the seed of the config, not of the trials"
    own = int(stream(0, "tune").integers(2**31))
    assert watched == [(0, own), (1, own)]
    assert tune(asked, SPACE, 2, tmp_path, resume=True).trials == found.trials, "nothing was left to do"
    with pytest.raises(TrainingError, match="holds a search already"):
        tune(asked, SPACE, 3, tmp_path)
    with pytest.raises(TrainingError, match=r"asked: minutes: was 1\.0, now 2\.0"):
        tune(asked.model_copy(update={"minutes": 2.0}), SPACE, 3, tmp_path, resume=True)
    other = SearchSpace(space={"a2c.gamma": {"law": "choice", "values": [0.9]}})
    with pytest.raises(TrainingError, match="space: is another one"):
        tune(asked, other, 3, tmp_path, resume=True)
    shown = text(tune_table(found, "return"))
    for words in ("trial", "learning_rate", "0.00", f"{found.best.score:.4g}"):
        assert words in shown


def test_a_trial_that_was_killed_is_tried_again(asked: Asked, tmp_path: Path):
    """What a kill leaves: a trial that runs for ever in the journal, with the values it was given."""
    tune(asked, SPACE, 0, tmp_path)
    study = open_study(tmp_path / JOURNAL, asked)
    left = SPACE.suggest(study.ask())
    found = tune(asked, SPACE, 1, tmp_path, resume=True)
    assert [(trial.state, trial.reason) for trial in found.trials] == [("failed", "stopped"), ("complete", "")]
    assert found.trials[1].values == found.trials[0].values == left


def test_time_ends_a_trial_which_is_then_judged(asked: Asked, tmp_path: Path):
    path = tmp_path / "long.yaml"
    path.write_text(Path(asked.config).read_text().replace(f"steps: {2 * BATCH}", "steps: 1000000000"))
    found = tune(Asked(config=str(path), minutes=2.5 / 60), SPACE, 1, tmp_path / "search")
    assert [trial.state for trial in found.trials] == ["complete"]
    assert found.best is not None


def test_values_that_do_not_go_together_fail_a_trial_alone(asked: Asked, tmp_path: Path):
    space = SearchSpace(space={"worlds": {"law": "choice", "values": [3]}})
    found = tune(asked, space, 1, tmp_path)
    assert [trial.state for trial in found.trials] == ["failed"]
    assert "must be a multiple of workers" in found.trials[0].reason
    assert found.best is None
    assert not (tmp_path / BEST).exists()


def test_scores_that_would_not_compare_are_refused(asked: Asked, tmp_path: Path):
    space = SearchSpace(space={"environment.options.weights.alive": {"law": "choice", "values": [0.1]}})
    with pytest.raises(ConfigError, match="add --objective success"):
        tune(asked, space, 1, tmp_path / "a")
    gym = Asked(config="cartpole-tutorial", objective="success", minutes=1.0)
    with pytest.raises(ConfigError, match="know no success"):
        tune(gym, SPACE, 1, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def curve_of(study: optuna.Study, asked: Asked, returns: list[float]) -> tuple[optuna.Trial, bool]:
    """Report returns over the steps of one trial; return whether it was pruned."""
    trial, stop = study.ask(), Event()
    curve = TrialCurve(trial, len(returns), asked, stop)
    for step, value in enumerate(returns, 1):
        try:
            curve.write(step, {"rollout/return": value})
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return trial, True
    study.tell(trial, returns[-1])
    return trial, False


@pytest.mark.parametrize("pruner", ["median", "hyperband", "none"])
def test_hopeless_trials_are_ended_early(tmp_path: Path, pruner):
    asked = Asked(config="cartpole", minutes=60.0, pruner=pruner)
    study = open_study(tmp_path / JOURNAL, asked)
    good = [float(step) for step in range(40)]
    assert not any(curve_of(study, asked, good)[1] for _ in range(5))
    pruned = [curve_of(study, asked, [0.1 * value for value in good])[1] for _ in range(4)]
    assert any(pruned) == (pruner != "none")
    if pruner == "median":
        assert all(pruned)
    assert not curve_of(study, asked, [2.0 * value for value in good])[1]
    assert len(ended(open_study(tmp_path / JOURNAL, asked))) == 10, "as the journal has it"


def test_marks_are_of_steps_or_of_time(tmp_path: Path):
    asked = Asked(config="cartpole", minutes=1e-9)
    study = open_study(tmp_path / JOURNAL, asked)
    trial, stop = study.ask(), Event()
    curve = TrialCurve(trial, 1000, asked, stop)
    curve.write(1, {"rollout/return": float("nan")})
    assert stop.is_set(), "its time is up"
    assert study.trials[0].intermediate_values == {}
    curve.write(2, {"rollout/return": 3.0})
    assert study.trials[0].intermediate_values == dict.fromkeys(range(1, MARKS + 1), 3.0)


def test_a_search_that_goes_on_draws_other_values(tmp_path: Path):
    space = SearchSpace(space={"a2c.gamma": {"law": "uniform", "low": 0.5, "high": 0.9}})
    asked, drawn = Asked(config="cartpole", minutes=1.0), []
    for _ in range(3):
        study = open_study(tmp_path / JOURNAL, asked)
        trial = study.ask()
        drawn.append(space.suggest(trial)["a2c.gamma"])
        study.tell(trial, 0.0)
    assert len(set(drawn)) == 3


def test_the_best_is_the_first_of_equals():
    trials = [Tried(k, "complete", score, 1.0, {}, "") for k, score in enumerate((1.0, 2.0, 2.0))]
    assert best_of([*trials, Tried(3, "pruned", None, 1.0, {}, "")]) == trials[1]
    assert best_of(trials[:0]) is None


class Interrupter:
    """A metrics writer that sends this process one Ctrl-C."""

    sent = False

    def write(self, step: int, metrics: dict[str, float]) -> None:
        if not self.sent:
            self.sent = True
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_ends_the_search_and_its_trial_is_tried_again(asked: Asked, tmp_path: Path):
    found = tune(asked, SPACE, 2, tmp_path, watch=lambda *_: [Interrupter()])
    assert found.interrupted
    assert [trial.reason for trial in found.trials] == ["stopped"]
    again = tune(asked, SPACE, 1, tmp_path, resume=True)
    assert [trial.state for trial in again.trials] == ["failed", "complete"]
    assert again.trials[1].values == found.trials[0].values
