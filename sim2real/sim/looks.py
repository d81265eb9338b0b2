"""What light, floor and colours of a world look like: read from a Variant, drawn alike by every renderer.

Surfaces are matt (Lambert) and pixels linear in light: own colour x (ambient + direct x cosine), each light given as
the share of full scale that it makes of white. The sky is no surface: it does not change with the light.
"""

from colorsys import hsv_to_rgb
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from randomization import VariantSpace
from sim2real.sim.engine import Array
from sim2real.sim.terrain import Ground, Grounds

DIRECT, AMBIENT = 0.6, 0.4  # nominal, of full scale on white
SKY = np.array([0.7, 0.8, 0.9])  # of full scale
TEXTURES = ("plain", "checker", "noise")
TILE = 4.0  # [m] edge of a texture
TEXTURE_PIXELS = 400


@dataclass(frozen=True)
class Look:
    """Light, floor and colours of one world; of robots without a floor, the floor's mean nothing.

    light (3,): unit vector towards the light, in the world; direct, ambient: see above
    ground: the floor's shape; floor_grey: the floor's own brightness; floor_texture: index into TEXTURES
    tints: (body, colour (3,), share) of each body whose own colours are mixed with another
    """

    light: tuple[float, float, float]
    direct: float
    ambient: float
    ground: Ground
    floor_grey: float
    floor_texture: int
    tints: tuple[tuple[str, tuple[float, float, float], float], ...]

    @classmethod
    def of(cls, space: VariantSpace, grounds: Grounds, values: Array) -> "Look":
        """Read the look of one world of a robot that has a camera from its Variant's values (space.size,)."""
        azimuth, elevation, direct, ambient = (
            values[space.index(name)] for name in ("light_azimuth", "light_elevation", "light_intensity", "ambient")
        )
        light = cos(elevation) * cos(azimuth), cos(elevation) * sin(azimuth), sin(elevation)
        grey, texture = (values[space.block(name)] for name in ("floor_grey", "floor_texture"))
        block = space.block("body_tint")
        shares, hues = values[block].tolist(), values[space.block("body_hue")].tolist()
        tints = tuple(
            (body, hsv_to_rgb(hue / (2 * pi) % 1.0, 1.0, 1.0), share)
            for body, hue, share in zip(space.members[block], hues, shares, strict=True)
            if share
        )
        floor = (float(grey[0]), round(float(texture[0]))) if grey.size else (0.0, 0)
        lights = float(DIRECT * direct), float(AMBIENT * ambient)
        return cls(light, *lights, grounds.ground(values), *floor, tints)


def texture(name: str) -> NDArray[np.uint8]:
    """Return one of TEXTURES, of a white floor: (pixels, pixels, 3), TILE metres wide; it goes on at its edges."""
    if name == "checker":
        return _grey(8, np.indices((8, 8)).sum(axis=0) % 2 * 0.6 + 0.4)
    if name == "noise":
        return _grey(40, np.random.default_rng(0).uniform(0.3, 1.0, (40, 40)))
    return _grey(1, np.ones((1, 1)))


def _grey(squares: int, brightness: Array) -> NDArray[np.uint8]:
    """Return squares x squares of that brightness (squares, squares), 0 to 1, as a picture."""
    wide = np.kron(np.rint(255 * brightness), np.ones((TEXTURE_PIXELS // squares,) * 2))
    return np.repeat(wide[:, :, None], 3, axis=2).astype(np.uint8)
