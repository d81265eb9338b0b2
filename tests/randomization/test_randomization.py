"""A Randomization draws what its YAML says, the same from the same stream, and refuses what physics cannot bear."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization import QUANTITIES, Randomization, VariantSpace, family_names, stream
from randomization.randomization import FAMILIES
from robots import Robot, load_robot
from sim2real.config import dump_yaml, parse_yaml, read_yaml
from sim2real.errors import ConfigError, RandomizationError

CARTPOLE = load_robot("cartpole")
SPACE = VariantSpace(CARTPOLE)
HALF_TO_TWO = {"law": "log_uniform", "low": 0.5, "high": 2.0}


@pytest.fixture
def cartpole() -> Robot:
    return CARTPOLE


def randomization(robot: Robot, **quantities: Any) -> Randomization:
    return Randomization.from_dict({"robot": robot.name, "quantities": quantities}, robot, "r.yaml")


def refusal(robot: Robot, quantities: dict[str, Any]) -> str:
    with pytest.raises((RandomizationError, ConfigError)) as caught:
        randomization(robot, **quantities)
    return str(caught.value)


def test_what_is_named_varies_and_all_else_is_nominal(cartpole):
    drawn = randomization(cartpole, **{"mass/pole": HALF_TO_TWO, "latency": {"law": "fixed", "value": 0.01}}).draw(
        stream(0, "test"), 100
    )
    assert len(drawn) == 100
    assert np.unique(drawn["mass/pole"]).size == 100
    assert (drawn["latency"] == 0.01).all()
    for name in SPACE.names:
        if name not in ("mass/pole", "latency"):
            assert (drawn[name] == SPACE.nominal[SPACE.index(name)]).all()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("mass/*", ["mass/cart", "mass/pole"]),
        ("*/pole", ["mass/pole", "inertia/pole"]),
        ("mass/?ole", ["mass/pole"]),
        ("*ness*", []),
        ("l?tency", ["latency"]),
        ("*", list(SPACE.names)),
        ("MASS/*", []),
    ],
)
def test_patterns(cartpole, pattern, names):
    law = {"law": "uniform", "low": 1.0, "high": 2.0}
    if names:
        laws = randomization(cartpole, **{pattern: law})
        assert list(laws.laws) == names
        if len(names) > 1:
            drawn = laws.draw(stream(0, "test"), 50)
            assert (drawn[names[0]] != drawn[names[1]]).all()  # drawn independently
    else:
        assert f"r.yaml: quantities.{pattern}: no such quantity" in refusal(cartpole, {pattern: law})


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("mass/pol", "(did you mean 'mass/pole'?); there are mass/cart, mass/pole, "),
        ("mas/*", "(did you mean 'mass/pole'?); there are mass/cart, mass/pole, "),
        ("latenc?y", "(did you mean 'latency'?); there are mass/cart, "),
        ("mass.pole", "(did you mean 'mass/pole'?); there are mass/cart, "),
    ],
)
def test_a_pattern_without_a_match_names_the_nearest(cartpole, pattern, hint):
    assert f"r.yaml: quantities.{pattern}: no such quantity {hint}" in refusal(cartpole, {pattern: HALF_TO_TWO})


@pytest.mark.parametrize(("first", "second"), [("mass/*", "mass/pole"), ("mass/pole", "*/pole"), ("*/cart", "mass/*")])
def test_two_keys_for_one_coordinate_are_refused(cartpole, first, second):
    message = refusal(cartpole, {first: HALF_TO_TWO, second: HALF_TO_TWO})
    assert message.startswith(f"r.yaml: quantities.{second}: 'mass/")
    assert message.endswith("already has a law from another key; keep one of them")


def test_a_name_that_looks_like_a_pattern_names_itself():
    """A link's name may hold brackets, which in a pattern would be a set of letters."""
    names = {"cart": "a[1]", "pole": "a1"}
    links = tuple(replace(link, name=names.get(link.name, link.name)) for link in CARTPOLE.model.links)
    joints = tuple(
        replace(j, parent=names.get(j.parent, j.parent), child=names.get(j.child, j.child))
        for j in CARTPOLE.model.joints
    )
    robot = replace(CARTPOLE, model=replace(CARTPOLE.model, links=links, joints=joints))
    assert list(randomization(robot, **{"mass/a[1]": HALF_TO_TWO}).laws) == ["mass/a[1]"]
    assert list(randomization(robot, **{"mass/a*": HALF_TO_TWO}).laws) == ["mass/a[1]", "mass/a1"]


