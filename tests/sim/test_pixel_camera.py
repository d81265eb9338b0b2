"""What a policy's camera shows: the cart where it is, the pole as it leans, and noise that belongs to a world."""

import numpy as np
import pytest

from randomization import Variant, VariantSpace
from robots import load_robot
from sim2real.errors import EngineError
from sim2real.pixels import Pixels
from sim2real.sim.engine import WorldState
from sim2real.sim.pixel_camera import PixelCamera

ROBOT = load_robot("cartpole")
CART, POLE = ROBOT.joint_index("slider_to_cart"), ROBOT.joint_index("cart_to_pole")
PIXELS = Pixels(camera="side", width=128, height=32)


def look(x: list[float], angle: list[float], pixels: Pixels = PIXELS, **quantities: float) -> np.ndarray:
    n = len(x)
    state, space = WorldState.zeros(ROBOT, n), VariantSpace(ROBOT)
    state.q[:, CART], state.q[:, POLE] = x, angle
    values = np.tile(space.nominal, (n, 1))
    for name, value in quantities.items():
        values[:, space.index(f"{name}/side")] = value
    camera = PixelCamera(ROBOT, pixels, n, seed=3)
    try:
        camera.apply(Variant(space, values), np.arange(n))
        return camera.look(state, np.arange(n))
    finally:
        camera.close()


def test_the_cart_is_seen_where_it_is():
    picture = look([-2.0, 0.0, 1.0], [0.0, 0.0, 0.0])
    assert picture.shape == (3, 32, 128)
    assert picture.dtype == np.uint8
    middles = [np.nonzero(seen < 30)[1].mean() for seen in picture]  # columns with cart in them
    scale = 128 / (4 * 2 * 4.0 * np.tan(np.radians(18.5) / 2))  # pixels a metre, 4 m away, four times as wide as high
    assert middles == pytest.approx([63.5 + scale * x for x in (-2.0, 0.0, 1.0)], abs=2.5)  # its near face is nearer


def test_the_pole_leans_as_it_does():
    upright, leaning = look([0.0, 0.0], [0.0, 0.2])
    top = slice(3, 8)  # rows near the pole's tip
    at = [np.nonzero(picture[top] < 150)[1].mean() for picture in (upright, leaning)]
    assert at[0] == pytest.approx(63.5, abs=1.0)
    assert 3 < at[1] - at[0] < 6  # sin(0.2) of 0.9 m, 24.6 pixels a metre


def test_noise_is_a_worlds_own_and_exposure_brightens():
    plain, noisy = look([0.0, 0.0], [0.0, 0.0]), look([0.0, 0.0], [0.0, 0.0], camera_noise=0.05)
    assert (plain[0] == plain[1]).all()
    assert (noisy[0] != noisy[1]).mean() > 0.5
    assert np.std(noisy.astype(float) - plain) == pytest.approx(
        0.05 * 255 * np.hypot(np.hypot(77, 150), 29) / 256, rel=0.1
    )
    assert look([0.0], [0.0], exposure=0.5).mean() < 0.6 * plain[0].mean()


def test_noise_of_a_world_does_not_depend_on_those_beside_it():
    space = VariantSpace(ROBOT)
    values = np.tile(space.nominal, (3, 1))
    values[:, space.index("camera_noise/side")] = 0.1
    many, alone = PixelCamera(ROBOT, PIXELS, 3, seed=1), PixelCamera(ROBOT, PIXELS, 1, seed=1, first=2)
    many.apply(Variant(space, values), np.arange(3))
    alone.apply(Variant(space, values[:1]), np.arange(1))
    for _ in range(2):
        theirs = many.look(WorldState.zeros(ROBOT, 3), np.arange(3))[2]
        np.testing.assert_array_equal(alone.look(WorldState.zeros(ROBOT, 1), np.arange(1))[0], theirs)
    many.close()
    alone.close()


def test_a_camera_that_is_not_there_is_refused():
    with pytest.raises(EngineError, match=r"no camera 'sde' .did you mean 'side'"):
        PixelCamera(ROBOT, Pixels(camera="sde", width=8, height=8), 1, 0)
