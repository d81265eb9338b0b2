"""Ranges that hardly anybody means are drawn from, with a warning that names their key."""

from typing import Any

import pytest

from randomization import Randomization, preset_names
from randomization.randomization import family_names
from robots import load_robot
from sim2real.errors import RandomizationError

CARTPOLE = load_robot("cartpole")


def warnings(**quantities: Any) -> list[str]:
    return Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, CARTPOLE).warnings


def uniform(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"law": "uniform", "low": low, "high": high, **more}


@pytest.mark.parametrize(
    ("name", "law", "words"),
    [
        ("gravity_z", uniform(9.0, 10.0), "gravity can be drawn as 10 m/s^2, which is up; down is negative"),
        ("gravity_z", uniform(-1.0, -0.5, relative="scale"), "gravity can be drawn as 9.81 m/s^2"),
        ("latency", uniform(0.0, 2.0), "can draw 2 s; is it meant in milliseconds?"),
        ("encoder_delay", uniform(5.0, 9.0), "can draw 9 s; is it meant in milliseconds?"),
        ("mass/*", uniform(0.005, 2.0), "can draw 0.005 times the nominal value for mass/cart and 1 more; is it meant"),
        ("inertia/pole", uniform(0.001, 1.0), "can draw 0.001 times the nominal value; is it meant"),
    ],
)
def test_a_range_hardly_meant(name: str, law: dict[str, Any], words: str):
    found, *_ = warnings(**{name: law})
    assert found.startswith(f"quantities.{name}: {words}")


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("gravity_z", uniform(-12.0, 0.0)),
        ("gravity_z", uniform(-1.0, 1.0, relative="offset")),
        ("latency", uniform(0.0, 1.0)),
        ("mass/*", uniform(0.01, 100.0)),
        ("push_interval", uniform(5.0, 10.0)),
        ("encoder_noise/*", uniform(0.0, 0.001)),
    ],
)
def test_a_range_that_may_well_be_meant(name: str, law: dict[str, Any]):
    assert warnings(**{name: law}) == []


def test_what_ships_gives_no_warning():
    seen = set()
    for robot in map(load_robot, ("a1", "cartpole", "furuta", "kuka_iiwa")):
        for name in (*preset_names(), *family_names()):
            try:
                assert Randomization.load(name, robot).warnings == []
            except RandomizationError:
                continue  # for another robot
            seen.add(name)
    assert len(seen) >= 5
