"""Whatever is wrong with a Randomization's YAML is refused before anything is built: all of it, with key paths."""

from typing import Any

import pytest

from randomization import QUANTITIES, Randomization, VariantSpace
from robots import Robot, load_robot
from sim2real.errors import RandomizationError

CARTPOLE = load_robot("cartpole")
A1 = load_robot("a1")
HALF_TO_TWO = {"law": "log_uniform", "low": 0.5, "high": 2.0}
BELOW_ZERO = {"law": "uniform", "low": -1.0, "high": 2.0}


def refusal(robot: Robot, data: dict[str, Any], episode_s: float | None = None) -> str:
    with pytest.raises(RandomizationError) as caught:
        Randomization.from_dict({"robot": robot.name, **data}, robot, "r.yaml", episode_s)
    return str(caught.value)


def refused(quantities: dict[str, Any], robot: Robot = CARTPOLE, episode_s: float | None = None) -> str:
    message = refusal(robot, {"quantities": quantities}, episode_s)
    assert message.startswith("r.yaml: ")
    return message.removeprefix("r.yaml: ")


@pytest.mark.parametrize(
    ("pattern", "finding"),
    [
        ("mass/pol", "no such quantity (did you mean 'mass/pole'?); mass is there for cart, pole; "),
        ("mas/*", "no such quantity (did you mean 'mass/*'?); cartpole has mass/*, payload/*, "),
        ("latenc?y", "no such quantity (did you mean 'latency'?); cartpole has mass/*, payload/*, "),
        ("mass.pole", "no such quantity (did you mean 'mass/pole'?); cartpole has mass/*, payload/*, "),
        ("MASS/*", "no such quantity (did you mean 'mass/*'?); cartpole has mass/*, payload/*, "),
        ("*ness*", "no such quantity"),
        ("sliding_friction/*", "cartpole has nothing for 'sliding_friction' to act on; leave it out; "),
        (
            "payload/@base",
            "the base of 'cartpole', slideBar, is bolted to the world; payload is there for cart, pole; ",
        ),
        (
            "payload/@end_effector",
            "the robot.yaml of 'cartpole' names no end_effector; payload is there for cart, pole; ",
        ),
        ("latency/x", "no such quantity (did you mean 'latency'?); latency is there for the whole robot; "),
    ],
)
def test_a_pattern_without_a_match_names_the_nearest_and_what_there_is(pattern, finding):
    message = refused({pattern: HALF_TO_TWO})
    assert message.startswith(f"quantities.{pattern}: {finding}")
    assert message.count("cartpole has mass/*, payload/*, ") == 1
    assert ", latency, " in message


def test_what_there_is_is_listed_once_and_by_kind():
    message = refused({"mas": HALF_TO_TWO, "frict/*": HALF_TO_TWO}, A1)
    assert "quantities.mas: no such quantity" in message
    assert "quantities.frict/*: no such quantity" in message
    assert message.count("a1 has ") == 1
    assert "..." not in message  # fits into a message, uncut


@pytest.mark.parametrize(
    ("first", "second"), [("mass/*", "mass/pole"), ("mass/pole", "m?ss/pole"), ("mass/?art", "mass/*")]
)
def test_two_keys_for_one_coordinate_are_refused(first, second):
    message = refused({first: HALF_TO_TWO, second: HALF_TO_TWO})
    assert message.startswith(f"quantities.{second}: 'mass/")
    assert message.endswith(f"already has a law from another key, quantities.{first}; keep one of them")


def test_a_key_and_a_correlated_draw_for_one_coordinate_are_refused():
    together = {"law": "samples", "names": ["mass/pole", "jitter", "jitter"], "samples": [[1.0, 0.0, 0.0]]}
    message = refusal(CARTPOLE, {"quantities": {"mass/*": HALF_TO_TWO}, "correlated": [together]})
    assert "correlated.0: names stand for a coordinate twice; keep one of them" in message
    assert "correlated.0: 'mass/pole' already has a law from another key, quantities.mass/*" in message


