"""Reach: an arm brings its end effector to a commanded place, smoothly and inside every limit.

The network's action is added to the last command, a velocity in effect: what gravity and load bend the arm by is undone
for as long as the end effector is seen to be off. Where it is comes from the measured joints, as on the robot.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from robots import Robot
from robots.chain import Chain
from sim2real.action import ActionMap
from sim2real.config import Strict, validate
from sim2real.errors import RobotError
from sim2real.observation import ObservationLayout, Term
from sim2real.sim.engine import WorldState
from sim2real.tasks.task import Task

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
COMMANDS = ("x [m]", "y [m]", "z [m]")
DISTANCE = "distance [m]"
_DRAWS, _ROUNDS = 16, 64  # of poses, until one is fit to be a goal
_STILL = 1e-6  # [m] for a radian: a joint that moves the end effector less does not move it


class ReachWeights(Strict):
    """Weights of the reward's terms, each a period. d: distance from the goal."""

    approach: float = 0.05  # x speed towards the goal / (d + 2 cm) [1/s]
    distance: float = -0.02  # x d [m]
    exact: float = 0.05  # x exp(-d / 1 cm)
    effort: float = -0.002  # x |action|^2
    smooth: float = -0.02  # x |action - last action|^2
    posture: float = -0.001  # x |q - default pose|^2 [rad^2 | m^2], over the joints that reach
    limits: float = -1.0  # once, where a limit is exceeded


class ReachConfig(Strict):
    """Options of the task, all with defaults that suit an arm of 0.5 to 1.5 m."""

    episode_s: float = Field(default=8.0, gt=0)
    command_s: float = Field(default=4.0, gt=0, description="Time until another place is commanded [s]")
    settle_s: float = Field(default=3.0, ge=0, description="Time to get there [s]")
    tolerance: float = Field(default=0.01, gt=0, description="Largest mean distance from then on in a success [m]")
    range_share: float = Field(default=0.5, gt=0, le=1, description="Share of the way from default pose to limits")
    range_most: float = Field(default=1.0, gt=0, description="The most of it that poses are drawn from [rad | m]")
    floor: float = Field(default=0.05, description="Goals are at least this high above the root link [m]")
    column: float = Field(default=0.2, ge=0, description="And at least this far from its vertical axis [m]")
    speed: float = Field(default=1.5, gt=0, description="Of a joint at an action of 1 [rad/s | m/s], and at most")
    speed_share: float = Field(default=0.5, gt=0, le=1, description="this share of the joint's velocity limit")
    margin: float = Field(default=0.02, ge=0, lt=0.5, description="Share of its range that a joint keeps from each end")
    terms: tuple[Term, ...] = (
        Term(name="joint_position"),
        Term(name="joint_velocity", scale=0.5),
        Term(name="last_action"),
        Term(name="end_effector_step"),
    )
    history: int = Field(default=1, ge=1, le=100, description="Frames in the observation")
    weights: ReachWeights = ReachWeights()


