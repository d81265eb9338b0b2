"""The chain of joints from a robot's root to one of its links, as plain data, and where it puts that link.

A policy that looks at its end effector carries such a chain: where it runs, no robot description is needed.
"""

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from robots.kinematics import Array, rotation, transform
from robots.robot import Robot
from sim2real.config import Strict
from sim2real.errors import RobotError, nearest

DAMPING = 0.1  # [m/rad] what a joint must move the link by, to be asked for much
FAR = 0.05  # [m]

Triple = tuple[float, float, float]


class ChainJoint(Strict):
    """One movable joint of a chain, in the frame that the joint before it moves.

    xyz [m], rpy [rad]: its own frame there, as URDF has it; axis: a unit vector in its own frame
    """

    name: str
    kind: Literal["turns", "slides"]
    xyz: Triple
    rpy: Triple
    axis: Triple


class Chain(Strict):
    """Movable joints, root first, and `tip`: the point they move, in the frame that the last one moves [m]."""

    joints: tuple[ChainJoint, ...] = Field(min_length=1)
    tip: Triple

    @classmethod
    def of(cls, robot: Robot, link: str, point: Array | None = None) -> "Chain":
        """Return the chain to a link of a robot; raise RobotError where there is no such link, or no joint moves it.

        point: (3,) [m] in the link's frame, its origin if not given
        """
        frames = robot.merged.frames
        if link not in frames:
            raise RobotError(f"{robot.path}: no link '{link}'{nearest(link, frames)}")
        body, place = frames[link]
        parents = {joint.child: joint for joint in robot.merged.model.joints}
        joints = []
        while body in parents:
            joint = parents[body]
            kind: Literal["turns", "slides"] = "slides" if joint.type == "prismatic" else "turns"
            origin = joint.origin
            joints.append(ChainJoint(name=joint.name, kind=kind, xyz=origin.xyz, rpy=origin.rpy, axis=joint.axis))
            body = joint.parent
        if not joints:
            raise RobotError(f"{robot.path}: no joint moves link '{link}'; name one at the end of an arm")
        x, y, z = place.xyz if point is None else (transform(place) @ [*point, 1.0])[:3].tolist()
        return cls(joints=tuple(reversed(joints)), tip=(x, y, z))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the joints, root first."""
        return tuple(joint.name for joint in self.joints)

    def place(self, q: Array) -> Array:
        """Return the link's place in the root link's frame: (n, 3) [m]; q (n, n_chain) [rad | m].

        Elementwise throughout, so that a row comes out the same to the last bit however many there are.
        """
        frames, places = self._motions(q)
        place = np.tile(np.array(self.tip), (len(q), 1))
        for k in reversed(range(len(self.joints))):
            turned = frames[:, k] * place[:, None, :]
            place = places[:, k] + turned[:, :, 0] + turned[:, :, 1] + turned[:, :, 2]
        return place

    def jacobian(self, q: Array, beyond: Array | None = None) -> Array:
        """Return how the link's place changes with each joint: (n, 3, n_chain) [m/rad | 1]; q (n, n_chain).

        A column is what the joint's axis, in the root link's frame, does: to turn about it moves the tip by a x r.
        With `beyond`, that of the point of the link that is so far from the tip now: (n, 3) [m], root link's frame.
        """
        frames, places = self._motions(q)
        turned, at = [np.broadcast_to(np.eye(3), (len(q), 3, 3))], [np.zeros((len(q), 3, 1))]
        for k in range(len(self.joints)):
            at.append(at[-1] + turned[-1] @ places[:, k, :, None])
            turned.append(turned[-1] @ frames[:, k])
        tip = at[-1] + turned[-1] @ np.array(self.tip)[:, None]
        if beyond is not None:
            tip = tip + beyond[:, :, None]
        axis = np.stack(turned[1:], axis=1) @ np.array([joint.axis for joint in self.joints])[:, :, None]
        arm = (tip[:, None] - np.stack(at[1:], axis=1))[:, :, :, 0]
        (ax, ay, az), (rx, ry, rz) = np.moveaxis(axis[:, :, :, 0], -1, 0), np.moveaxis(arm, -1, 0)
        swing = np.stack([ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx], axis=1)
        return np.where(self._turns, swing, np.swapaxes(axis[:, :, :, 0], 1, 2))

    def towards(self, q: Array, goal: Array) -> Array:
        """Return which way the joints bring the link to a goal (n, 3) [m], root link's frame: (n, n_chain) [rad/m | 1].

        Damped least squares, J^T (J J^T + DAMPING^2)^-1 e / (|e| + FAR), e the way to the goal (Wampler 1986): a
        direction while that is far, in proportion to the distance when near; q (n, n_chain) [rad | m].
        """
        jacobian = self.jacobian(q)
        across = np.swapaxes(jacobian, 1, 2)
        x, y, z = np.moveaxis(way := goal - self.place(q), -1, 0)
        pull = way / (np.sqrt(x * x + y * y + z * z) + FAR)[:, None]
        step: Array = (across @ np.linalg.solve(jacobian @ across + DAMPING**2 * np.eye(3), pull[:, :, None]))[:, :, 0]
        return step

    @cached_property
    def _turns(self) -> NDArray[np.bool_]:
        return np.array([joint.kind == "turns" for joint in self.joints])

    def _motions(self, q: Array) -> tuple[Array, Array]:
        """Return rotations (n, n_chain, 3, 3) and places (n, n_chain, 3) that joints give to what they move."""
        fixed, sine, cosine, slide, origin = self._parts
        turn = q[:, :, None, None]
        return fixed + np.sin(turn) * sine + (1.0 - np.cos(turn)) * cosine, origin + q[:, :, None] * slide

    @cached_property
    def _parts(self) -> tuple[Array, Array, Array, Array, Array]:
        """For each joint the rotation of its frame, what sin q and 1 - cos q add to it (Rodrigues), slide and place."""
        fixed, sine, cosine, slide = [], [], [], []
        for joint in self.joints:
            turn, axis = rotation(joint.rpy), np.array(joint.axis)
            x, y, z = joint.axis
            cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]) * (joint.kind == "turns")
            fixed.append(turn)
            sine.append(turn @ cross)
            cosine.append(turn @ cross @ cross)
            slide.append(turn @ axis * (joint.kind == "slides"))
        origin = [joint.xyz for joint in self.joints]
        return np.array(fixed), np.array(sine), np.array(cosine), np.array(slide), np.array(origin)
