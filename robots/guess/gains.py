"""Gains of position and velocity motors from what they move."""

import numpy as np

from robots.kinematics import Array, mass_matrix, sources
from robots.model import RobotModel

LARGEST_STEP = 0.4  # share of a joint's speed that its damping may take in one physics step; unstable from 2 on
SAG = 0.03  # [rad or m] by which a joint may give way under what it carries
YIELD = 0.1  # [rad or m] a motor gives all of its effort no sooner than this far from its target


def joint_inertias(model: RobotModel, q: Array, floating: bool) -> tuple[Array, Array]:
    """Return what each joint moves, all others held, and all others free: (n_joints,) [kg m^2 or kg] each.

    q: (n_joints,) [rad or m], canonical order. A mimic joint is moved by the one that it follows, and has 0 itself.
    """
    matrix = mass_matrix(model, q, floating)
    root = len(matrix) - len(model.movable)
    index = {name: root + k for k, name in enumerate(model.joint_names)}
    tie = np.eye(len(matrix))
    for name, mimic in sources(model).items():
        tie[index[name], index[mimic.joint]] = mimic.multiplier
    moved = [k for k in range(len(matrix)) if k < root or model.movable[k - root].mimic is None]
    matrix = tie[:, moved].T @ matrix @ tie[:, moved]
    held, free = np.zeros(len(tie)), np.zeros(len(tie))
    held[moved], free[moved] = np.diag(matrix), 1.0 / np.diag(np.linalg.inv(matrix))
    return held[root:], free[root:]


def stiffness(inertia: float, carried: float, effort: float, hz: float) -> float:
    """Return kp of a position motor.

    The natural frequency `hz` with `inertia`, or stiffer where `carried` [N m or N] asks for it, at most what gives all
    of the effort at 0.1 rad.
    """
    return min(max(inertia * (2 * np.pi * hz) ** 2, abs(carried) / SAG), effort / YIELD)


def critical_damping(kp: float, inertia: float) -> float:
    """Return the kd that damps critically."""
    return float(2 * np.sqrt(kp * inertia))


def two_digits(value: float) -> float:
    """Return the value with two significant digits, as a person would write it."""
    return float(f"{value:.2g}")
