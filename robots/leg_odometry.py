"""Leg odometry: how fast a legged robot moves, from its joints and its gyroscope alone.

A foot that stands moves against the base as fast as the base moves over the ground (Roston & Krotkov 1992; Bloesch et
al. 2013 put the same into a filter). Where feet slip, so does the estimate; it is meant for a network to look at.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from robots.chain import Chain, Triple
from robots.kinematics import Array, rotation
from robots.robot import Robot
from sim2real.config import Strict
from sim2real.errors import RobotError


class LegOdometry(Strict):
    """What the estimate needs to know of a robot, as plain data.

    Feet step in groups, the diagonal pairs of a trot; the group that is lower is the one that stands. A low pass over
    `memory_s`, about one step of each leg, takes out the swing of the body and most of the noise.
    """

    feet: tuple[Chain, ...] = Field(min_length=2, description="What moves each foot")
    groups: tuple[int, ...] = Field(description="Which group each foot steps with, from 0")
    imu: Triple = Field(default=(0.0, 0.0, 0.0), description="Roll, pitch and yaw of the IMU on the base [rad]")
    memory_s: float = Field(gt=0, description="Time constant of the low pass [s]")
    period_s: float = Field(gt=0, description="Control period [s]")

    @model_validator(mode="after")
    def _consistent(self) -> "LegOdometry":
        if len(self.groups) != len(self.feet) or set(self.groups) != set(range(max(self.groups) + 1)):
            raise ValueError("groups: one number for each of feet, counted from 0 without a gap")
        return self

    @classmethod
    def of(cls, robot: Robot, groups: tuple[int, ...], memory_s: float) -> "LegOdometry":
        """Return a robot's; raise RobotError where it has not two feet, or no IMU on its base."""
        imu = robot.file.imu
        if len(robot.file.feet) < 2 or imu is None:
            raise RobotError(f"{robot.path}: leg odometry needs two feet and an imu; this has not both")
        body, place = robot.merged.frames[imu.link]
        if body != robot.merged.model.root.name:
            raise RobotError(f"{robot.path}: imu: leg odometry needs one on the base; link '{imu.link}' moves")
        feet = tuple(Chain.of(robot, foot) for foot in robot.file.feet)
        return cls(feet=feet, groups=groups, imu=place.rpy, memory_s=memory_s, period_s=robot.control_dt)

    def names(self) -> set[str]:
        """Return the joints of all legs."""
        return {name for foot in self.feet for name in foot.names}


class LegOdometer:
    """The estimate for n robots, with its memory."""

    def __init__(self, odometry: LegOdometry, joints: tuple[str, ...], n: int) -> None:
        """joints: names of the columns of q."""
        self._feet = [(foot, [joints.index(name) for name in foot.names]) for foot in odometry.feet]
        groups = np.array(odometry.groups)
        self._groups = [np.flatnonzero(groups == k) for k in range(max(odometry.groups) + 1)]
        self._mounted = rotation(odometry.imu)
        self._period = odometry.period_s
        self._share = 1.0 - np.exp(-odometry.period_s / odometry.memory_s)
        self._places = np.zeros((n, len(self._feet), 3))
        self._stands = np.zeros(n, np.intp)  # which group
        self.value = np.zeros((n, 3))

    def restart(self, q: Array, down: Array, robots: NDArray[np.intp] | slice = slice(None)) -> Array:
        """Begin anew at rest for some robots; arguments and result as of `observe`, of these robots."""
        self._places[robots] = places = self._where(q)
        self._stands[robots] = self._lowest(places, down)
        self.value[robots] = 0.0
        return self.value[robots]

    def observe(self, q: Array, down: Array, spin: Array) -> Array:
        """Take in the measurements of one period; return the speed forward, to the left, and of turning: (n, 3).

        q: (n, n_joints) [rad]; down: (n, 3), direction of gravity; spin: (n, 3) [rad/s]; both in the IMU's frame
        Result in [m/s, m/s, rad/s], in the base's frame. While the group that stands changes, the last one holds.
        """
        places, spin = self._where(q), self._on_base(spin)
        stands = self._lowest(places, down)
        moved = (self._places - places) / self._period - _cross(spin[:, None], places)
        speeds = np.stack([moved[:, feet].sum(axis=1) / len(feet) for feet in self._groups], axis=1)
        speed = speeds[np.arange(len(q)), stands]
        speed[:, 2] = spin[:, 2]
        known = np.ones((len(q), 3), bool)
        known[:, :2] = (stands == self._stands)[:, None]
        self._places, self._stands = places, stands
        self.value = self.value + self._share * np.where(known, speed - self.value, 0.0)
        return self.value

    def _where(self, q: Array) -> Array:
        return np.stack([foot.place(q[:, columns]) for foot, columns in self._feet], axis=1)

    def _on_base(self, measured: Array) -> Array:
        """Turn vectors (n, 3) from the IMU's frame into the base's."""
        turned: Array = (self._mounted * measured[:, None]).sum(axis=2)
        return turned

    def _lowest(self, places: Array, down: Array) -> NDArray[np.intp]:
        """Return which group of feet is lowest, on average: (n,)."""
        x, y, z = np.moveaxis(places, -1, 0)
        down = self._on_base(down)
        depth = x * down[:, :1] + y * down[:, 1:2] + z * down[:, 2:]
        depths = np.stack([depth[:, feet].sum(axis=1) / len(feet) for feet in self._groups], axis=1)
        lowest: NDArray[np.intp] = depths.argmax(axis=1)
        return lowest


def _cross(a: Array, b: Array) -> Array:
    (ax, ay, az), (bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
