"""What a sensor makes of one true reading: scale, bias, drift, noise and steps, for n worlds at once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from randomization.streams import Noise
from sim2real.sim.rotations import compose, from_rpy, from_vector, to_rpy

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_FINEST = 1e-9  # a finer step is none: rounding to it could not be told from rounding of the machine
ANALOG = ("scale", "bias", "drift", "noise", "resolution")


class Errors:
    """The errors of one channel: steps of (scale true + bias + drift + noise).

    What no world uses is not computed, and its random numbers pass: that the others use it changes nothing in a world.
    """

    def __init__(self, values: Mapping[str, Array], dt: float) -> None:
        """values: by error (n_worlds, members), views of what the Variants say; dt: control period [s]."""
        self._values, self._dt = values, dt
        self._used = dict.fromkeys(ANALOG, False)
        self._walk, self._astray = np.zeros_like(values["drift"]), False  # and whether any is not 0

    def reseed(self, seed: int, purpose: str, first: int) -> None:
        """Take the random numbers of worlds first, first + 1, ... from the streams of `purpose` from now on."""
        n_worlds, width = self._walk.shape
        self._noise = Noise(seed, f"{purpose}/noise", n_worlds, width, first)
        self._steps = Noise(seed, f"{purpose}/drift", n_worlds, width, first)

    def use(self, used: Mapping[str, bool]) -> None:
        """Say of each error whether it is other than nominal in any world."""
        self._used = dict(used)

    def restart(self, worlds: Index) -> None:
        """Begin a new episode in some worlds: drift begins at 0."""
        if self._astray:
            self._walk[worlds] = 0.0
            self._astray = bool(self._walk.any())

    def drift(self) -> None:
        """Let one control period pass in every world. Where a Variant ends the drift, what it has come to remains."""
        if self._used["drift"]:
            self._astray = True
            self._walk += self._values["drift"] * np.sqrt(self._dt) * self._steps.normal()
        else:
            self._steps.skip()

    def measure(self, true: Array, worlds: Index | None) -> Array:
        """Return the measured values of `worlds`, of all if None; true: (len(worlds), width)."""
        rows = slice(None) if worlds is None else worlds
        value = true * self._values["scale"][rows] if self._used["scale"] else true.copy()
        added = self._added(worlds)
        if added is not None:
            value += added
        return rounded(value, self._values["resolution"][rows]) if self._used["resolution"] else value

    def _added(self, worlds: Index | None) -> Array | None:
        """Return bias + drift + noise, None if there are none."""
        rows, used, values = slice(None) if worlds is None else worlds, self._used, self._values
        added: Array | None = None
        if used["noise"]:
            added = values["noise"][rows] * self._noise.normal(worlds)
        else:
            self._noise.skip(worlds)
        if used["bias"]:
            added = values["bias"][rows] if added is None else added + values["bias"][rows]
        if self._astray:
            added = self._walk[rows] if added is None else added + self._walk[rows]
        return added


class OrientationErrors(Errors):
    """Of a quaternion: bias, drift and noise are one small turn about the IMU's axes; steps are of roll, pitch, yaw."""

    def measure(self, true: Array, worlds: Index | None) -> Array:
        """Return the measured quaternions of `worlds`, of all if None; true: (len(worlds), 4)."""
        added = self._added(worlds)
        value = true.copy() if added is None else compose(true, from_vector(added))
        if not self._used["resolution"]:
            return value
        step = self._values["resolution"][slice(None) if worlds is None else worlds]
        stepped = (step > _FINEST).any(axis=1, keepdims=True)
        return np.where(stepped, from_rpy(rounded(to_rpy(value), step)), value)


def rounded(value: Array, step: Array) -> Array:
    """Return the nearest multiples of `step`, or the value itself where the step is 0."""
    stepped = step > _FINEST
    safe = np.where(stepped, step, 1.0)
    return np.where(stepped, np.rint(value / safe) * safe, value)