class Reach(Task):
    """See `sim2real.tasks.task.Task`. The robot.yaml names the `end_effector` of an arm that is bolted down."""

    name = "reach"
    config: ReachConfig
    commands = COMMANDS
    deviation_names = (DISTANCE,)

    def __init__(self, robot: Robot, options: dict[str, Any]) -> None:
        self.config = c = validate(ReachConfig, options, "task.options")
        self.robot = robot
        if not robot.fixed_base or robot.file.end_effector is None or robot.command_mode != "position":
            raise RobotError(
                f"{robot.path}: task 'reach' needs a fixed base, an end_effector and motors in mode 'position'; this "
                "has not all three"
            )
        self.episode_s, self.command_s, self.settle_s = c.episode_s, c.command_s, c.settle_s
        self.tolerances = {DISTANCE: c.tolerance}
        chain = Chain.of(robot, robot.file.end_effector)
        self.layout = ObservationLayout.of(robot, c.terms, c.history, commands=COMMANDS, chain=chain)
        reaching = _reaching(robot, self._place)
        self.action_map = _increments(robot, reaching, c)
        self._joints = robot.actuated[reaching]
        default, (lower, upper) = robot.default_q[robot.actuated], robot.q_limits
        self._below = np.minimum(c.range_share * (default - lower), c.range_most)[reaching]
        self._above = np.minimum(c.range_share * (upper - default), c.range_most)[reaching]
        self.command(np.random.default_rng(0))  # raises where no pose is fit to be a goal

    def start(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        """Draw first states at rest in poses that would be fit to be goals."""
        q = np.concatenate([self._pose(rng) for _ in range(n)])
        return q, np.zeros_like(q)

    def command(self, rng: np.random.Generator) -> Array:
        """Draw a place that the end effector can be at: (3,) [m], in the root link's frame."""
        place: Array = self._place(self._pose(rng))[0]
        return place

    def reward(
        self, state: WorldState, action: Array, last_action: Array, command: Array, steady: Array
    ) -> dict[str, Array]:
        """Return the terms of `ReachWeights`."""
        w = self.config.weights
        chain, columns = self.layout.reach
        q, dq = state.q[:, columns], state.dq[:, columns]
        way = command - chain.place(q)
        distance = np.linalg.norm(way, axis=1)
        velocity = (chain.jacobian(q) * dq[:, None]).sum(axis=2)
        speed = (velocity * way).sum(axis=1) / np.maximum(distance, 1e-9)
        bent = state.q[:, self._joints] - self.robot.default_q[self._joints]
        return {
            "approach": w.approach * speed / (distance + 0.02),
            "distance": w.distance * distance,
            "exact": w.exact * np.exp(-distance / 0.01),
            "effort": w.effort * (action**2).sum(axis=1),
            "smooth": w.smooth * ((action - last_action) ** 2).sum(axis=1),
            "posture": w.posture * (bent**2).sum(axis=1),
            "limits": w.limits * self.failed(state),
        }

    def failed(self, state: WorldState) -> Bools:
        """Return where a motor's joint is beyond its limits of position or speed, or a motor beyond that of effort."""
        q, dq = state.q[:, self.robot.actuated], state.dq[:, self.robot.actuated]
        lower, upper = self.robot.q_limits
        beyond = (q < lower) | (q > upper) | (np.abs(dq) > self.robot.dq_limits)
        failed: Bools = (beyond | (np.abs(state.tau) > self.robot.effort_limits)).any(axis=1)
        return failed

    def privileged(self, state: WorldState, command: Array, steady: Array) -> Array:
        """Return how far and where the goal truly is, and how fast the joints move: (n, 4 + n_joints)."""
        error = command - self._place(state.q)
        distance = np.linalg.norm(error, axis=1, keepdims=True)
        return np.concatenate([error * 5.0, np.exp(-distance / 0.01), state.dq * 0.5], axis=1)

    def deviation(self, state: WorldState, command: Array) -> dict[str, Array]:
        """Return how far the end effector is from where it was commanded to be."""
        return {DISTANCE: self._distance(state, command)}

    def _distance(self, state: WorldState, command: Array) -> Array:
        distance: Array = np.linalg.norm(command - self._place(state.q), axis=1)
        return distance

    def _place(self, q: Array) -> Array:
        """Return where the end effector is, in the root link's frame: (n, 3) [m]; q (n, n_joints)."""
        chain, columns = self.layout.reach
        return chain.place(q[:, columns])

    def _pose(self, rng: np.random.Generator) -> Array:
        """Draw a pose whose end effector is above the floor and beside the base: (1, n_joints) [rad | m]."""
        c = self.config
        for _ in range(_ROUNDS):
            q = np.tile(self.robot.default_q, (_DRAWS, 1))
            q[:, self._joints] += rng.uniform(-self._below, self._above, (_DRAWS, len(self._joints)))
            place = self._place(q)
            fit = np.flatnonzero((place[:, 2] >= c.floor) & (np.hypot(place[:, 0], place[:, 1]) >= c.column))
            if len(fit):
                return q[fit[:1]]
        raise RobotError(
            f"{self.robot.path}: task 'reach' finds no pose near the default one with '{self.robot.file.end_effector}' "
            "above options.floor and beyond options.column; lower them, or raise options.range_share and range_most"
        )


def _reaching(robot: Robot, place: Callable[[Array], Array]) -> NDArray[np.intp]:
    """Return which motors move the end effector in the default pose or near it: (k,), places among the motors."""
    poses = robot.default_q + np.random.default_rng(0).uniform(-0.1, 0.1, (8, robot.n_joints))
    there = place(poses)
    found = []
    for index, joint in enumerate(robot.actuated.tolist()):
        turned = poses.copy()
        turned[:, joint] += 0.1
        if np.abs(place(turned) - there).max() > 0.1 * _STILL:
            found.append(index)
    return np.array(found, dtype=np.intp)


def _increments(robot: Robot, reaching: NDArray[np.intp], config: ReachConfig) -> ActionMap:
    """Return the map of actions to changes of the last command; motors that do not reach stay where they are."""
    plain, scale = ActionMap.of(robot, 1.0), np.zeros(robot.n_actuators)
    speed = np.minimum(config.speed, config.speed_share * robot.dq_limits)
    scale[reaching] = speed[reaching] * robot.control_dt
    changes = {"scale": tuple(scale.tolist()), "incremental": True, "margin": config.margin}
    return ActionMap(**plain.model_dump() | changes)