@pytest.mark.parametrize(
    ("quantities", "finding"),
    [
        ({"mass/pole": 2}, "quantities.mass/pole: must be a mapping of keys to values (got 2)"),
        ({"mass/pole": {"law": "unifrm", "low": 1, "high": 2}}, "quantities.mass/pole.law: must be one of fixed, "),
        (
            {"mass/pole": {"law": "uniform", "low": 1, "hi": 2}},
            "quantities.mass/pole.hi: unknown key (did you mean 'high'?)",
        ),
        (
            {"mass/pole": {"law": "uniform", "low": 3, "high": 2}},
            "quantities.mass/pole: low 3 is above high 2; swap them",
        ),
        (
            {"mass/pole": {"law": "uniform", "low": "1", "high": 2}},
            "quantities.mass/pole.low: must be a number (got '1')",
        ),
        (
            {"mass/*": HALF_TO_TWO | {"when": "reset"}},
            "quantities.mass/*.when: must be 'world', 'episode', 'interval' or 'step' (got 'reset')",
        ),
        (
            {"mass/*": HALF_TO_TWO | {"relative": "add"}},
            "quantities.mass/*.relative: must be 'value', 'scale' or 'offset' (got 'add')",
        ),
        (
            {"mass/*": HALF_TO_TWO | {"when": "interval"}},
            "quantities.mass/*: every (seconds) goes with when: interval, and only with it",
        ),
        (
            {"mass/*": HALF_TO_TWO | {"every": 2.0}},
            "quantities.mass/*: every (seconds) goes with when: interval, and only with it",
        ),
        (
            {"mass/*": HALF_TO_TWO | {"when": "interval", "every": 0}},
            "quantities.mass/*.every: must be greater than 0 (got 0)",
        ),
        ({"mass/*": HALF_TO_TWO | {"shared": "no"}}, "quantities.mass/*.shared: must be true or false (got 'no')"),
    ],
)
def test_a_mistake_in_a_law_names_the_quantity(quantities, finding):
    assert refused(quantities).startswith(finding)


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        ({"robot": None}, "give either robot (a name) or fits (a mapping), which says what robots this is for"),
        ({"fits": {"base": "fixed"}}, "give either robot (a name) or fits (a mapping)"),
        ({"robot": None, "fits": {"base": "flying"}}, "fits.base: must be 'floating' or 'fixed' (got 'flying')"),
        (
            {"robot": None, "fits": {"base": "floating"}},
            "fits.base: this is for robots with a floating base, that of 'cartpole' is fixed",
        ),
        (
            {"robot": None, "fits": {"motors": "position"}},
            "fits.motors: this is for motors commanded in position, those of 'cartpole' are in effort",
        ),
        ({"quantity": {}}, "quantity: unknown key (did you mean 'quantities'?)"),
        ({"quantities": []}, "quantities: must be a mapping of keys to values (got a list)"),
        ({"correlated": {}}, "correlated: must be a list (got a mapping)"),
    ],
)
def test_a_mistake_around_the_laws(data, finding):
    assert refusal(CARTPOLE, data).startswith(f"r.yaml: {finding}")


LAWS_DOWN_TO: dict[str, Any] = {
    "fixed": lambda low: {"law": "fixed", "value": low},
    "uniform": lambda low: {"law": "uniform", "low": low, "high": low + 1},
    "normal": lambda low: {"law": "normal", "mean": low + 1, "std": 1.0, "low": low, "high": low + 5},
    "choice": lambda low: {"law": "choice", "values": [low + 1, low]},
    "mixture": lambda low: {
        "law": "mixture",
        "parts": [{"law": "fixed", "value": low}, {"law": "fixed", "value": low + 1}],
    },
}
A1_SPACE = VariantSpace(A1)


@pytest.mark.parametrize("law", LAWS_DOWN_TO)
@pytest.mark.parametrize("quantity", [q.name for q in QUANTITIES if q.minimum == 0 and q.members(A1)])
def test_what_is_below_what_physics_bears_is_refused(quantity, law):
    name = A1_SPACE.names[A1_SPACE.block(quantity)][-1]
    strict = A1_SPACE.minimum(name)[1]
    for low in (-1e-9, -1.0, 0.0) if strict else (-1e-9, -1.0):
        bound = "above 0" if strict else "at least 0"
        assert f"quantities.{name}: can draw {low:g}, but must be {bound}; raise it" in refused(
            {name: LAWS_DOWN_TO[law](low)}, A1
        )


@pytest.mark.parametrize("quantity", [q for q in QUANTITIES if abs(q.maximum) < 1e9 and q.members(A1)])
def test_what_is_above_what_physics_bears_is_refused(quantity):
    name = A1_SPACE.names[A1_SPACE.block(quantity.name)][0]
    beyond = quantity.maximum + 1
    message = refused({name: {"law": "fixed", "value": beyond}}, A1)
    assert message == f"quantities.{name}: can draw {beyond:g}, but must be at most {quantity.maximum:g}; lower it"


def test_a_pattern_names_what_goes_out_of_range():
    assert refused({"mass/*": BELOW_ZERO}) == (
        "quantities.mass/*: can draw -1 for mass/cart and 1 more, but must be above 0; raise it"
    )


