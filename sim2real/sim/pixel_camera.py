"""The camera of a policy that sees pixels: one small grey picture of each world, whichever engine does the physics.

PyBullet's renderer draws, in software: no OpenGL is needed, and a picture is the same in both engines.
"""

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from robots import Robot
from sim2real.pixels import Pixels, grey
from sim2real.sim.cameras import Cameras
from sim2real.sim.engine import Index, WorldState


class PixelCamera:
    """One camera of a robot in n worlds, with the light, mounting and noise that their Variants give it.

    World k is number `first` + k of those that have noise from `seed`. Raise EngineError where there is no such camera.
    """

    def __init__(self, robot: Robot, pixels: Pixels, n_worlds: int, seed: int, first: int = 0) -> None:
        self._pixels = pixels
        self._cameras = Cameras(robot, (pixels.camera,), "bullet", pixels.width, pixels.height, n_worlds, seed, first)

    def apply(self, variant: Variant, worlds: Index) -> None:
        """Give each of `worlds` its row of `variant`."""
        self._cameras.apply(variant, worlds)

    def reseed(self, seed: int, first: int = 0) -> None:
        """Draw noise from `seed` from now on."""
        self._cameras.reseed(seed, first)

    def look(self, state: WorldState, worlds: Index) -> NDArray[np.uint8]:
        """Return what is seen in `worlds`, rows of `state`: (len(worlds), height, width)."""
        return grey(self._cameras.colours(state, worlds, self._pixels.camera))

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        self._cameras.close()
