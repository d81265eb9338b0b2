"""The table of what varies says quantity, law, range, nominal value, unit and when, and fits a screen."""

from typing import Any

from randomization import Randomization, VariantSpace
from randomization.table import Row
from robots import Robot, load_robot

CARTPOLE = load_robot("cartpole")
A1 = load_robot("a1")
UNIFORM = {"law": "uniform", "low": 0.5, "high": 2.0}


def table(robot: Robot, quantities: dict[str, Any], **more: Any) -> list[Row]:
    return Randomization.from_dict({"robot": robot.name, "quantities": quantities, **more}, robot).table()


def test_the_table_says_what_varies():
    latency = {"law": "uniform", "low": 0, "high": 0.04, "when": "interval", "every": 2.5}
    gravity = {"law": "normal", "mean": 0, "std": 0.5, "low": -1, "high": 1, "relative": "offset", "when": "step"}
    mass, jitter = UNIFORM | {"law": "log_uniform"}, {"law": "fixed", "value": 0.01}
    rows = table(CARTPOLE, {"latency": latency, "mass/pole": mass, "gravity_z": gravity, "jitter": jitter})
    assert rows == [
        ("mass/pole", "log_uniform", "0.5 .. 2", "1", "x nominal", "episode"),
        ("latency", "uniform", "0 .. 0.04", "0", "s", "every 2.5 s"),
        ("jitter", "fixed", "0.01", "0", "s", "episode"),
        ("gravity_z", "normal", "nominal + (-1 .. 1)", "-9.81", "m/s^2", "step"),
    ]


def test_members_of_equal_law_share_a_row_however_they_are_named():
    rows = table(A1, {"mass/*": UNIFORM, "kp/*": UNIFORM | {"shared": True}, "kd/F*": UNIFORM})
    assert rows == [
        ("mass/* (13)", "uniform", "0.5 .. 2", "1", "x nominal", "episode"),
        ("kp/* (12)", "uniform, shared", "0.5 .. 2", "1", "x nominal", "episode"),
        (f"kd/{A1.actuator_names[0]} +5", "uniform", "0.5 .. 2", "1", "x nominal", "episode"),
    ]
    names = [name for name in VariantSpace(A1).names if name.startswith("mass/")]
    assert table(A1, dict.fromkeys(names, UNIFORM)) == rows[:1]


def test_draws_together_are_in_a_row_for_each_quantity():
    entry = {
        "law": "samples",
        "names": ["mass/*", "jitter"],
        "samples": [[1.0, 2.0, 0.0], [1.5, 0.5, 0.02]],
        "when": "world",
    }
    assert table(CARTPOLE, {}, correlated=[entry]) == [
        ("mass/* (2)", "samples, 3 together", "0.5 .. 2", "1", "x nominal", "world"),
        ("jitter", "samples, 3 together", "0 .. 0.02", "0", "s", "world"),
    ]


def test_scales_are_shown_as_such():
    law = UNIFORM | {"relative": "scale"}
    assert table(CARTPOLE, {"gravity_z": law}) == [
        ("gravity_z", "uniform", "0.5 .. 2 x nominal", "-9.81", "m/s^2", "episode")
    ]


def test_a_choice_is_shown_by_its_values_and_no_limit_as_none():
    few = {"law": "choice", "values": [0.001, 0.0, 5.0], "weights": [1, 1, 0]}
    many = {"law": "choice", "values": [30, 20, 10, 50, 40]}
    rows = table(CARTPOLE, {"encoder_resolution/cart_to_pole": few, "rate_limit/*": many})
    assert [(row[2], row[3]) for row in rows] == [("5 in 10 .. 50", "none"), ("0.001, 0", "0")]


def test_a_range_in_units_stands_beside_the_nominal_values():
    """Meant as factors, perhaps: the nominal values say that they are not."""
    ((_, _, drawn, nominal, _, _),) = table(load_robot("furuta"), {"damping/*": UNIFORM})
    assert (drawn, nominal) == ("0.5 .. 2", "0.0001 .. 0.002")
