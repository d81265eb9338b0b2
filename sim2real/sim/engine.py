"""The protocol of physics engines: N worlds, each with its own Variant, stepped one control period at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from robots import Robot
from sim2real.errors import EngineError, nearest
from sim2real.sim.channels import CHANNELS, available
from sim2real.sim.rotations import inverse, rotate

Array = NDArray[np.float64]
Index = NDArray[np.intp]

GRAVITY = -9.81  # [m/s^2] along z, nominal
BASIC = ("position", "velocity", "orientation", "gyro")  # the channels that every policy may look at
MAX_SPEED = 1e3  # [rad/s or m/s] a world with a faster joint or base counts as diverged
MAX_PLACE = 1e6  # [rad or m] so does one whose joint or base is farther out


@dataclass
class WorldState:
    """The true state of every world. Engines overwrite these arrays in place at each step: copy what you keep.

    q, dq: (n_worlds, n_joints) [rad, rad/s | m, m/s], canonical joint order
    tau: (n_worlds, n_actuators) effort delivered in the last physics step [N m | N]
    base_position (n, 3) [m] and base_velocity (n, 3) [m/s]: of the root link's frame, in the world
    base_quaternion (n, 4): x, y, z, w, base to world; base_angular_velocity (n, 3) [rad/s], in the world
    imu_quaternion (n, 4): x, y, z, w, IMU to world; imu_angular_velocity (n, 3) [rad/s], in the IMU's frame
    floor (n, 3): unit normal of the floor's plane, which passes through the origin; set by whoever lays out the worlds
    healthy (n,): False where physics diverged; such a world shows the default pose until it is reset and rebuilt
    """

    q: Array
    dq: Array
    tau: Array
    base_position: Array
    base_quaternion: Array
    base_velocity: Array
    base_angular_velocity: Array
    imu_quaternion: Array
    imu_angular_velocity: Array
    floor: Array
    healthy: NDArray[np.bool_]

    @classmethod
    def shapes(cls, robot: Robot, n_worlds: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, in the order of the fields."""
        n_joints, n_actuators = robot.n_joints, robot.n_actuators
        widths = {"q": n_joints, "dq": n_joints, "tau": n_actuators, "base_quaternion": 4, "imu_quaternion": 4}
        return {f.name: (n_worlds,) if f.name == "healthy" else (n_worlds, widths.get(f.name, 3)) for f in fields(cls)}

    @classmethod
    def zeros(cls, robot: Robot, n_worlds: int) -> "WorldState":
        """Return arrays of the right shapes, at rest in the default pose."""
        state = cls(
            **{name: np.zeros(shape) for name, shape in cls.shapes(robot, n_worlds).items() if name != "healthy"},
            healthy=np.ones(n_worlds, bool),
        )
        state.q[:] = robot.default_q
        state.base_position[:, 2] = robot.file.base_height
        state.floor[:, 2] = 1.0
        state.base_quaternion[:, 3] = state.imu_quaternion[:, 3] = 1.0
        return state

    @property
    def height(self) -> Array:
        """How far the root link's frame is above the floor's plane: (n,) [m]."""
        height: Array = (self.base_position * self.floor).sum(axis=1)
        return height

    def quarantine(self, robot: Robot) -> None:
        """Mark the worlds whose physics diverged as not healthy, and show a harmless state in their place."""
        speeds = np.concatenate([self.dq, self.base_velocity, self.base_angular_velocity], axis=1)
        places = np.concatenate([self.q, self.base_position], axis=1)
        sound = (np.abs(speeds).max(axis=1) < MAX_SPEED) & (
            np.abs(places).max(axis=1) < MAX_PLACE
        )  # False where any is NaN
        diverged = ~(sound & np.isfinite(self.tau).all(axis=1))
        if diverged.any():
            self.calm(robot, np.flatnonzero(diverged))

    def calm(self, robot: Robot, worlds: Index) -> None:
        """Mark `worlds` as not healthy and show the default pose at rest in their place."""
        default = WorldState.zeros(robot, 1)
        for field in fields(self):
            getattr(self, field.name)[worlds] = getattr(default, field.name)[0]
        self.healthy[worlds] = False


