"""Each fault planted in an engine makes the audit fail, with the verdict that names it, at the quantity that has it."""

from collections.abc import Callable
from typing import Any

import pytest

from robots import Robot, load_robot
from sim2real.audit import Audit, audit
from tests.audit import faults

ENGINES = ["bullet", "mujoco"]


def cartpole_with(fault: Callable[..., Any], *quantities: str) -> Audit:
    return audit(load_robot("cartpole"), quantities=quantities, resets=20, make=fault)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("quantity", ["mass", "friction", "strength", "gravity_x", "com_z"])
def test_no_op(engine, quantity):
    found = cartpole_with(faults.planted(engine, alter=faults.ignoring(quantity)), quantity)
    for row in found.failures:
        assert row.verdict == "no effect"
        assert {finding.engine for finding in row.findings} == {engine}
    assert found.failures
    assert not found.ok
    assert len(found.failures) == len(found.rows)  # also where mechanics would not miss it: the engine is read


@pytest.mark.parametrize("engine", ENGINES)
def test_compounding_scale(engine):
    found = cartpole_with(faults.planted(engine, further=faults.scaling_what_it_finds("pole")), "mass", "damping")
    row = found.row("mass/pole")
    assert "compounds" in {finding.kind for finding in row.findings if finding.engine == engine}
    assert not any(finding.kind == "compounds" for finding in found.row("damping/cart_to_pole").findings)


@pytest.mark.parametrize("engine", ENGINES)
def test_swapped_sign_that_is_read_back(engine):
    found = cartpole_with(faults.planted(engine, alter=faults.mirrored("gravity_x")), "gravity_x", "gravity_z")
    assert found.row("gravity_x").verdict == "wrong value"
    assert not found.row("gravity_z").findings


@pytest.mark.parametrize("engine", ENGINES)
def test_swapped_sign_that_only_the_other_engine_tells(engine):
    found = cartpole_with(faults.planted(engine, alter=faults.mirrored("dead_zone")), "dead_zone", "mass")
    row = found.row("dead_zone/slider_to_cart")
    assert row.verdict == "engines disagree"
    assert "opposite directions" in row.findings[0].text
    assert not found.row("mass/cart").findings


@pytest.mark.parametrize("engine", ENGINES)
def test_cross_talk(engine):
    found = cartpole_with(faults.planted(engine, alter=faults.spilling("friction", "damping")), "friction", "damping")
    row = found.row("friction/slider_to_cart")
    assert row.verdict == "acts elsewhere"
    assert "damping of slider_to_cart" in row.findings[0].text
    assert not found.row("friction/cart_to_pole").findings
    assert not found.row("damping/slider_to_cart").findings


@pytest.mark.parametrize("engine", ENGINES)
def test_lost_collision(tumbler: Robot, engine):
    lost = faults.planted(engine, further=faults.losing_collisions("restitution", "base"))
    found = audit(tumbler, quantities=["restitution", "sliding_friction"], resets=20, make=lost)
    row = found.row("restitution/base")
    assert row.verdict == "collisions lost"
    assert {finding.engine for finding in row.findings if finding.kind == "collisions lost"} == {engine}
    assert not found.row("sliding_friction/base").findings


def test_physics_that_diverges():
    found = cartpole_with(faults.planted("mujoco", further=faults.diverging("latency")), "latency")
    assert found.row("latency").verdict == "physics cannot bear it"


def test_what_is_shared_between_worlds():
    found = cartpole_with(faults.planted("mujoco", further=faults.changing_a_neighbour("damping")), "damping", "mass")
    assert not found.ok
    assert any(finding.kind == "acts elsewhere" and finding.engine == "mujoco" for finding in found.general)
