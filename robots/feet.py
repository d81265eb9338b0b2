"""How a robot's feet move where they touch the floor: plain numpy, vectorised over worlds."""

import numpy as np

from robots.chain import Chain
from robots.extent import outline
from robots.kinematics import Array, link_poses, transform
from robots.model import Link, Sphere
from robots.robot import Robot

_LEVEL = 1e-3  # [m] points of a foot that are no higher than this above its lowest one are its sole


class Feet:
    """The feet of a robot, in the order of its robot.yaml, each as a ball at the end of a chain of joints.

    A foot that is one ball is that ball: it may roll, and what touches the floor stays below its centre. Any other is
    a ball of no size in the middle of what is lowest of it in the default pose.
    """

    def __init__(self, robot: Robot) -> None:
        """Raise RobotError where no joint moves a foot, or its mesh cannot be read."""
        self._chains, self._joints, self._radii = [], [], []
        poses = link_poses(robot.model, robot.default_q)
        for name in robot.file.feet:
            centre, radius = _ball(robot.model.link(name), poses[name])
            chain = Chain.of(robot, name, centre)
            self._chains.append(chain)
            self._joints.append([robot.joint_index(joint) for joint in chain.names])
            self._radii.append(radius)

    def velocities(self, q: Array, dq: Array, velocity: Array, spin: Array, down: Array) -> Array:
        """Return how fast the part of each foot that is farthest down moves: (n, n_feet, 3) [m/s].

        q, dq (n, n_joints) [rad | m, rad/s | m/s]; velocity [m/s] and spin [rad/s] of the root link and the direction
        `down` towards the floor, a unit vector: (n, 3) each. All in the root link's frame.
        """
        found = []
        for chain, joints, radius in zip(self._chains, self._joints, self._radii, strict=True):
            angles, sole = q[:, joints], radius * down
            legs_part = (chain.jacobian(angles, sole) @ dq[:, joints, None])[:, :, 0]
            found.append(velocity + np.cross(spin, chain.place(angles) + sole) + legs_part)
        return np.stack(found, axis=1)


def _ball(foot: Link, pose: Array) -> tuple[Array, float]:
    """Return the centre (3,) [m] of the ball that a foot is taken as, in the link's frame, and its radius [m].

    pose: (4, 4) of the link in the default pose
    """
    shapes = foot.collisions
    if len(shapes) == 1 and isinstance(shapes[0].geometry, Sphere):
        return np.array(shapes[0].origin.xyz), shapes[0].geometry.radius
    if not shapes:
        return np.zeros(3), 0.0
    frames = [transform(shape.origin) for shape in shapes]
    points = [outline(s.geometry) @ f[:3, :3].T + f[:3, 3] for s, f in zip(shapes, frames, strict=True)]
    every = np.concatenate(points)
    height = every @ pose[2, :3]
    return every[height < height.min() + _LEVEL].mean(axis=0), 0.0
