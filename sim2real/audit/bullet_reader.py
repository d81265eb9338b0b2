"""Reads PyBullet worlds: what getDynamicsInfo says, and by one probing step what it keeps to itself.

The probe: the robot in the air, about in its default pose, all joints at 1 or 2 rad/s or m/s, this way and that, no
motor; one physics step. What slows them down whichever way they go, times the inertia, is what they resist with
(gravity and Coriolis forces do not change sign with the speed and drop out); of that, what grows with speed is damping,
the rest is friction. Rotors are part of the inertia of the bodies that they turn with.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from robots.kinematics import compose, mass_matrix, sources
from robots.model import Inertial, Pose
from sim2real.audit.read_back import Held, Snapshot, held
from sim2real.quiet import quiet
from sim2real.sim import Engine

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

Array = NDArray[np.float64]

Body = tuple[list[float], Array, Array]

ALOFT, UPRIGHT = 100.0, np.array([0.0, 0.0, 0.0, 1.0])  # [m] and x, y, z, w: the base during the probe
_SPEEDS = (1.0, 2.0)
_AWAY = 0.2  # share of a joint's range, from its stops, where it is probed
_CONTACT = ("sliding", "rolling", "spinning", "restitution", "stiffness", "contact_damping")


class BulletReader:
    """See `sim2real.audit.read_back.Reader`."""

    def __init__(self, engine: Any) -> None:
        self._engine: Engine = engine
        self._worlds = engine.worlds
        robot = engine.robot
        self._floating = not robot.fixed_base
        self._probed = np.array([_amid(robot, name) for name in robot.joint_names])
        self._free = _free_joints(robot)

    def snapshot(self, world: int) -> Snapshot:
        """See `Reader.snapshot`."""
        w, robot = self._worlds[world], self._engine.robot
        options = pybullet.getPhysicsEngineParameters(physicsClientId=w.client)
        children, floor = self._fixed_children(w), self._floor(w)
        bodies = {link.name: self._body(w, w.link_index[link.name], children) for link in robot.merged.model.links}
        seen = {"gravity": held({"": [options[f"gravityAcceleration{axis}"] for axis in "XYZ"]})}
        for column, field in enumerate(("mass", "com", "inertia")):
            seen[field] = held({name: parts[column] for name, parts in bodies.items()})
        if floor is not None:
            shaped = [link.name for link in robot.merged.model.links if link.collisions]
            contacts = {name: _contact(self._info(w, w.link_index[name]), floor) for name in shaped}
            for column, field in enumerate(_CONTACT):
                seen[field] = held({name: [values[column]] for name, values in contacts.items()})
        if not self._free:
            return seen
        inertia = self._mass_matrix(bodies)
        first, second = ((inertia @ self._resistance(w, speed))[-robot.n_joints :] for speed in _SPEEDS)
        names = tuple(robot.joint_names[k] for k in self._free)
        seen["damping"] = Held(names, (second - first)[self._free, None])
        seen["friction"] = Held(names, (2 * first - second)[self._free, None])
        return seen

    def _info(self, w: Any, link: int, body: int | None = None) -> Any:
        return pybullet.getDynamicsInfo(w.body if body is None else body, link, physicsClientId=w.client)

    def _floor(self, w: Any) -> Any:
        bodies = [pybullet.getBodyUniqueId(k, physicsClientId=w.client) for k in range(self._bodies(w))]
        others = [body for body in bodies if body != w.body]
        return self._info(w, -1, others[0]) if others else None

    def _bodies(self, w: Any) -> int:
        return int(pybullet.getNumBodies(physicsClientId=w.client))

    def _fixed_children(self, w: Any) -> dict[int, list[tuple[int, Array, Array]]]:
        """Return, for each link, what is bolted to it: link, place and axes in the parent's inertial frame."""
        children: dict[int, list[tuple[int, Array, Array]]] = {}
        for joint in range(pybullet.getNumJoints(w.body, physicsClientId=w.client)):
            info = pybullet.getJointInfo(w.body, joint, physicsClientId=w.client)
            if info[2] == pybullet.JOINT_FIXED:
                children.setdefault(info[16], []).append((joint, np.array(info[14]), _axes(info[15]).T))
        return children

    def _body(self, w: Any, link: int, children: dict[int, list[Any]]) -> Body:
        """Return mass, centre of mass and inertia about it, in the body's frame, with all that is bolted to it."""
        info = self._info(w, link)
        frame, axes = np.array(info[3]), _axes(info[4])
        parts = [(info[0], np.zeros(3), np.diag(info[2]))]
        for child, place, turn in children.get(link, []):
            own = self._info(w, child)
            parts.append((own[0], place, turn @ np.diag(own[2]) @ turn.T))
        mass, centre, inertia = compose(parts) if any(part[0] for part in parts) else parts[0]
        return [mass], frame + axes @ centre, (axes @ inertia @ axes.T).ravel()

    def _resistance(self, w: Any, speed: float) -> Array:
        """Return the mean of what the joints resist with when they turn this way and that: (n_joints, ...) per s^2."""
        robot, slowed = self._engine.robot, []
        w.set_substeps(1)
        for sign in (1.0, -1.0):
            w.reset(self._probed, np.full(robot.n_joints, sign * speed), np.array([0.0, 0.0, ALOFT]), UPRIGHT)
            before = self._speeds(w)
            pybullet.stepSimulation(physicsClientId=w.client)
            slowed.append(sign * (before - self._speeds(w)))
        dt = pybullet.getPhysicsEngineParameters(physicsClientId=w.client)["fixedTimeStep"]
        mean: Array = (slowed[0] + slowed[1]) / 2 / dt
        return mean

    def _mass_matrix(self, bodies: dict[str, Body]) -> Array:
        """Return the inertia of joints, and of the base before them if it is free, with the bodies as they are."""
        robot = self._engine.robot
        model, links = robot.merged.model, []
        for link in robot.merged.model.links:
            (mass,), (x, y, z), inertia = bodies[link.name]
            xx, xy, xz, _, yy, yz, _, _, zz = inertia.tolist()
            inertial = Inertial(mass, (xx, xy, xz, yy, yz, zz), Pose((float(x), float(y), float(z))))
            links.append(replace(link, inertial=inertial))
        return mass_matrix(replace(model, links=tuple(links)), self._probed, self._floating)

    def _speeds(self, w: Any) -> Array:
        joints = [speed for _, speed in w.joints()]
        if not self._floating:
            return np.array(joints)
        _, _, linear, angular = w.base()
        return np.concatenate([angular, linear, joints])


