"""The legs of a robot: which motors move which foot, where the feet stand, and how motors move them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.kinematics import Array, link_poses
from robots.robot import Robot
from sim2real.errors import RobotError

_STEP = 1e-5  # [rad] of the difference quotients
_ROUNDS = 30  # of Newton's method
_ALIKE = 0.02  # [m, m/rad] that mirror images may differ by


@dataclass(frozen=True)
class Leg:
    """One leg in the default pose.

    foot: link; motors: (k,) places among the robot's motors, hip first
    place: (3,) [m] of the foot in the root link's frame; jacobian: (3, k) [m/rad], how motors move it
    """

    foot: str
    motors: tuple[int, ...]
    place: Array
    jacobian: Array


def legs(robot: Robot) -> tuple[Leg, ...]:
    """Return a robot's legs, in the order of `feet` in its robot.yaml; raise RobotError where a foot has no motors."""
    found = []
    for foot in robot.file.feet:
        motors = _motors_of(robot, foot)
        if not motors:
            raise RobotError(f"{robot.path}: feet: no motor moves '{foot}'; name links at the end of legs")
        place = foot_place(robot, foot, robot.default_q)
        found.append(Leg(foot, motors, place, _jacobian(robot, foot, motors, robot.default_q)))
    return tuple(found)


def foot_place(robot: Robot, foot: str, q: Array) -> Array:
    """Return the place of a link's origin in the root link's frame: (3,) [m]; q (n_joints,) [rad | m]."""
    place: Array = link_poses(robot.model, q)[foot][:3, 3]
    return place


def lifted(robot: Robot, leg: Leg, height: float) -> Array:
    """Return how far the leg's motors turn to lift its foot straight up by `height` [m]: (k,) [rad].

    Newton's method with the pseudo-inverse of the Jacobian; raise RobotError where the leg cannot reach that.
    """
    goal, q = leg.place + [0.0, 0.0, height], robot.default_q.copy()
    joints = robot.actuated[list(leg.motors)]
    for _ in range(_ROUNDS):
        error = goal - foot_place(robot, leg.foot, q)
        if np.abs(error).max() < 1e-4:
            turned: Array = q[joints] - robot.default_q[joints]
            return turned
        q[joints] += np.linalg.pinv(_jacobian(robot, leg.foot, leg.motors, q)) @ error
    raise RobotError(f"{robot.path}: feet: '{leg.foot}' cannot be lifted by {height:g} m from the default pose")


def _motors_of(robot: Robot, link: str) -> tuple[int, ...]:
    parents = {joint.child: joint for joint in robot.model.joints}
    motors = []
    while link in parents:
        joint = parents[link]
        if joint.name in robot.actuator_names:
            motors.append(robot.actuator_names.index(joint.name))
        link = joint.parent
    return tuple(reversed(motors))


def _jacobian(robot: Robot, foot: str, motors: tuple[int, ...], q: Array) -> Array:
    columns = []
    for joint in robot.actuated[list(motors)]:
        step = np.zeros_like(q)
        step[joint] = _STEP
        columns.append((foot_place(robot, foot, q + step) - foot_place(robot, foot, q - step)) / (2 * _STEP))
    return np.stack(columns, axis=1)


def mirrored(robot: Robot) -> tuple[NDArray[np.intp], Array]:
    """Return, for each motor, its partner across the robot's x-z plane, and how they move: (n_actuators,) each.

    The second is 1 where mirror images turn the same way by their own numbers, -1 where opposite ways. Raise RobotError
    where the legs, or their default pose, are not mirror images.
    """
    partner, sign = np.arange(robot.n_actuators), np.ones(robot.n_actuators)
    all_legs = legs(robot)
    for leg in all_legs:
        image = leg.place * [1.0, -1.0, 1.0]
        other = min(all_legs, key=lambda candidate: float(np.abs(candidate.place - image).max()))
        if np.abs(other.place - image).max() > _ALIKE or len(other.motors) != len(leg.motors):
            raise RobotError(f"{robot.path}: feet: '{leg.foot}' has no mirror image; the task's symmetry needs one")
        for motor, twin, moves, twin_moves in zip(
            leg.motors, other.motors, leg.jacobian.T, other.jacobian.T, strict=True
        ):
            moved = moves * [1.0, -1.0, 1.0]
            partner[motor], sign[motor] = twin, 1.0 if moved @ twin_moves > 0 else -1.0
            if np.abs(moved - sign[motor] * twin_moves).max() > _ALIKE:
                names = robot.actuator_names
                raise RobotError(f"{robot.path}: '{names[motor]}' and '{names[twin]}' are not mirror images")
    return partner, sign
