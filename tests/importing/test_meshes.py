"""Meshes that the importers write are closed, seen from outside, and named safely."""

from math import pi
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robots.mesh.data import is_closed, signed_volume, solid
from robots.mesh.stl import read_stl
from sim2real.importing.meshes import file_name, write_stl
from sim2real.importing.mjcf_shapes import ellipsoid
from sim2real.importing.plain import robot_name


def test_an_ellipsoid_is_closed_and_on_the_surface(tmp_path: Path):
    vertices, faces = ellipsoid((0.3, 0.2, 0.1))
    assert ((vertices / (0.3, 0.2, 0.1)) ** 2).sum(axis=1) == pytest.approx(1.0)
    surface = solid("ellipsoid", vertices, faces)
    assert is_closed(surface)
    assert 0.95 < signed_volume(surface) / (4 / 3 * pi * 0.3 * 0.2 * 0.1) < 1.0
    write_stl(tmp_path / "new/a.stl", vertices, faces)
    again = read_stl((tmp_path / "new/a.stl").read_bytes()).joined()
    assert np.ptp(again.vertices, axis=0) == pytest.approx([0.6, 0.4, 0.2], rel=0.01)


@given(st.text(max_size=300))
def test_any_text_becomes_a_safe_name(text: str):
    for name in (file_name(text), robot_name(text)):
        assert 0 < len(name) <= 120
        assert name.isascii()
        assert not set(name) & set('/\\:*?"<>| \0')
        assert not name.startswith(".")
    assert robot_name(text)[0].isalpha()
    assert robot_name(text) == robot_name(text).lower()
