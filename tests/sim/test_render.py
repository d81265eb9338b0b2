"""Pictures show the robot where it is: visuals of every shape, or collisions where there are none."""

from contextlib import closing

import numpy as np
import pytest

from benchmarks.closed_form import joint, link, make_robot
from robots import Robot, load_robot
from sim2real.sim.render import Renderer

GEOMETRIES = ['<box size="1 1 1"/>', '<sphere radius="0.5"/>', '<capsule radius="0.4" length="0.6"/>']
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


def body(geometry: str, tag: str = "visual", centre: str = "0 0 0") -> Robot:
    """A thing with a small wheel, its centre of mass where it is told to be."""
    shape = f"<{tag}><geometry>{geometry}</geometry></{tag}>"
    urdf = link("base", 1.0, 0.1, centre, shape) + link("wheel", 0.1, 0.01)
    urdf += joint("axle", "continuous", "base", "wheel", "1 0 0")
    return make_robot(urdf, {"joint": "axle"}, fixed_base=False, base_height=1.0)


def seen(robot: Robot, place: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> np.ndarray:
    """Return where the picture is not white: (height, width)."""
    with closing(Renderer(robot, 120, 80)) as renderer:
        pixels = renderer.draw(robot.default_q, np.array(place), UPRIGHT)
    assert pixels.shape == (80, 120, 3)
    return np.asarray((pixels < 250).any(axis=2))


@pytest.mark.parametrize("tag", ["visual", "collision"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_shape_is_drawn_in_the_middle(geometry, tag):
    rows, columns = np.nonzero(seen(body(geometry, tag)))
    assert len(rows) > 300
    assert abs(rows.mean() - 40) < 5
    assert abs(columns.mean() - 60) < 5


def test_the_place_is_that_of_the_roots_frame_and_not_of_its_centre_of_mass():
    at_centre, aside = (seen(body(GEOMETRIES[0], centre=centre)) for centre in ("0 0 0", "0.3 0.2 -0.4"))
    np.testing.assert_array_equal(at_centre, aside)
    higher = seen(body(GEOMETRIES[0]), (0.0, 0.0, 1.5))
    assert np.nonzero(higher)[0].mean() < np.nonzero(at_centre)[0].mean() - 5


@pytest.mark.parametrize("name", ["a1", "cartpole", "furuta"])
def test_robots_of_the_catalog_are_seen_in_motion(name):
    robot = load_robot(name)
    with closing(Renderer(robot, 120, 80)) as renderer:
        place = np.array([0.0, 0.0, robot.file.base_height])
        still, moved = (renderer.draw(q, place, UPRIGHT) for q in (robot.default_q, robot.default_q + 0.3))
    assert (still < 250).any(axis=2).sum() > 100
    assert (still != moved).any(axis=2).sum() > 50
