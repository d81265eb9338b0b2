"""What a policy sees of a camera: which one, how large, and how a coloured picture becomes a grey one."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sim2real.config import Strict

RED, GREEN, BLUE = 77, 150, 29  # shares of luminance, in 256ths (ITU-R BT.601)


class Pixels(Strict):
    """One camera of the robot, seen in grey."""

    camera: str = Field(description="Its name in the robot.yaml")
    width: int = Field(gt=0, le=256, description="[pixels]")
    height: int = Field(gt=0, le=256, description="[pixels]")

    @property
    def size(self) -> int:
        """Pixels in one picture."""
        return self.width * self.height


def grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luminance of pictures (..., 3): (...), 0 to 255, the same to the bit on every machine."""
    red, green, blue = np.moveaxis(rgb, -1, 0).astype(np.uint16)
    luminance: NDArray[np.uint8] = ((RED * red + GREEN * green + BLUE * blue) >> 8).astype(np.uint8)
    return luminance