class Engine(Protocol):
    """N worlds of one robot in one physics engine. Deterministic: all randomness comes in as arguments.

    readings: what ideal sensors say, by channel (see `sim2real.sim.channels`): (n_worlds, width) each, overwritten in
    place; of the channels that the engine was built with, at the moments that `listen` sets
    """

    robot: Robot
    space: VariantSpace
    n_worlds: int
    state: WorldState
    channels: tuple[str, ...]
    readings: dict[str, Array]

    @property
    def rebuilt(self) -> int:
        """Worlds rebuilt so far, after their physics diverged or their process died."""

    def apply(self, variant: Variant, worlds: Index) -> None:
        """Give each of `worlds` its row of `variant`. Always computed from the stored nominal: never compounds."""

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """Put `worlds` into joint positions q and velocities dq: (len(worlds), n_joints), base at rest at the origin.

        A joint that mimics another goes where that one puts it, whatever q and dq say of it.

        Commands on their way are dropped; until the first command arrives, motors hold: zero effort or velocity, or the
        reset position. With `keep_commands` they arrive all the same, as in a twin that is put onto its robot. A world
        that was not healthy is rebuilt from scratch first.
        """

    def step(self, command: Array, delay: Array, force: Array | None = None) -> None:
        """Advance all worlds by one control period.

        command: (n_worlds, n_actuators), each in the unit of its motor's mode, finite
        delay: (n_worlds,) [s] from now until this command reaches the motors, rounded up to a physics step; earlier
        commands act until then; inf is a command that never arrives
        force: (n_worlds, 3) [N] on the centre of mass of `pushed_body(robot)` throughout, in the world's axes
        """

    def listen(self, taps: Mapping[str, Index]) -> None:
        """Set at which moment each channel is read: (n_worlds,) physics steps into a control period, 1..substeps.

        The end of the period for channels that are not named.
        """

    def close(self) -> None:
        """Release processes and memory. Safe to call twice."""


def blank_readings(robot: Robot, n_worlds: int, channels: Sequence[str]) -> dict[str, Array]:
    """Return an array of zeros for the readings of each channel."""
    return {channel: np.zeros((n_worlds, CHANNELS[channel].width(robot))) for channel in channels}


def calm_readings(readings: dict[str, Array], state: WorldState) -> None:
    """Let sensors in worlds that are not healthy read what the harmless state in their place says, else 0."""
    worlds = np.flatnonzero(~state.healthy)
    if len(worlds):
        for channel, reading in readings.items():
            calm = state_reading(state, channel, worlds)
            reading[worlds] = 0.0 if calm is None else calm


def state_reading(state: WorldState, channel: str, worlds: Index) -> Array | None:
    """Return what a channel reads in a state, for those that a WorldState tells: (len(worlds), width); else None."""
    plain = {
        "position": state.q,
        "velocity": state.dq,
        "orientation": state.imu_quaternion,
        "gyro": state.imu_angular_velocity,
    }
    if channel in plain:
        return plain[channel][worlds]
    if channel == "base_velocity":
        return rotate(inverse(state.base_quaternion[worlds]), state.base_velocity[worlds])
    return None


def _bullet(robot: Robot, n_worlds: int, workers: int, channels: Sequence[str]) -> Engine:
    if workers:
        module = import_module("sim2real.sim.pool")
        return module.EnginePool(robot, n_worlds, min(workers, n_worlds), channels)  # type: ignore[no-any-return]
    return import_module("sim2real.sim.bullet").BulletEngine(robot, n_worlds, channels)  # type: ignore[no-any-return]


def _mujoco(robot: Robot, n_worlds: int, workers: int, channels: Sequence[str]) -> Engine:
    module = import_module("sim2real.sim.mujoco")
    return module.MujocoEngine(robot, n_worlds, workers, channels)  # type: ignore[no-any-return]


ENGINES: dict[str, Callable[[Robot, int, int, Sequence[str]], Engine]] = {"bullet": _bullet, "mujoco": _mujoco}


def make_engine(
    name: str, robot: Robot, n_worlds: int = 1, workers: int = 0, channels: Sequence[str] | None = None
) -> Engine:
    """Build an engine by name. `workers` are processes (bullet) or threads (mujoco); 0 does the work in this thread.

    channels: the sensors that it reads at each step, of `sim2real.sim.channels`; those of `BASIC` if not given
    """
    if name not in ENGINES:
        raise EngineError(f"engine: no engine '{name}'{nearest(name, ENGINES)}; there are {', '.join(ENGINES)}")
    if n_worlds < 1:
        raise EngineError(f"n_worlds: must be at least 1, got {n_worlds}")
    if channels is None:
        channels = [channel for channel in BASIC if channel in available(robot)]
    return ENGINES[name](robot, n_worlds, max(0, workers), channels)
