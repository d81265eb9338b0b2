"""N robots with motors and sensors, each in a world of its own: an Engine seen the way a robot's computer sees it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from sim2real.sim.engine import Engine, WorldState
from sim2real.sim.sensors import Encoders

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class Senses(NamedTuple):
    """One reading of every sensor; shapes and units as in `sim2real.observation.RobotState`."""

    q: Array
    dq: Array
    imu_quaternion: Array
    imu_angular_velocity: Array


class Simulation:
    """An Engine, the Variant of each of its worlds, and the random numbers of its sensors and command delays."""

    def __init__(self, engine: Engine, rng: np.random.Generator) -> None:
        self.engine = engine
        self.robot = engine.robot
        self._rng = rng
        self._take(Variant.nominal(engine.space, engine.n_worlds))

    def _take(self, variant: Variant) -> None:
        """Remember the Variant of every world, and what sensors and delays need of it at each step."""
        self.variant = variant
        self._encoders = Encoders(variant)
        self._latency, self._jitter = variant["latency"], variant["jitter"]
        self._no_imu = np.full((len(variant), 4), np.nan), np.full((len(variant), 3), np.nan)

    @property
    def n_worlds(self) -> int:
        """Number of worlds."""
        return self.engine.n_worlds

    @property
    def state(self) -> WorldState:
        """The true state, overwritten at each step."""
        return self.engine.state

    def reset(self, q: Array, dq: Array, worlds: Index, variant: Variant | None = None) -> None:
        """Put `worlds` into q, dq (len(worlds), n_joints), with new Variants if given (len(worlds) of them)."""
        if variant is not None:
            values = self.variant.values.copy()
            values[worlds] = variant.values
            self._take(Variant(self.variant.space, values))
            self.engine.apply(variant, worlds)
        self.engine.reset(q, dq, worlds)

    def reseed(self, rng: np.random.Generator) -> None:
        """Draw sensor noise and command delays from `rng` from now on."""
        self._rng = rng

    def sense(self) -> Senses:
        """Read all sensors once; noise is drawn anew at each call."""
        q, dq = self._encoders.read(self.state, self._rng)
        if self.robot.file.imu is None:
            return Senses(q, dq, *self._no_imu)
        return Senses(q, dq, self.state.imu_quaternion.copy(), self.state.imu_angular_velocity.copy())

    def advance(self, command: Array, late: float = 0.0) -> None:
        """Advance one control period under a command (n_worlds, n_actuators), which arrives after the Variant's delay.

        `late` [s] is when the command was issued, from the beginning of the period; the last one acts until then.
        """
        delay = late + self._latency + self._jitter * self._rng.random(self.n_worlds)
        self.engine.step(command, delay)

    def close(self) -> None:
        """Release the engine."""
        self.engine.close()
