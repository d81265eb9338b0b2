"""N robots with motors and sensors, each in a world of its own: an Engine seen the way a robot's computer sees it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from randomization.streams import Noise
from sim2real.pixels import Pixels
from sim2real.sim.actuators import holding_command
from sim2real.sim.disturbances import Disturbances
from sim2real.sim.engine import Engine, WorldState
from sim2real.sim.pixel_camera import PixelCamera
from sim2real.sim.sensors import Sensors

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_JITTER, _LOSS, _REPEAT = range(3)  # columns of what becomes of a command on its way, and of the luck that decides it


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

    def __init__(self, engine: Engine, seed: int, first: int = 0, pixels: Pixels | None = None) -> None:
        """pixels: what `look` is to show."""
        self.engine = engine
        self.robot = engine.robot
        n = engine.n_worlds
        self._space, self._values = engine.space, np.tile(engine.space.nominal, (n, 1))
        self._variant: Variant | None = None  # the same, to be handed out
        self._sensors = Sensors(self.robot, engine.space, engine.channels, n, seed, first)
        self._disturbances = Disturbances(self.robot, n)
        self._camera = None if pixels is None else PixelCamera(self.robot, pixels, n, seed, first)
        self._sent = np.zeros((n, self.robot.n_actuators))
        self._factor = np.ones(n)  # of the ground's friction, by patches
        self._floor = np.tile([0.0, 0.0, 1.0], (n, 1))  # its normal
        self._way = [self._space.index(name) for name in ("jitter", "command_loss", "command_repeat")]
        self._latency, self._chance = np.zeros(n), np.zeros((n, 3))  # [s]; of each world, by `_way`
        self.reseed(seed, first)
        self._lay_out(self.variant, np.arange(n))
        engine.listen(self._sensors.taps())
        self._restart(self.state.q, np.arange(n))

    @property
    def n_worlds(self) -> int:
        """Number of worlds."""
        return self.engine.n_worlds

    @property
    def variant(self) -> Variant:
        """The Variants of all worlds as they are now: a copy, which `truth` of some worlds does not take."""
        if self._variant is None:
            self._variant = Variant(self._space, self._values)
        return self._variant

    def truth(self, worlds: Index | slice) -> Array:
        """Return the values of the Variants of some worlds: (len(worlds), space.size)."""
        values: Array = self._values[worlds]
        return values

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
        self._values[worlds], self._variant = variant.values, None
        self._factor[worlds] = 1.0
        self.engine.apply(variant, worlds)
        self._lay_out(variant, worlds)

    def _lay_out(self, variant: Variant, worlds: Index) -> None:
        """Let everything but the engine take what the Variants of some worlds say."""
        self._disturbances.take(variant, worlds)
        if self._camera is not None:
            self._camera.apply(variant, worlds)
        if self._sensors.take(variant, worlds):
            self.engine.listen(self._sensors.taps())
        self._latency[worlds] = variant["latency"]
        self._chance[worlds] = variant.values[:, self._way]
        self._floor[worlds] = _normals(variant)
        self.state.floor[worlds] = self._floor[worlds]
        self._lucky = not self._chance.any()

    def _restart(self, q: Array, worlds: Index) -> None:
        self._disturbances.restart(worlds)
        self._sensors.restart(worlds, self.engine.readings)
        self._sent[worlds] = holding_command(self.robot, q)
        self.state.floor[worlds] = self._floor[worlds]

    def reseed(self, seed: int, first: int = 0) -> None:
        """Draw sensor noise and the fate of commands from `seed` from now on."""
        self._sensors.reseed(seed, first)
        self._luck = Noise(seed, "commands", self.n_worlds, 3, first)
        if self._camera is not None:
            self._camera.reseed(seed, first)

    def sense(self) -> Senses:
        """Return what the sensors gave at the end of the last control period; NaN from an IMU that is not there."""
        measured, n = self.measured, self.n_worlds
        if self.robot.file.imu is None:
            return Senses(measured["position"], measured["velocity"], np.full((n, 4), np.nan), np.full((n, 3), np.nan))
        return Senses(measured["position"], measured["velocity"], measured["orientation"], measured["gyro"])

    def look(self, worlds: Index | None = None) -> NDArray[np.uint8] | None:
        """Return what the camera sees at the end of the last control period, of all worlds if none are given.

        (len(worlds), height, width), grey; None without a camera.
        """
        if self._camera is None:
            return None
        return self._camera.look(self.state, np.arange(self.n_worlds) if worlds is None else worlds)

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
            self._sent[:] = command
            return command, self._latency
        luck, chance = self._luck.uniform(), self._chance
        command = np.where((luck[:, _REPEAT] < chance[:, _REPEAT])[:, None], self._sent, command)
        self._sent[:] = command
        delay = self._latency + chance[:, _JITTER] * luck[:, _JITTER]
        return command, np.where(luck[:, _LOSS] < chance[:, _LOSS], np.inf, delay)

    def _skid(self) -> None:
        """Give the floor the friction of the patch under each base."""
        factor = self._disturbances.ground_factor(self.state)
        if factor is None:
            return
        worlds = np.flatnonzero(factor != self._factor)
        if len(worlds):
            values = self.truth(worlds)
            values[:, self._space.index("ground_friction")] *= factor[worlds]
            self.engine.apply(Variant(self._space, values), worlds)
            self._factor[worlds] = factor[worlds]

    def close(self) -> None:
        """Release the engine, and the renderer."""
        self.engine.close()
        if self._camera is not None:
            self._camera.close()


def _normals(variant: Variant) -> Array:
    """Return the unit normals of the floors that Variants ask for: (n, 3); upright where there is no floor to tilt."""
    if not variant.block("slope").size:
        return np.array([0.0, 0.0, 1.0])
    slope, uphill = variant["slope"], variant["slope_direction"]
    level = -np.sin(slope)
    return np.stack([level * np.cos(uphill), level * np.sin(uphill), np.cos(slope)], axis=1)
