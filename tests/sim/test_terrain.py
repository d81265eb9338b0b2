"""The floor that a Variant asks for: where the numbers of the table end up in the grid, and where a robot starts."""

from math import cos, sin

import numpy as np
import pytest

from randomization import Variant, VariantSpace
from robots import load_robot, robot_names
from robots.extent import outline
from robots.kinematics import link_poses, transform
from sim2real.sim.rotations import inverse, rotate
from sim2real.sim.terrain import CELL, HALF, HIGHEST, POINTS, Ground, Grounds, height_at, heights

AXIS = np.linspace(-HALF, HALF, POINTS)
FREE = [name for name in robot_names() if not load_robot(name).fixed_base]


def at(field, x, y):
    """One height of a field."""
    return float(height_at(field, np.array([x]), np.array([y]))[0])


def of(robot, **changes):
    """The floor of one world, and its Variant."""
    space = VariantSpace(robot)
    variant = Variant.of(space, changes)
    grounds = Grounds(robot, space)
    return grounds, grounds.ground(variant.values[0]), variant


@pytest.fixture(scope="module")
def a1():
    return load_robot("a1")


def test_the_coordinates_alone_decide(a1):
    changes = {"roughness": 0.05, "stone_height": 0.1, "terrain_seed": 3.0}
    first, again = (heights(of(a1, **changes)[1]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for other in ({"terrain_seed": 4.0}, {"roughness": 0.04}, {"stone_height": 0.09}, {"step_height": 0.01}):
        assert np.abs(first - heights(of(a1, **changes | other)[1])).max() > 1e-3


def test_a_level_floor_is_the_same_ground_whatever_else_is_said(a1):
    for changes in ({}, {"terrain_seed": 7.0}, {"slope_direction": 1.0}):
        assert of(a1, **changes)[1] == Ground()
    assert of(load_robot("kuka_iiwa"))[1] == Ground()


def test_bumps_reach_their_height_and_not_more_and_grow_in_from_the_start():
    field = heights(Ground(roughness=0.05, terrain_seed=1))
    assert 0.04 < field.max() <= 0.05
    assert -0.05 <= field.min() < -0.04
    assert field[POINTS // 2, POINTS // 2] == 0.0
    near = np.hypot(AXIS[:, None], AXIS) <= 0.2
    assert 1e-3 < np.abs(field[near]).max() <= 0.05 * 0.2 / 0.6
    np.testing.assert_allclose(heights(Ground(roughness=0.1, terrain_seed=1)), 2 * field, atol=1e-15)


@pytest.mark.parametrize("rise", [0.2, -0.15])
def test_ten_steps_lead_away_from_the_start(rise):
    field = heights(Ground(step_height=rise, radius=0.5))
    assert at(field, 0.5, 0.0) == at(field, -3.0, 2.0) == 0.0
    edge = 0.5 + CELL
    for step in range(1, 11):
        tread = edge + (step - 0.5) * 5 * CELL
        assert at(field, tread, 1.0) == at(field, tread, -3.0) == pytest.approx(step * rise)
    assert at(field, HALF, 0.0) == pytest.approx(10 * rise)


def test_stones_stand_around_the_start_half_to_all_of_the_height():
    ground = Ground(stone_height=0.2, terrain_seed=2, radius=0.5)
    field = heights(ground)
    tops = field[field > 0]
    assert 0.1 <= tops.min() < 0.11
    assert 0.19 < tops.max() <= 0.2
    assert (field[np.hypot(AXIS[:, None], AXIS) <= 0.5] == 0).all()
    assert 0.4 < (field > 0).mean() < 0.6
    row = field[POINTS // 2 + 32] > 0  # through stones, 2 m to the left of the start
    lengths = np.diff(np.flatnonzero(np.diff(row.astype(int)))) * CELL
    assert set(lengths.tolist()) == {7 * CELL, 3 * CELL}  # a stone's 7 points, and the 3 between two stones


def test_all_of_it_adds_up_and_stays_within_bounds(a1):
    parts = ({"roughness": 0.3}, {"step_height": 0.3}, {"stone_height": 0.3})
    together = heights(of(a1, **{k: v for part in parts for k, v in part.items()})[1])
    np.testing.assert_allclose(together, sum(heights(of(a1, **part)[1]) for part in parts))
    assert np.abs(together).max() < HIGHEST


def test_heights_between_points_are_those_of_two_triangles():
    field = np.zeros((POINTS, POINTS))
    field[64, 64], field[64, 65], field[65, 64], field[65, 65] = 0.0, 1.0, 2.0, 4.0
    corner = AXIS[64]
    for a, b, expected in ((0.5, 0.25, 0.5 * 1 + 0.25 * 3), (0.25, 0.5, 0.5 * 2 + 0.25 * 2), (0.5, 0.5, 2.0)):
        assert at(field, corner + a * CELL, corner + b * CELL) == pytest.approx(expected)


@pytest.mark.parametrize("direction", [0.0, 2.0, -1.0])
def test_the_floor_rises_towards_its_direction(direction):
    tilt = np.array(Ground(slope=0.3, slope_direction=direction).tilt)
    np.testing.assert_allclose(
        rotate(tilt, np.array([cos(direction), sin(direction), 0.0])),
        [cos(0.3) * cos(direction), cos(0.3) * sin(direction), sin(0.3)],
    )
    level = np.array([-sin(direction), cos(direction), 0.0])
    np.testing.assert_allclose(rotate(tilt, level), level, atol=1e-15)


def test_a_robot_starts_on_a_level_floor_exactly_as_ever(a1):
    grounds, _, variant = of(a1, terrain_seed=3.0, ground_friction=0.5)
    position, quaternion = grounds.start(variant.values)
    np.testing.assert_array_equal(position, [[0.0, 0.0, a1.file.base_height]])
    np.testing.assert_array_equal(quaternion, [[0.0, 0.0, 0.0, 1.0]])


def test_worlds_start_as_each_would_alone(a1):
    space = VariantSpace(a1)
    variant = Variant.of(space, {"slope": np.array([0.0, 0.2, 0.3]), "roughness": np.array([0.05, 0.0, 0.02])}, 3)
    grounds = Grounds(a1, space)
    position, quaternion = grounds.start(variant.values)
    for world in range(3):
        alone = grounds.start(variant.values[[world]])
        np.testing.assert_array_equal(position[world], alone[0][0])
        np.testing.assert_array_equal(quaternion[world], alone[1][0])
    for world in (1, 2):
        np.testing.assert_array_equal(quaternion[world], Ground(slope=variant["slope"][world]).tilt)


@pytest.mark.parametrize("name", FREE)
def test_no_robot_starts_in_the_ground(name):
    """All points of its shapes are over the surface, and some are within a few centimetres of it."""
    robot = load_robot(name)
    changes = {"slope": 0.3, "slope_direction": 1.0, "roughness": 0.05, "step_height": 0.2, "stone_height": 0.2}
    grounds, ground, variant = of(robot, **changes)
    level = _gaps(robot, Ground(), *(start[0] for start in grounds.start(Variant.nominal(variant.space).values)))
    gaps = _gaps(robot, ground, *(start[0] for start in grounds.start(variant.values)))
    assert gaps.min() > level.min() - 1e-9
    assert gaps.min() < level.min() + 0.1


def _gaps(robot, ground, position, quaternion):
    """How far points of a robot's shapes are over the floor, across its frame [m]."""
    model, field = robot.merged.model, heights(ground)
    poses = link_poses(model, robot.default_q)
    gaps = []
    for link in model.links:
        for shape in link.collisions:
            frame = poses[link.name] @ transform(shape.origin)
            points = rotate(quaternion, outline(shape.geometry) @ frame[:3, :3].T + frame[:3, 3]) + position
            x, y, z = rotate(inverse(np.array(ground.tilt)), points).T
            gaps.append(z - height_at(field, x, y))
    return np.concatenate(gaps)
