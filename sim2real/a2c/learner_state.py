"""What a learner needs to go on, as one .npz of plain arrays (no pickle): variables, statistics and counters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.backend import keras
from sim2real.a2c.network import RunningNorm
from sim2real.errors import TrainingError

Variables = Mapping[str, Sequence[keras.Variable]]
Norms = Mapping[str, RunningNorm]


def save_state(path: Path | BinaryIO, variables: Variables, norms: Norms, counters: Sequence[float]) -> None:
    """Write groups of variables and statistics, by name, and some counters."""
    arrays: dict[str, NDArray[np.generic]] = {name: v.numpy() for name, v in _named(variables).items()}
    for name, norm in norms.items():
        arrays |= {f"{name}/mean": norm.mean, f"{name}/var": norm.var, f"{name}/count": np.array(norm.count)}
    arrays["counters"] = np.array(counters, dtype=np.float64)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load_state(path: Path | BinaryIO, variables: Variables, norms: Norms, n_counters: int) -> list[float]:
    """Restore into variables and statistics what `save_state` wrote, and return the counters.

    Raise TrainingError, and change nothing, if names or shapes are others.
    """
    named = _named(variables)
    shapes = {name: tuple(v.shape) for name, v in named.items()} | {"counters": (n_counters,)}
    for name, norm in norms.items():
        shapes |= {f"{name}/mean": norm.mean.shape, f"{name}/var": norm.var.shape, f"{name}/count": ()}
    arrays = _read(path)
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise TrainingError("this is a checkpoint of another network; resume with the settings it was made with")
    for name, variable in named.items():
        variable.assign(arrays[name])
    for name, norm in norms.items():
        norm.mean, norm.var = arrays[f"{name}/mean"], arrays[f"{name}/var"]
        norm.count = float(arrays[f"{name}/count"])
    counters: list[float] = arrays["counters"].tolist()
    return counters


def _read(path: Path | BinaryIO) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if all(array.dtype.kind in "fiu" for array in arrays.values()):
            return arrays
    except OSError:
        raise  # says which file cannot be read; the rest is about what is in it
    except Exception:  # noqa: S110 - zipfile and numpy raise a dozen kinds on damaged input
        pass
    raise TrainingError("this is no learner's checkpoint; start again with another --out")


def _named(variables: Variables) -> dict[str, keras.Variable]:
    return {f"{group}/{k}": variable for group, some in variables.items() for k, variable in enumerate(some)}
