"""Whether solids overlap, and how large they are, against scipy's linear programming and Qhull."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from robots.check.overlap import overlap, shrunk
from robots.kinematics import rotation
from robots.model import Box, Capsule, Cylinder, Pose, Shape, Sphere
from robots.urdf.solids import Solids, _hull_volume

Primitive = Box | Cylinder | Sphere | Capsule

BOX = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2


def share_a_point(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether some weights of a's points and some of b's give the same point."""
    rows = np.block([[a.T, -b.T], [np.ones(len(a)), np.zeros(len(b))], [np.zeros(len(a)), np.ones(len(b))]])
    found = linprog(np.zeros(len(a) + len(b)), A_eq=rows, b_eq=[0, 0, 0, 1, 1], bounds=(0, None))
    return bool(found.status == 0)


def test_overlap_agrees_with_linear_programming() -> None:
    rng = np.random.default_rng(7)
    verdicts = []
    for _ in range(200):
        a, b = (rng.normal(size=(int(rng.integers(4, 30)), 3)) * rng.uniform(0.05, 1, 3) for _ in range(2))
        b = b @ rotation(tuple(rng.uniform(-3, 3, 3))).T + rng.normal(size=3)
        verdicts.append(share_a_point(a, b))
        assert overlap(a, b) == verdicts[-1]
    assert 40 < sum(verdicts) < 160


@pytest.mark.parametrize(("gap", "verdict"), [(-1e-6, True), (1e-6, False), (-0.3, True), (5.0, False)])
def test_boxes_face_to_face(gap: float, verdict: bool) -> None:
    assert overlap(BOX, BOX + [0.2, 1 + gap, -0.1]) == verdict


def test_box_inside_a_box_overlaps() -> None:
    assert overlap(BOX, 0.01 * BOX + [0.1, 0.2, 0.3])
    assert overlap(BOX, BOX)


def test_shrunk_solid_lies_inside_and_what_is_thin_is_gone() -> None:
    smaller = shrunk(BOX * [1, 2, 0.1], 0.01)
    assert smaller is not None
    assert np.ptp(smaller, axis=0) == pytest.approx([0.8, 1.6, 0.08])
    assert shrunk(BOX * [1, 1, 0.01], 0.01) is None


@pytest.mark.parametrize(
    ("solid", "size"),
    [
        (Box((0.1, 0.2, 0.3)), (0.1, 0.2, 0.3)),
        (Cylinder(0.1, 0.5), (0.2, 0.2, 0.5)),
        (Sphere(0.2), (0.4, 0.4, 0.4)),
        (Capsule(0.1, 0.5), (0.2, 0.2, 0.7)),
    ],
)
def test_points_and_volume_of_primitive_solids(solid: Primitive, size: tuple[float, ...]) -> None:
    shape = Shape(solid, Pose((1.0, 2.0, 3.0)))
    points = Solids().points(shape)
    assert np.ptp(points, axis=0) == pytest.approx(size, rel=0.02)
    assert points.mean(axis=0) == pytest.approx([1, 2, 3], abs=1e-3)
    assert Solids().volume([shape]) == pytest.approx(ConvexHull(points).volume, rel=0.05)


def test_volume_of_a_hull_is_found_to_a_fifth() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        points = rng.normal(size=(int(rng.integers(8, 200)), 3)) * rng.uniform(0.01, 1, 3)
        points = points @ rotation(tuple(rng.uniform(-3, 3, 3))).T
        assert 0.99 < _hull_volume(points) / ConvexHull(points).volume < 1.25
