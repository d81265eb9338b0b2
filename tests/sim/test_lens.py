"""Pinhole geometry: what K says, and what a Variant may do to it."""

import numpy as np
import pytest

from sim2real.sim.lens import Lens

LENS = Lens(width=640, height=480, fov=np.radians(60))


def test_the_edges_of_the_picture_are_at_half_the_field_of_view():
    edge = np.tan(np.radians(30))
    points = np.array([[0.0, 2 * edge, 2.0], [0.0, 0.0, 1.0], [-edge * 4 / 3, 0.0, 1.0]])
    np.testing.assert_allclose(LENS.project(points), [(319.5, 479.5), (319.5, 239.5), (-0.5, 239.5)])
    intrinsics = np.array([[LENS.focal, 0.0, 319.5], [0.0, LENS.focal, 239.5], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(LENS.intrinsics, intrinsics)


@pytest.mark.parametrize("scale", [0.1, 0.95, 1.0, 3.0, 10.0])
def test_a_wider_lens_has_a_shorter_focal_length(scale):
    assert LENS.scaled(scale).focal == pytest.approx(LENS.focal / scale)
    assert 0 < LENS.scaled(scale).fov < np.pi
