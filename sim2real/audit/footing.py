"""How high above the floor a robot is: from its pose and shapes alone, no engine's word for it."""

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from robots.extent import reach
from robots.kinematics import link_poses
from sim2real.sim.rotations import compose, inverse, rotate
from sim2real.sim.terrain import Ground, heights

Array = NDArray[np.float64]

GRAZES = 0.003  # [m] above the floor, a body counts as touching it


def lowest_points(robot: Robot, q: Array, position: Array, quaternion: Array) -> dict[str, float]:
    """Return the height [m] of each body's lowest point above the plane z = 0, for bodies that can touch it.

    q: (n_joints,) [rad | m]; base position (3,) [m] and quaternion (4,) x, y, z, w, base to the plane's frame
    """
    x, y, z, w = quaternion.tolist()
    down = (-2 * (x * z - w * y), -2 * (y * z + w * x), -(1 - 2 * (x * x + y * y)))  # in the base's axes
    model = robot.merged.model
    poses = link_poses(model, q)
    return {
        link.name: float(position[2]) - reach(link, poses[link.name], down) for link in model.links if link.collisions
    }


def standing(robot: Robot, q: Array) -> dict[str, float]:
    """Return the height [m] of each body's lowest point relative to an upright base; q: (n_joints,) [rad | m]."""
    return lowest_points(robot, q, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))


def touched(robot: Robot, q: Array, base: Array) -> set[str]:
    """Return the bodies that touch the level floor; q: (n_joints,), base: (7,) position and quaternion x, y, z, w."""
    return {body for body, height in lowest_points(robot, q, base[:3], base[3:]).items() if height < GRAZES}


def clearance(robot: Robot, ground: Ground, q: Array, base: Array) -> tuple[float, float]:
    """Return how far the lowest point is under the floor's lowest, and over the floor's highest point [m].

    q: (n_joints,) [rad | m]; base: (7,) position [m] and quaternion x, y, z, w in the world
    """
    level = inverse(np.array(ground.tilt))
    heights_of = lowest_points(robot, q, rotate(level, base[:3]), compose(level, base[3:]))
    lowest = min(heights_of.values())
    field = heights(ground) if ground.uneven else np.zeros(1)
    return float(field.min()) - lowest, lowest - float(field.max())
