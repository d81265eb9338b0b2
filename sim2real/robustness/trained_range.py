"""How far a policy was trained along each coordinate of the truth, as a line from -1 to 1 over its range."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization
from randomization.distributions import LogUniform
from randomization.entries import ChoiceEntry
from randomization.terms import absolute
from sim2real.errors import RandomizationError, nearest

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainedRange:
    """One coordinate that varies: its values `low` to `high` [unit] are the places -1 to 1, 0 is the middle.

    logarithmic: places are spread by factors, as a log-uniform law spreads its values
    choices: the values of a choice, of which none lies between two others; empty for all other laws
    minimum, maximum: what physics bears
    """

    name: str
    unit: str
    column: int
    low: float
    high: float
    logarithmic: bool = False
    choices: tuple[float, ...] = ()
    minimum: float = -np.inf
    maximum: float = np.inf

    def place(self, value: Array) -> Array:
        """Return where values lie: -1 at `low`, 0 in the middle, 1 at `high`, beyond these outside of the range."""
        low, high = self._scaled(np.array([self.low, self.high]))
        places: Array = (2 * self._scaled(value) - low - high) / (high - low)
        return places

    def value(self, place: Array) -> Array:
        """Return the values at some places, inside of the range or beyond; `bearable` keeps them within physics."""
        low, high = self._scaled(np.array([self.low, self.high]))
        line: Array = (low + high + place * (high - low)) / 2
        return np.asarray(np.exp(line)) if self.logarithmic else line

    def bearable(self, values: Array, around: Array) -> Array:
        """Clip values that lie outside of the range and of `around` to half way on to what physics cannot bear."""
        least = (np.minimum(around, self.low) + self.minimum) / 2
        most = (np.maximum(around, self.high) + self.maximum) / 2
        clipped: Array = np.clip(values, least, most)
        return clipped

    def _scaled(self, value: Array) -> Array:
        with np.errstate(divide="ignore"):  # a factor of 0 lies infinitely far out
            return np.log(np.maximum(value, 0.0)) if self.logarithmic else value


def trained_ranges(randomization: Randomization, pattern: str = "*") -> list[TrainedRange]:
    """Return the range of every coordinate that varies and whose name matches `pattern`, in the space's order."""
    low, high = randomization.bounds()
    names = [randomization.space.names[column] for column in np.flatnonzero(low < high)]
    chosen = [name for name in names if fnmatchcase(name, pattern)]
    if names and not chosen:
        known = f"there are {', '.join(names)}"
        raise RandomizationError(
            f"quantities: nothing that varies matches '{pattern}'{nearest(pattern, names)}; {known}"
        )
    return [_range(randomization, name) for name in chosen]


def _range(randomization: Randomization, name: str) -> TrainedRange:
    space, law = randomization.space, randomization.laws[name]
    column = space.index(name)
    low, high = randomization.bounds()[:, column].tolist()
    quantity = space.quantities[column]
    choices: tuple[float, ...] = ()
    if isinstance(law, ChoiceEntry):
        choices = tuple(np.unique(absolute(np.array(law.values), law.relative, space.nominal[column])).tolist())
    logarithmic = isinstance(law, LogUniform) and low > 0
    return TrainedRange(
        name, quantity.unit, column, low, high, logarithmic, choices, quantity.minimum, quantity.maximum
    )
