"""The log of episodes: what is in it, that it goes on, and that it has an end."""

from pathlib import Path

import numpy as np
import pytest

from randomization import Randomization, Variant
from robots import load_robot
from sim2real.a2c.rollout import Ended
from sim2real.training import episode_log as module
from sim2real.training.episode_log import EpisodeLog, read_episodes

ROBOT = load_robot("cartpole")
FAMILY = Randomization.from_dict(
    {
        "robot": "cartpole",
        "quantities": {
            "latency": {"law": "uniform", "low": 0.0, "high": 0.1},
            "mass/pole": {"law": "uniform", "low": 0.5, "high": 2.0},
            "mass/cart": {"law": "fixed", "value": 2.0},
        },
    },
    ROBOT,
)


def ended(world: int, latency: float) -> Ended:
    truth = Variant.of(FAMILY.space, {"latency": latency, "mass/pole": 1.5, "mass/cart": 2.0})
    return Ended(world, 100 + world, -0.5, world == 1, truth.values[0])


def test_one_row_an_episode_with_what_varies(tmp_path: Path):
    log = EpisodeLog(tmp_path, 7, FAMILY)
    log.write(64, [])
    assert not log.path.exists()
    log.write(128, [ended(0, 0.01), ended(1, 0.02)])
    log.write(256, [ended(5, 0.03)])
    found = read_episodes(log.path)
    assert list(found) == ["step", "seed", "world", "length", "return", "success", "mass/pole", "latency"]
    assert found["step"].tolist() == [128, 128, 256]
    assert found["world"].tolist() == [0, 1, 5]
    assert found["length"].tolist() == [100, 101, 105]
    assert found["success"].tolist() == [0, 1, 0]
    assert found["latency"].tolist() == [0.01, 0.02, 0.03]
    assert (found["seed"] == 7).all()


def test_it_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    log = EpisodeLog(tmp_path, 7, FAMILY)
    for step in range(200):
        log.write(step, [ended(0, 0.01)])
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"episodes.csv", "episodes.1.csv"}
    assert max(sizes.values()) < 1100
    older, newer = (read_episodes(tmp_path / name)["step"] for name in ("episodes.1.csv", "episodes.csv"))
    assert np.diff([*older, *newer]).tolist() == [1] * (len(older) + len(newer) - 1)
    assert newer[-1] == 199


def test_a_resumed_run_goes_on_unless_something_else_varies(tmp_path: Path):
    EpisodeLog(tmp_path, 7, FAMILY).write(1, [ended(0, 0.01)])
    EpisodeLog(tmp_path, 7, FAMILY).write(2, [ended(0, 0.01)])
    assert read_episodes(tmp_path / "episodes.csv")["step"].tolist() == [1, 2]
    EpisodeLog(tmp_path, 7, Randomization.none(ROBOT)).write(3, [ended(0, 0.01)])
    assert read_episodes(tmp_path / "episodes.csv")["step"].tolist() == [3]
    assert "latency" in read_episodes(tmp_path / "episodes.1.csv")


def test_worlds_without_a_truth(tmp_path: Path):
    EpisodeLog(tmp_path, 7, None).write(1, [Ended(3, 5, 5.0, False, None)])
    assert read_episodes(tmp_path / "episodes.csv")["return"].tolist() == [5.0]