def _amid(robot: Robot, joint: str) -> float:
    """Return a joint's default position, or the nearest one that is well away from its stops [rad or m]."""
    limit, default = robot.model.joint(joint).limit, float(robot.default_q[robot.joint_index(joint)])
    if not np.isfinite(limit.upper - limit.lower):
        return default
    margin = _AWAY * (limit.upper - limit.lower)
    return float(np.clip(default, limit.lower + margin, limit.upper - margin))


def _free_joints(robot: Robot) -> list[int]:
    """Return the joints whose resistance can be told apart: those that no mimic joint and no loop ties to others."""
    tied = {name for name, mimic in sources(robot.model).items()} | {m.joint for m in sources(robot.model).values()}
    return [] if robot.file.loops else [k for k, name in enumerate(robot.joint_names) if name not in tied]


def _contact(info: Any, floor: Any) -> tuple[float, ...]:
    """Return how a body meets the floor, in the order of `_CONTACT`, from what Bullet says of both."""
    rolling, spinning = (info[k] * floor[1] + floor[k] * info[1] for k in (6, 7))
    return info[1] * floor[1], rolling, spinning, info[5] * floor[5], np.inf if info[9] < 0 else info[9], info[8]


def _axes(quaternion: Any) -> Array:
    return np.array(pybullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)
