"""Recorded episodes are those that `evaluate` judges, and strips show them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from sim2real.errors import ConfigError
from sim2real.evaluate import evaluate
from sim2real.pictures.recording import Recording, record_episode
from sim2real.pictures.strip import check_png, draw_strip
from tests.policies import standing_policy, trained_on

LATE = {"latency": {"law": "uniform", "low": 0.0, "high": 0.4}}


@pytest.fixture(scope="module")
def balanced() -> Recording:
    return record_episode(trained_on({}, episode_s=2.0), "bullet")


@pytest.fixture(scope="module")
def walked() -> Recording:
    return record_episode(standing_policy(episode_s=1.5, command_s=0.5), "mujoco", seed=3)


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_it_is_the_episode_that_is_judged(engine):
    """Worlds that differ in delay alone: some break the policy, after times that tell them apart."""
    policy = trained_on(LATE, episode_s=3.0)
    judged = evaluate(policy, engine, variants=6, seed=5, workers=0)
    assert 0 < judged.success.sum() < 6
    for world in range(6):
        found = record_episode(policy, engine, seed=5, world=world)
        assert found.failed == (not judged.success[world])
        assert found.time[-1] == pytest.approx(judged.seconds[world], abs=1e-9)


def test_what_is_recorded_of_a_robot_that_nothing_is_asked_of(balanced):
    assert balanced.asked == {}
    assert list(balanced.done) == ["slider_to_cart [m]", "cart_to_pole [rad]"]
    np.testing.assert_array_equal(balanced.done["slider_to_cart [m]"], balanced.q[:, 0])
    assert balanced.time[0] == 0.0
    assert balanced.time[-1] == pytest.approx(2.0)
    assert not balanced.failed


def test_what_is_recorded_of_one_that_follows_commands(walked):
    assert list(walked.asked) == list(walked.done) == ["forward [m/s]", "left [m/s]", "turn [rad/s]"]
    assert len(np.unique(walked.asked["forward [m/s]"])) == 3, "another command every 0.5 s"
    moved = np.linalg.norm(walked.base[-1, :2] - walked.base[0, :2])
    speed = np.hypot(walked.done["forward [m/s]"], walked.done["left [m/s]"])
    assert moved <= speed.sum() * walked.time[1] + 0.05
    assert np.abs(walked.done["forward [m/s]"]).max() > 0.0


@pytest.mark.parametrize("name", ["balanced", "walked"])
def test_a_strip_shows_moments_that_differ(name, request, tmp_path: Path):
    recording = request.getfixturevalue(name)
    path = tmp_path / "strip.png"
    draw_strip(recording, path, "title")
    pixels = imread(path)[:, :, :3]
    assert pixels.shape[1] == 1300
    columns = np.array_split(pixels[: pixels.shape[0] // 4], 5, axis=1)  # the first row of frames
    dark = [(column.min(axis=2) < 0.5).sum() for column in columns]
    assert min(dark) > 100, "a robot in each"


def test_a_robot_that_falls_at_once_has_a_strip_of_what_there_was(tmp_path: Path):
    policy = trained_on({"latency": {"law": "fixed", "value": 0.5}}, episode_s=3.0)
    recording = record_episode(policy, "mujoco")
    assert recording.failed
    parts = {name: getattr(recording, name)[:2] for name in ("time", "q", "base", "quaternion")}
    short = replace(recording, **parts, done={name: values[:2] for name, values in recording.done.items()})
    draw_strip(short, tmp_path / "short.png")
    assert (tmp_path / "short.png").stat().st_size > 1000


@pytest.mark.parametrize(("name", "words"), [("strip.jpg", "strip.png"), ("nowhere/strip.png", "make it first")])
def test_a_picture_that_cannot_be_is_refused(tmp_path: Path, name, words):
    with pytest.raises(ConfigError, match=words):
        check_png(tmp_path / name)
