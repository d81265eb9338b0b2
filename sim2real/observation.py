"""The one observation path: RobotState in, the array that the network sees out.

Training fills a RobotState from an engine through the sensor models; a robot fills it from ROS messages. What follows
is the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from robots import Robot
from robots.chain import Chain
from robots.leg_odometry import LegOdometer, LegOdometry
from sim2real.config import Strict
from sim2real.errors import ConfigError, nearest
from sim2real.pixels import Pixels

Array = NDArray[np.float64]

MOST_PIXELS = 100_000  # so that recorded pictures are small files; 84 x 84 with 4 frames are 28,224
LIMIT = 100.0  # no sensible observation is larger; a bounded space is also what Gymnasium's checker asks for


@dataclass
class RobotState:
    """What a robot can sense, for n robots at once.

    q, dq: (n, n_joints) [rad, rad/s | m, m/s], measured, in the order of the layout's joints
    imu_quaternion: (n, 4) x, y, z, w, IMU to world; imu_angular_velocity: (n, 3) [rad/s], IMU frame; NaN without an IMU
    last_action: (n, n_actions), what the network asked for one period ago
    command: (n, n_commands), what is asked of the robot, in the units of the task's commands
    time: (n,) [s] since the policy began
    odometry: (n, 3), what legs tell of the speed [m/s, m/s, rad/s]; an Observer fills it in
    image: (n, height, width) or (n, height * width), what the layout's camera sees, in grey; None without one
    """

    q: Array
    dq: Array
    imu_quaternion: Array
    imu_angular_velocity: Array
    last_action: Array
    command: Array
    time: Array
    odometry: Array | None = None
    image: NDArray[np.uint8] | None = None


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


def _command(state: RobotState, _: "ObservationLayout") -> Array:
    return state.command


def _gait_phase(state: RobotState, layout: "ObservationLayout") -> Array:
    turn = 2 * np.pi * (layout.gait_hz or 0.0) * state.time
    return np.stack([np.sin(turn), np.cos(turn)], axis=-1)


def _leg_odometry(state: RobotState, _: "ObservationLayout") -> Array:
    return np.zeros((len(state.q), 3)) if state.odometry is None else state.odometry


def _end_effector_error(state: RobotState, layout: "ObservationLayout") -> Array:
    chain, columns = layout.reach
    return state.command[:, :3] - chain.place(state.q[:, columns])


def _end_effector_step(state: RobotState, layout: "ObservationLayout") -> Array:
    chain, columns = layout.reach
    return chain.towards(state.q[:, columns], state.command[:, :3])


TERMS: dict[str, Callable[[RobotState, "ObservationLayout"], Array]] = {
    "joint_position": _joint_position,  # q - default_q [rad | m], continuous joints wrapped to [-pi, pi]
    "joint_velocity": _joint_velocity,  # dq [rad/s | m/s]
    "last_action": _last_action,  # the network's previous output, in -1..1
    "angular_velocity": _angular_velocity,  # [rad/s], IMU frame
    "gravity_direction": _gravity_direction,  # unit vector, IMU frame
    "command": _command,  # in the units of the task's commands
    "gait_phase": _gait_phase,  # sine and cosine of the gait's turn
    "leg_odometry": _leg_odometry,  # [m/s, m/s, rad/s], base frame: `robots.leg_odometry`
    "end_effector_error": _end_effector_error,  # commanded less measured place [m], root link's frame
    "end_effector_step": _end_effector_step,  # which way its joints would turn to go there: `Chain.towards`
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
    """What the network sees, in order: the terms of the newest frame, then of an older one, ... `history` frames.

    With `pixels` a frame is a camera's picture, and the observation one with `history` channels, the newest first.
    """

    joints: tuple[str, ...]
    continuous: tuple[str, ...] = ()
    default_pose: tuple[float, ...]
    n_actions: int = Field(gt=0)
    terms: tuple[Term, ...]
    history: int = Field(default=1, ge=1, le=100)
    stride: int = Field(default=1, ge=1, le=100, description="Control periods from one frame to the next")
    commands: tuple[str, ...] = Field(default=(), description="What may be asked of the robot, with units")
    gait_hz: float | None = Field(default=None, gt=0, description="Rate of the gait, if there is one")
    chain: Chain | None = Field(default=None, description="What moves the end effector, if a place is commanded for it")
    odometry: LegOdometry | None = Field(default=None, description="Of the legs, if a term asks for it")
    pixels: Pixels | None = Field(default=None, description="The camera that is all it sees, in the place of terms")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.default_pose) != len(self.joints) or len(set(self.joints)) != len(self.joints):
            raise ValueError("joints must differ from one another, and default_pose have one number for each")
        if not set(self.continuous) <= set(self.joints):
            raise ValueError("continuous must be some of joints")
        if not self.terms and self.pixels is None:
            raise ValueError("terms: must not be empty")
        if self.terms and self.pixels is not None:
            raise ValueError("pixels: are all that is seen; leave terms out")
        if self.pixels is not None and self.size > MOST_PIXELS:
            raise ValueError(f"pixels: {self.size:,} numbers in an observation, {MOST_PIXELS:,} at most")
        for term, source in (("command", self.commands), ("gait_phase", self.gait_hz)):
            if not source and any(t.name == term for t in self.terms):
                raise ValueError(f"terms: '{term}': the task has no {term.replace('_phase', '')}; leave it out")
        walking = any(t.name == "leg_odometry" for t in self.terms)
        if walking and (self.odometry is None or not self.odometry.names() <= set(self.joints)):
            raise ValueError("terms: 'leg_odometry' needs odometry, of legs whose joints are some of joints")
        reaching = any(t.name.startswith("end_effector") for t in self.terms)
        if reaching and (self.chain is None or not set(self.chain.names) <= set(self.joints) or len(self.commands) < 3):
            raise ValueError("terms: an end effector's need a chain of some of joints, and x, y and z as commands")
        return self

    @classmethod
    def of(
        cls,
        robot: Robot,
        terms: tuple[Term, ...],
        history: int,
        stride: int = 1,
        commands: tuple[str, ...] = (),
        gait_hz: float | None = None,
        chain: Chain | None = None,
        odometry: LegOdometry | None = None,
        pixels: Pixels | None = None,
    ) -> "ObservationLayout":
        """Build the layout of some terms for a robot; raise ConfigError where one cannot be sensed."""
        if pixels is not None and pixels.camera not in robot.file.cameras:
            known = ", ".join(robot.file.cameras) or "none"
            hint = nearest(pixels.camera, robot.file.cameras)
            raise ConfigError(f"observation.pixels: {robot.path} has no camera '{pixels.camera}'{hint}; it has {known}")
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
            stride=stride,
            commands=commands,
            gait_hz=gait_hz,
            chain=chain,
            odometry=odometry,
            pixels=pixels,
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
        if self.pixels is not None:
            return self.pixels.size
        widths = {"last_action": self.n_actions, "angular_velocity": 3, "gravity_direction": 3}
        widths |= {"command": len(self.commands), "gait_phase": 2, "end_effector_error": 3, "leg_odometry": 3}
        widths |= {"end_effector_step": len(self.chain.joints) if self.chain else 0}
        return sum(widths.get(term.name, len(self.joints)) for term in self.terms)

    @property
    def size(self) -> int:
        """Numbers in the observation."""
        return self.frame_size * self.history

    @property
    def picture(self) -> tuple[int, int, int] | None:
        """Shape of what the network sees, where that is a picture: height, width, `history` channels."""
        return None if self.pixels is None else (self.pixels.height, self.pixels.width, self.history)

    @cached_property
    def reach(self) -> tuple[Chain, list[int]]:
        """The chain of joints to the end effector, and their places among the joints; ConfigError without one."""
        if self.chain is None:
            raise ConfigError("observation: chain: missing; nothing says where the end effector is")
        return self.chain, [self.joints.index(name) for name in self.chain.names]

    def frame(self, state: RobotState) -> NDArray[Any]:
        """Return one frame: (n, frame_size), each number kept within +-LIMIT; NaN stays NaN. Pixels are uint8.

        Raise ConfigError where it is to be a picture and there is none.
        """
        if self.pixels is not None:
            if state.image is None:
                raise ConfigError(f"observation: no picture of camera '{self.pixels.camera}', and that is all it is of")
            return np.asarray(state.image).reshape(len(state.q), -1).astype(np.uint8)
        parts = [TERMS[term.name](state, self) * term.scale for term in self.terms]
        return np.clip(np.concatenate(parts, axis=1), -LIMIT, LIMIT)


class Observer:
    """Builds observations for n robots and keeps what that needs of the past: frames, and the legs' odometry."""

    def __init__(self, layout: ObservationLayout, n: int = 1) -> None:
        self.layout = layout
        size = (n, (layout.history - 1) * layout.stride + 1, layout.frame_size)
        self._frames = np.zeros(size, np.float64 if layout.pixels is None else np.uint8)
        self._odometer = LegOdometer(layout.odometry, layout.joints, n) if layout.odometry else None

    def restart(self, state: RobotState, robots: NDArray[np.intp] | slice = slice(None)) -> NDArray[Any]:
        """Begin an episode of some robots: their first frame fills the history. Return (n_robots, layout.size)."""
        if self._odometer:
            down = _gravity_direction(state, self.layout)
            state = replace(state, odometry=self._odometer.restart(state.q, down, robots))
        self._frames[robots] = self.layout.frame(state)[:, None]
        return self._seen(robots)

    def observe(self, state: RobotState) -> NDArray[Any]:
        """Take in the newest state of all robots and return the observation: (n, layout.size)."""
        if self._odometer:
            down = _gravity_direction(state, self.layout)
            state = replace(state, odometry=self._odometer.observe(state.q, down, state.imu_angular_velocity))
        self._frames[:, 1:] = self._frames[:, :-1]
        self._frames[:, 0] = self.layout.frame(state)
        return self._seen(slice(None))

    def _seen(self, robots: NDArray[np.intp] | slice) -> NDArray[Any]:
        frames = self._frames[robots, :: self.layout.stride]
        if self.layout.pixels is not None:
            frames = frames.swapaxes(1, 2)  # channels come last
        return frames.reshape(len(frames), -1).copy()
