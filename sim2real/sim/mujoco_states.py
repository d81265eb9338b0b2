"""Where everything lies in the state of a MuJoCo world, and what sensors read that such a state tells by itself.

A state is MuJoCo's "full physics": the time, the positions, the velocities. A free base comes first in both.
"""

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots import Robot
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate

Array = NDArray[np.float64]
Index = NDArray[np.intp]

PLACE = slice(1, 4)  # of a free base, after the time
TURN = np.array([5, 6, 7, 4])  # its quaternion x, y, z, w; w comes first in MuJoCo


class StateLayout:
    """The layout of the states of a robot's model: (n_worlds, size).

    positions, velocities: of the robot's joints; qpos, qvel: the same as index arrays
    twist: velocity of a free base, in the world [m/s], and its angular velocity, in its own frame [rad/s]
    at_rest: a state at the start, with a free base upright over a level floor
    """

    def __init__(self, model: Any, robot: Robot) -> None:
        joints = [model.joint(name) for name in robot.joint_names]
        self.qpos = 1 + np.array([joint.qposadr[0] for joint in joints], dtype=np.intp)
        self.qvel = 1 + model.nq + np.array([joint.dofadr[0] for joint in joints], dtype=np.intp)
        self.positions, self.velocities = _neighbours(self.qpos), _neighbours(self.qvel)
        self.motor_qpos, self.motor_qvel = self.qpos[robot.actuated], self.qvel[robot.actuated]
        self.twist = slice(1 + model.nq, 7 + model.nq)
        self.at_rest = np.zeros(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS))
        self.at_rest[1 : 1 + model.nq] = model.qpos0
        self._bolted = robot.fixed_base
        if not robot.fixed_base:
            self.at_rest[PLACE], self.at_rest[TURN] = (0.0, 0.0, robot.file.base_height), (0.0, 0.0, 0.0, 1.0)
        self._imu_turn: Array | None = None  # in the root, where it is turned
        if robot.file.imu and any(rpy := robot.merged.frames[robot.file.imu.link][1].rpy):
            self._imu_turn = from_rpy(np.array(rpy))

    def told(self, channel: str, states: Array) -> Array:
        """Return what a channel reads in states: (k, width); the IMU is on the root."""
        match channel:
            case "position":
                return states[:, self.positions]
            case "velocity":
                return states[:, self.velocities]
            case "base_velocity":
                return rotate(inverse(states[:, TURN]), states[:, self.twist][:, :3])
            case "gyro":
                return self._gyro(states)
            case _:
                return self._orientation(states)

    def _gyro(self, states: Array) -> Array:
        if self._bolted:
            return np.zeros((len(states), 3))
        spin = states[:, self.twist][:, 3:]
        return spin if self._imu_turn is None else rotate(inverse(self._imu_turn), spin)

    def _orientation(self, states: Array) -> Array:
        turn = np.array([0.0, 0.0, 0.0, 1.0]) if self._imu_turn is None else self._imu_turn
        if self._bolted:
            return np.broadcast_to(turn, (len(states), 4))
        base = states[:, TURN]
        return base if self._imu_turn is None else compose(base, turn)


def _neighbours(columns: Index) -> Index | slice:
    """Return columns as a slice where they lie side by side, which costs less to read."""
    if len(columns) and (np.diff(columns) == 1).all():
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns
