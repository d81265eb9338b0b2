"""The one observation path: RobotState in, the array that the network sees out.

Training fills a RobotState from an engine through the sensor models; a robot fills it from ROS messages. What follows
is the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from robots import Robot
from sim2real.config import Strict
from sim2real.errors import ConfigError, nearest

Array = NDArray[np.float64]

LIMIT = 100.0  # no sensible observation is larger; a bounded space is also what Gymnasium's checker asks for


@dataclass
class RobotState:
    """What a robot can sense, for n robots at once.

    q, dq: (n, n_joints) [rad, rad/s | m, m/s], measured, in the order of the layout's joints
    imu_quaternion: (n, 4) x, y, z, w, IMU to world; imu_angular_velocity: (n, 3) [rad/s], IMU frame; NaN without an IMU
    last_action: (n, n_actions), what the network asked for one period ago
    """

    q: Array
    dq: Array
    imu_quaternion: Array
    imu_angular_velocity: Array
    last_action: Array


def _joint_position(state: RobotState, layout: "ObservationLayout") -> Array:
    offset = state.q - layout.default_q
    turns = np.round(offset / (2 * np.pi)) * layout.is_continuous
    return offset - 2 * np.pi * turns


def _joint_velocity(state: RobotState, _: "ObservationLayout") -> Array:
    return state.dq


def _last_action(state: RobotState, _: "ObservationLayout") -> Array:
    return state.last_action


def _angular_velocity(state: RobotState, _: "ObservationLayout") -> Array:
    return state.imu_angular_velocity


def _gravity_direction(state: RobotState, _: "ObservationLayout") -> Array:
    x, y, z, w = np.moveaxis(state.imu_quaternion, -1, 0)
    return -np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1)


TERMS: dict[str, Callable[[RobotState, "ObservationLayout"], Array]] = {
    "joint_position": _joint_position,  # q - default_q [rad | m], continuous joints wrapped to [-pi, pi]
    "joint_velocity": _joint_velocity,  # dq [rad/s | m/s]
    "last_action": _last_action,  # the network's previous output, in -1..1
    "angular_velocity": _angular_velocity,  # [rad/s], IMU frame
    "gravity_direction": _gravity_direction,  # unit vector, IMU frame
}


class Term(Strict):
    """One group of numbers in the observation, multiplied by `scale`."""

    name: str
    scale: float = 1.0

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in TERMS:
            raise ValueError(f"no such term{nearest(name, TERMS)}; there are {', '.join(TERMS)}")
        return name


class ObservationLayout(Strict):
    """What the network sees, in order: the terms of the newest frame, then of the one before, ... `history` frames."""

    joints: tuple[str, ...]
    continuous: tuple[str, ...] = ()
    default_pose: tuple[float, ...]
    n_actions: int = Field(gt=0)
    terms: tuple[Term, ...] = Field(min_length=1)
    history: int = Field(default=1, ge=1, le=100)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.default_pose) != len(self.joints) or len(set(self.joints)) != len(self.joints):
            raise ValueError("joints must differ from one another, and default_pose have one number for each")
        if not set(self.continuous) <= set(self.joints):
            raise ValueError("continuous must be some of joints")
        return self

    @classmethod
    def of(cls, robot: Robot, terms: tuple[Term, ...], history: int) -> "ObservationLayout":
        """Build the layout of some terms for a robot; raise ConfigError where one cannot be sensed."""
        for term in terms:
            if term.name in ("angular_velocity", "gravity_direction") and robot.file.imu is None:
                raise ConfigError(f"observation.terms: '{term.name}' needs an IMU; {robot.path} has no key 'imu'")
        continuous = tuple(j.name for j in robot.model.movable if j.type == "continuous")
        return cls(
            joints=robot.joint_names,
            continuous=continuous,
            default_pose=tuple(robot.default_q.tolist()),
            n_actions=robot.n_actuators,
            terms=terms,
            history=history,
        )

    @property
    def default_q(self) -> Array:
        """Default pose: (n_joints,) [rad | m]."""
        return np.array(self.default_pose)

    @property
    def is_continuous(self) -> Array:
        """1 where a joint turns without end, else 0: (n_joints,)."""
        return np.array([float(name in self.continuous) for name in self.joints])

    @property
    def frame_size(self) -> int:
        """Numbers in one frame."""
        widths = {"last_action": self.n_actions, "angular_velocity": 3, "gravity_direction": 3}
        return sum(widths.get(term.name, len(self.joints)) for term in self.terms)

    @property
    def size(self) -> int:
        """Numbers in the observation."""
        return self.frame_size * self.history

    def frame(self, state: RobotState) -> Array:
        """Return one frame: (n, frame_size), each number kept within +-LIMIT; NaN stays NaN."""
        parts = [TERMS[term.name](state, self) * term.scale for term in self.terms]
        return np.clip(np.concatenate(parts, axis=1), -LIMIT, LIMIT)


class Observer:
    """Builds observations for n robots and keeps the frames that history needs."""

    def __init__(self, layout: ObservationLayout, n: int = 1) -> None:
        self.layout = layout
        self._frames = np.zeros((n, layout.history, layout.frame_size))

    def restart(self, state: RobotState, robots: NDArray[np.intp] | slice = slice(None)) -> Array:
        """Begin an episode of some robots: their first frame fills the history. Return (n_robots, layout.size)."""
        frame = self.layout.frame(state)
        self._frames[robots] = frame[:, None]
        return self._frames[robots].reshape(len(frame), -1).copy()

    def observe(self, state: RobotState) -> Array:
        """Take in the newest state of all robots and return the observation: (n, layout.size)."""
        self._frames[:, 1:] = self._frames[:, :-1]
        self._frames[:, 0] = self.layout.frame(state)
        return self._frames.reshape(len(self._frames), -1).copy()
