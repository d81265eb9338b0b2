"""Descriptions in another unit, with another axis up, or with placeholders for inertias are put right."""

from pathlib import Path

import numpy as np
import pytest

from robots.adjust import inertia_from_collisions, scaled, upright
from robots.kinematics import centre_of_mass, composite_inertia, link_poses
from robots.model import (
    Box,
    Capsule,
    Cylinder,
    Inertial,
    Joint,
    Limit,
    Link,
    Mesh,
    Mimic,
    Pose,
    RobotModel,
    Shape,
    Sphere,
)

BOX = Inertial(3.0, Box((0.4, 0.2, 0.1)).inertia(3.0), Pose((0.1, 0.2, 0.3), (0.3, -0.2, 0.1)))


@pytest.fixture
def model() -> RobotModel:
    """A body, a rail on it, and a slide that follows a hinge."""
    shapes = (Box((1.0, 2.0, 3.0)), Cylinder(0.1, 0.2), Sphere(0.3), Capsule(0.1, 0.4))
    links = (
        Link("body", BOX, collisions=tuple(Shape(geometry, Pose((0.0, 1.0, 0.0))) for geometry in shapes)),
        Link("arm", BOX, visuals=(Shape(Mesh(Path("/m.stl"), (1.0, 1.0, 2.0))),)),
        Link("cart", BOX),
    )
    limit = Limit(-1.0, 2.0, 5.0, 4.0)
    joints = (
        Joint("hinge", "revolute", "body", "arm", Pose((0.0, 0.0, 1.0)), (0.0, 1.0, 0.0), limit),
        Joint("rail", "prismatic", "arm", "cart", Pose((1.0, 0.0, 0.0)), limit=limit, mimic=Mimic("hinge", 0.5, 0.1)),
    )
    return RobotModel("r", links, joints)


def test_scaling_changes_lengths_and_what_follows_from_them(model: RobotModel) -> None:
    small, half = scaled(model, 0.5), np.array([1.0, 0.5])  # a slide moves half as far
    q = np.array([0.7, 0.45])
    assert small.link("body").collisions[0].geometry == Box((0.5, 1.0, 1.5))
    assert small.link("arm").visuals[0].geometry == Mesh(Path("/m.stl"), (0.5, 0.5, 1.0))
    assert small.joint("hinge").limit == model.joint("hinge").limit
    assert small.joint("rail").limit == Limit(-0.5, 1.0, 5.0, 2.0)
    assert small.joint("rail").mimic == Mimic("hinge", 0.25, 0.05)
    for name, pose in link_poses(model, q).items():
        np.testing.assert_allclose(link_poses(small, half * q)[name][:3, 3], 0.5 * pose[:3, 3], atol=1e-12)
    (mass, centre, inertia), before = composite_inertia(small, half * q), composite_inertia(model, q)
    assert mass == before[0]
    np.testing.assert_allclose(centre, 0.5 * before[1])
    np.testing.assert_allclose(inertia, 0.25 * before[2])


def test_scale_of_1_changes_nothing(model: RobotModel) -> None:
    assert scaled(model, 1.0) == model


@pytest.mark.parametrize(("up", "axis"), [("x", 0), ("y", 1), ("z", 2)])
def test_the_axis_that_is_up_points_up(model: RobotModel, up: str, axis: int) -> None:
    turned = upright(model, up)  # type: ignore[arg-type]
    q = np.array([0.3, 0.25])
    assert centre_of_mass(turned, q)[2] == pytest.approx(centre_of_mass(model, q)[axis])
    np.testing.assert_allclose(link_poses(turned, q)["body"][:3, axis], [0.0, 0.0, 1.0], atol=1e-12)


def test_inertia_is_that_of_the_shapes_filled_evenly() -> None:
    """Two boxes side by side are one of twice the length; the file's inertial frame is turned and stays."""
    boxes = tuple(Shape(Box((0.2, 0.1, 0.3)), Pose((x, 0.0, 0.0))) for x in (-0.1, 0.1))
    frame = Pose((0.0, 0.0, 0.0), (0.0, 0.0, np.pi / 2))
    link = Link("body", Inertial(2.0, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0), frame), collisions=boxes)
    inertial = inertia_from_collisions(RobotModel("r", (link,), ())).root.inertial
    assert inertial is not None
    assert inertial.origin == frame
    xx, _, _, yy, _, zz = Box((0.4, 0.1, 0.3)).inertia(2.0)
    assert inertial.inertia == pytest.approx((yy, 0.0, 0.0, xx, 0.0, zz))


def test_without_collisions_the_visuals_count_and_without_shapes_the_file() -> None:
    given = Inertial(1.0, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0))
    seen, bare = Link("seen", given, visuals=(Shape(Sphere(0.1)),)), Link("bare", given)
    model = inertia_from_collisions(RobotModel("r", (seen, bare), (Joint("j", "fixed", "seen", "bare"),)))
    inertial = model.link("seen").inertial
    assert inertial is not None
    assert inertial.inertia == pytest.approx(Sphere(0.1).inertia(1.0))
    assert model.link("bare") == bare


def test_a_mesh_counts_as_the_box_around_it(tmp_path: Path) -> None:
    mesh = tmp_path / "wedge.obj"
    mesh.write_text("v 0 0 0\nv 2 0 0\nv 0 4 0\nv 0 0 6\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n")
    given = Inertial(1.0, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0))
    link = Link("body", given, collisions=(Shape(Mesh(mesh, (0.1, 0.1, 0.1))),))
    inertial = inertia_from_collisions(RobotModel("r", (link,), ())).root.inertial
    assert inertial is not None
    assert inertial.inertia == pytest.approx(Box((0.2, 0.4, 0.6)).inertia(1.0))
