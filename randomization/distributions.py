"""The laws a physical quantity can follow. Each knows its support and draws from an explicit generator."""

from abc import abstractmethod
from math import isfinite
from statistics import NormalDist
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sim2real.config import Strict

Array = NDArray[np.float64]


class Law(Strict):
    """Base of every law."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent values: (n,)."""

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""


def label(law: type[Strict]) -> str:
    """Return the word that a kind of law is written with, such as `log_uniform`."""
    return str(law.model_fields["law"].default)


class Fixed(Law):
    """Always `value`."""

    law: Literal["fixed"] = "fixed"
    value: float

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent values: (n,)."""
        return np.full(n, self.value)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.value, self.value


class Interval(Law):
    """Base of the laws with any value between two ends."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Interval":
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}; swap them")
        if not isfinite(self.high - self.low):
            raise ValueError("high - low must be a finite number")
        return self

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.low, self.high

    def within(self, low: float, high: float) -> Law:
        """Return this law, given that the value lies in [low, high], which lies in its support."""
        return self.model_copy(update={"low": low, "high": high})


class Uniform(Interval):
    """Every value in [low, high] equally likely."""

    law: Literal["uniform"] = "uniform"

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent values: (n,)."""
        return rng.uniform(self.low, self.high, n)


class LogUniform(Interval):
    """Every factor equally likely: the logarithm is uniform. For scales such as x0.5 to x2."""

    law: Literal["log_uniform"] = "log_uniform"

    @model_validator(mode="after")
    def _positive(self) -> "LogUniform":
        if self.low <= 0:
            raise ValueError(f"low must be above 0 for log_uniform, got {self.low:g}; use uniform to include 0")
        return self

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent values: (n,)."""
        return np.clip(np.exp(rng.uniform(np.log(self.low), np.log(self.high), n)), self.low, self.high)


class TruncatedNormal(Interval):
    """Normal around `mean` with deviation `std`, given that it lies in [low, high]."""

    law: Literal["normal"] = "normal"
    mean: float
    std: float = Field(gt=0)

    @model_validator(mode="after")
    def _reachable(self) -> "TruncatedNormal":
        if self.low > self.mean + 4 * self.std or self.high < self.mean - 4 * self.std or self.low == self.high:
            raise ValueError("[low, high] must be an interval within 4 std of mean; else use uniform or fixed")
        return self

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent values: (n,), by the inverse distribution function; rejection could take for ever."""
        normal = NormalDist()
        least, most = (normal.cdf((end - self.mean) / self.std) for end in self.support)
        shares = np.clip(rng.uniform(least, most, n), 1e-300, 1 - 1e-16)
        return np.clip([self.mean + self.std * normal.inv_cdf(p) for p in shares.tolist()], self.low, self.high)

    def within(self, low: float, high: float) -> Law:
        """Return this law, given that the value lies in [low, high]; uniform where the bell has no weight."""
        if low < high and low <= self.mean + 4 * self.std and high >= self.mean - 4 * self.std:
            return self.model_copy(update={"low": low, "high": high})
        return Uniform(low=low, high=high)


class Choice(Law):
    """One of `values`, equally likely unless `weights` are given."""

    law: Literal["choice"] = "choice"
    values: tuple[float, ...] = Field(min_length=1)
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None

    @model_validator(mode="after")
    def _weighted(self) -> "Choice":
        if self.weights is not None and (len(self.weights) != len(self.values) or max(self.weights) <= 0):
            raise ValueError("weights needs one number for each of values, not all 0")
        return self

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent values: (n,)."""
        if self.weights is None:
            return rng.choice(np.array(self.values), n)
        weights = np.array(self.weights) / max(self.weights)
        return rng.choice(np.array(self.values), n, p=weights / weights.sum())

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        drawn = [v for v, w in zip(self.values, self.weights or (1.0,) * len(self.values), strict=True) if w > 0]
        return min(drawn), max(drawn)


Simple = Annotated[Fixed | Uniform | LogUniform | TruncatedNormal | Choice, Field(discriminator="law")]


class Mixture(Law):
    """One of several other laws at each draw, equally likely unless `weights` are given."""

    law: Literal["mixture"] = "mixture"
    parts: tuple[Simple, ...] = Field(min_length=2)
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None

    @model_validator(mode="after")
    def _weighted(self) -> "Mixture":
        if self.weights is not None and (len(self.weights) != len(self.parts) or max(self.weights) <= 0):
            raise ValueError("weights needs one number for each of parts, not all 0")
        return self

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent values: (n,). Every part draws, so that the weights do not move the stream."""
        part = Choice(values=tuple(range(len(self.parts))), weights=self.weights).sample(rng, n).astype(np.intp)
        return np.array([law.sample(rng, n) for law in self.parts])[part, np.arange(n)]

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        drawn = zip(self.parts, self.weights or (1.0,) * len(self.parts), strict=True)
        lows, highs = zip(*(law.support for law, weight in drawn if weight > 0), strict=True)
        return min(lows), max(highs)


Distribution = Annotated[Fixed | Uniform | LogUniform | TruncatedNormal | Choice | Mixture, Field(discriminator="law")]
