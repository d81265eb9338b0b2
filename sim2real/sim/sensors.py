"""What a robot's sensors make of the truth, for n worlds at once.

An ideal reading, taken at the physics step that `taps` names, passes through, in this order:
1. mounting: an IMU that is turned (imu_roll, imu_pitch, imu_yaw) measures in its own frame, and nobody knows;
2. scale, 3. bias, 4. drift, 5. noise: scale true + bias + drift + noise; of an orientation, bias + drift + noise is a
   small turn about the IMU's axes, and there is no scale;
6. resolution: rounded to the nearest step;
7. rate and dropout: between its own samples, and where a reading is lost, a sensor repeats its last one;
8. delay: what arrives is as old as the delay, rounded up to a physics step.

Every random number of world k comes from streams of its own, at a place that depends on its own readings only.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from robots import Robot
from sim2real.sim.channels import CHANNELS, check_channels
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate
from sim2real.sim.sensor_errors import ANALOG, Errors, OrientationErrors
from sim2real.sim.sensor_timing import DelayedReadings, Sampling

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Readings = Mapping[str, Array]

_IMU = ("orientation", "gyro", "accelerometer")
_MOUNTING = ("imu_roll", "imu_pitch", "imu_yaw")


class Sensors:
    """The sensors of n worlds.

    Whoever owns the worlds tells at the beginning of an episode what the Variants say (`take`) and what ideal sensors
    read (`restart`), and then calls `sense` once a control period.
    measured: by channel (n_worlds, width), what the sensors last gave; units and frames as in `channels`
    """

    def __init__(
        self, robot: Robot, space: VariantSpace, channels: Sequence[str], n_worlds: int, seed: int, first: int = 0
    ) -> None:
        """first: the number of the first world, whose random numbers it gets. EngineError where a channel is wrong."""
        self.channels = check_channels(robot, channels)
        self._substeps, self._physics_dt = robot.substeps, robot.control_dt / robot.substeps
        self._said = _Said(space, n_worlds)
        self._errors = {name: self._errors_of(name, robot.control_dt) for name in self.channels}
        self._columns = {
            error: self._said.columns([f"{CHANNELS[name].errors}_{error}" for name in self.channels])
            for error in ("delay", "rate", "dropout")
        } | {"mounting": self._said.columns(_MOUNTING)}
        places = np.array([list(CHANNELS).index(name) for name in self.channels], dtype=np.intp)
        self._sampling = Sampling(n_worlds, places, len(CHANNELS), robot.control_dt)
        shapes = {name: (n_worlds, CHANNELS[name].width(robot)) for name in self.channels}
        self._held = {name: np.zeros(shape) for name, shape in shapes.items()}
        self._delayed = {name: DelayedReadings(*shape) for name, shape in shapes.items()}
        self._tap = np.full((n_worlds, len(self.channels)), robot.substeps)
        self._age = np.zeros_like(self._tap)
        self._mounting, self._turned = from_rpy(np.zeros((n_worlds, 3))), False
        self.measured = {name: np.zeros(shape) for name, shape in shapes.items()}
        self.reseed(seed, first)

    def _errors_of(self, channel: str, dt: float) -> Errors:
        kind = OrientationErrors if channel == "orientation" else Errors
        return kind({error: self._said.values[:, block] for error, block in self._blocks(channel).items()}, dt)

    def _blocks(self, channel: str) -> dict[str, slice]:
        return {error: self._said.block(f"{CHANNELS[channel].errors}_{error}") for error in ANALOG}

    def reseed(self, seed: int, first: int = 0) -> None:
        """Begin the random numbers of worlds first, first + 1, ... under `seed` anew."""
        for name, errors in self._errors.items():
            errors.reseed(seed, f"sensors/{name}", first)
        self._sampling.reseed(seed, "sensors/dropout", first)

    def take(self, variant: Variant, worlds: Index) -> None:
        """Obey `variant` (len(worlds) of them) in `worlds` from now on."""
        if self._said.take(variant, worlds):
            for name, errors in self._errors.items():
                errors.use({error: bool(self._said.changed[b].any()) for error, b in self._blocks(name).items()})
        mounting = self._columns["mounting"]
        was, self._turned = self._turned, bool(self._said.changed[mounting].any())
        if was or self._turned:
            self._mounting[worlds] = from_rpy(self._said.values[worlds][:, mounting])
        self._take_delays(worlds)

    def _take_delays(self, worlds: Index) -> None:
        delay = self._table("delay", worlds)
        if delay is None and not self._age.any():
            self._tap[worlds] = self._substeps
            return
        late = np.zeros((len(worlds), len(self.channels))) if delay is None else delay
        age, before = np.divmod(np.ceil(late / self._physics_dt - 1e-9).astype(np.intp), self._substeps)
        changed = (age != self._age[worlds]).any(axis=0)
        self._tap[worlds], self._age[worlds] = self._substeps - before, age
        for column in np.flatnonzero(changed).tolist():
            self._delayed[self.channels[column]].take(age[:, column], worlds)

    def _table(self, error: str, worlds: Index | slice = slice(None)) -> Array | None:
        """Return one value of each sensor, (n_worlds, n_channels), None if nominal everywhere."""
        columns = self._columns[error]
        return self._said.values[worlds][:, columns] if self._said.changed[columns].any() else None

    def taps(self) -> dict[str, Index]:
        """Return, by channel, the physics step of a control period at which to read it: (n_worlds,), 1..substeps.

        A delay of j control periods and r physics steps is the reading r steps before the end of the period j ago.
        """
        return {name: self._tap[:, column].copy() for column, name in enumerate(self.channels)}

    def restart(self, worlds: Index, readings: Readings) -> None:
        """Begin a new episode in `worlds`, with what ideal sensors read there: readings[channel] (n_worlds, width).

        The first reading is never lost, and what arrives until a younger one could is this one.
        """
        self._sampling.restart(worlds)
        for name, errors in self._errors.items():
            errors.restart(worlds)
            first = errors.measure(self._mounted(name, readings[name][worlds], worlds), worlds)
            for shown in (self._held, self.measured):  # copied: what was handed out stays as it was
                shown[name] = shown[name].copy()
                shown[name][worlds] = first
            self._delayed[name].restart(first, worlds)

    def sense(self, readings: Readings) -> dict[str, Array]:
        """Let one control period pass; return what is measured at its end, by channel: (n_worlds, width).

        readings: by channel (n_worlds, width), what ideal sensors read at the physics steps of `taps`
        """
        fresh = self._sampling.fresh(self._table("rate"), self._table("dropout"))
        for column, (name, errors) in enumerate(self._errors.items()):
            errors.drift()
            value = errors.measure(self._mounted(name, readings[name], None), None)
            if fresh is not None:
                value = np.where(fresh[:, column, None], value, self._held[name])
            self._held[name] = value
            self.measured[name] = self._delayed[name].push(value)
        return dict(self.measured)

    def _mounted(self, name: str, true: Array, worlds: Index | None) -> Array:
        if not self._turned or name not in _IMU:
            return true
        mounting = self._mounting if worlds is None else self._mounting[worlds]
        return compose(true, mounting) if name == "orientation" else rotate(inverse(mounting), true)


class _Said:
    """What the Variants of n worlds say of their sensors.

    values: (n_worlds, n_columns); changed: (n_columns,), which of them are other than nominal in any world
    """

    def __init__(self, space: VariantSpace, n_worlds: int) -> None:
        columns = [column for column, quantity in enumerate(space.quantities) if quantity.place == "sensor"]
        self._columns = slice(columns[0], columns[-1] + 1)
        found = {quantity.name: space.block(quantity.name) for quantity in space.quantities[self._columns]}
        self._blocks = {name: slice(b.start - columns[0], b.stop - columns[0]) for name, b in found.items()}
        self._nominal = space.nominal[self._columns]
        self.values = np.tile(self._nominal, (n_worlds, 1))
        self.changed = np.zeros(len(self._nominal), bool)

    def take(self, variant: Variant, worlds: Index) -> bool:
        """Remember the Variants of `worlds`; return whether `changed` is another than it was."""
        self.values[worlds] = variant.values[:, self._columns]
        before, self.changed = self.changed, (self.values != self._nominal).any(axis=0)
        return not np.array_equal(before, self.changed)

    def block(self, name: str) -> slice:
        """Return the columns of a quantity; none where the robot has none of it."""
        return self._blocks.get(name, slice(0, 0))

    def columns(self, names: Sequence[str]) -> Index:
        """Return the columns of several quantities, one after the other."""
        every = np.arange(len(self._nominal))
        return np.concatenate([every[:0], *(every[self.block(name)] for name in names)])
