"""Several seeds: each a run as if alone, resumed where it stopped, and told of together."""

import json
from pathlib import Path

import numpy as np
import pytest

from sim2real.commands.result_tables import seeds_tables
from sim2real.errors import ConfigError, TrainingError
from sim2real.train import TrainResult, train
from sim2real.training.config import TrainConfig
from sim2real.training.seeds import FINISHED, SeedRun, SeedRuns, seed_folder, train_seeds
from tests.commands.test_console import text
from tests.trainings import BATCH, learner, same, tiny

CONFIG = tiny(steps=2 * BATCH, seed=4)


def run(config: TrainConfig, folder: Path) -> TrainResult:
    return train(config, folder, resume=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, SeedRuns]:
    folder = tmp_path_factory.mktemp("seeds")
    return folder, train_seeds(CONFIG, 2, folder, run)


def test_each_seed_is_a_run_as_if_alone(trained, tmp_path: Path):
    folder, found = trained
    assert [one.seed for one in found.runs] == [4, 5]
    assert not found.interrupted
    train(tiny(steps=2 * BATCH, seed=5), tmp_path / "alone")
    assert same(learner(seed_folder(folder, 5)), learner(tmp_path / "alone"))
    assert not same(learner(seed_folder(folder, 4)), learner(seed_folder(folder, 5)))


def test_runs_that_are_done_stay(trained):
    folder, found = trained

    def refuse(config: TrainConfig, folder: Path) -> TrainResult:
        raise AssertionError

    assert train_seeds(CONFIG, 2, folder, refuse, resume=True) == found
    assert train_seeds(CONFIG, 1, folder, refuse, resume=True).runs == found.runs[:1]


def test_one_that_is_not_done_goes_on(trained):
    folder, found = trained
    (seed_folder(folder, 5) / FINISHED).unlink()
    called = []

    def note(config: TrainConfig, where: Path) -> TrainResult:
        called.append(where)
        return run(config, where)

    again = train_seeds(CONFIG, 2, folder, note, resume=True)
    assert called == [seed_folder(folder, 5)]
    assert [one.steps for one in again.runs] == [one.steps for one in found.runs]


@pytest.mark.parametrize(
    ("config", "resume", "words"),
    [(CONFIG, False, "holds a run already"), (tiny(steps=3 * BATCH, seed=4), True, "of another config")],
)
def test_what_is_there_is_not_touched(trained, config, resume, words):
    with pytest.raises(TrainingError, match=words):
        train_seeds(config, 2, trained[0], run, resume=resume)


@pytest.mark.parametrize("count", [0, -1, 10**6])
def test_a_number_of_seeds_that_makes_no_sense(tmp_path: Path, count):
    with pytest.raises(ConfigError, match="--seeds"):
        train_seeds(CONFIG, count, tmp_path, run)


def test_it_ends_where_one_is_interrupted(tmp_path: Path):
    def stop(config: TrainConfig, folder: Path) -> TrainResult:
        return TrainResult(**(vars(run(config, folder)) | {"interrupted": True}))

    assert train_seeds(CONFIG, 2, tmp_path, stop) == SeedRuns((), interrupted=True)
    assert not (seed_folder(tmp_path, 4) / FINISHED).exists()
    assert not seed_folder(tmp_path, 5).exists()


def test_what_runs_say_together():
    values = [1.0, 5.0, 2.0, 9.0, 3.0]
    figures = [{"rollout/return": value} for value in values]
    figures[0]["rollout/success"] = 0.5
    runs = [SeedRun(seed=k, steps=100 * k, seconds=2.0, figures=f) for k, f in enumerate(figures)]
    found = SeedRuns(tuple(runs))
    spreads = found.spreads()
    assert set(spreads) == {"steps", "seconds", "rollout/return"}, "success is not known of all"
    returns = spreads["rollout/return"]
    assert (returns.median, returns.least, returns.most) == (3.0, 1.0, 9.0)
    assert returns.iqm == pytest.approx(np.mean([2.0, 3.0, 5.0]))
    assert returns.low < returns.iqm < returns.high
    assert json.loads(json.dumps(found.to_dict()))["together"]["rollout/return"]["median"] == 3.0
    shown = text(seeds_tables(found), width=100)
    for words in ("Each seed", "5 seeds together", "IQM", "3.33", "95 % interval of IQM"):
        assert words in shown
    assert SeedRuns(()).spreads() == {}
