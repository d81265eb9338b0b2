"""What PyBullet worlds tell of their robots, turned into a WorldState for many worlds at once.

A world gives plain numbers, one row of them at a time (`World.snapshot`); all that is to be worked out from them is
done here in arrays, since numpy's price for a single world is as high as that for a hundred.
"""

from collections.abc import Sequence

import numpy as np

from robots import Robot
from sim2real.sim.engine import Array, Index, WorldState
from sim2real.sim.rotations import compose, cross, from_rpy, inverse, rotate

Frame = tuple[Array, Array]  # place (3,) and quaternion (4,)


class Reading:
    """The columns of a snapshot: q, dq, then `root_motion`'s (13,) and the IMU's quaternion, angular velocity (7,).

    The root's are there where the base is free or bears the IMU, the IMU's where another body bears it.
    root_frame: place and axes of the root's inertial frame, which no Variant changes
    """

    def __init__(self, robot: Robot, root_frame: Frame) -> None:
        self._robot, self._root_frame = robot, root_frame
        self._imu_turn, self._imu_on_root = None, False
        if robot.file.imu:
            body, frame = robot.merged.frames[robot.file.imu.link]
            self._imu_turn, self._imu_on_root = from_rpy(np.array(frame.rpy)), body == robot.model.root.name
        self._tells_root = not robot.fixed_base or self._imu_on_root

    def fill(self, state: WorldState, worlds: Index | slice, snapshots: Sequence[Sequence[float]]) -> None:
        """Write what snapshots tell, one of each of `worlds`, into those rows of a state; `tau` and `healthy` stay."""
        if not snapshots:
            return
        n = self._robot.n_joints
        with np.errstate(invalid="ignore", over="ignore"):  # a world that has diverged is found by its numbers
            told = np.array(snapshots)
            state.q[worlds], state.dq[worlds] = told[:, :n], told[:, n : 2 * n]
            root, imu = told[:, 2 * n : 2 * n + 13], told[:, told.shape[1] - 7 :]
            if self._tells_root:
                position, quaternion, velocity, angular = root_motion(root, self._root_frame)
                imu = np.concatenate([quaternion, angular], axis=1) if self._imu_on_root else imu
            if not self._robot.fixed_base:
                state.base_position[worlds], state.base_quaternion[worlds] = position, quaternion
                state.base_velocity[worlds], state.base_angular_velocity[worlds] = velocity, angular
            if self._imu_turn is not None:
                turn = compose(imu[:, :4], self._imu_turn)
                state.imu_quaternion[worlds] = turn
                state.imu_angular_velocity[worlds] = rotate(inverse(turn), imu[:, 4:])


def root_motion(told: Array, root_frame: Frame) -> tuple[Array, Array, Array, Array]:
    """Return position, quaternion, velocity and angular velocity (n, 3 or 4) of the root link's frame, in the world.

    told (n, 13): the same four of the root's inertial frame, which is what PyBullet speaks of
    """
    centre, turn, velocity, angular = told[:, :3], told[:, 3:7], told[:, 7:10], told[:, 10:]
    place, axes = root_frame
    quaternion = compose(turn, inverse(axes))
    offset = rotate(quaternion, place)
    return centre - offset, quaternion, velocity - cross(angular, offset), angular
