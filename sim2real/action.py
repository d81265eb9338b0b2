"""The one action path: what the network says to what the motors are told, in SI units and inside limits."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from robots import Robot
from robots.catalog import CommandMode
from sim2real.config import Strict
from sim2real.errors import RobotError

Array = NDArray[np.float64]


class Gait(Strict):
    """An open-loop trot of position commands, which a network's actions are added to.

    One number a motor, in the order of `ActionMap.actuators`. A leg swings in the first half of its turn, and stands in
    the second. While it swings, its motors move by `lift` and back; `sweep` carries the foot to the front of its step
    in a swing, and to the back at constant speed in a stance, as far as the commanded velocity asks.
    """

    hz: float = Field(gt=0, le=10, description="Steps of each leg in a second")
    phase: tuple[float, ...] = Field(description="Where in its turn each motor's leg begins [turns]")
    lift: tuple[float, ...] = Field(description="Offset at mid-swing [rad]")
    sweep: tuple[tuple[float, float, float], ...] = Field(
        description="Offset at the front of a step for 1 m/s forward, 1 m/s to the left and 1 rad/s [rad]"
    )

    def offset(self, time: Array, velocity: Array) -> Array:
        """Return the offsets (n, n_actuators) [rad] at time (n,) [s] for velocity (n, 3) [m/s, m/s, rad/s]."""
        turn = (time[:, None] * self.hz + np.array(self.phase)) % 1.0
        swings = turn < 0.5
        lift = np.where(swings, np.sin(2 * np.pi * turn), 0.0)
        reach = np.where(swings, -np.cos(2 * np.pi * turn), 3.0 - 4.0 * turn)
        offset: Array = lift * np.array(self.lift) + reach * (velocity @ np.array(self.sweep).T)
        return offset


class ActionMap(Strict):
    """command = offset + scale * clip(action, -1, 1), inside [lower, upper] and within max_step of the last command.

    With `keep`, an action is what the network says mixed with the last action: a low pass.

    With `incremental` the last command stands in the place of offset: an action asks for a change, 0 for none. It leads
    no further into the outermost `margin` of a motor's range than the last command was.

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
    keep: float = Field(default=0.0, ge=0, lt=1, description="Share of the last action in the next one")
    gait: Gait | None = Field(default=None, description="Motion that is there without any action, added to offset")
    incremental: bool = Field(default=False, description="Whether actions are added to the last command")
    margin: float = Field(default=0.0, ge=0, lt=0.5, description="Share of the range at each end; incremental only")

    @model_validator(mode="after")
    def _consistent(self) -> "ActionMap":
        n = len(self.actuators)
        if any(len(v) != n for v in (self.offset, self.scale, self.lower, self.upper, self.max_step)):
            raise ValueError(f"offset, scale, lower, upper and max_step need one number for each of the {n} actuators")
        if any(low > high for low, high in zip(self.lower, self.upper, strict=True)) or min(self.max_step) <= 0:
            raise ValueError("lower must not exceed upper, and max_step must be above 0")
        gait = self.gait
        if gait is not None and any(len(v) != n for v in (gait.phase, gait.lift, gait.sweep)):
            raise ValueError(f"gait.phase, lift and sweep need one entry for each of the {n} actuators")
        if gait is not None and self.mode != "position":
            raise ValueError(f"gait: moves position commands, the motors are commanded in {self.mode}")
        if gait is not None and self.incremental:
            raise ValueError("gait: goes with actions from the default pose; leave incremental out")
        if self.margin and not self.incremental:
            raise ValueError("margin: goes with incremental actions; leave it out")
        return self

    @classmethod
    def of(
        cls,
        robot: Robot,
        scale: float,
        reach: float | None = None,
        gait: Gait | None = None,
        cutoff: float | None = None,
    ) -> "ActionMap":
        """Build the map of a robot. `scale` is the share of each motor's range that the network may ask for, 0..1.

        reach: what an action of 1 asks for in the place of such a share [rad | m, or the unit of the motors' mode]
        cutoff: of a low pass of first order on the actions [Hz]
        Raise RobotError for a motor whose commands have no bounds, or could never change.
        """
        bound = {"effort": robot.effort_limits, "velocity": np.minimum(robot.dq_limits, 1e6)}.get(robot.command_mode)
        if bound is not None:
            lower, upper, offset, span = -bound, bound, np.zeros(robot.n_actuators), scale * bound
            max_step = 2 * bound
        else:
            lower, upper = robot.q_limits
            offset = robot.default_q[robot.actuated]
            span = scale * np.minimum(upper - offset, offset - lower)
            max_step = np.minimum(robot.dq_limits * robot.control_dt, upper - lower)
        for index, name in enumerate(robot.actuator_names):
            where = f"{robot.path}: actuators.{index}: joint '{name}'"
            if not np.isfinite(upper[index] - lower[index]):
                raise RobotError(f"{where} turns without end; give the motor's lower and upper, or use mode 'velocity'")
            if max_step[index] <= 0:
                raise RobotError(f"{where} cannot move: the velocity limit in {robot.file.urdf} is 0; raise it")
        arrays = {
            "offset": offset,
            "scale": span if reach is None else np.full(robot.n_actuators, reach),
            "lower": lower,
            "upper": upper,
            "max_step": max_step,
        }
        lists = {name: tuple(values.tolist()) for name, values in arrays.items()}
        keep = 0.0 if cutoff is None else float(np.exp(-2.0 * np.pi * cutoff * robot.control_dt))
        return cls(actuators=robot.actuator_names, mode=robot.command_mode, keep=keep, gait=gait, **lists)

    def action(self, said: Array, last_action: Array) -> Array:
        """Return the actions (n, n_actuators), in -1..1, that follow from what a network says, given the last ones."""
        clipped: Array = np.clip(said, -1.0, 1.0)
        return clipped + self.keep * (last_action - clipped) if self.keep else clipped

    def command(self, action: Array, last_command: Array, time: Array, velocity: Array) -> Array:
        """Map actions (n, n_actuators) to commands (n, n_actuators), given the commands of one period ago.

        time (n,) [s] since the policy began and the commanded velocity (n, 3) [m/s, m/s, rad/s] are what a gait follows
        """
        change = np.array(self.scale) * np.clip(action, -1.0, 1.0)
        if self.incremental:
            return self.limit(self._inside(last_command + change, last_command), last_command)
        wanted = np.array(self.offset) + change
        if self.gait is not None:
            wanted += self.gait.offset(time, velocity)
        return self.limit(wanted, last_command)

    def _inside(self, command: Array, last_command: Array) -> Array:
        lower, upper = np.array(self.lower), np.array(self.upper)
        edge = self.margin * (upper - lower)
        inside: Array = np.clip(command, np.minimum(lower + edge, last_command), np.maximum(upper - edge, last_command))
        return inside

    def limit(self, command: Array, last_command: Array) -> Array:
        """Keep commands (n, n_actuators) inside the limits, and within max_step of the last ones where those were."""
        step = np.array(self.max_step)
        return np.clip(np.clip(command, last_command - step, last_command + step), self.lower, self.upper)

    def at_rest(self, q: Array) -> Array:
        """Return the command that holds a robot at measured motor positions q (n, n_actuators), inside the limits."""
        if self.mode == "position":
            return np.clip(q, self.lower, self.upper)
        return np.zeros_like(q)
