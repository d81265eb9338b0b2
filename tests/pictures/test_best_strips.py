"""Strips of the best policies: drawn beside the training, the newest where there are many, none left half-done."""

from pathlib import Path

import pytest
from matplotlib.image import imread

from sim2real.pictures.best_strips import BestStrips
from tests.policies import trained_on


def test_the_first_and_the_last_of_many_are_drawn(tmp_path: Path):
    policy = trained_on({}, episode_s=0.2)
    with BestStrips(tmp_path / "strips", "mujoco") as strips:
        for step in (10, 20, 30):
            strips.best(step, policy)
            strips.write(step, {})
        assert strips._process is not None
        assert strips._process.poll() is None, "training does not wait for pictures"
    assert sorted(path.name for path in (tmp_path / "strips").iterdir()) == ["step-10.png", "step-30.png"]
    assert imread(tmp_path / "strips" / "step-30.png").shape[1] == 1300
    assert not Path(strips._draft.name).exists()


def test_a_training_that_fails_waits_for_no_picture(tmp_path: Path):
    def fail() -> None:
        with strips:
            strips.best(1, trained_on({}, episode_s=0.2))
            raise RuntimeError

    strips = BestStrips(tmp_path, "mujoco")
    with pytest.raises(RuntimeError):
        fail()
    assert strips._process is not None
    assert strips._process.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_without_a_best_nothing_is_left(tmp_path: Path):
    with BestStrips(tmp_path / "strips", "mujoco") as strips:
        strips.write(1, {"rollout/return": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_oserror(tmp_path: Path):
    (tmp_path / "file").touch()
    with BestStrips(tmp_path / "file" / "strips", "mujoco") as strips, pytest.raises(OSError, match="strips"):
        strips.best(1, trained_on({}, episode_s=0.2))
