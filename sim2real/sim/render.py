"""Pictures of a robot, drawn in software: PyBullet's own renderer, whichever engine does the physics."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots import Robot, write_urdf
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
            write_urdf(robot.model, urdf)
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
        """Look at the middle of the links that have mass; a rail of 30 m is not the robot."""
        heavy = set(self.robot.model.bodies)
        links = [self._call("getJointInfo", self._body, j)[12].decode() for j in range(self._joint_count())]
        boxes = [self._call("getAABB", self._body, j) for j, link in enumerate(links) if link in heavy]
        low, high = (np.array([b[k] for b in boxes]) for k in (0, 1))
        low, high = low.min(axis=0), high.max(axis=0)
        distance = 2.2 * float(np.linalg.norm(high - low))
        return pybullet.computeViewMatrixFromYawPitchRoll(((low + high) / 2).tolist(), distance, 20.0, -15.0, 0.0, 2)
