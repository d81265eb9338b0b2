"""Where a camera is and how it projects: frames as in REP-103, pixels as in ROS' CameraInfo.

Camera frame `NAME`: x forward, y left, z up, as any body's. Optical frame `NAME_optical`: z forward, x right, y down.
"""

from dataclasses import dataclass

import numpy as np

from robots import Robot
from robots.kinematics import Array, rotation, transform
from robots.model import Pose
from robots.robot_file import CameraMount

NEAR, FAR = 0.01, 100.0  # [m] along the optical axis; what is nearer or farther is not seen
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # optical axes, as columns, in the camera's


@dataclass(frozen=True)
class Lens:
    """A pinhole with square pixels and no distortion: (width, height) pixels, vertical field of view [rad]."""

    width: int
    height: int
    fov: float

    @property
    def focal(self) -> float:
        """Focal length [pixels]."""
        return float(self.height / 2 / np.tan(self.fov / 2))

    @property
    def intrinsics(self) -> Array:
        """The matrix K (3, 3) [pixels]; the centre of the first pixel, at the top left, is (0, 0)."""
        x, y = (self.width - 1) / 2, (self.height - 1) / 2
        return np.array([[self.focal, 0.0, x], [0.0, self.focal, y], [0.0, 0.0, 1.0]])

    def project(self, points: Array) -> Array:
        """Return the pixel (column, row) of points (..., 3) [m] in the optical frame: (..., 2)."""
        pixels: Array = points @ self.intrinsics.T
        return pixels[..., :2] / pixels[..., 2:]

    def scaled(self, scale: float) -> "Lens":
        """Return the lens that shows `scale` times as much, in width and height, at the same distance."""
        return Lens(self.width, self.height, float(2 * np.arctan(scale * np.tan(self.fov / 2))))


@dataclass(frozen=True)
class Camera:
    """One camera of a robot as its robot.yaml has it: what a Variant says comes on top.

    body, mount: the body (of `Robot.merged`) that bears it, and the camera frame in that body's frame: (4, 4)
    """

    name: str
    body: str
    mount: Array
    lens: Lens

    @property
    def frame(self) -> str:
        """Name of the camera's body frame."""
        return self.name

    @property
    def optical_frame(self) -> str:
        """Name of the camera's optical frame."""
        return f"{self.name}_optical"

    @classmethod
    def of(cls, robot: Robot, name: str, mount: CameraMount, width: int, height: int) -> "Camera":
        """Return a camera of so many pixels on the link that `mount` names."""
        body, place = robot.merged.frames[mount.link]
        pose = transform(place) @ transform(Pose(mount.xyz, mount.rpy))
        return cls(name, body, pose, Lens(width, height, float(np.radians(mount.fov_deg))))

    def optical(self, body: Array, shift: Array, turn: Array) -> Array:
        """Return the pose (4, 4) of the optical frame in the world, of a body's pose (4, 4) there.

        shift (3,) [m] and turn (3,) [rad; roll, pitch, yaw] displace the camera, along its own axes.
        """
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = rotation(tuple(turn.tolist())) @ OPTICAL, shift
        return body @ self.mount @ moved
