"""How far shapes reach, against the points that they are made of."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robots.extent import lowest_points, outline, reach
from robots.kinematics import transform
from robots.model import Box, Capsule, Cylinder, Geometry, Joint, Link, Mesh, Pose, RobotModel, Shape, Sphere

ANGLES = st.tuples(*[st.floats(-3.0, 3.0)] * 3)
SHAPES = [Box((0.2, 0.4, 0.6)), Cylinder(0.3, 0.8), Capsule(0.2, 0.5), Sphere(0.4)]


@pytest.mark.parametrize("geometry", SHAPES, ids=lambda g: type(g).__name__)
@given(rpy=ANGLES, placed=ANGLES)
def test_reach_is_that_of_the_outline(
    geometry: Geometry, rpy: tuple[float, float, float], placed: tuple[float, float, float]
) -> None:
    link = Link("l", collisions=(Shape(geometry, Pose((0.1, -0.2, 0.3), rpy)),))
    pose = transform(Pose((0.5, 0.6, 0.7), placed))
    points = outline(geometry) @ transform(link.collisions[0].origin)[:3, :3].T + [0.1, -0.2, 0.3]
    points = points @ pose[:3, :3].T + pose[:3, 3]
    assert reach(link, pose) == pytest.approx(-points[:, 2].min(), abs=0.02)


def test_known_heights(tmp_path: Path) -> None:
    mesh = tmp_path / "m.obj"
    mesh.write_text("v 0 0 -1\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    shapes: dict[str, tuple[Geometry, Pose]] = {
        "box": (Box((1.0, 1.0, 0.5)), Pose((0.0, 0.0, 1.0))),
        "lying": (Cylinder(0.2, 3.0), Pose(rpy=(np.pi / 2, 0.0, 0.0))),
        "standing": (Cylinder(0.2, 3.0), Pose()),
        "capsule": (Capsule(0.2, 3.0), Pose()),
        "mesh": (Mesh(mesh, (1.0, 1.0, 2.0)), Pose()),
    }
    links = tuple(Link(name, collisions=(Shape(*shape),)) for name, shape in shapes.items())
    joints = tuple(Joint(link.name, "fixed", "root", link.name, Pose((0.0, 0.0, 10.0))) for link in links)
    model = RobotModel("r", (Link("root"), *links), joints)
    lowest = {"box": 10.75, "lying": 9.8, "standing": 8.5, "capsule": 8.3, "mesh": 8.0}
    assert lowest_points(model, np.zeros(0)) == pytest.approx(lowest)