def test_ranges_are_checked_in_units_whatever_they_are_relative_to():
    furuta = load_robot("furuta")
    law = {"law": "uniform", "low": -0.001, "high": 0.0, "relative": "offset"}
    assert refused({"damping/*": law}, furuta).startswith(
        "quantities.damping/*: can draw -0.0009 for damping/pendulum_joint, but must be at least 0; raise it"
    )


def test_a_value_of_weight_zero_is_never_drawn_and_so_allowed():
    law = {"law": "choice", "values": [0, 1], "weights": [0, 1]}
    Randomization.from_dict({"robot": "cartpole", "quantities": {"mass/pole": law}}, CARTPOLE)


@pytest.mark.parametrize(
    ("pattern", "relative", "nominal"),
    [("damping/*", "scale", "0"), ("no_load_speed/*", "scale", "inf"), ("rate_limit/*", "offset", "inf")],
)
def test_what_would_change_nothing_is_refused(pattern, relative, nominal):
    message = refused({pattern: HALF_TO_TWO | {"relative": relative}}, A1)
    assert message.startswith(f"quantities.{pattern}: relative: {relative} changes nothing for {pattern[:-1]}")
    assert message.endswith(
        f"and 11 more: the nominal value is {nominal}; give the values themselves (relative: value)"
    )


def test_one_draw_for_two_kinds_of_quantities_is_refused():
    assert refused({"*/pole": HALF_TO_TWO | {"shared": True}}).startswith(
        "quantities.*/pole: shared: one draw for mass and payload and "
    )


def test_a_payload_must_leave_some_mass_of_the_lightest_body_drawn():
    """The cart weighs 1 kg, the pole 0.1 kg."""
    half = {"law": "uniform", "low": 0.5, "high": 1.0}
    bare = {"law": "uniform", "low": -0.6, "high": 0.0}
    Randomization.from_dict({"robot": "cartpole", "quantities": {"payload/cart": bare}}, CARTPOLE)
    assert refused({"payload/*": bare, "mass/cart": half}) == (
        "quantities.payload/*: can take 0.6 kg from cart, which weighs 0.5 kg at least; raise its low; "
        "quantities.payload/*: can take 0.6 kg from pole, which weighs 0.1 kg at least; raise its low"
    )


def test_a_payload_is_judged_beside_whatever_else_is_wrong():
    """Also where the mass may be nothing at all, which is a finding of its own."""
    message = refused(
        {
            "mass/cart": {"law": "uniform", "low": -1.0, "high": 1.0},
            "payload/cart": {"law": "uniform", "low": -0.6, "high": 0.0},
            "mas/*": HALF_TO_TWO,
        }
    )
    assert "quantities.mass/cart: can draw -1, but must be above 0" in message
    assert "quantities.payload/cart: can take 0.6 kg from cart, which weighs 0 kg at least; raise its low" in message


def test_delays_must_end_and_intervals_pass_within_an_episode():
    late = {"law": "uniform", "low": 0.0, "high": 5.0}
    quantities = {"latency": late, "encoder_delay": late, "mass/*": HALF_TO_TWO | {"when": "interval", "every": 6.0}}
    data = {"robot": "cartpole", "quantities": quantities}
    Randomization.from_dict(data, CARTPOLE, episode_s=10.0)
    Randomization.from_dict(data, CARTPOLE)
    assert refused(quantities, episode_s=5.0) == (
        "quantities.latency: can draw 5 s, but an episode lasts 5 s; lower it; "
        "quantities.encoder_delay: can draw 5 s, but an episode lasts 5 s; lower it; "
        "quantities.mass/*: every 6 s is not within an episode of 5 s; use when: episode"
    )


def test_everything_that_is_wrong_is_in_one_message():
    quantities = {
        "mas/*": HALF_TO_TWO,
        "mass/pole": BELOW_ZERO,
        "mass/*": HALF_TO_TWO,
        "latency": {"law": "uniform", "low": 2, "high": 1},
        "jitter": {"law": "uniform", "low": 0, "high": 9},
        "strength/*": {"law": "choice", "values": []},
    }
    together = {"law": "gaussian", "names": ["friction/*", "inertias"], "mean": [1.0], "std": [1.0, 2.0]}
    message = refusal(CARTPOLE, {"quantities": quantities, "correlated": [together]}, episode_s=5.0)
    assert "\n" not in message
    for finding in (
        "quantities.mas/*: no such quantity",
        "quantities.mass/pole: can draw -1, but must be above 0",
        "quantities.mass/*: 'mass/pole' already has a law from another key, quantities.mass/pole",
        "quantities.latency: low 2 is above high 1",
        "quantities.jitter: can draw 9 s, but an episode lasts 5 s",
        "quantities.strength/*.values: must not be empty",
        "correlated.0: std has 2 numbers, mean has 1",
    ):
        assert message.count(finding) == 1, finding
