"""What mechanics expects of a coordinate: whether it can do anything at all in a given motion.

Worked out from the model and the motion, not from lists of names:
- What a body weighs, and how, is felt where it changes the acceleration that some effort of the joints gives to the
  robot, in the poses it goes through: a cart on a rail has no use for its inertia, a shoulder's yaw none for what lies
  on its axis.
- A joint's damping, friction, rotor and limits are felt where it moves, or comes up to a limit.
- A contact is felt where the body touches the floor.
- A motor's limits are felt where it is asked for more than they allow.
- A sensor's scale and steps are felt where it reads something, its rate where it is lower than that of control.
All else must show.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from randomization import stream
from robots import Robot
from robots.kinematics import gravity_torques, mass_matrix, sources
from robots.model import Inertial, Link, Pose, RobotModel
from sim2real.audit.trials import Trial
from sim2real.sim.actuators import servo

Array = NDArray[np.float64]

FELT = 1e-9  # share of an acceleration that is more than rounding
STILL = 1e-6  # [rad or m] a joint that moves less stands still
SPARE = 0.02  # share of its largest effort that a motor has left, if it is never asked for all
_POSES = 4  # looked at, of those that a motion goes through


@dataclass(frozen=True)
class Idle:
    """Why a case may do nothing; `surely`: and must not do anything either."""

    why: str
    surely: bool = True


def idle(robot: Robot, trial: Trial) -> Idle | None:
    """Return why a case does nothing, or may do nothing, in its scenario; None where it must do something."""
    for test in (_body_idle, _contact_idle, _joint_idle, _motor_idle, _sensor_idle, _gravity_idle):
        if (found := test(robot, trial)) is not None:
            return found
    return None


def _body_idle(robot: Robot, trial: Trial) -> Idle | None:
    case = trial.case
    if case.quantity.per != "body":
        return None
    body = robot.merged.model.link(case.member)
    changed = _changed(body, case.quantity.name, case.value)
    if _felt(robot, changed, trial.base.motion):
        return None
    return Idle("no motion of the robot feels it", surely=robot.fixed_base)  # on a floor, weight is felt


def _contact_idle(_: Robot, trial: Trial) -> Idle | None:
    if trial.case.quantity.per == "touching body" and trial.case.member not in trial.base.touched:
        return Idle("this body never touches the floor", surely=False)  # not at the end of any control period
    return None


def _joint_idle(robot: Robot, trial: Trial) -> Idle | None:
    quantity = trial.case.quantity
    if "joint" in quantity.per and quantity.place == "engine":
        q = trial.base.motion[:, robot.joint_index(trial.case.member)]
        if np.ptp(q) < STILL:
            return Idle("this joint cannot move", surely=False)
    return None


def _motor_idle(robot: Robot, trial: Trial) -> Idle | None:
    """Limits of motors act where they are met: worked out along the motion, at the beginning of each control period."""
    name = trial.case.quantity.name
    if name == "rate_limit" and not _rate_acts(robot, trial):
        return Idle("no command that changes faster changes the effort", surely=False)
    if name in ("no_load_speed", "supply_voltage"):
        motors = [trial.case.member] if trial.case.member else list(robot.actuator_names)
        if all(_spare(robot, trial, motor) > SPARE for motor in motors):
            return Idle("no motor is asked for all that it has", surely=False)
    return None


def _sensor_idle(robot: Robot, trial: Trial) -> Idle | None:
    case = trial.case
    if case.quantity.place != "sensor":
        return None
    if case.quantity.unit == "Hz" and case.value >= robot.file.control_hz:
        return Idle("it reads once a control period, as before")
    if case.quantity.name.endswith(("_scale", "_resolution")):
        readings = trial.base.senses[:, trial.base.columns_of(case.quantity.name.rpartition("_")[0], case.member)]
        if not readings.any():
            foot = case.quantity.per == "foot"
            return Idle("this foot touches nothing" if foot else "this sensor reads 0 all along")
    return None


def _gravity_idle(robot: Robot, trial: Trial) -> Idle | None:
    name = trial.case.quantity.name
    if not name.startswith("gravity_") or not robot.fixed_base:
        return None
    leans = any(_leans(robot, q, "xyz".index(name[-1])) for q in _poses(robot, trial.base.motion))
    return None if leans else Idle("no joint moves along this axis")


def _rate_acts(robot: Robot, trial: Trial) -> bool:
    """Whether, in the first physics step of some control period, the limited command gives another effort."""
    motor = robot.actuator_names.index(trial.case.member)
    actuator, column = robot.actuators[motor], robot.actuated[motor]
    law, most = servo(actuator), trial.case.value * robot.control_dt / robot.substeps
    command = trial.base.scenario.commands[:, motor]
    q, dq = trial.base.motion[:-1, column], trial.base.speed[:-1, column]
    before, after = command[:-1], command[1:]
    limited = np.clip(after, before - most, before + most)
    one, other = (
        np.clip(law.gain * c + law.stiffness * q + law.damping * dq, -actuator.effort, actuator.effort)
        for c in (after, limited)
    )
    return not np.array_equal(one, other)


def _spare(robot: Robot, trial: Trial, motor: str) -> float:
    """Return the least share of its largest effort that a motor has left, at the end of all control periods."""
    column = robot.actuator_names.index(motor)
    return 1.0 - float(np.abs(trial.base.effort[:, column]).max()) / robot.actuators[column].effort


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
    if inertial is None:
        return link
    x, y, z = inertial.origin.xyz
    xx, xy, xz, yy, yz, zz = (value * component for component in inertial.inertia)
    scaled = xx, xy, xz, yy, yz, zz
    match quantity:
        case "mass":
            inertial = Inertial(inertial.mass * value, scaled, inertial.origin)
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
