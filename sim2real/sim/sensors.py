"""What a robot's sensors make of the truth, for n worlds at once.

An ideal reading, taken at the physics step that `taps` names, passes through, in this order:
1. mounting: an IMU that is turned (imu_roll, imu_pitch, imu_yaw) measures in its own frame, and nobody knows;
2. scale, 3. bias, 4. drift, 5. noise: scale true + bias + drift + noise; of an orientation, bias + drift + noise is a
   small turn about the IMU's axes, and there is no scale;
6. resolution: rounded to the nearest step;
7. rate and dropout: between its own samples, and where a reading is lost, a sensor repeats its last one;
8. delay: what arrives is as old as the delay, rounded up to a physics step.

Every random number of world k comes from streams of its own, at a place that depends on its own readings only. All
channels are worked out side by side, in one array.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from robots import Robot
from sim2real.sim.channels import CHANNELS, available, check_channels
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate
from sim2real.sim.sensor_errors import ANALOG, PERFECT, Errors
from sim2real.sim.sensor_timing import DelayedReadings, Sampling

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Readings = Mapping[str, Array]

_IMU = ("orientation", "gyro", "accelerometer")
_MOUNTING = ("imu_roll", "imu_pitch", "imu_yaw")
_TIMING = ("delay", "rate", "dropout")


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
        self._said = _Said(robot, space, self.channels, n_worlds)
        self._order = tuple(sorted(self.channels, key=lambda name: name == "orientation"))  # quaternions go last
        self._spans = _side_by_side({name: CHANNELS[name].width(robot) for name in self._order})
        self._errors = _errors_of(robot, self._order, n_worlds)
        places = np.array([list(CHANNELS).index(name) for name in self.channels], dtype=np.intp)
        self._sampling = Sampling(n_worlds, places, len(CHANNELS), robot.control_dt)
        self._delayed = DelayedReadings(n_worlds, [self._spans[name] for name in self.channels])
        self._owner = np.concatenate(  # of each column of a reading, in `channels`
            [np.full(CHANNELS[name].width(robot), self.channels.index(name)) for name in self._order]
        )
        self._held = np.zeros((n_worlds, len(self._owner)))
        self._tap = np.full((n_worlds, len(self.channels)), robot.substeps)
        self._mounting, self._turned = from_rpy(np.zeros((n_worlds, 3))), False
        self._show(self._held.copy())
        self.reseed(seed, first)

    def reseed(self, seed: int, first: int = 0) -> None:
        """Begin the random numbers of worlds first, first + 1, ... under `seed` anew."""
        self._errors.reseed(seed, first)
        self._sampling.reseed(seed, "sensors/dropout", first)

    def take(self, variant: Variant, worlds: Index) -> bool:
        """Obey `variant` (len(worlds) of them) in `worlds` from now on; return whether `taps` has changed."""
        said = self._said
        if said.take(variant, worlds):
            self._errors.use(said.changed[said.analog] & (said.analog >= 0))
        self._errors.take(said.errors(worlds), worlds)
        was, self._turned = self._turned, said.any("mounting")
        if was or self._turned:
            self._mounting[worlds] = from_rpy(said.values[worlds][:, said.columns["mounting"]])
        return self._take_delays(worlds)

    def _take_delays(self, worlds: Index) -> bool:
        if not (self._said.any("delay") or self._delayed.late or (self._tap < self._substeps).any()):
            return False
        late = self._said.values[worlds][:, self._said.columns["delay"]]
        age, before = np.divmod(np.ceil(late / self._physics_dt - 1e-9).astype(np.intp), self._substeps)
        self._delayed.take(age, worlds)
        tap = self._substeps - before
        changed = bool((tap != self._tap[worlds]).any())
        self._tap[worlds] = tap
        return changed

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
        self._errors.restart(worlds)
        first = self._true({name: readings[name][worlds] for name in self._order}, worlds)
        self._errors.measure(first, worlds)
        self._held, shown = self._held.copy(), self._shown.copy()  # what was handed out stays as it was
        self._held[worlds] = shown[worlds] = first
        self._show(shown)
        self._delayed.restart(first, worlds)

    def sense(self, readings: Readings) -> dict[str, Array]:
        """Let one control period pass; return what is measured at its end, by channel: (n_worlds, width).

        readings: by channel (n_worlds, width), what ideal sensors read at the physics steps of `taps`
        """
        fresh = self._sampling.fresh(self._said.table("rate"), self._said.table("dropout"))
        self._errors.drift()
        value = self._true(readings, None)
        self._errors.measure(value, None)
        if fresh is not None:
            value = np.where(fresh[:, self._owner], value, self._held)
        self._held = value
        self._show(self._delayed.push(value))
        return dict(self.measured)

    def _true(self, readings: Readings, worlds: Index | None) -> Array:
        """Return readings of the IMU where it sits and of the others, side by side: an array of its own."""
        if not self._order:
            return np.zeros((len(self._held) if worlds is None else len(worlds), 0))
        value = np.concatenate([readings[name] for name in self._order], axis=1)
        if self._turned:
            mounting = self._mounting if worlds is None else self._mounting[worlds]
            for name in set(_IMU) & set(self._order):
                part = value[:, self._spans[name]]
                part[:] = compose(part, mounting) if name == "orientation" else rotate(inverse(mounting), part)
        return value

    def _show(self, shown: Array) -> None:
        self._shown = shown
        self.measured = {name: shown[:, self._spans[name]] for name in self.channels}


def _side_by_side(widths: Mapping[str, int]) -> dict[str, slice]:
    ends = np.cumsum([0, *widths.values()]).tolist()
    return {name: slice(*pair) for name, pair in zip(widths, pairwise(ends), strict=True)}


def _errors_of(robot: Robot, order: Sequence[str], n_worlds: int) -> Errors:
    """Return the errors of channels in an order that ends with a quaternion, if there is one."""
    every = _side_by_side({name: _n_errors(robot, name) for name in available(robot)})
    places = [place for name in order for place in range(every[name].start, every[name].stop)]
    n_places = max((span.stop for span in every.values()), default=0)
    return Errors(n_worlds, np.array(places, dtype=np.intp), n_places, "orientation" in order, robot.control_dt)


def _n_errors(robot: Robot, channel: str) -> int:
    return 3 if channel == "orientation" else CHANNELS[channel].width(robot)


class _Said:
    """What the Variants of n worlds say of their sensors.

    values: (n_worlds, n_columns); changed: (n_columns,), which of them are other than nominal in any world
    columns: of the timing of each channel, and of the IMU's mounting
    analog: (5, n_errors) the columns of each error of ANALOG, channel by channel with a quaternion last; -1 for none
    """

    def __init__(self, robot: Robot, space: VariantSpace, channels: Sequence[str], n_worlds: int) -> None:
        columns = [column for column, quantity in enumerate(space.quantities) if quantity.place == "sensor"]
        self._columns = slice(columns[0], columns[-1] + 1)
        found = {quantity.name: space.block(quantity.name) for quantity in space.quantities[self._columns]}
        self._blocks = {name: range(b.start - columns[0], b.stop - columns[0]) for name, b in found.items()}
        self._nominal = space.nominal[self._columns]
        self.values = np.tile(self._nominal, (n_worlds, 1))
        self._differs = np.zeros(self.values.shape, bool)
        self._count = np.zeros(len(self._nominal), np.int64)  # worlds in which a column differs
        self.changed = np.zeros(len(self._nominal), bool)
        self.columns = {
            "mounting": self._of(_MOUNTING),
            **{time: self._of([f"{CHANNELS[name].errors}_{time}" for name in channels]) for time in _TIMING},
        }
        self._any = dict.fromkeys(self.columns, False)
        self.analog = self._analog(robot, channels)

    def _of(self, names: Sequence[str]) -> Index:
        """Return the columns of several quantities, one after the other; none where the robot has none of one."""
        return np.array([column for name in names for column in self._blocks.get(name, ())], dtype=np.intp)

    def _analog(self, robot: Robot, channels: Sequence[str]) -> Index:
        rows = []
        for error in ANALOG:
            row: list[int] = []
            for name in sorted(channels, key=lambda name: name == "orientation"):
                block = self._blocks.get(f"{CHANNELS[name].errors}_{error}", ())
                row += [*block] or [-1] * _n_errors(robot, name)
            rows.append(row)
        return np.array(rows, dtype=np.intp)

    def take(self, variant: Variant, worlds: Index) -> bool:
        """Remember the Variants of `worlds`; return whether `changed` is another than it was."""
        said = variant.values[:, self._columns]
        differs = said != self._nominal
        self._count += differs.sum(axis=0) - self._differs[worlds].sum(axis=0)
        self.values[worlds], self._differs[worlds] = said, differs
        before, self.changed = self.changed, self._count > 0
        if np.array_equal(before, self.changed):
            return False
        self._any = {name: bool(self.changed[columns].any()) for name, columns in self.columns.items()}
        return True

    def any(self, name: str) -> bool:
        """Whether any of `columns[name]` is other than nominal in any world."""
        return self._any[name]

    def table(self, timing: str) -> Array | None:
        """Return one value of each sensor, (n_worlds, n_channels), None if nominal everywhere."""
        return self.values[:, self.columns[timing]] if self._any[timing] else None

    def errors(self, worlds: Index) -> Array:
        """Return the errors of some worlds: (len(worlds), 5, n_errors), in the order of ANALOG."""
        said = self.values[worlds[:, None, None], self.analog]
        return np.where(self.analog < 0, PERFECT[:, None], said)
