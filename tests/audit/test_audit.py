"""The audit of sound robots passes, says what it measured, and is refused in one line what is not there."""

import json
from contextlib import closing

import numpy as np
import pytest

from randomization import QUANTITIES, Randomization, VariantSpace
from robots import load_robot
from sim2real.audit import audit
from sim2real.audit.cases import choose, ends, make_cases
from sim2real.audit.judge import LEAST
from sim2real.audit.read_back import FIELDS, make_reader
from sim2real.audit.worlds import Worlds
from sim2real.errors import RandomizationError
from sim2real.tasks.task import load_task


@pytest.fixture(scope="module")
def cartpole():
    return audit(load_robot("cartpole"), resets=1000)


def test_cartpole_passes(cartpole):
    assert [(row.name, [str(f) for f in row.findings]) for row in cartpole.failures] == []
    assert cartpole.general == ()
    assert cartpole.ok


def test_every_coordinate_has_a_row(cartpole):
    assert [row.name for row in cartpole.rows] == list(VariantSpace(load_robot("cartpole")).names)


def test_what_is_read_back_is_what_was_set(cartpole):
    row = cartpole.row("mass/pole")
    for engine in ("bullet", "mujoco"):
        assert row.ends[engine, "low"].read_back == pytest.approx(row.low, rel=1e-9)
        assert row.ends[engine, "high"].read_back == pytest.approx(row.high, rel=1e-9)
    measured = cartpole.row("friction/cart_to_pole").ends["bullet", "high"]
    assert measured.read_back == pytest.approx(0.05, rel=1e-3)  # which PyBullet does not tell


def test_mechanics_tells_what_may_do_nothing(cartpole):
    for name in ("inertia/cart", "com_y/pole", "gravity_y"):
        assert cartpole.row(name).verdict == "idle"
        assert cartpole.row(name).idle_in.keys() == {"bullet", "mujoco"}
    for name in ("inertia/pole", "gravity_x"):
        assert cartpole.row(name).verdict == "ok"
        assert cartpole.row(name).idle_in == {}


def test_what_moves_nothing_says_why(cartpole):
    for row in cartpole.rows:
        for (engine, end), measured in row.ends.items():
            assert (measured.change <= LEAST) == bool(measured.reason), (row.name, engine, end)


def test_engines_are_compared(cartpole):
    compared = {row.name for row in cartpole.rows if row.agreements}
    assert {"mass/cart", "mass/pole", "damping/cart_to_pole", "strength/slider_to_cart", "gravity_x"} <= compared
    for agreement in cartpole.row("mass/pole").agreements.values():
        assert agreement.cosine is not None
        assert agreement.cosine > 0.99
        assert agreement.ratio == pytest.approx(1.0, abs=0.05)


def test_json(cartpole):
    data = json.loads(json.dumps(cartpole.to_dict()))
    assert data["ok"] is True
    assert len(data["rows"]) == len(cartpole.rows)
    rows = {row["name"]: row for row in data["rows"]}
    assert {"name", "unit", "nominal", "low", "high", "measured", "verdict"} <= rows["mass/pole"].keys()
    assert [compared["end"] for compared in rows["mass/pole"]["compared"]] == ["low", "high"]
    assert rows["encoder_noise/slider_to_cart"]["compared"] is None
    assert rows["gravity_y"]["verdict"] == "idle"
    assert set(rows["gravity_y"]["idle"].values()) == {"no joint moves along this axis"}


def test_same_audit_twice():
    one, two = (audit(load_robot("furuta"), quantities=["mass", "encoder_noise"], resets=5) for _ in range(2))
    assert [row.ends for row in one.rows] == [row.ends for row in two.rows]


def test_ranges_of_a_randomization_and_start_of_a_task():
    robot = load_robot("cartpole")
    found = audit(
        robot,
        load_task("balance", robot),
        quantities=["mass"],
        randomization=Randomization.load("cartpole", robot),
        resets=5,
    )
    low, high = Randomization.load("cartpole", robot).bounds()[:, VariantSpace(robot).index("mass/cart")]
    assert (found.row("mass/cart").low, found.row("mass/cart").high) == (low, high)
    assert found.ok
    assert [row.name for row in found.rows] == ["mass/cart", "mass/pole"]


