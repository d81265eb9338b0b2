"""A Variant is a named vector: its names, nominal values, blocks and rows; nobody can change it."""

import numpy as np
import pytest

from randomization import QUANTITIES, Variant, VariantSpace
from robots import Robot, load_robot
from robots.catalog import robot_names
from sim2real.errors import RandomizationError


@pytest.fixture(scope="module", params=robot_names())
def robot(request: pytest.FixtureRequest) -> Robot:
    return load_robot(request.param)


@pytest.fixture
def space(robot: Robot) -> VariantSpace:
    return VariantSpace(robot)


@pytest.fixture(scope="module")
def cartpole() -> VariantSpace:
    return VariantSpace(load_robot("cartpole"))


def test_every_quantity_of_every_member_has_one_name(robot, space):
    for quantity in QUANTITIES:
        members = quantity.members(robot)
        expected = [f"{quantity.name}/{member}" if member else quantity.name for member in members]
        assert list(space.names[space.block(quantity.name)]) == expected
        assert {q.name for q in space.quantities[space.block(quantity.name)]} == ({quantity.name} if members else set())
        assert space.members[space.block(quantity.name)] == members
    assert len(set(space.names)) == space.size == len(space.nominal) == len(space.quantities)
    assert [space.index(name) for name in space.names] == list(range(space.size))


def test_the_table_has_one_entry_for_each_quantity_with_its_source():
    names = [quantity.name for quantity in QUANTITIES]
    assert len(set(names)) == len(names)
    for quantity in QUANTITIES:
        assert quantity.unit, quantity.name
        assert quantity.meaning, quantity.name
        assert quantity.source, quantity.name


def test_bodies_joints_and_motors_are_the_members(robot, space):
    assert space.members[space.block("mass")] == tuple(
        body for body in robot.merged.model.bodies if not (robot.fixed_base and body == robot.merged.model.root.name)
    )
    assert space.members[space.block("damping")] == robot.joint_names
    assert space.members[space.block("strength")] == robot.actuator_names
    assert space.members[space.block("latency")] == ("",)
    assert bool(space.members[space.block("sliding_friction")]) != robot.fixed_base  # no floor, no friction on it


def test_physics_bears_the_nominal_values_and_the_laws_to_start_from(robot, space):
    for quantity, nominal in zip(space.quantities, space.nominal.tolist(), strict=True):
        low, high = quantity.default.support
        if quantity.relative == "value":
            ends = (nominal, low, high)
        else:
            ends = (nominal, *((nominal * d if quantity.relative == "scale" else nominal + d) for d in (low, high)))
        assert all(quantity.minimum <= end <= max(quantity.maximum, nominal) for end in ends), quantity.name
        assert not quantity.strict or min(ends) > quantity.minimum, quantity.name


def test_nominal_changes_nothing_and_has_the_damping_and_friction_of_the_urdf(robot, space):
    nominal = Variant.nominal(space, 3)
    assert len(nominal) == 3
    for joint in robot.model.movable:
        assert nominal[f"damping/{joint.name}"].tolist() == [joint.damping] * 3
        assert nominal[f"friction/{joint.name}"].tolist() == [joint.friction] * 3
    for name in ("mass", "inertia", "strength"):
        assert (nominal.block(name) == 1).all()
    for name in ("latency", "jitter", "encoder_noise", "encoder_bias", "encoder_resolution", "velocity_noise"):
        assert (nominal.block(name) == 0).all()
    assert nominal.as_dict() == {}


def test_a_robot_in_the_catalog_has_damping_that_is_not_zero():
    """Else the test above would pass with zeros in the place of the URDF's values."""
    damping = [j.damping for name in robot_names() for j in load_robot(name).model.movable]
    assert any(d > 0 for d in damping)


def test_of_sets_what_it_names_and_nothing_else(cartpole):
    variant = Variant.of(cartpole, {"mass/pole": 2.0, "latency": np.array([0.01, 0.02, 0.03])}, 3)
    assert variant["mass/pole"].tolist() == [2, 2, 2]
    assert variant["latency"].tolist() == [0.01, 0.02, 0.03]
    others = [n for n in cartpole.names if n not in ("mass/pole", "latency")]
    for name in others:
        assert (variant[name] == cartpole.nominal[cartpole.index(name)]).all()


def test_rows_and_blocks(cartpole):
    variant = Variant.of(cartpole, {"mass/cart": np.arange(4.0), "mass/pole": np.arange(4.0) + 10}, 4)
    assert variant.block("mass").tolist() == [[0, 10], [1, 11], [2, 12], [3, 13]]
    assert variant.block("latency").shape == (4, 1)
    assert variant.rows(slice(1, 3))["mass/cart"].tolist() == [1, 2]
    assert variant.rows(np.array([3, 0]))["mass/cart"].tolist() == [3, 0]
    assert variant.rows(np.array([False, True, False, True]))["mass/pole"].tolist() == [11, 13]
    assert len(variant.rows(np.array([], dtype=int))) == 0


def test_what_is_not_nominal_makes_the_same_variant_again(cartpole):
    variant = Variant.of(cartpole, {"mass/cart": np.arange(4.0), "mass/pole": np.arange(4.0) + 10}, 4)
    assert variant.as_dict(2) == {"mass/cart": 2.0, "mass/pole": 12.0}
    assert variant.as_dict(1) == {"mass/pole": 11.0}  # a nominal mass is not worth a line
    for world in range(4):
        again = Variant.of(cartpole, variant.as_dict(world))
        assert (again.values[0] == variant.values[world]).all()


def test_nobody_can_change_a_variant(cartpole):
    values = np.tile(cartpole.nominal, (2, 1))
    variant = Variant(cartpole, values)
    values[:] = 99.0
    assert (variant.values == cartpole.nominal).all()
    for array in (variant.values, variant["latency"], variant.block("mass"), variant.rows(slice(None)).values):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        cartpole.nominal[0] = 5.0


def test_an_unknown_name_is_refused_with_the_nearest(cartpole):
    for use in (cartpole.index, cartpole.minimum, Variant.nominal(cartpole).__getitem__):
        with pytest.raises(RandomizationError) as caught:
            use("mass/pol")
        message = str(caught.value)
        assert message.startswith(
            "robot 'cartpole' has no quantity 'mass/pol' (did you mean 'mass/pole'?); it has mass/*, "
        )
    with pytest.raises(RandomizationError, match=r"did you mean 'latency'"):
        Variant.of(cartpole, {"latencyy": 0.1})


def test_wrong_lengths_are_refused(cartpole):
    with pytest.raises(ValueError, match="reshape"):
        Variant(cartpole, np.zeros((2, cartpole.size + 1)))
    with pytest.raises(ValueError, match="broadcast"):
        Variant.of(cartpole, {"latency": np.zeros(2)}, 3)
