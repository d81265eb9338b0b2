"""Several coordinates drawn together: from a Gaussian with a covariance, or as rows of a set of samples.

    correlated:
      - {law: gaussian, names: [mass/trunk, com_x/trunk], mean: [1.1, 0.01], std: [0.05, 0.004],
         correlation: [[1.0, -0.6], [-0.6, 1.0]]}
      - {law: samples, names: ["friction/*_hip"], file: posterior.npz}

Both are what a calibration returns: what it knows of a robot is how its unknowns hang together.
"""

from abc import abstractmethod
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from randomization.entries import Timing

Array = NDArray[np.float64]
Row = tuple[float, ...]

MAX_NUMBERS = 10_000  # what a YAML of the resolved Randomization can hold; a posterior of 20 coordinates in 500 rows
REACH = 4.0  # a Gaussian without `low` or `high` ends this many deviations from its mean
_LARGEST = 1e50  # its square is a number still
TOLERANCE = 1e-9  # of symmetry, and of eigenvalues, relative to the largest


class Together(Timing):
    """Base of the laws of several coordinates; `names` are coordinates, or patterns that stand for several."""

    names: tuple[str, ...] = Field(min_length=1)

    def __eq__(self, other: object) -> bool:
        """Compare what the YAML says; arrays made from it, which pydantic would compare too, have no single truth."""
        return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in type(self).model_fields)

    def __hash__(self) -> int:
        return hash((type(self), self.names))

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent rows: (n, number of coordinates)."""

    @property
    @abstractmethod
    def support(self) -> Array:
        """Smallest and largest value of each coordinate: (2, number of coordinates)."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Number of coordinates, or 0 if that is in a file not read yet."""


class Gaussian(Together):
    """Gaussian with `covariance`, or `std` and `correlation`; values are clipped to [low, high].

    Where no `low` or `high` is given, that is mean -+ 4 standard deviations.
    """

    law: Literal["gaussian"] = "gaussian"
    mean: Row = Field(min_length=1)
    covariance: tuple[Row, ...] | None = None
    std: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    correlation: tuple[Row, ...] | None = None
    low: Row | None = None
    high: Row | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Gaussian":
        problem = self._shape_problem() or self._size_problem() or self._matrix_problem() or self._order_problem()
        if problem:
            raise ValueError(problem)
        return self

    def _shape_problem(self) -> str | None:
        n = self.width
        if (self.covariance is None) == (self.std is None):
            return "give either covariance, or std (with correlation if not independent)"
        if self.correlation is not None and self.std is None:
            return "correlation goes with std; covariance holds it already"
        for name in ("std", "low", "high"):
            row = getattr(self, name)
            if row is not None and len(row) != n:
                return f"{name} has {len(row)} numbers, mean has {n}; give one for each coordinate"
        for name in ("covariance", "correlation"):
            rows = getattr(self, name)
            if rows is not None and (len(rows) != n or any(len(row) != n for row in rows)):
                return f"{name} must have {n} rows of {n} numbers, one for each entry of mean"
        return None

    def _size_problem(self) -> str | None:
        for name in ("mean", "covariance", "std"):
            given = getattr(self, name)
            if given is not None and np.abs(np.array(given)).max() > _LARGEST:
                return f"{name} holds a number beyond {_LARGEST:g}, which is more than any quantity bears"
        return None

    def _matrix_problem(self) -> str | None:
        name = "covariance" if self.covariance is not None else "correlation"
        given = self.covariance if self.covariance is not None else self.correlation
        if given is None:
            return None
        matrix = np.array(given)
        if np.abs(matrix - matrix.T).max() > TOLERANCE * np.abs(matrix).max():
            row, column = np.unravel_index(np.abs(matrix - matrix.T).argmax(), matrix.shape)
            return f"{name} is not symmetric: row {row + 1}, column {column + 1} differs from its mirror image"
        if name == "correlation" and (np.diag(matrix) != 1).any():
            return "correlation must have ones on its diagonal"
        values = np.linalg.eigvalsh(matrix)
        if values[0] < -TOLERANCE * np.abs(values).max():
            return f"{name} is not positive semidefinite: its least eigenvalue is {values[0]:.3g}"
        return None

    def _order_problem(self) -> str | None:
        low, high = self.support
        if (low > high).any():
            worst = int((low - high).argmax())
            return f"low {low[worst]:g} is above high {high[worst]:g} in place {worst + 1}"
        mean = np.array(self.mean)
        if ((mean < low) | (mean > high)).any():
            worst = int(np.maximum(low - mean, mean - high).argmax())
            return f"mean {mean[worst]:g} lies outside of low and high in place {worst + 1}"
        return None

    @cached_property
    def _covariance(self) -> Array:
        if self.covariance is not None:
            return np.array(self.covariance)
        std = np.array(self.std)
        return np.outer(std, std) * (np.eye(self.width) if self.correlation is None else np.array(self.correlation))

    @cached_property
    def _root(self) -> Array:
        """The symmetric square root, which unlike eigenvectors has no sign to choose: equal bits everywhere."""
        values, vectors = np.linalg.eigh(self._covariance)
        return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)

    @property
    def width(self) -> int:
        """Number of coordinates."""
        return len(self.mean)

    @cached_property
    def support(self) -> Array:
        """Smallest and largest value of each coordinate: (2, number of coordinates)."""
        reach = REACH * np.sqrt(np.maximum(np.diag(self._covariance), 0.0))
        low = np.array(self.mean) - reach if self.low is None else np.array(self.low)
        high = np.array(self.mean) + reach if self.high is None else np.array(self.high)
        return np.array([low, high])

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent rows: (n, number of coordinates)."""
        rows = np.array(self.mean) + rng.standard_normal((n, self.width)) @ self._root
        return np.asarray(np.clip(rows, *self.support))


class Samples(Together):
    """One of the rows at each draw, all equally likely: inline as `samples`, or in a `file` beside the YAML."""

    law: Literal["samples"] = "samples"
    samples: tuple[Row, ...] | None = None
    file: str | None = Field(default=None, description=".npz or .csv, relative to the YAML")

    @model_validator(mode="after")
    def _rectangle(self) -> "Samples":
        if (self.samples is None) == (self.file is None):
            raise ValueError("give either samples (rows) or file")
        rows = self.samples or ()
        if self.samples is not None and not rows:
            raise ValueError("samples must not be empty")
        if any(len(row) != len(rows[0]) for row in rows) or (rows and not rows[0]):
            raise ValueError("samples must be rows of equal length, one number for each coordinate")
        if sum(map(len, rows)) > MAX_NUMBERS:
            raise ValueError(f"samples hold {sum(map(len, rows))} numbers, {MAX_NUMBERS} are the most; thin them out")
        return self

    @cached_property
    def _rows(self) -> Array:
        return np.array(self.samples)

    @property
    def width(self) -> int:
        """Number of coordinates, or 0 if that is in a file not read yet."""
        return len(self.samples[0]) if self.samples else 0

    @cached_property
    def support(self) -> Array:
        """Smallest and largest value of each coordinate: (2, number of coordinates)."""
        return np.array([self._rows.min(axis=0), self._rows.max(axis=0)])

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw n independent rows: (n, number of coordinates)."""
        return np.asarray(self._rows[rng.integers(0, len(self._rows), n)])


AnyTogether = Annotated[Gaussian | Samples, Field(discriminator="law")]
