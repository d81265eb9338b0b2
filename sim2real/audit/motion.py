"""The motions of an audit: where a robot starts, and seeded commands that make every quantity act.

Motors follow sines with steps that ask for more than they can give. A robot with a free base starts above the floor: it
moves in the air first, where both engines solve the same equations, then lands and moves on gently, so that it neither
jumps nor falls over.
"""

import numpy as np
from numpy.typing import NDArray

from randomization import stream
from robots import Actuator, Robot
from robots.kinematics import GRAVITY, follow
from sim2real.audit.footing import standing

Array = NDArray[np.float64]
Motion = tuple[Array, Array, Array]
"""Start q and dq (n_joints,) and commands (n_periods, n_actuators)."""

DROP = 0.1  # [m] from which robots with a free base fall
CLEAR = 0.02  # [rad or m] from a limit, wherever a Variant has it, at which a joint starts that is to run into it
_HZ = (1.0, 2.5)  # of the sines
_STEP = 5  # [control periods] from step to step of a command
_POSES = 300  # tried to find one that lies on a given body
_OVER = 2.0  # what steps ask for, over what motors can give
_GENTLE = 0.3  # of that, on the floor
_INSIDE = (
    0.15  # share of a joint's range, at each end, that commands keep away from: its stops have a motion of their own
)
_RANGE = 1.0  # [rad or m] to each side of the default pose, where joints may be sent
_FAST = 5.0  # [rad/s or m/s] the largest speed that is asked for


def moving(robot: Robot, q: Array, dq: Array, periods: int, gentle: bool = False) -> Motion:
    """Return the motion from q, dq (n_joints,) [rad | m, and per s]; `gentle` from the start for one near the floor."""
    rng, n = stream(0, "audit commands"), robot.n_actuators
    t = np.arange(periods)[:, None] * robot.control_dt
    size = np.array([_reachable(a, np.diff(reachable(robot, a.joint))[0]) for a in robot.actuators])
    hz, phase = rng.uniform(*_HZ, n), rng.uniform(0, 2 * np.pi, n)
    late, first = rng.integers(0, _STEP, n), rng.choice([-1.0, 1.0], n)
    steps = first * (-1.0) ** ((np.arange(periods)[:, None] + late) // _STEP)
    flight = np.inf if robot.fixed_base else np.sqrt(2 * DROP / GRAVITY)
    share = np.where((t < flight) & (not gentle), 1.0, _GENTLE)
    wave = share * (0.4 * np.sin(2 * np.pi * hz * t + phase) + 0.6 * steps)
    return q, dq, _within(robot, holding(robot, q) + size * wave)


def into_limit(robot: Robot, joint: str, offset: float, periods: int) -> Motion:
    """Return a motion that runs a joint into the stop that leaves the robot higher above the floor.

    offset: [rad or m] by which a Variant may shift the stops, to either side
    """
    column, limit, starts = robot.joint_index(joint), robot.model.joint(joint).limit, []
    span = limit.upper - limit.lower
    clear = min(CLEAR + offset, 0.45 * span)
    for stop, sign in ((limit.upper, 1.0), (limit.lower, -1.0)):
        q = robot.default_q.copy()
        q[column] = stop - sign * clear
        q, _ = follow(robot.model, q, np.zeros_like(q))
        height = 0.0 if robot.fixed_base else min(standing(robot, q).values())
        starts.append((height, q, sign, stop))
    _, q, sign, stop = max(starts, key=lambda start: start[0])
    dq = np.zeros(robot.n_joints)
    dq[column] = sign
    commands = np.tile(holding(robot, q), (periods, 1))
    for k, actuator in enumerate(robot.actuators):
        if actuator.joint == joint:
            push = _reachable(actuator, span) / 2
            if actuator.mode == "position":  # at least to beyond the stop, wherever it is
                push = max(push, sign * (stop - q[column]) + offset + CLEAR)
            commands[:, k] += sign * push
    return q, follow(robot.model, q, dq)[1], commands


def poses_on(robot: Robot) -> dict[str, Array]:
    """Return, for each body that can be the lowest of an upright robot, the pose in which it is so by the most."""
    rng = stream(0, "audit poses")
    limits = np.array([reachable(robot, name) for name in robot.joint_names]).reshape(-1, 2)
    q = rng.uniform(limits[:, 0], limits[:, 1], size=(_POSES, robot.n_joints))
    poses, _ = follow(robot.model, q, np.zeros_like(q))
    best: dict[str, tuple[float, Array]] = {}
    for q in poses:
        (lowest, body), (second, _) = sorted((height, name) for name, height in standing(robot, q).items())[:2]
        if second - lowest > best.get(body, (0.0, q))[0]:
            best[body] = second - lowest, q
    return {body: q for body, (_, q) in best.items()}


def holding(robot: Robot, q: Array) -> Array:
    """Return the command (n_actuators,) that keeps a robot at q (n_joints,)."""
    position = np.array([mode == "position" for mode in robot.modes])
    return np.where(position, q[robot.actuated], 0.0)


def reachable(robot: Robot, joint: str) -> tuple[float, float]:
    """Return where a joint may be sent: within its limits, and not far from its default [rad or m]."""
    default = robot.default_q[robot.joint_index(joint)]
    lower, upper = robot.joint_range(joint)
    return max(lower, default - _RANGE), min(upper, default + _RANGE)


def _reachable(actuator: Actuator, span: float) -> float:
    """Return a command that asks for more than the motor can give, where the joint's range allows it."""
    most = _OVER * actuator.effort
    match actuator.mode:
        case "position":
            return min(most / actuator.kp if actuator.kp else span, 0.4 * span)
        case "velocity":
            return min(most / actuator.kd if actuator.kd else 1.0, _FAST)
    return most


def _within(robot: Robot, commands: Array) -> Array:
    position = np.array([mode == "position" for mode in robot.modes])
    lower, upper = robot.q_limits
    span = np.where(np.isfinite(upper - lower), upper - lower, 0.0)
    return np.where(position, np.clip(commands, lower + _INSIDE * span, upper - _INSIDE * span), commands)
