"""The one action path: what the network says, in -1..1, to what the motors are told, in SI units and inside limits."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from robots import Robot
from robots.catalog import CommandMode
from sim2real.config import Strict
from sim2real.errors import RobotError

Array = NDArray[np.float64]


class ActionMap(Strict):
    """command = offset + scale * clip(action, -1, 1), inside [lower, upper] and within max_step of the last command.

    One number a motor, in the order of `actuators`; effort commands [N m | N], velocity [rad/s | m/s] or position
    [rad | m]. `max_step` is the largest change in one control period: for positions the velocity limit times the
    period. A NaN stays NaN, for its motor alone: no method makes a command of it, and its caller must not send it.
    """

    actuators: tuple[str, ...] = Field(min_length=1)
    mode: CommandMode
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    max_step: tuple[float, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "ActionMap":
        n = len(self.actuators)
        if any(len(v) != n for v in (self.offset, self.scale, self.lower, self.upper, self.max_step)):
            raise ValueError(f"offset, scale, lower, upper and max_step need one number for each of the {n} actuators")
        if any(low > high for low, high in zip(self.lower, self.upper, strict=True)) or min(self.max_step) <= 0:
            raise ValueError("lower must not exceed upper, and max_step must be above 0")
        return self

    @classmethod
    def of(cls, robot: Robot, scale: float) -> "ActionMap":
        """Build the map of a robot. `scale` is the share of each motor's range that the network may ask for, 0..1.

        Raise RobotError for a motor whose commands have no bounds, or could never change.
        """
        bound = {"effort": robot.effort_limits, "velocity": np.minimum(robot.dq_limits, 1e6)}.get(robot.command_mode)
        if bound is not None:
            lower, upper, offset, reach = -bound, bound, np.zeros(robot.n_actuators), scale * bound
            max_step = 2 * bound
        else:
            lower, upper = robot.q_limits
            offset = robot.default_q[robot.actuated]
            reach = scale * np.minimum(upper - offset, offset - lower)
            max_step = np.minimum(robot.dq_limits * robot.control_dt, upper - lower)
        for index, name in enumerate(robot.actuator_names):
            where = f"{robot.path}: actuators.{index}: joint '{name}'"
            if not np.isfinite(upper[index] - lower[index]):
                raise RobotError(f"{where} turns without end; give the motor's lower and upper, or use mode 'velocity'")
            if max_step[index] <= 0:
                raise RobotError(f"{where} cannot move: the velocity limit in {robot.file.urdf} is 0; raise it")
        arrays = {"offset": offset, "scale": reach, "lower": lower, "upper": upper, "max_step": max_step}
        lists = {name: tuple(values.tolist()) for name, values in arrays.items()}
        return cls(actuators=robot.actuator_names, mode=robot.command_mode, **lists)

    def command(self, action: Array, last_command: Array) -> Array:
        """Map actions (n, n_actuators) to commands (n, n_actuators), given the commands of one period ago."""
        wanted = np.array(self.offset) + np.array(self.scale) * np.clip(action, -1.0, 1.0)
        return self.limit(wanted, last_command)

    def limit(self, command: Array, last_command: Array) -> Array:
        """Keep commands (n, n_actuators) inside the limits, and within max_step of the last ones where those were."""
        step = np.array(self.max_step)
        return np.clip(np.clip(command, last_command - step, last_command + step), self.lower, self.upper)

    def at_rest(self, q: Array) -> Array:
        """Return the command that holds a robot at measured motor positions q (n, n_actuators), inside the limits."""
        if self.mode == "position":
            return np.clip(q, self.lower, self.upper)
        return np.zeros_like(q)
