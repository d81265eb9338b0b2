"""Pictures of a robot, drawn in software: PyBullet's own renderer, whichever engine does the physics."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots import Robot, write_urdf
from robots.extent import outline
from robots.kinematics import link_poses, transform
from robots.mesh.visual import visual_mesh
from robots.model import Inertial, Link, Mesh, RobotModel, Shape
from sim2real.quiet import quiet

with quiet(1), quiet(2):
    import pybullet

Array = NDArray[np.float64]
FOV_DEG = 40.0


class Renderer:
    """Draws one robot from a fixed camera that sees all of its default pose, with room for it to move."""

    def __init__(self, robot: Robot, width: int = 480, height: int = 320) -> None:
        self.robot, self.size = robot, (width, height)
        self._client: int = pybullet.connect(pybullet.DIRECT)
        with tempfile.TemporaryDirectory() as folder, quiet(1):
            urdf = Path(folder) / "robot.urdf"
            write_urdf(drawn(robot.model), urdf)
            self._body: int = self._call("loadURDF", str(urdf), useFixedBase=True)
        names = [self._call("getJointInfo", self._body, j)[1].decode() for j in range(self._joint_count())]
        self._joints = [names.index(name) for name in robot.joint_names]
        self._projection = pybullet.computeProjectionMatrixFOV(FOV_DEG, width / height, 0.01, 100.0)
        self._view = self._camera()

    def draw(self, q: Array, base: Array, quaternion: Array) -> NDArray[np.uint8]:
        """Draw joint positions q (n_joints,), base position (3,) [m], quaternion (x, y, z, w): (height, width, 3)."""
        self._call("resetBasePositionAndOrientation", self._body, base.tolist(), quaternion.tolist())
        for joint, position in zip(self._joints, q.tolist(), strict=True):
            self._call("resetJointState", self._body, joint, position)
        options = {"renderer": pybullet.ER_TINY_RENDERER, "shadow": 0, "lightDirection": [1.0, -2.0, 3.0]}
        pixels = self._call("getCameraImage", *self.size, self._view, self._projection, **options)[2]
        return np.reshape(np.asarray(pixels, dtype=np.uint8), (self.size[1], self.size[0], 4))[:, :, :3]

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        if self._client >= 0:
            self._call("disconnect")
            self._client = -1

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(pybullet, name)(*arguments, physicsClientId=self._client, **options)

    def _joint_count(self) -> int:
        return int(self._call("getNumJoints", self._body))

    def _camera(self) -> Any:
        """Look at the middle of the bodies that have mass; a rail of 30 m is not the robot."""
        points = np.concatenate(_outlines(self.robot))
        low, high = points.min(axis=0), points.max(axis=0)
        distance = 2.2 * max(float(np.linalg.norm(high - low)), 0.01)
        return pybullet.computeViewMatrixFromYawPitchRoll(((low + high) / 2).tolist(), distance, 20.0, -15.0, 0.0, 2)


def drawn(model: RobotModel) -> RobotModel:
    """Return what is to be seen of a model, in files that a renderer can read: its visuals, or its collisions if none.

    Raise RobotError for a mesh that is broken.
    """
    bare = not any(link.visuals for link in model.links)
    return replace(model, links=tuple(_drawn(link, link.collisions if bare else link.visuals) for link in model.links))


def _drawn(link: Link, shapes: tuple[Shape, ...]) -> Link:
    seen = (
        replace(shape, geometry=Mesh(visual_mesh(shape.geometry), shape.geometry.scale))
        if isinstance(shape.geometry, Mesh)
        else shape
        for shape in shapes
    )
    # PyBullet places a body by its centre of mass: here that is its frame.
    return Link(link.name, Inertial(1.0, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0)), tuple(seen), ())


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
