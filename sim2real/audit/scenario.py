"""The motions under which quantities are tried: seeded, smooth where it can be, and such that each one can act.

A robot with a free base starts `DROP` above the floor: it moves in the air first, where both engines solve the same
equations, then lands. Its motors follow sines with steps that ask for more than they can give. Two more kinds of start
are made where they are needed: with the joints just before their limits, and lying on a body that otherwise never
touches the floor.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from randomization import VariantSpace, stream
from robots import Actuator, Robot
from robots.extent import reach
from robots.kinematics import follow, link_poses
from sim2real.audit.cases import Case

Array = NDArray[np.float64]

DROP = 0.1  # [m] from which robots with a free base fall
SECONDS = 0.7  # of a rollout
CLEAR = 0.02  # [rad or m] from a limit, wherever a Variant has it, at which a joint starts that is to run into it
_HZ = (1.0, 2.5)  # of the sines
_STEP = 5  # [control periods] from step to step of a command
_POSES = 300  # tried to find one that lies on a given body
_OVER = 2.0  # what steps ask for, over what motors can give
_INSIDE = 0.15  # share of a joint's range, at each end, that commands keep away from: its stops have a case of their own


@dataclass(frozen=True, eq=False)
class Scenario:
    """One motion: start q, dq (n_joints,), commands (n_periods, n_actuators), and what is not nominal all along.

    name: what is special about it, in a few words
    base: (space.size,) the Variant that cases are compared with
    """

    name: str
    q: Array
    dq: Array
    commands: Array
    base: Array


class Scenarios:
    """The scenarios of one robot, made when first asked for."""

    def __init__(
        self, robot: Robot, space: VariantSpace, bounds: Array, start: tuple[Array, Array] | None = None
    ) -> None:
        """Lay out the scenarios for values within bounds (2, space.size).

        start: q and dq (n_joints,) of the motion; the default pose at rest if None
        """
        self.robot, self.space, self._bounds = robot, space, bounds
        self._start = (robot.default_q, np.zeros(robot.n_joints)) if start is None else start
        self._made: dict[object, Scenario] = {}
        self._poses: tuple[Array, list[dict[str, float]]] | None = None
        self._rests = _lowest(robot, robot.default_q)

    @property
    def plain(self) -> Scenario:
        """The motion from the default pose under the nominal Variant."""
        return self._get("moving", "", (), 0.0)

    def of(self, case: Case) -> Scenario:
        """Return the scenario in which a case is tried."""
        kind, special = ("moving", "")
        if case.quantity.per == "limited joint":
            kind, special = "at a limit", case.member
        elif case.quantity.per == "touching body" and not self.touches_standing(case.member):
            kind, special = "lying on", case.member
        wait = min(case.nominal, case.value) if case.quantity.unit == "s" else 0.0
        return self._get(kind, special, case.context, wait if wait > SECONDS / 2 else 0.0)

    def _get(self, kind: str, special: str, context: tuple[tuple[str, float], ...], wait: float) -> Scenario:
        key = (kind, special, context, wait)
        if key not in self._made:
            periods = max(10, round((SECONDS + wait) * self.robot.file.control_hz))
            q, dq, commands = self._motion(kind, special, periods)
            base = self.space.nominal.copy()
            for quantity, value in context:
                base[self.space.block(quantity)] = value
            self._made[key] = Scenario(f"{kind} {special}".strip(), q, dq, commands, base)
        return self._made[key]

    def touches_standing(self, body: str) -> bool:
        """Whether a body is among those that the robot stands on in its default pose: within 5 mm of the lowest."""
        return self._rests[body] < min(self._rests.values()) + 0.005

    def _motion(self, kind: str, special: str, periods: int) -> tuple[Array, Array, Array]:
        if kind == "at a limit":
            return self._into_limit(special, periods)
        if kind == "lying on":
            q = self._pose_on(special)
            return q, np.zeros_like(q), self._commands(q, 0.5, periods)
        q, dq = self._start
        return q, dq, self._commands(q, 1.0, periods)

    def _into_limit(self, joint: str, periods: int) -> tuple[Array, Array, Array]:
        """Start just before the limit that leaves the robot higher above the floor, moving into it."""
        robot, column = self.robot, self.robot.joint_index(joint)
        limit, starts = robot.model.joint(joint).limit, []
        span = limit.upper - limit.lower
        clear = CLEAR + float(np.abs(self._bounds[:, self.space.index(f"limit_offset/{joint}")]).max())
        clear = min(clear, 0.45 * span)
        for place, sign in ((limit.upper - clear, 1.0), (limit.lower + clear, -1.0)):
            q = robot.default_q.copy()
            q[column] = place
            q, _ = follow(robot.model, q, np.zeros_like(q))
            height = 0.0 if robot.fixed_base else min(_lowest(robot, q).values())
            starts.append((height, q, sign))
        _, q, sign = max(starts, key=lambda start: start[0])
        dq = np.zeros(robot.n_joints)
        dq[column] = sign
        commands = np.tile(_holding(robot, q), (periods, 1))
        for k, actuator in enumerate(robot.actuators):
            if actuator.joint == joint:
                commands[:, k] += sign * _reachable(actuator, span)
        return q, follow(robot.model, q, dq)[1], commands

    def _pose_on(self, body: str) -> Array:
        """Return a pose in which a body is the lowest, by as much as possible; the default pose where there is none."""
        if self._poses is None:
            rng, robot = stream(0, "audit poses"), self.robot
            limits = np.array([_bounds(robot, name) for name in robot.joint_names])
            poses = follow(robot.model, rng.uniform(*limits.T, (_POSES, robot.n_joints)), np.zeros(robot.n_joints))[0]
            self._poses = poses, [_lowest(robot, q) for q in poses]
        poses, heights = self._poses
        margins = [min(h for name, h in low.items() if name != body) - low[body] for low in heights]
        best = int(np.argmax(margins))
        return poses[best] if margins[best] > 0 else self.robot.default_q.copy()

    def _commands(self, q: Array, amplitude: float, periods: int) -> Array:
        robot, rng = self.robot, stream(0, "audit commands")
        t = np.arange(periods)[:, None] * robot.control_dt
        size = np.array([_reachable(a, np.diff(_bounds(robot, a.joint))[0]) for a in robot.actuators]) * amplitude
        hz, phase = rng.uniform(*_HZ, robot.n_actuators), rng.uniform(0, 2 * np.pi, robot.n_actuators)
        late, first = rng.integers(0, _STEP, robot.n_actuators), rng.choice([-1.0, 1.0], robot.n_actuators)
        steps = first * (-1.0) ** ((np.arange(periods)[:, None] + late) // _STEP)
        wave = 0.4 * np.sin(2 * np.pi * hz * t + phase) + 0.6 * steps
        return self._within(_holding(robot, q) + size * wave)

    def _within(self, commands: Array) -> Array:
        position = np.array([mode == "position" for mode in self.robot.modes])
        lower, upper = self.robot.q_limits
        finite = np.isfinite(upper - lower)
        margin = np.where(finite, _INSIDE * np.where(finite, upper - lower, 0.0), 0.0)
        return np.where(position, np.clip(commands, lower + margin, upper - margin), commands)


def dropped(robot: Robot) -> Robot:
    """Return the robot as it is audited: a free base starts `DROP` higher."""
    if robot.fixed_base:
        return robot
    return replace(robot, file=robot.file.model_copy(update={"base_height": robot.file.base_height + DROP}))


def touching(robot: Robot, q: Array, position: Array, quaternion: Array) -> dict[str, float]:
    """Return the height [m] of each body's lowest point above the plane z = 0.

    q: (n_joints,); base position (3,) [m] and quaternion (4,) x, y, z, w, base to the plane's frame
    """
    x, y, z, w = quaternion.tolist()
    down = (-2 * (x * z - w * y), -2 * (y * z + w * x), -(1 - 2 * (x * x + y * y)))  # in the base's axes
    model = robot.merged.model
    poses = link_poses(model, q)
    return {
        link.name: float(position[2]) - reach(link, poses[link.name], down) for link in model.links if link.collisions
    }


def _lowest(robot: Robot, q: Array) -> dict[str, float]:
    return touching(robot, q, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))


def _bounds(robot: Robot, joint: str) -> tuple[float, float]:
    """Return the range in which a joint is moved, of at most 2 rad or m around its default."""
    default = robot.default_q[robot.joint_index(joint)]
    lower, upper = robot.joint_range(joint)
    return max(lower, default - 1.0), min(upper, default + 1.0)


def _reachable(actuator: Actuator, span: float) -> float:
    """Return a command that asks for a little more than the motor can give, where the joint's range allows it."""
    most = _OVER * actuator.effort
    match actuator.mode:
        case "position":
            return min(most / actuator.kp if actuator.kp else span, 0.4 * span)
        case "velocity":
            return min(most / actuator.kd if actuator.kd else 1.0, 5.0)
    return most


def _holding(robot: Robot, q: Array) -> Array:
    position = np.array([mode == "position" for mode in robot.modes])
    return np.where(position, q[robot.actuated], 0.0)


def by_scenario(cases: Iterable[Case], scenarios: Scenarios) -> dict[Scenario, list[Case]]:
    """Return the cases of each scenario, in an order in which worlds stay fast for long.

    PyBullet steps slower for good once it has moved a centre of mass: those come last.
    """
    groups: dict[Scenario, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.quantity.name.startswith("com_")):
        groups.setdefault(scenarios.of(case), []).append(case)
    return dict(sorted(groups.items(), key=lambda group: group[1][-1].quantity.name.startswith("com_")))