def test_another_robot_is_refused(cartpole):
    with pytest.raises(RandomizationError) as caught:
        Randomization.load("cartpole", load_robot("furuta"))
    assert str(caught.value).endswith("robot: this Randomization is for 'cartpole', the robot is 'furuta'")


LAWS_DOWN_TO: dict[str, Any] = {
    "fixed": lambda low: {"law": "fixed", "value": low},
    "uniform": lambda low: {"law": "uniform", "low": low, "high": low + 1},
    "normal": lambda low: {"law": "normal", "mean": low + 1, "std": 1.0, "low": low, "high": low + 5},
    "choice": lambda low: {"law": "choice", "values": [low + 1, low]},
}


@pytest.mark.parametrize("law", LAWS_DOWN_TO)
@pytest.mark.parametrize("quantity", [q.name for q in QUANTITIES if q.minimum == 0])
def test_what_physics_cannot_bear_is_refused(cartpole, quantity, law):
    name = SPACE.names[SPACE.block(quantity)][-1]
    strict = SPACE.minimum(name)[1]
    assert strict == (quantity in ("mass", "inertia"))
    for low in (-1e-9, -1.0, 0.0) if strict else (-1e-9, -1.0):
        bound = "above 0" if strict else "at least 0"
        message = refusal(cartpole, {name: LAWS_DOWN_TO[law](low)})
        assert message == f"r.yaml: quantities.{name}: can draw {low:g}, but must be {bound}; raise it"
    randomization(cartpole, **{name: LAWS_DOWN_TO[law](1e-9 if strict else 0.0)})


def test_a_value_of_weight_zero_is_never_drawn_and_so_allowed(cartpole):
    randomization(cartpole, **{"mass/pole": {"law": "choice", "values": [0, 1], "weights": [0, 1]}})


def test_a_bias_may_be_negative(cartpole):
    drawn = randomization(cartpole, **{"encoder_bias/*": {"law": "uniform", "low": -1, "high": 1}}).draw(
        stream(0, "x"), 50
    )
    assert drawn.block("encoder_bias").min() < 0


@pytest.mark.parametrize("quantities", [{"latency": HALF_TO_TWO, "mass/pole": HALF_TO_TWO}, {"*": HALF_TO_TWO}, {}])
def test_plain_data_reads_back_equal(cartpole, quantities):
    first = randomization(cartpole, **quantities)
    again = Randomization.from_dict(parse_yaml(dump_yaml(first.to_dict()), "again"), cartpole)
    assert again.laws == first.laws
    assert again.draw(stream(5, "a"), 9).values.tobytes() == first.draw(stream(5, "a"), 9).values.tobytes()


def test_the_same_stream_draws_the_same_bits_whatever_the_order_of_keys(cartpole):
    quantities = {"latency": HALF_TO_TWO, "mass/pole": HALF_TO_TWO, "friction/*": HALF_TO_TWO}
    reverse = dict(reversed(quantities.items()))
    a, b, c = (
        randomization(cartpole, **q).draw(stream(seed, "train"), 20).values
        for q, seed in ((quantities, 1), (reverse, 1), (quantities, 2))
    )
    assert a.tobytes() == b.tobytes()
    assert a.tobytes() != c.tobytes()


