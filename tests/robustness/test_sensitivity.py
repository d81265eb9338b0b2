"""Sensitivity: what is moved where, which quantities have a cliff, and what the pictures and numbers show."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from randomization import Randomization, Variant
from robots import load_robot
from sim2real.errors import ConfigError, RandomizationError
from sim2real.robustness import axes as module
from sim2real.robustness.axes import PLACES, Axis, axes_of
from sim2real.robustness.plots import plot_sensitivity
from sim2real.robustness.sensitivity import Curve, Sensitivity, sensitivity
from sim2real.robustness.trained_range import TrainedRange, trained_ranges
from tests.policies import trained_on

ROBOT = load_robot("cartpole")
LAWS = {
    "latency": {"law": "uniform", "low": 0.0, "high": 0.3},
    "mass/pole": {"law": "log_uniform", "low": 0.9, "high": 1.1},
    "encoder_resolution/cart_to_pole": {"law": "choice", "values": [0.0, 0.001]},
}


def family(**quantities: Any) -> Randomization:
    return Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, ROBOT)


def axes(randomization: Randomization) -> dict[str, Axis]:
    return {axis.name: axis for axis in axes_of(randomization, trained_ranges(randomization))}


def test_places_are_where_values_differ():
    found = axes(family(**LAWS))
    assert found["mass/pole"].places().tolist() == list(PLACES)
    assert found["latency"].places().tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5], "no time runs backwards"
    assert found["encoder_resolution/cart_to_pole"].places() == pytest.approx([-1.0, 1.0])
    assert found["encoder_resolution/cart_to_pole"].grid() == pytest.approx([-1.0, 1.0])
    assert found["latency"].value(0.0) == pytest.approx(0.15)


def test_what_is_moved_as_one(monkeypatch):
    shared = family(
        **{"damping/*": {"law": "uniform", "low": 0.0, "high": 1.0, "shared": True}}, latency=LAWS["latency"]
    )
    found = axes(shared)
    assert list(found) == ["damping/*", "latency"]
    variant = Variant.nominal(shared.space, 2)
    values = variant.values.copy()
    found["damping/*"].put(values, 0.5)
    assert values[:, shared.space.block("damping")].tolist() == [[0.75, 0.75]] * 2
    assert (found["damping/*"].value(0.5), found["damping/*"].unit) == (0.5, "half widths")
    monkeypatch.setattr(module, "MANY", 4)
    many = axes(Randomization.load("cartpole", ROBOT))
    assert list(many)[:4] == ["mass/*", "inertia/pole", "damping/*", "friction/*"]
    assert sum(len(axis.ranges) for axis in many.values()) == 17


def curve(rates: list[float], places: tuple[float, ...] = PLACES) -> Curve:
    axis = Axis("x", (TrainedRange("x", "1", 0, 0.0, 1.0),))
    counts = np.round(100 * np.array(rates)).astype(np.int64)
    return Curve(axis, np.array(places), np.array(places), counts, 100)


@pytest.mark.parametrize(
    ("rates", "cliff", "drop"),
    [
        ([0.9] * 7, "none", 0.0),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.45, 0.1], "beyond", 0.45),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.44, 0.9], "within", 0.46),
        ([0.0, 0.5, 0.6, 0.7, 0.9, 1.0, 1.0], "beyond", 0.5),
        ([0.0] * 7, "none", 0.0),
    ],
)
def test_a_cliff_is_below_half_of_the_middle(rates, cliff, drop):
    found = curve(rates)
    assert found.cliff == cliff
    assert found.drop == pytest.approx(drop)


@pytest.fixture(scope="module")
def study() -> tuple[Sensitivity, list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []
    policy = trained_on(LAWS, episode_s=2.0)
    return sensitivity(policy, worlds=6, workers=0, progress=lambda *done: calls.append(done)), calls


def test_a_policy_that_cannot_wait(study):
    """The hand-made policy bears 20 ms of latency, not 300 ms; the pole's mass within 10 % means nothing to it."""
    result, _ = study
    latency, *others = result.curves
    assert latency.axis.name == "latency"
    assert latency.rates[0] == 1.0
    assert latency.rates[-2:].tolist() == [0.0, 0.0]
    assert (np.diff(latency.rates) <= 0).all(), "the same worlds at each place"
    assert all(c.drop < latency.drop for c in others)
    assert result.episodes == 6 * (6 + 7 + 2 + 25 + 2 * 2 * 5)
    worst = result.pairs[0]
    assert worst.worst[0] == 0.0
    assert "latency" in (worst.first.name, worst.second.name)


def test_plain_data(study):
    data = study[0].to_dict()
    assert data["quantities"][0]["name"] == "latency"
    assert data["quantities"][0]["values"] == pytest.approx([0.0, 0.075, 0.15, 0.225, 0.3, 0.375])
    assert data["worlds"] == 6
    assert len(data["pairs"]) == 3
    assert set(data["cliffs"]) | set(data["cliffs_beyond"]) <= {"latency", "mass/pole"}


def test_progress_goes_forward_to_the_end(study):
    _, calls = study
    total = calls[-1][1]
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert done[-1] == total
    assert {t for _, t in calls} == {total}


def test_pictures(study, tmp_path: Path):
    paths = plot_sensitivity(study[0], tmp_path / "new")
    assert [path.name for path in paths] == ["sensitivity.png", "pairs.png"]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths)


def test_bad_input():
    policy = trained_on(LAWS)
    with pytest.raises(ConfigError, match="worlds: must be at least 1"):
        sensitivity(policy, worlds=0)
    with pytest.raises(RandomizationError, match="did you mean 'latency'"):
        sensitivity(policy, pattern="latncy")
    with pytest.raises(RandomizationError, match="nothing varies"):
        sensitivity(policy, randomization=Randomization.none(ROBOT))
