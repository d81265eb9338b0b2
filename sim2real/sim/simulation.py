"""N robots with motors and sensors, each in a world of its own: an Engine seen the way a robot's computer sees it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from randomization.streams import Noise
from sim2real.sim.actuators import holding_command
from sim2real.sim.disturbances import Disturbances
from sim2real.sim.engine import Engine, WorldState
from sim2real.sim.sensors import Sensors

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_JITTER, _LOSS, _REPEAT = range(3)  # columns of the numbers that become of a command's way


class Senses(NamedTuple):
    """One reading of the sensors that policies use; shapes and units as in `sim2real.observation.RobotState`."""

    q: Array
    dq: Array
    imu_quaternion: Array
    imu_angular_velocity: Array


class Simulation:
    """An Engine, the Variant of each of its worlds, and what is random in them: sensors and the way of commands.

    The random numbers of world k come from `seed` and its number alone, `first` + k: it lives through the same whether
    it is one of 1 world or of 64.
    measured: what the sensors last gave, by channel (n_worlds, width); see `sim2real.sim.channels`
    """

    def __init__(self, engine: Engine, seed: int, first: int = 0) -> None:
        self.engine = engine
        self.robot = engine.robot
        self.variant = Variant.nominal(engine.space, engine.n_worlds)
        n = engine.n_worlds
        self._sensors = Sensors(self.robot, engine.space, engine.channels, n, seed, first)
        self._disturbances = Disturbances(self.robot, n)
        self._sent = np.zeros((n, self.robot.n_actuators))
        self._factor = np.ones(n)  # of the ground's friction, by patches
        self.reseed(seed, first)
        self._lay_out(np.arange(n))
        self._restart(self.state.q, np.arange(n))

    @property
    def n_worlds(self) -> int:
        """Number of worlds."""
        return self.engine.n_worlds

    @property
    def state(self) -> WorldState:
        """The true state, overwritten at each step."""
        return self.engine.state

    @property
    def measured(self) -> dict[str, Array]:
        """What the sensors last gave."""
        return self._sensors.measured

    def reset(self, q: Array, dq: Array, worlds: Index, variant: Variant | None = None) -> None:
        """Put `worlds` into q, dq (len(worlds), n_joints), with new Variants if given (len(worlds) of them)."""
        if variant is not None:
            self.redraw(worlds, variant)
        self.engine.reset(q, dq, worlds)
        self._restart(q, worlds)

    def redraw(self, worlds: Index, variant: Variant) -> None:
        """Give `worlds` new Variants (len(worlds) of them) from now on, within their episodes."""
        values = self.variant.values.copy()
        values[worlds] = variant.values
        self.variant = Variant(self.variant.space, values)
        self._factor[worlds] = 1.0
        self.engine.apply(variant, worlds)
        self._lay_out(worlds)

    def _lay_out(self, worlds: Index) -> None:
        """Let everything but the engine take what the Variants say."""
        variant = self.variant.rows(worlds)
        self._disturbances.take(variant, worlds)
        self._sensors.take(variant, worlds)
        self.engine.listen(self._sensors.taps())
        self._latency, self._jitter = self.variant["latency"], self.variant["jitter"]
        self._loss, self._repeat = self.variant["command_loss"], self.variant["command_repeat"]
        self._lucky = not (self._jitter.any() or self._loss.any() or self._repeat.any())

    def _restart(self, q: Array, worlds: Index) -> None:
        self._disturbances.restart(worlds)
        self._sensors.restart(worlds, self.engine.readings)
        self._sent[worlds] = holding_command(self.robot, q)

    def reseed(self, seed: int, first: int = 0) -> None:
        """Draw sensor noise and the fate of commands from `seed` from now on."""
        self._sensors.reseed(seed, first)
        self._luck = Noise(seed, "commands", self.n_worlds, 3, first)

    def sense(self) -> Senses:
        """Return what the sensors gave at the end of the last control period; NaN from an IMU that is not there."""
        measured, n = self.measured, self.n_worlds
        if self.robot.file.imu is None:
            return Senses(measured["position"], measured["velocity"], np.full((n, 4), np.nan), np.full((n, 3), np.nan))
        return Senses(measured["position"], measured["velocity"], measured["orientation"], measured["gyro"])

    def advance(self, command: Array, late: float = 0.0) -> None:
        """Advance one control period under a command (n_worlds, n_actuators), which arrives after the Variant's delay.

        `late` [s] is when the command was issued, from the beginning of the period; the last one acts until then.
        """
        command, delay = self._on_its_way(command)
        self._skid()
        self.engine.step(command, late + delay, self._disturbances.forces(self.state))
        self._sensors.sense(self.engine.readings)

    def _on_its_way(self, command: Array) -> tuple[Array, Array]:
        """Return what is sent and how long it takes: delayed, lost (inf), or the command before once more."""
        if self._lucky:
            self._luck.skip()
            self._sent = command
            return command, self._latency
        luck = self._luck.uniform()
        command = np.where((luck[:, _REPEAT] < self._repeat)[:, None], self._sent, command)
        self._sent = command
        delay = self._latency + self._jitter * luck[:, _JITTER]
        return command, np.where(luck[:, _LOSS] < self._loss, np.inf, delay)

    def _skid(self) -> None:
        """Give the floor the friction of the patch under each base."""
        factor = self._disturbances.ground_factor(self.state)
        if factor is None:
            return
        worlds = np.flatnonzero(factor != self._factor)
        if len(worlds):
            values = self.variant.values[worlds].copy()
            values[:, self.variant.space.index("ground_friction")] *= factor[worlds]
            self.engine.apply(Variant(self.variant.space, values), worlds)
            self._factor[worlds] = factor[worlds]

    def close(self) -> None:
        """Release the engine."""
        self.engine.close()
