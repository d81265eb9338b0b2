"""When sensors measure and when their readings arrive: rates of their own, lost readings, and delays."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from randomization.streams import Noise

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Bools = NDArray[np.bool_]


class Sampling:
    """Which sensors have a new reading in this control period: those that are due, and whose reading is not lost.

    A sensor of `rate` [Hz] is due in the periods in which rate * (time since the episode's start) passes a whole
    number: never more than once a period. The first reading of an episode is due, and not lost.
    """

    def __init__(self, n_worlds: int, places: Index, n_kinds: int, dt: float) -> None:
        """places: (n_sensors,) of each sensor among n_kinds, so that its luck is its own; dt: control period [s]."""
        self._places, self._n_kinds, self._dt = places, n_kinds, dt
        self._period = np.zeros((n_worlds, 1), dtype=np.int64)  # since the episode's start

    def reseed(self, seed: int, purpose: str, first: int) -> None:
        """Take the random numbers of worlds first, first + 1, ... from the stream of `purpose` from now on."""
        self._luck = Noise(seed, purpose, len(self._period), self._n_kinds, first)

    def restart(self, worlds: Index) -> None:
        """Begin a new episode in some worlds."""
        self._period[worlds] = 0

    def fresh(self, rate: Array | None, dropout: Array | None) -> Bools | None:
        """Let one control period pass; return (n_worlds, n_sensors), None if all have a new reading.

        rate [Hz], dropout [probability]: (n_worlds, n_sensors), None if nominal everywhere
        """
        self._period += 1
        fresh = None if rate is None else self._due(rate)
        if dropout is None:
            self._luck.skip()
            return fresh
        kept = self._luck.uniform()[:, self._places] >= dropout
        return kept if fresh is None else fresh & kept

    def _due(self, rate: Array) -> Bools:
        per_period = np.minimum(rate * self._dt, 1.0)  # faster than the control period is every period
        due: Bools = np.floor(self._period * per_period + 1e-9) > np.floor((self._period - 1) * per_period + 1e-9)
        return due


class DelayedReadings:
    """The latest readings of several channels, handed out some control periods late, each by a delay of its own.

    Where the delay grows within an episode, the reading that was shown last stands until a newer one is old enough.
    """

    def __init__(self, n_worlds: int, spans: Sequence[slice]) -> None:
        """spans: the columns of each channel in a reading, one after the other."""
        self._spans = tuple(spans)
        width = max((span.stop for span in spans), default=0)
        self._ring = np.zeros((1, n_worlds, width))  # the newest at `_head`, older ones before it
        self._head = 0
        self._worlds = np.arange(n_worlds)
        self._age = np.zeros((n_worlds, len(self._spans)), dtype=np.intp)
        self._late: list[int] = []  # channels that are late in any world

    @property
    def late(self) -> bool:
        """Whether any reading is handed out later than in the period it is of."""
        return bool(self._late)

    def take(self, age: Index, worlds: Index) -> None:
        """Hand out readings that are `age` (len(worlds), n_channels) control periods old."""
        before = self._age[worlds]
        if (age == before).all():
            return
        self._lengthen(int(age.max()) + 1)
        for channel in np.flatnonzero((age > before).any(axis=0)).tolist():
            grown = age[:, channel] > before[:, channel]
            self._repeat(before[grown, channel], age[grown, channel], worlds[grown], self._spans[channel])
        self._age[worlds] = age
        self._late = np.flatnonzero(self._age.any(axis=0)).tolist()

    def restart(self, reading: Array, worlds: Index) -> None:
        """Begin a new episode in some worlds: nothing older than their first reading (len(worlds), width)."""
        self._ring[:, worlds] = reading

    def push(self, reading: Array) -> Array:
        """Let one control period pass with a new reading (n_worlds, width); return the one to show."""
        self._head = (self._head + 1) % len(self._ring)
        self._ring[self._head] = reading
        if not self._late:
            return reading
        shown = reading.copy()
        for channel in self._late:
            span = self._spans[channel]
            back = self._head - self._age[:, channel]  # an index below 0 counts from the end
            shown[:, span] = self._ring[back, self._worlds, span]
        return shown

    def _lengthen(self, depth: int) -> None:
        missing = depth - len(self._ring)
        if missing > 0:  # the newest goes last, so that the ring can grow in front
            ordered = np.roll(self._ring, -self._head - 1, axis=0)
            self._ring = np.concatenate([np.repeat(ordered[:1], missing, axis=0), ordered])
            self._head = depth - 1

    def _repeat(self, age: Index, longer: Index, worlds: Index, span: slice) -> None:
        """Let what is older than `age` be as the reading of that age, whatever other worlds have made the ring hold."""
        for back in range(int(age.min()) + 1, int(longer.max()) + 1):
            chosen = back > age
            last = self._ring[self._head - age[chosen], worlds[chosen], span]
            self._ring[self._head - back, worlds[chosen], span] = last