def test_purposes_and_indices_are_independent():
    streams = [stream(s, p, *i) for s in (0, 1) for p in ("train", "evaluate", "") for i in ((), (0,), (1,), (0, 0))]
    draws = np.array([s.standard_normal(500) for s in streams])
    assert stream(0, "train", 1).standard_normal(500).tobytes() == draws[2].tobytes()
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 0.25  # 5.6 deviations


@given(st.integers(0, 2**63), st.text(max_size=10), st.text(max_size=10))
def test_another_purpose_is_another_stream(seed, one, other):
    assert (stream(seed, one).random() == stream(seed, other).random()) == (one == other)


def test_bounds_hold_every_draw(cartpole):
    family = Randomization.load("cartpole", cartpole)
    low, high = family.bounds()
    values = family.draw(stream(0, "bounds"), 5000).values
    assert (values >= low).all()
    assert (values <= high).all()
    varied = np.isin(SPACE.names, list(family.laws))
    assert (low[~varied] == SPACE.nominal[~varied]).all()
    assert (high[~varied] == SPACE.nominal[~varied]).all()
    reach = (values.max(axis=0) - values.min(axis=0))[varied] / (high - low)[varied]
    assert reach.min() > 0.98  # the bounds are tight, too


def test_none_draws_the_nominal_variant(cartpole):
    for nothing in (Randomization.none(cartpole), Randomization.load("none", cartpole), randomization(cartpole)):
        assert (nothing.draw(stream(0, "x"), 4).values == SPACE.nominal).all()
        assert nothing.table() == []


def test_the_table_says_what_varies(cartpole):
    laws = randomization(cartpole, **{"latency": {"law": "uniform", "low": 0, "high": 0.04}, "mass/pole": HALF_TO_TWO})
    assert laws.table() == [
        ("mass/pole", "log_uniform", "0.5 .. 2", "x nominal"),
        ("latency", "uniform", "0 .. 0.04", "s"),
    ]


@pytest.mark.parametrize("name", family_names())
def test_every_family_that_ships_loads_for_its_robot_and_varies_it(name):
    robot = load_robot(read_yaml(FAMILIES / f"{name}.yaml")["robot"])
    family = Randomization.load(name, robot)
    assert np.unique(family.draw(stream(0, name), 8).values, axis=0).shape[0] == 8
    assert Randomization.load(FAMILIES / f"{name}.yaml", robot).laws == family.laws
    low, high = family.bounds()
    assert (low <= family.space.nominal).mean() > 0.8  # most of the nominal robot lies inside its family
    assert (high >= family.space.nominal).mean() > 0.8


def test_files(tmp_path: Path, cartpole: Robot) -> None:
    with pytest.raises(RandomizationError) as caught:
        Randomization.load("cartpol", cartpole)
    assert str(caught.value).startswith("no randomization 'cartpol' (did you mean 'cartpole'?); shipped: cartpole")
    with pytest.raises(ConfigError, match=r"missing\.yaml: no such file"):
        Randomization.load(tmp_path / "missing.yaml", cartpole)
    path = tmp_path / "mine.yaml"
    path.write_text(
        "robot: cartpole\nquantities:\n  mass/pole: {law: uniform, low: 1, high: 2}\n  mass/pole: {law: fixed}\n"
    )
    with pytest.raises(ConfigError) as twice:
        Randomization.load(path, cartpole)
    assert str(twice.value) == f"{path}:4: key 'mass/pole' stands twice, in lines 3 and 4"
    path.write_text("robot: cartpole\nquantities:\n  mass/pole: {law: uniform, low: 0, high: 2}\n")
    with pytest.raises(RandomizationError) as zero:
        Randomization.load(str(path), cartpole)
    assert str(zero.value) == f"{path}: quantities.mass/pole: can draw 0, but must be above 0; raise it"


@pytest.mark.parametrize(
    ("quantities", "problem"),
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
    ],
)
def test_a_mistake_in_a_law_names_the_quantity(cartpole, quantities, problem):
    assert refusal(cartpole, quantities).startswith(f"r.yaml: {problem}")
