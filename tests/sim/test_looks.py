"""A look says what a Variant says, in the words of a renderer."""

import numpy as np
import pytest

from randomization import Variant, VariantSpace
from robots import load_robot
from sim2real.sim.looks import AMBIENT, DIRECT, TEXTURE_PIXELS, TEXTURES, Look, texture
from sim2real.sim.terrain import Ground, Grounds


def look_of(name, changes):
    robot = load_robot(name)
    space = VariantSpace(robot)
    return Look.of(space, Grounds(robot, space), Variant.of(space, changes).values[0])


def test_the_nominal_look_is_a_plain_grey_level_floor_under_one_light():
    look = look_of("husky", {})
    assert (look.ground, look.floor_grey, look.floor_texture, look.tints) == (Ground(), 0.5, 0, ())
    assert (look.direct, look.ambient) == (DIRECT, AMBIENT)
    assert np.linalg.norm(look.light) == pytest.approx(1.0)
    assert min(look.light) > 0.3


def test_azimuth_turns_from_x_to_y_and_elevation_up():
    changes = {"light_azimuth": np.pi / 2, "light_elevation": 0.3, "light_intensity": 0.5, "ambient": 2.0}
    look = look_of("husky", changes)
    np.testing.assert_allclose(look.light, (0.0, np.cos(0.3), np.sin(0.3)), atol=1e-12)
    assert (look.direct, look.ambient) == (DIRECT / 2, 2 * AMBIENT)


def test_only_tinted_bodies_are_named_with_their_hue():
    look = look_of("kuka_iiwa", {"body_tint/lbr_iiwa_link_3": 0.5, "body_hue/lbr_iiwa_link_3": -2 * np.pi / 3})
    ((body, colour, share),) = look.tints
    assert (body, share) == ("lbr_iiwa_link_3", 0.5)
    np.testing.assert_allclose(colour, (0.0, 0.0, 1.0), atol=1e-12)
    assert look_of("kuka_iiwa", {"body_hue/lbr_iiwa_link_3": 1.0}).tints == ()


@pytest.mark.parametrize("name", TEXTURES)
def test_textures_are_grey_pictures_of_one_size(name):
    pixels = texture(name)
    assert pixels.shape == (TEXTURE_PIXELS, TEXTURE_PIXELS, 3)
    assert (pixels == pixels[:, :, :1]).all()
    assert pixels.max() > 240
    np.testing.assert_array_equal(pixels, texture(name))
