"""A training that one can leave alone: NaN, a full disk, a folder that is gone, dead workers, a collapse."""

import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from sim2real.a2c.backend import tf
from sim2real.errors import TrainingError, TrainingFailedError
from sim2real.policy import Policy
from sim2real.train import train
from sim2real.training.checkpoint import CheckpointFolder
from sim2real.training.record import COLLAPSE_ERAS
from sim2real.training.run import MAX_SKIPPED
from tests.trainings import BATCH, Plain, Recorder, children, gym, learner, litter, tiny

PER_UPDATE = 8  # steps of each environment
NAN = float("nan")


@pytest.fixture
def rewards() -> Iterator[list[Callable[[int], float]]]:
    """What the environment "Moody-v0" gives, from its number of steps; set the first element."""
    given: list[Callable[[int], float]] = [lambda step: 1.0]
    make: Any = lambda: Plain(lambda step: given[0](step))  # noqa: E731 - typed as Gymnasium's protocols are not
    gymnasium.register("Moody-v0", entry_point=make, disable_env_checker=True)
    yield given
    del gymnasium.registry["Moody-v0"]


def test_a_learner_without_finite_gradients_is_put_back_and_goes_on(tmp_path: Path, rewards):
    bad = range(12 * PER_UPDATE + 1, (13 + MAX_SKIPPED) * PER_UPDATE + 1)
    rewards[0] = lambda step: NAN if step in bad else 1.0
    recorder = Recorder()
    config = gym("Moody-v0", steps=40 * BATCH, era_updates=5, checkpoint_s=1e-9, a2c={"schedule": "constant"})
    result = train(config, tmp_path, writers=[recorder])
    note = "11 updates in a row had no finite gradient: the learner of step 320 is put back, at 0.5 of its rate"
    assert result.notes == (note,)
    assert recorder.notes == [(23 * BATCH, note)]
    assert result.metrics["train/learning_rate"] == config.a2c.learning_rate / 2
    assert result.metrics["train/skipped"] == MAX_SKIPPED + 1
    assert all(np.isfinite(values).all() for values in learner(tmp_path).values())
    assert result.steps == 40 * BATCH


def test_the_second_time_it_gives_up_with_what_was_good(tmp_path: Path, rewards):
    rewards[0] = lambda step: NAN if step > 12 * PER_UPDATE else 1.0
    config = gym("Moody-v0", steps=100 * BATCH, era_updates=5, checkpoint_s=1e9)
    with pytest.raises(TrainingFailedError, match="for the second time; the checkpoint of step 320 is in") as caught:
        train(config, tmp_path)
    assert caught.value.exit_status == 1
    assert "\n" not in str(caught.value)
    assert learner(tmp_path)["counters"][0] == 10
    rewards[0] = lambda step: 1.0
    assert train(config.model_copy(update={"steps": 20 * BATCH}), tmp_path, resume=True).steps == 20 * BATCH


def test_a_run_that_goes_on_knows_that_its_learner_was_put_back(tmp_path: Path, rewards):
    """Killed after that and resumed, it gives up where it would have given up."""
    bad = range(12 * PER_UPDATE + 1, (13 + MAX_SKIPPED) * PER_UPDATE + 1)
    rewards[0] = lambda step: NAN if step in bad else 1.0
    config = gym("Moody-v0", steps=30 * BATCH, era_updates=5, checkpoint_s=1e-9)
    assert "is put back" in train(config, tmp_path).notes[0]
    found = CheckpointFolder(tmp_path / "checkpoints").newest()
    assert found is not None
    assert found.counters["put_back"] is True
    rewards[0] = lambda step: NAN
    with pytest.raises(TrainingFailedError, match="for the second time; the checkpoint of step 960 is in"):
        train(config.model_copy(update={"steps": 60 * BATCH}), tmp_path, resume=True)
    assert learner(tmp_path)["counters"].tolist() == [30 - 13, MAX_SKIPPED + 1, 0.5], "10 updates, and 7 after that"


def test_nan_now_and_then_costs_those_updates_only(tmp_path: Path, rewards):
    rewards[0] = lambda step: 1.0 if step % 97 else NAN
    result = train(gym("Moody-v0", steps=300 * BATCH, era_updates=50), tmp_path)
    assert result.metrics["train/skipped"] == 300 * PER_UPDATE // 97
    assert all(np.isfinite(values).all() for values in learner(tmp_path).values())


