"""Ideal sensors of one PyBullet world, read at the present moment. What they mean is in `sim2real.sim.channels`.

The other channels follow from the state, for many worlds at once: see `sim2real.sim.bullet_reading`.

Facts behind them, measured on PyBullet 3.2.7:
- `getJointState` gives what the parent exerts on the child at the child's centre of mass, along its principal axes.
  What a velocity motor (here: Coulomb friction) exerts along the joint's own axis is missing there and added. What an
  end stop or a mimic joint's gear exerts along it is missing too, and nothing tells it: that one number is too small.
- A motor's rotor is part of the child (see `bullet_bodies`), and so in the torque that accelerates the child.
- It still gives the last step's wrench after a reset, until the sensor is switched off and on.
- Contact forces are impulses over a physics step: those of the last one, with `numSubSteps` too.
- Its own functions for transforms (`multiplyTransforms`, `rotateVector`) round to single precision: none is used.
- A ray that begins inside a shape does not hit it. All that a ray hits comes in no order (`reportHitNumber`); where it
  hits nothing its share is 1.
- Contacts, like all that needs a step, are gone right after a reset, where MuJoCo's follow from the state.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from robots import Joint
from robots.kinematics import pose_of, transform
from robots.model import Pose
from sim2real.quiet import quiet
from sim2real.sim.bullet_world import World
from sim2real.sim.channels import check_channels
from sim2real.sim.rotations import from_rpy

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

Vector = Sequence[float]
INSTRUMENTS = ("accelerometer", "contact", "wrench", "range")


class BulletInstruments:
    """The sensors of one World, also after it has loaded its robot again."""

    def __init__(self, world: World, channels: Sequence[str]) -> None:
        """channels: what is not of `INSTRUMENTS` is left out. Raise EngineError where the robot has no such sensor."""
        self._world, self._robot = world, world.robot
        self.channels = tuple(name for name in check_channels(world.robot, channels) if name in INSTRUMENTS)
        self._read = {name: getattr(self, f"_{name}") for name in self.channels}
        self._before: tuple[float, Vector, Vector] | None = None
        self._bind()

    def read(self, channel: str) -> list[float]:
        """Return what the sensors of one channel read now: as many numbers as the channel is wide."""
        self._keep_up()
        values: list[float] = self._read[channel]()
        return values

    def before(self, dt: float) -> None:
        """Remember the IMU's motion, if there is an accelerometer: it is read next after a physics step of dt [s]."""
        self._keep_up()
        if "accelerometer" in self.channels:
            orientation, velocity, _ = self._imu_motion()
            self._before = dt, orientation, velocity

    def forget(self) -> None:
        """Begin anew after a reset, when nothing has been simulated.

        Until the next step the accelerometer reads as if the robot were held where it is, and wrenches are 0.
        """
        self._keep_up()
        self._before = None
        for link, *_ in self._flanges:
            self._call("enableJointForceTorqueSensor", link, 0)
            self._call("enableJointForceTorqueSensor", link, 1)

    def _keep_up(self) -> None:
        if self._links is not self._world.link_index:
            self._bind()

    def _bind(self) -> None:
        """Find the robot's parts in the world as it is loaded now."""
        robot, self._links = self._robot, self._world.link_index
        if robot.file.imu:
            self._imu, self._imu_pose = self._mount(robot.file.imu.link, Pose())
        self._feet = [self._links[robot.merged.frames[foot][0]] for foot in robot.file.feet]
        self._finders = [
            (*self._mount(finder.link, Pose(finder.xyz, finder.rpy)), finder.max_range)
            for finder in robot.file.rangefinders.values()
        ]
        measured = robot.file.force_torque if "wrench" in self.channels else ()
        self._flanges = [self._flange(robot.merged.model.joint(name)) for name in measured]
        for link, *_ in self._flanges:
            self._call("enableJointForceTorqueSensor", link, 1)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(pybullet, name)(self._world.body, *arguments, physicsClientId=self._world.client, **options)

    def _mount(self, link: str, pose: Pose) -> tuple[int, tuple[Vector, Vector]]:
        """Return the body that bears a link, and where a pose in the link's frame is in the body's."""
        body, frame = self._robot.merged.frames[link]
        placed = pose_of(transform(frame) @ transform(pose))
        return self._links[body], (placed.xyz, from_rpy(np.array(placed.rpy)).tolist())

    def _flange(self, joint: Joint) -> tuple[int, Vector, bool]:
        """Return the body that a joint moves, the joint's axis there, and whether it slides."""
        return self._links[joint.child], joint.axis, joint.type == "prismatic"

    def _motion(self, link: int) -> tuple[Vector, Vector, Vector, Vector, Vector]:
        """Return a body's position, orientation and centre of mass, and the latter's velocity, angular velocity."""
        if link >= 0:
            state = self._call("getLinkState", link, computeLinkVelocity=1, computeForwardKinematics=1)
            return state[4], state[5], state[0], state[6], state[7]
        centre, turn = self._call("getBasePositionAndOrientation")
        offset, axes = self._call("getDynamicsInfo", -1)[3:5]
        orientation = _composed(turn, (-axes[0], -axes[1], -axes[2], axes[3]))
        place = _minus(centre, _turned(orientation, offset))
        return place, orientation, centre, *self._call("getBaseVelocity")

    def _imu_motion(self) -> tuple[Vector, Vector, Vector]:
        """Return the IMU's orientation, and its velocity and angular velocity in the world."""
        position, turn, centre, velocity, angular = self._motion(self._imu)
        place, orientation = _placed(position, turn, self._imu_pose)
        return orientation, _plus(velocity, _cross(angular, _minus(place, centre))), angular

    def _accelerometer(self) -> list[float]:
        """Mean over the physics step: the world's mean acceleration seen from both ends of the step, errors in dt^2."""
        parameters = pybullet.getPhysicsEngineParameters(physicsClientId=self._world.client)
        gravity = [parameters[f"gravityAcceleration{axis}"] for axis in "XYZ"]
        orientation, velocity, _ = self._imu_motion()
        if self._before is None:
            return list(_back(orientation, [-g for g in gravity]))
        dt, earlier, before = self._before
        force = [(v - b) / dt - g for v, b, g in zip(velocity, before, gravity, strict=True)]
        seen = (_back(end, force) for end in (earlier, orientation))
        return [(a + b) / 2 for a, b in zip(*seen, strict=True)]

    def _contact(self) -> list[float]:
        forces = dict.fromkeys(self._feet, 0.0)
        for point in self._call("getContactPoints"):
            for body, link in zip(point[1:3], point[3:5], strict=True):
                if body == self._world.body and link in forces:
                    forces[link] += point[9]
        return [forces[foot] for foot in self._feet]

    def _wrench(self) -> list[float]:
        values: list[float] = []
        for link, axis, slides in self._flanges:
            state, info = self._call("getJointState", link), self._call("getDynamicsInfo", link)
            centre, axes, along = info[3], info[4], [state[3] * a for a in axis]
            force, torque = _turned(axes, state[2][:3]), _turned(axes, state[2][3:])
            force, torque = (_plus(force, along), torque) if slides else (force, _plus(torque, along))
            values += [*force, *_plus(torque, _cross(centre, force))]
        return values

    def _range(self) -> list[float]:
        return [self._distance(link, pose, reach) for link, pose, reach in self._finders]

    def _distance(self, link: int, pose: tuple[Vector, Vector], reach: float) -> float:
        place, turn = _placed(*self._motion(link)[:2], pose)
        ray = [place], [_plus(place, _turned(turn, (reach, 0.0, 0.0)))]
        ((body, hit, share, *_),) = pybullet.rayTestBatch(*ray, physicsClientId=self._world.client)
        if (body, hit) == (self._world.body, link):
            share = min(self._beyond(link, ray), default=1.0)
        return float(share * reach)

    def _beyond(self, link: int, ray: tuple[list[Vector], list[Vector]]) -> Iterator[float]:
        """Yield at which shares of a ray it hits anything but the body that bears it."""
        for number in range(_HITS):
            hits = pybullet.rayTestBatch(*ray, reportHitNumber=number, physicsClientId=self._world.client)
            ((body, hit, share, *_),) = hits
            if body < 0:
                return
            if (body, hit) != (self._world.body, link):
                yield share


_HITS = 64  # shapes on a ray that are looked at


def _placed(place: Vector, turn: Vector, pose: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
    """Return place and quaternion in the world of a pose that is given in a frame at `place`, `turn`."""
    return _plus(place, _turned(turn, pose[0])), _composed(turn, pose[1])


def _composed(a: Vector, b: Vector) -> Vector:
    """Return the rotation that applies b, then a. For single quaternions four times as fast as with arrays."""
    (ax, ay, az, aw), (bx, by, bz, bw) = a, b
    return (
        aw * bx + bw * ax + ay * bz - az * by,
        aw * by + bw * ay + az * bx - ax * bz,
        aw * bz + bw * az + ax * by - ay * bx,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _turned(q: Vector, v: Vector) -> Vector:
    """Return a vector turned by a unit quaternion."""
    w = q[3]
    twice = tuple(2.0 * t for t in _cross(q, v))
    return _plus(_plus(v, tuple(w * t for t in twice)), _cross(q, twice))


def _back(q: Vector, v: Vector) -> Vector:
    """Return a vector turned by the inverse of a unit quaternion."""
    return _turned((-q[0], -q[1], -q[2], q[3]), v)


def _plus(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _minus(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
