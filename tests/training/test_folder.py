"""A run folder: one user at a time, and a line where it cannot be used; what stands in it beside the results."""

import os
import subprocess
from pathlib import Path

import pytest

from sim2real.config import read_yaml, validate
from sim2real.errors import TrainingError
from sim2real.training.config import TrainConfig, load_train_config
from sim2real.training.folder import claimed, describe, git_state, write_atomically
from tests.trainings import litter

CONFIG = validate(TrainConfig, {"environment": {"gymnasium": "CartPole-v1"}, "worlds": 2, "steps": 10}, "test")


def test_only_one_may_use_it(tmp_path: Path):
    run = tmp_path / "run"
    for _ in range(2):
        with claimed(run):
            assert (run / "lock").read_text() == str(os.getpid())
            with (
                pytest.raises(TrainingError, match=f"run: in use by process {os.getpid()}; choose another"),
                claimed(run),
            ):
                pass


def test_a_file_in_its_place(tmp_path: Path):
    (tmp_path / "run").write_text("mine")
    for path in (tmp_path / "run", tmp_path / "run" / "inside"):
        with pytest.raises(TrainingError, match=r"cannot be written: .*; choose another --out"), claimed(path):
            pass
    assert (tmp_path / "run").read_text() == "mine"


def test_what_a_killed_run_left_is_cleared(tmp_path: Path):
    for name in (".policy.draft", ".policy-best.replaced", ".policy.replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(name)
    (tmp_path / ".config.yaml.tmp").write_text("half of it")
    (tmp_path / "policy-best").mkdir()
    (tmp_path / ".mine").write_text("mine")
    with claimed(tmp_path):
        assert litter(tmp_path) == []
    assert (tmp_path / "policy" / "policy.yaml").read_text() == ".policy.replaced", "killed between two renames"
    assert not any((tmp_path / "policy-best").iterdir())
    assert (tmp_path / ".mine").exists()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "run.yaml"
    write_atomically(path, b"old")
    (tmp_path / ".run.yaml.tmp").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_every_start_is_written_down(tmp_path: Path):
    for step in (0, 640):
        describe(CONFIG, None, tmp_path, step)
    assert load_train_config(tmp_path / "config.yaml") == CONFIG
    starts = read_yaml(tmp_path / "run.yaml")["starts"]
    assert [start["step"] for start in starts] == [0, 640]
    assert {"python", "sim2real", "tensorflow", "mujoco"} <= starts[1]["versions"].keys()
    (tmp_path / "run.yaml").write_text("{")  # torn, or edited: the run is worth more than its diary
    describe(CONFIG, None, tmp_path, 700)
    assert [start["step"] for start in read_yaml(tmp_path / "run.yaml")["starts"]] == [700]


def test_the_state_of_the_code(tmp_path: Path):
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git("init", "-q")
    assert git_state(package) is None, "the repository is another's"
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert git_state(package) == {"commit": git("rev-parse", "HEAD").strip(), "dirty": False}
    (package / "__init__.py").write_text("changed = True\n")
    state = git_state(package)
    assert state is not None
    assert state["dirty"]
    assert git_state(tmp_path / "none") is None