class Saboteur:
    """A metrics writer that does something once a checkpoint is there, and undoes it some rows later."""

    def __init__(self, folder: Path, do: Callable[[], None], undo: Callable[[], None], rows: int = 20) -> None:
        self._folder, self._do, self._undo, self._left = folder / "checkpoints", do, undo, rows
        self.notes: list[str] = []

    def write(self, step: int, metrics: dict[str, float]) -> None:
        if any(self._folder.glob("step-*")):
            self._do()
            self._do = lambda: None
        self._left -= 1
        if self._left == 0:
            self._undo()

    def note(self, step: int, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def _every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim2real.training.run.WRITE_EVERY_S", 0.0)


@pytest.mark.usefixtures("_every_update")
def test_a_full_disk_costs_checkpoints_and_not_the_training(tmp_path: Path, rewards):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    seen: list[int] = []

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, limit[1]))

    def free() -> None:
        found = CheckpointFolder(tmp_path / "checkpoints").newest()
        assert found is not None
        seen.append(found.counters["step"])
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    saboteur = Saboteur(tmp_path, fill, free, rows=21)
    config = gym("Moody-v0", steps=40 * BATCH, era_updates=2, checkpoint_s=1e-9)
    try:
        result = train(config, tmp_path, writers=[saboteur])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert seen == [2 * BATCH], "the last good one is intact"
    told = [note for note in saboteur.notes if note.startswith("the checkpoint of step")]
    assert len(told) == 9, "one line for each save"
    assert told[0] == (
        "the checkpoint of step 128 could not be written: File too large; training goes on, and older checkpoints stay"
    )
    assert result.notes == tuple(saboteur.notes)
    assert learner(tmp_path)["counters"][0] == 40
    assert litter(tmp_path) == []


@pytest.mark.usefixtures("_every_update")
def test_a_folder_that_is_deleted_is_made_again(tmp_path: Path):
    run = tmp_path / "run"
    saboteur = Saboteur(run, lambda: shutil.rmtree(run), lambda: None)
    result = train(tiny(steps=20 * BATCH, era_updates=2, checkpoint_s=1e-9), run, writers=[saboteur])
    assert result.steps == 20 * BATCH
    assert learner(run)["counters"][0] == 20
    Policy.load(run / "policy").verify_golden()


@pytest.mark.usefixtures("_every_update")
def test_a_folder_that_cannot_be_written_any_more(tmp_path: Path):
    """Not even at the end: the policy is in the result."""
    run = tmp_path / "run"

    def replace() -> None:
        shutil.rmtree(run)
        run.write_text("in its place")

    result = train(
        tiny(steps=10 * BATCH, era_updates=2, checkpoint_s=1e-9), run, writers=[Saboteur(run, replace, print)]
    )
    assert result.steps == 10 * BATCH
    assert result.policy is not None
    assert "policy: cannot be written: Not a directory" in result.notes[-1]


@pytest.mark.usefixtures("_every_update")
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path):
    before = set(children())

    def shoot() -> None:
        os.kill(min(set(children()) - before), signal.SIGKILL)

    config = tiny(steps=12 * BATCH, engine="bullet", era_updates=4, checkpoint_s=1e-9)
    result = train(config, tmp_path, writers=[Saboteur(tmp_path, shoot, print)])
    assert result.steps == 12 * BATCH
    assert result.metrics["rollout/rebuilt"] >= 2, "both of its worlds"
    assert set(children()) <= before


def test_after_a_collapse_the_best_policy_is_kept(tmp_path: Path, rewards):
    fall = 60 * PER_UPDATE
    rewards[0] = lambda step: step / fall if step <= fall else 0.0
    config = gym("Moody-v0", steps=160 * BATCH, era_updates=5)
    result = train(config, tmp_path)
    collapse, kept = result.notes
    assert collapse.startswith("collapse: the mean return, 0, has been below")
    assert f"for {COLLAPSE_ERAS} eras; the policy of step {60 * BATCH:,} is the one that is kept" in collapse
    assert kept.startswith(f"the policy that is kept is that of step {60 * BATCH:,}: mean return ")
    assert learner(tmp_path)["counters"][0] == 160, "while the run would go on where it is"
    assert (tmp_path / "notes.log").read_text().count("\n") == 2


class Watcher(Recorder):
    """Takes policies that did better."""

    def __init__(self) -> None:
        super().__init__()
        self.better: list[tuple[int, Policy]] = []

    def best(self, step: int, policy: Policy) -> None:
        self.better.append((step, policy))


def test_the_best_policy_by_evaluation_is_kept(tmp_path: Path):
    watcher = Watcher()
    config = tiny(
        steps=31 * BATCH, era_updates=5, evaluation={"every_eras": 2, "worlds": 8}, a2c={"learning_rate": 0.1}
    )
    result = train(config, tmp_path, writers=[watcher])
    found = CheckpointFolder(tmp_path / "checkpoints").newest()
    assert found is not None
    best = found.counters["record"]["best"]
    assert best["by"] == "evaluation"
    assert best["step"] in {10 * BATCH, 20 * BATCH, 30 * BATCH, 31 * BATCH}
    step, policy = watcher.better[-1]
    assert step == best["step"] == policy.contract.training["steps"]
    assert {"evaluation/return", "evaluation/success"} <= result.metrics.keys()
    for name in ("policy", "policy-best"):
        kept = Policy.load(tmp_path / name)
        assert kept.contract.training["steps"] == best["step"]
        assert kept.golden is not None
        assert policy.golden is not None
        np.testing.assert_array_equal(kept.golden.action, policy.golden.action)


def test_a_goal_in_evaluation_ends_the_run(tmp_path: Path):
    goal: dict[str, Any] = {"mean_return": -1e9, "on": "evaluation"}
    config = tiny(steps=100 * BATCH, era_updates=2, evaluation={"every_eras": 3, "worlds": 4}, goal=goal)
    assert train(config, tmp_path).steps == 6 * BATCH


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path: Path):
    with pytest.raises(TrainingError, match="device: gpu is asked for, and TensorFlow sees none") as caught:
        train(tiny(device="gpu"), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
