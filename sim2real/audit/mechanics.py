"""What mechanics expects of a coordinate: whether it can do anything at all in a given motion.

Worked out from the model and the motion, not from lists of names:
- What a body weighs, and how, is felt where it changes the acceleration that some effort of the joints gives to the
  robot, in the poses it goes through: a cart on a rail has no use for its inertia, a shoulder's yaw none for what lies
  on its axis.
- A joint's damping, friction, rotor and limits are felt where it moves, or comes up to a limit.
- A contact is felt where the body touches the floor.
- A motor's limits are felt where it is asked for more than the least of them.
All else must show.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from randomization import stream
from robots import Robot
from robots.kinematics import gravity_torques, mass_matrix, sources
from robots.model import Inertial, Link, Pose, RobotModel
from sim2real.audit.trials import Trial

Array = NDArray[np.float64]

FELT = 1e-6  # share of an acceleration that is more than rounding
STILL = 1e-6  # [rad or m] a joint that moves less stands still
_POSES = 4  # looked at, of those that a motion goes through


def idle(robot: Robot, trial: Trial) -> str:
    """Return why a case can do nothing in its scenario, or "" where it must do something."""
    case, base = trial.case, trial.base
    quantity, member = case.quantity, case.member
    if quantity.per == "body":
        body = robot.merged.model.link(member)
        if body.inertial is not None and not _felt(robot, _changed(body, quantity.name, case.value), base.motion):
            return "no motion of the robot feels it"
    elif quantity.per == "touching body":
        if member not in base.touched:
            return "this body never touches the floor"
    elif "joint" in quantity.per and quantity.place == "engine":
        q = base.motion[:, robot.joint_index(member)]
        if np.ptp(q) < STILL:
            return "this joint cannot move"
    elif quantity.name == "rate_limit":
        if _fastest(robot, trial) <= case.value:
            return "no command changes faster"
    elif quantity.unit == "Hz":
        if case.value >= robot.file.control_hz:
            return "it reads once a control period as before"
    elif quantity.name.startswith("gravity_"):
        axis = "xyz".index(quantity.name[-1])
        if robot.fixed_base and not any(_leans(robot, q, axis) for q in _poses(robot, base.motion)):
            return "no joint moves along this axis"
    return ""


def _fastest(robot: Robot, trial: Trial) -> float:
    """Return the fastest change of the motor's command, which steps within one physics step [1/s of the command]."""
    column = robot.actuator_names.index(trial.case.member)
    steps = np.abs(np.diff(trial.base.scenario.commands[:, column]))
    return float(steps.max(initial=0.0)) / (robot.control_dt / robot.substeps)


def _poses(robot: Robot, motion: Array) -> Array:
    """Return some of the joint positions that a motion goes through: (k, n_joints)."""
    poses = motion[np.linspace(0, len(motion) - 1, _POSES).astype(int), : robot.n_joints]
    return poses[np.isfinite(poses).all(axis=1)]


def _leans(robot: Robot, q: Array, axis: int) -> bool:
    """Whether an even pull along a world axis moves a joint: what couples joints and a root that is not bolted."""
    matrix = mass_matrix(robot.merged.model, q, floating=True)
    return bool(np.abs(matrix[6:, 3 + axis]).max(initial=0.0) > FELT * np.abs(matrix).max())


def _changed(link: Link, quantity: str, value: float) -> Link:
    """Return a body as a Variant makes it; unchanged for a quantity that is not known here."""
    inertial = link.inertial
    assert inertial is not None
    x, y, z = inertial.origin.xyz
    scaled = tuple(value * component for component in inertial.inertia)
    match quantity:
        case "mass":
            inertial = Inertial(inertial.mass * value, scaled, inertial.origin)  # type: ignore[arg-type]
        case "payload":
            inertial = replace(inertial, mass=inertial.mass + value)
        case "inertia":
            inertial = replace(inertial, inertia=scaled)
        case "com_x" | "com_y" | "com_z":
            shifted = np.array([x, y, z]) + value * np.eye(3)["xyz".index(quantity[-1])]
            inertial = replace(inertial, origin=Pose(tuple(shifted.tolist()), inertial.origin.rpy))
    return replace(link, inertial=inertial)


def _felt(robot: Robot, changed: Link, motion: Array) -> bool:
    model = robot.merged.model
    links = tuple(changed if link.name == changed.name else link for link in model.links)
    other = replace(model, links=links)
    rng = stream(0, "audit mechanics")
    for q in _poses(robot, motion):
        effort = rng.normal(size=(robot.n_joints, 3))
        one, two = (_accelerations(robot, m, q, effort) for m in (model, other))
        if np.abs(one - two).max() > FELT * np.abs(one).max():
            return True
    return False


def _accelerations(robot: Robot, model: RobotModel, q: Array, effort: Array) -> Array:
    """Return what efforts (n_joints, k), scaled to what gravity asks for, do to joints and base at rest."""
    floating = not robot.fixed_base
    matrix = mass_matrix(model, q, floating)
    base = len(matrix) - robot.n_joints
    weight = np.concatenate([np.zeros(base), gravity_torques(model, q)])  # a free base falls; weights do not bend it
    asked = np.zeros((len(matrix), effort.shape[1] + 1))
    asked[base:, :-1] = effort * max(1.0, float(np.abs(weight).max(initial=0.0)))
    if not floating:
        asked[:, -1] = -weight
    tie = np.eye(len(matrix))  # mimic joints move along with the joint they follow
    for name, mimic in sources(model).items():
        tie[base + robot.joint_index(name), base + robot.joint_index(mimic.joint)] = mimic.multiplier
    free = [k for k in range(len(matrix)) if k < base or model.movable[k - base].mimic is None]
    tied = tie[:, free]
    moved: Array = np.linalg.pinv(tied.T @ matrix @ tied, hermitian=True) @ (tied.T @ asked)
    return moved
