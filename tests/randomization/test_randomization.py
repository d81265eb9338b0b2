"""A Randomization draws what its YAML says, the same from the same stream, whatever way it came."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization import Randomization, Variant, VariantSpace, family_names, stream
from randomization.randomization import FAMILIES
from robots import Robot, load_robot
from sim2real.config import dump_yaml, parse_yaml, read_yaml
from sim2real.errors import ConfigError, RandomizationError

CARTPOLE = load_robot("cartpole")
SPACE = VariantSpace(CARTPOLE)
A1 = load_robot("a1")
HALF_TO_TWO = {"law": "log_uniform", "low": 0.5, "high": 2.0}
KINDS = {"floating": "a1", "fixed": "kuka_iiwa"}  # a robot for families that fit many, by their base
JOINTS = ["slider_to_cart", "cart_to_pole"]


@pytest.fixture
def cartpole() -> Robot:
    return CARTPOLE


def randomization(robot: Robot, **quantities: Any) -> Randomization:
    return Randomization.from_dict({"robot": robot.name, "quantities": quantities}, robot, "r.yaml")


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
        ("mass/?ole", ["mass/pole"]),
        ("[mi]*a*/pole", ["mass/pole", "inertia/pole"]),
        ("l?tency", ["latency"]),
        ("encoder_noise/*", [f"encoder_noise/{joint}" for joint in sorted(JOINTS, reverse=True)]),
    ],
)
def test_patterns(cartpole, pattern, names):
    laws = randomization(cartpole, **{pattern: {"law": "uniform", "low": 1.0, "high": 2.0}})
    assert sorted(laws.laws) == sorted(names)
    drawn = laws.draw(stream(0, "test"), 50)
    if len(names) > 1:
        assert (drawn[names[0]] != drawn[names[1]]).all()  # drawn independently


def test_base_is_the_root_body_whatever_its_name():
    law = {"law": "uniform", "low": -1.0, "high": 1.0}
    for name, root in (("a1", "trunk"), ("laikago", "chassis")):
        assert list(randomization(load_robot(name), **{"payload/@base": law}).laws) == [f"payload/{root}"]


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


@pytest.mark.parametrize(
    ("relative", "value"), [("value", lambda n, d: d), ("scale", lambda n, d: n * d), ("offset", lambda n, d: n + d)]
)
def test_draws_are_absolute_or_relative_to_the_nominal_value(relative, value):
    furuta = load_robot("furuta")
    space = VariantSpace(furuta)
    laws = randomization(furuta, **{"damping/*": {"law": "uniform", "low": 0.5, "high": 2.0, "relative": relative}})
    drawn = laws.draw(stream(0, "test"), 2000).block("damping")
    nominal = space.nominal[space.block("damping")]
    assert (nominal > 0).all()
    assert drawn.min(axis=0) == pytest.approx(value(nominal, 0.5), rel=0.01)
    assert drawn.max(axis=0) == pytest.approx(value(nominal, 2.0), rel=0.01)
    low, high = laws.bounds()[:, space.block("damping")]
    assert low == pytest.approx(value(nominal, 0.5), rel=1e-12)
    assert high == pytest.approx(value(nominal, 2.0), rel=1e-12)


def test_a_scale_of_a_negative_value_keeps_its_bounds_in_order(cartpole):
    laws = randomization(cartpole, gravity_z={"law": "uniform", "low": 0.5, "high": 2.0, "relative": "scale"})
    low, high = laws.bounds()[:, SPACE.index("gravity_z")]
    assert (low, high) == pytest.approx((-19.62, -4.905))
    drawn = laws.draw(stream(0, "test"), 100)["gravity_z"]
    assert (drawn >= low).all()
    assert (drawn <= high).all()


def test_shared_is_one_draw_for_all_members(cartpole):
    law = {"law": "uniform", "low": 0.5, "high": 2.0, "shared": True}
    drawn = randomization(cartpole, **{"mass/*": law}).draw(stream(0, "test"), 50)
    assert (drawn["mass/cart"] == drawn["mass/pole"]).all()
    assert np.unique(drawn["mass/cart"]).size == 50


EVERYTHING: dict[str, Any] = {
    "robot": "cartpole",
    "quantities": {
        "mass/*": {"law": "uniform", "low": 0.5, "high": 2.0, "shared": True, "when": "world"},
        "latency": {"law": "uniform", "low": 0.0, "high": 0.04, "when": "interval", "every": 2.0},
        "damping/*": {"law": "uniform", "low": 0.1, "high": 0.2, "relative": "offset"},
        "strength/*": {"law": "mixture", "parts": [{"law": "fixed", "value": 1.0}, HALF_TO_TWO], "weights": [3.0, 1.0]},
        "encoder_bias/*": {"law": "normal", "mean": 0.0, "std": 0.01, "low": -0.02, "high": 0.02},
        "encoder_resolution/*": {"law": "choice", "values": [0.0, 0.001], "when": "step"},
    },
    "correlated": [
        {
            "law": "gaussian",
            "names": ["friction/*"],
            "mean": [0.5, 0.01],
            "covariance": [[0.01, 0.0001], [0.0001, 2e-6]],
            "low": [0.0, 0.0],
        },
        {"law": "samples", "names": ["inertia/pole", "jitter"], "samples": [[1.0, 0.01], [2.0, 0.02]]},
    ],
}


@pytest.mark.parametrize(
    "data",
    [
        {"robot": "cartpole", "quantities": {"latency": HALF_TO_TWO, "mass/pole": HALF_TO_TWO}},
        {"robot": "cartpole", "quantities": {}},
        {"robot": "cartpole"},
        EVERYTHING,
    ],
)
def test_plain_data_reads_back_equal(cartpole, data):
    first = Randomization.from_dict(data, cartpole)
    again = Randomization.from_dict(parse_yaml(dump_yaml(first.to_dict()), "again"), cartpole)
    assert again.laws == first.laws
    assert again.to_dict() == first.to_dict()
    assert again.table() == first.table()
    assert again.draw(stream(5, "a"), 9).values.tobytes() == first.draw(stream(5, "a"), 9).values.tobytes()


def test_the_resolved_randomization_of_a_large_robot_fits_into_a_yaml():
    """As it stands beside a policy: every coordinate of an A1 with its law."""
    space = VariantSpace(A1)
    quantities = {
        name: quantity.default.model_dump(mode="json", exclude_none=True)
        for name, quantity in zip(space.names, space.quantities, strict=True)
    }
    first = Randomization.from_dict({"robot": "a1", "quantities": quantities}, A1)
    assert len(first.laws) == space.size
    assert Randomization.from_dict(parse_yaml(dump_yaml(first.to_dict()), "again"), A1).laws == first.laws


def test_the_same_stream_draws_the_same_bits_whatever_the_order_of_keys(cartpole):
    quantities = {"latency": HALF_TO_TWO, "mass/pole": HALF_TO_TWO, "friction/*": HALF_TO_TWO}
    reverse = dict(reversed(quantities.items()))
    a, b, c = (
        randomization(cartpole, **q).draw(stream(seed, "train"), 20).values
        for q, seed in ((quantities, 1), (reverse, 1), (quantities, 2))
    )
    assert a.tobytes() == b.tobytes()
    assert a.tobytes() != c.tobytes()


def test_a_pattern_draws_the_same_bits_as_its_members_one_by_one(cartpole):
    one_by_one = {"mass/cart": HALF_TO_TWO, "mass/pole": HALF_TO_TWO}
    a, b = (randomization(cartpole, **q).draw(stream(1, "x"), 9).values for q in ({"mass/*": HALF_TO_TWO}, one_by_one))
    assert a.tobytes() == b.tobytes()


def test_purposes_and_indices_are_independent():
    streams = [stream(s, p, *i) for s in (0, 1) for p in ("train", "evaluate", "") for i in ((), (0,), (1,), (0, 0))]
    draws = np.array([s.standard_normal(500) for s in streams])
    assert stream(0, "train", 1).standard_normal(500).tobytes() == draws[2].tobytes()
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 0.25  # 5.6 deviations


@given(st.integers(0, 2**63), st.text(max_size=10), st.text(max_size=10))
def test_another_purpose_is_another_stream(seed, one, other):
    assert (stream(seed, one).random() == stream(seed, other).random()) == (one == other)


@pytest.mark.parametrize(("data", "share"), [(read_yaml(FAMILIES / "cartpole.yaml"), 0.98), (EVERYTHING, 0.6)])
def test_bounds_hold_every_draw(cartpole, data, share):
    family = Randomization.from_dict(data, cartpole)
    low, high = family.bounds()
    values = family.draw(stream(0, "bounds"), 5000).values
    assert (values >= low).all()
    assert (values <= high).all()
    varied = np.isin(SPACE.names, list(family.laws))
    assert (low[~varied] == SPACE.nominal[~varied]).all()
    assert (high[~varied] == SPACE.nominal[~varied]).all()
    reach = np.ptp(values[:, varied], axis=0) / (high[varied] - low[varied])
    assert reach.min() > share  # the bounds are tight, too; a Gaussian comes near its ends only rarely


def test_none_draws_the_nominal_variant(cartpole):
    for nothing in (Randomization.none(cartpole), Randomization.load("none", cartpole), randomization(cartpole)):
        assert (nothing.draw(stream(0, "x"), 4).values == SPACE.nominal).all()
        assert nothing.table() == []


def test_a_narrowed_randomization_is_the_same_within_its_ranges(cartpole):
    full = Randomization.from_dict(EVERYTHING, cartpole)
    narrow = full.within({"quantities.latency": (0.01, 0.02), "quantities.mass/*": (1.0, 1.0)})
    drawn = narrow.draw(stream(0, "x"), 500)
    assert (drawn["mass/cart"] == 1).all()
    assert drawn["latency"].min() == pytest.approx(0.01, abs=1e-4)
    assert drawn["latency"].max() == pytest.approx(0.02, abs=1e-4)
    assert [term.clock for term in narrow.terms] == [term.clock for term in full.terms]
    with pytest.raises(RandomizationError) as caught:
        full.within({"quantities.encoder_resolution/*": (0.0, 0.0)})
    assert str(caught.value) == "quantities.encoder_resolution/*: a law without an interval cannot be narrowed"


@pytest.mark.parametrize("name", family_names())
def test_every_family_that_ships_loads_for_its_robot_and_varies_it(name):
    file = read_yaml(FAMILIES / f"{name}.yaml")
    robot = load_robot(file["robot"] if "robot" in file else KINDS[file["fits"]["base"]])
    family = Randomization.load(name, robot)
    assert np.unique(family.draw(stream(0, name), 8).values, axis=0).shape[0] == 8
    assert Randomization.load(FAMILIES / f"{name}.yaml", robot).laws == family.laws
    low, high = family.bounds()
    assert (low <= family.space.nominal).mean() > 0.8  # most of the nominal robot lies inside its family
    assert (high >= family.space.nominal).mean() > 0.8


def test_the_cartpole_family_varies_what_it_always_did(cartpole):
    family = Randomization.load("cartpole", cartpole)
    assert len(family.laws) == 17
    assert {term.clock for term in family.terms} == {("episode", None)}
    nominal = Variant.nominal(SPACE)
    assert nominal["mass/pole"] == 1


def test_files(tmp_path: Path, cartpole: Robot) -> None:
    with pytest.raises(RandomizationError) as caught:
        Randomization.load("cartpol", cartpole)
    shipped = ", ".join(family_names())
    assert str(caught.value).startswith(f"no randomization 'cartpol' (did you mean 'cartpole'?); shipped: {shipped}")
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
