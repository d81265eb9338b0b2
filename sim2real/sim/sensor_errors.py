"""What sensors make of true readings: scale, bias, drift, noise and steps, of all channels of n worlds at once."""

import numpy as np
from numpy.typing import NDArray

from randomization.streams import Noise
from sim2real.sim.rotations import compose, from_rpy, from_vector, to_rpy

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_FINEST = 1e-9  # a finer step is none: rounding to it could not be told from rounding of the machine
ANALOG = ("scale", "bias", "drift", "noise", "resolution")
PERFECT = np.array([1.0, 0.0, 0.0, 0.0, 0.0])  # the values of ANALOG that change nothing


class Errors:
    """The errors of channels side by side: steps of (scale true + bias + drift + noise).

    Readings have a column for each number, and a quaternion, if there is one, comes last; errors have three columns in
    its place: bias, drift and noise are one small turn about the IMU's axes, and steps are of roll, pitch and yaw.

    What no world uses is not computed, and its random numbers pass: that the others use it changes nothing in a world.
    """

    def __init__(self, n_worlds: int, places: Index, n_places: int, quaternion: bool, dt: float) -> None:
        """Prepare errors that change nothing.

        places: of each column among n_places that the robot has, so that its random numbers are its own
        quaternion: whether the last three columns are of one; dt: control period [s]
        """
        self._places, self._n_places, self._dt = _columns(places), n_places, dt
        self._plain = len(places) - 3 * quaternion  # number of columns that are plain numbers
        self._values = np.tile(PERFECT[:, None], (n_worlds, 1, len(places)))
        # By error of ANALOG, whether any plain number has it, and whether the quaternion has.
        self._used, self._turned = [False] * len(ANALOG), [False] * len(ANALOG)
        self._walk, self._astray = np.zeros((n_worlds, len(places))), False  # and whether any is not 0

    def reseed(self, seed: int, first: int) -> None:
        """Begin the random numbers of worlds first, first + 1, ... under `seed` anew."""
        n_worlds, places = len(self._walk), self._n_places
        self._noise = Noise(seed, "sensors/noise", n_worlds, places, first)
        self._begun = Noise(seed, "sensors/noise/first", n_worlds, places, first)  # of the first reading of an episode
        self._steps = Noise(seed, "sensors/drift", n_worlds, places, first)

    def take(self, values: Array, worlds: Index) -> None:
        """Make errors (len(worlds), 5, n_columns), in the order of ANALOG, in `worlds` from now on."""
        self._values[worlds] = values

    def use(self, used: NDArray[np.bool_]) -> None:
        """Say of each error whether it is other than nominal in any world: (5, n_columns)."""
        self._used = [bool(row[: self._plain].any()) for row in used]
        self._turned = [bool(row[self._plain :].any()) for row in used]

    def restart(self, worlds: Index) -> None:
        """Begin a new episode in some worlds: drift begins at 0."""
        if self._astray:
            self._walk[worlds] = 0.0
            self._astray = bool(self._walk.any())

    def drift(self) -> None:
        """Let one control period pass in every world. Where a Variant ends the drift, what it has come to remains."""
        if self._used[2] or self._turned[2]:
            self._astray = True
            self._walk += self._values[:, 2] * np.sqrt(self._dt) * self._steps.normal()[:, self._places]
        else:
            self._steps.skip()

    def measure(self, reading: Array, worlds: Index | None) -> None:
        """Turn true readings (len(worlds), width) into what is measured in `worlds`, in all of them if None.

        With `worlds`, it is the first reading of their episode.
        """
        scale, bias, _, noise, resolution = (self._values if worlds is None else self._values[worlds]).transpose(
            1, 0, 2
        )
        plain, end = reading[:, : self._plain], self._plain
        if self._used[0]:
            plain *= scale[:, :end]
        added = self._added(bias, noise, worlds)
        if added is not None:
            plain += added[:, :end]
        if self._used[4]:
            plain[:] = rounded(plain, resolution[:, :end])
        if reading.shape[1] > end:
            reading[:, end:] = self._turn(reading[:, end:], added, resolution[:, end:])

    def _added(self, bias: Array, noise: Array, worlds: Index | None) -> Array | None:
        """Return bias + drift + noise, None if there are none."""
        added, source = None, self._noise if worlds is None else self._begun
        if self._used[3] or self._turned[3]:
            added = noise * source.normal(worlds)[:, self._places]
        else:
            source.skip(worlds)
        if self._used[1] or self._turned[1]:
            added = bias if added is None else added + bias
        if self._astray:
            walk = self._walk if worlds is None else self._walk[worlds]
            added = walk if added is None else added + walk
        return added

    def _turn(self, quaternion: Array, added: Array | None, step: Array) -> Array:
        """Return quaternions (n, 4) turned by `added`, with roll, pitch and yaw in multiples of `step` (n, 3)."""
        if added is not None and (any(self._turned[1:4]) or self._astray):
            quaternion = compose(quaternion, from_vector(added[:, self._plain :]))
        if not self._turned[4]:
            return quaternion
        stepped = (step > _FINEST).any(axis=1, keepdims=True)
        return np.where(stepped, from_rpy(rounded(to_rpy(quaternion), step)), quaternion)


def rounded(value: Array, step: Array) -> Array:
    """Return the nearest multiples of `step`, or the value itself where the step is 0."""
    stepped = step > _FINEST
    safe = np.where(stepped, step, 1.0)
    return np.where(stepped, np.rint(value / safe) * safe, value)


def _columns(places: Index) -> Index | slice:
    """Return columns as a slice where they are neighbours: what it picks out is not copied."""
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
