"""A plain curriculum: ranges that grow with the steps taken, whatever the policy makes of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from randomization.randomization import Randomization
from randomization.ranges import Ranges
from sim2real.config import Strict

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class CurriculumSettings(Strict):
    """Settings of a plain curriculum."""

    steps: int = Field(gt=0, description="Steps, of all worlds together, after which ranges are full")


class Curriculum:
    """Ranges that grow linearly from nominal (or `initial`) to those of `full`, with the steps taken."""

    def __init__(
        self,
        full: Randomization,
        settings: CurriculumSettings,
        initial: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """initial: ranges to start from, by key, for keys that shall not start at the nominal value."""
        self.settings = settings
        self._ranges = Ranges(full, initial or {})
        self._steps = self._used = 0
        self.randomization = self._ranges.at(self._ranges.start)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The ranges of now, by key and as written in the YAML."""
        return self._ranges.written(self._places(self._used))

    @property
    def progress(self) -> float:
        """How far the ranges have grown: 0 .. 1."""
        return min(self._used / self.settings.steps, 1.0)

    @property
    def summary(self) -> str:
        """How far the ranges have come, in a line."""
        moved = self._ranges.moved(self._places(self._used))
        return f"{moved} of {len(self._ranges.keys)} ranges moved; {self.progress:.0%} of the way to the full ranges"

    def _places(self, steps: int) -> Array:
        grown = min(steps / self.settings.steps, 1.0)
        full = np.array([0.0, 1.0])[:, None]
        places: Array = (1.0 - grown) * self._ranges.start + grown * full  # exactly full at the end
        return places

    def begin(self, worlds: Index) -> bool:
        """Widen the ranges if a hundredth of the steps has gone by since; return whether they have changed."""
        steps = min(self._steps, self.settings.steps)
        if steps == self._used or (steps - self._used < self.settings.steps / 100 and steps < self.settings.steps):
            return False
        self._used = steps
        self.randomization = self._ranges.at(self._places(steps))
        return True

    def pin(self, worlds: Index, values: Array) -> None:
        """Nothing: every world is drawn from the ranges."""

    def tick(self, n_worlds: int) -> None:
        """Note that so many worlds have made a step of the control loop."""
        self._steps += n_worlds

    def report(self, worlds: Index, score: Array) -> None:
        """Nothing: success does not count."""

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes: plain data for JSON."""
        return {"steps": self._steps, "used": self._used}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._steps, self._used = int(state["steps"]), int(state["used"])
        self.randomization = self._ranges.at(self._places(self._used))
