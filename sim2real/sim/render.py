"""Pictures of a robot from outside, drawn in software: PyBullet's own renderer, whichever engine does the physics."""

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from robots.extent import outline
from robots.kinematics import link_poses, transform
from sim2real.quiet import quiet
from sim2real.sim.bullet_scene import BulletScene

with quiet(1), quiet(2):
    import pybullet

Array = NDArray[np.float64]
FOV_DEG = 40.0


class Renderer:
    """Draws one robot from a fixed camera that sees all of its default pose, with room for it to move."""

    def __init__(self, robot: Robot, width: int = 480, height: int = 320) -> None:
        self.robot, self.size = robot, (width, height)
        self.scene = BulletScene(robot, floor=False)
        self._projection = opengl(pybullet.computeProjectionMatrixFOV(FOV_DEG, width / height, 0.01, 100.0))
        self._view = self._camera()

    def draw(self, q: Array, base: Array, quaternion: Array) -> NDArray[np.uint8]:
        """Draw joint positions q (n_joints,), base position (3,) [m], quaternion (x, y, z, w): (height, width, 3)."""
        self.scene.place(q, base, quaternion)
        pixels: NDArray[np.uint8]
        pixels, _, _ = self.scene.draw(*self.size, self._view, self._projection, lightDirection=[1.0, -2.0, 3.0])
        return pixels

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        self.scene.close()

    def _camera(self) -> Array:
        """Look at the middle of the bodies that have mass; a rail of 30 m is not the robot."""
        points = np.concatenate(_outlines(self.robot))
        low, high = points.min(axis=0), points.max(axis=0)
        distance = 2.2 * max(float(np.linalg.norm(high - low)), 0.01)
        target = ((low + high) / 2).tolist()
        return opengl(pybullet.computeViewMatrixFromYawPitchRoll(target, distance, 20.0, -15.0, 0.0, 2))


def opengl(matrix: tuple[float, ...]) -> Array:
    """Return a matrix (4, 4) that PyBullet gives, which lists it column by column."""
    return np.array(matrix).reshape(4, 4).T


def _outlines(robot: Robot) -> list[Array]:
    """Return points (n, 3) [m] around what is to be seen of each body with mass, in the default pose in the world."""
    model, base = robot.merged.model, np.eye(4)
    base[2, 3] = robot.file.base_height
    poses, heavy = link_poses(model, robot.default_q), set(model.bodies)
    points = [(base @ poses[name])[None, :3, 3] for name in heavy or model.link_names]
    for link in model.links:
        for shape in link.visuals or link.collisions if link.name in heavy else ():
            place = base @ poses[link.name] @ transform(shape.origin)
            points.append(outline(shape.geometry) @ place[:3, :3].T + place[:3, 3])
    return points