def test_only_what_a_randomization_varies():
    robot = load_robot("cartpole")
    randomization = Randomization.from_dict(
        {"robot": "cartpole", "quantities": {"mass/pole": {"law": "uniform", "low": 0.9, "high": 1.1}}}, robot
    )
    found = audit(robot, quantities=["mass", "com_x"], randomization=randomization, resets=5)
    assert [(row.name, row.low, row.high) for row in found.rows] == [("mass/pole", 0.9, 1.1)]
    with pytest.raises(RandomizationError, match="nothing that com_x matches varies"):
        audit(robot, quantities=["com_x"], randomization=randomization)
    with pytest.raises(RandomizationError, match="it varies nothing of cartpole"):
        audit(robot, randomization=Randomization.from_dict({"robot": "cartpole", "quantities": {}}, robot))


def test_contact_sensors_feel_the_floor_in_both_engines():
    found = audit(load_robot("a1"), quantities=["contact_scale"], resets=2)
    assert [(row.name, row.verdict, row.idle_in) for row in found.rows] == [
        (f"contact_scale/{foot}_toe", "ok", {}) for foot in ("FR", "FL", "RR", "RL")
    ]


def test_a_quantity_that_is_not_there():
    with pytest.raises(RandomizationError, match="did you mean 'mass'"):
        audit(load_robot("cartpole"), quantities=["mas"])


def test_cases_are_the_ends_that_are_not_nominal():
    space = VariantSpace(load_robot("cartpole"))
    cases = make_cases(
        space, ends(space, None), choose(space, ["friction/cart_to_pole", "mass/cart"], None, range(space.size))
    )
    assert [(case.name, case.end, case.value) for case in cases] == [
        ("mass/cart", "low", 0.8),
        ("mass/cart", "high", 1.2),
        ("friction/cart_to_pole", "high", 0.05),
    ]


def test_a_few_members_of_each_quantity():
    space = VariantSpace(load_robot("kuka_iiwa"))
    columns = choose(space, ["mass", "damping"], 2, range(space.size))
    assert [space.names[c].split("/")[0] for c in columns] == ["mass", "mass", "damping", "damping"]


def test_each_quantity_that_engines_hold_can_be_read():
    held = {quantity.name for quantity in QUANTITIES if quantity.place == "engine" and quantity.per != "floor"}
    assert held <= FIELDS.keys() | {"ground_friction"}


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_engines_hold_the_nominal_robot(tumbler, engine):
    with closing(Worlds(tumbler, engine, 1)) as worlds:
        held = make_reader(worlds.engine, engine).snapshot(0)

    def number(field: str, owner: str) -> np.ndarray:
        found = held[field].of(owner)
        assert found is not None
        return found

    np.testing.assert_allclose(number("mass", "base"), 4.0)
    np.testing.assert_allclose(number("com", "base"), [0.01, -0.02, 0.01], atol=1e-9)
    np.testing.assert_allclose(number("inertia", "base"), np.diag([0.05, 0.06, 0.07]).ravel(), atol=1e-9)
    np.testing.assert_allclose(number("damping", "shoulder"), 0.05, rtol=1e-4)
    np.testing.assert_allclose(number("friction", "shoulder"), 0.02, rtol=1e-4)
    np.testing.assert_allclose(number("sliding", "base"), 0.8)
    np.testing.assert_allclose(number("gravity", ""), [0.0, 0.0, -9.81])


def test_tumbler_passes(tumbler):
    bodily = ["mass", "com_?", "inertia", "*_friction", "restitution", "contact_*", "kp", "kd", "strength", "gravity_?"]
    found = audit(tumbler, quantities=[*bodily, "damping", "friction", "armature", "limit_offset", "slope"], resets=100)
    assert [(row.name, [str(f) for f in row.findings]) for row in found.failures] == []
    assert found.ok
