"""Balance: keep a passive pole upright on a moving joint, near the middle of its travel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from robots import Robot
from sim2real.action import ActionMap
from sim2real.config import Strict, validate
from sim2real.observation import ObservationLayout, Term
from sim2real.pixels import Pixels
from sim2real.sim.engine import WorldState
from sim2real.tasks.task import Task

Array = NDArray[np.float64]


class Weights(Strict):
    """Weights of the reward's terms, each a period."""

    alive: float = 0.1
    upright: float = -0.5  # x angle^2 [rad^2]
    centre: float = -0.1  # x (offset / half travel)^2
    effort: float = -0.01  # x action^2
    smooth: float = -0.02  # x (action - last action)^2


class BalanceConfig(Strict):
    """Options of the task, all with defaults that suit a cart-pole."""

    episode_s: float = Field(default=10.0, gt=0)
    start_angle: float = Field(default=0.1, ge=0, description="First pole angles are within +- this [rad]")
    start_offset: float = Field(default=0.1, ge=0, lt=1, description="First cart positions, share of the half travel")
    start_speed: float = Field(default=0.1, ge=0, description="First joint velocities are within +- this [rad/s | m/s]")
    fall_angle: float = Field(default=0.6, gt=0, description="A pole beyond +- this has fallen [rad]")
    action_scale: float = Field(default=1.0, gt=0, le=1, description="Share of the motor's range for the network")
    terms: tuple[Term, ...] = (
        Term(name="joint_position"),
        Term(name="joint_velocity", scale=0.2),
        Term(name="last_action"),
    )
    pixels: Pixels | None = Field(default=None, description="A camera's picture is the observation, not the terms")
    history: int = Field(default=1, ge=1, le=100, description="Frames in the observation")
    stride: int = Field(default=1, ge=1, le=100, description="Control periods from one frame to the next")
    weights: Weights = Weights()


class Balance(Task):
    """See `sim2real.tasks.task.Task`. The robot.yaml names the joints: roles {pole, cart}."""

    name = "balance"
    config: BalanceConfig

    def __init__(self, robot: Robot, options: dict[str, Any]) -> None:
        self.config = validate(BalanceConfig, options, "task.options")
        self.robot = robot
        self.episode_s = self.config.episode_s
        c = self.config
        terms = c.terms if c.pixels is None else ()
        self.layout = ObservationLayout.of(robot, terms, c.history, c.stride, pixels=c.pixels)
        self.action_map = ActionMap.of(robot, self.config.action_scale)
        self._pole = robot.joint_index(robot.role("pole"))
        self._cart = robot.joint_index(robot.role("cart"))
        lower, upper = robot.joint_range(robot.role("cart"))
        self._centre, self._half_travel = (lower + upper) / 2, (upper - lower) / 2

    def start(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        """Draw first states around the upright pose in the middle of the travel."""
        c = self.config
        q = np.tile(self.robot.default_q, (n, 1))
        q[:, self._pole] += rng.uniform(-c.start_angle, c.start_angle, n)
        q[:, self._cart] += rng.uniform(-c.start_offset, c.start_offset, n) * self._half_travel
        return q, rng.uniform(-c.start_speed, c.start_speed, q.shape)

    def reward(
        self, state: WorldState, action: Array, last_action: Array, command: Array, steady: Array
    ) -> dict[str, Array]:
        """Return alive, upright, centre, effort and smooth."""
        w = self.config.weights
        return {
            "alive": np.full(len(state.q), w.alive),
            "upright": w.upright * self._angle(state) ** 2,
            "centre": w.centre * self._offset(state) ** 2,
            "effort": w.effort * (action**2).sum(axis=1),
            "smooth": w.smooth * ((action - last_action) ** 2).sum(axis=1),
        }

    def failed(self, state: WorldState) -> NDArray[np.bool_]:
        """Return where the pole has fallen or the cart has left its travel."""
        return (np.abs(self._angle(state)) > self.config.fall_angle) | (np.abs(self._offset(state)) > 1.0)

    def privileged(self, state: WorldState, command: Array, steady: Array) -> Array:
        """Return what is hard to read off pictures: angle and offset, as shares of those that fail, and velocities."""
        if self.config.pixels is None:
            return super().privileged(state, command, steady)
        place = np.stack([self._angle(state) / self.config.fall_angle, self._offset(state)], axis=1)
        return np.concatenate([place, state.dq[:, [self._pole, self._cart]]], axis=1)

    def _angle(self, state: WorldState) -> Array:
        """Pole angle from upright, wrapped: (n,) [rad]."""
        angle: Array = state.q[:, self._pole] - self.robot.default_q[self._pole]
        return (angle + np.pi) % (2 * np.pi) - np.pi

    def _offset(self, state: WorldState) -> Array:
        """Cart position as a share of the half travel: (n,), +-1 at the ends."""
        return (state.q[:, self._cart] - self._centre) / self._half_travel
