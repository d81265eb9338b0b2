"""Variants in files: one or several by name in YAML, or many samples as .npz or .csv, as a calibration returns them.

    mass/pole: 1.2                  variants:                    mass/pole,latency
    latency: 0.01                     - {mass/pole: 1.2}         1.2,0.01
                                      - {latency: 0.01}          1.3,0.012

An .npz holds `names` (k,) of text and `samples` (n, k). What is not named is nominal.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from sim2real.config import read_yaml
from sim2real.errors import RandomizationError

Array = NDArray[np.float64]

MAX_BYTES = 64 << 20  # of a file of samples


def read_variant(path: Path, space: VariantSpace) -> Variant:
    """Read a file of one Variant; raise as `read_variants` does, and where there are several."""
    variant = read_variants(path, space)
    if len(variant) != 1:
        raise RandomizationError(f"{path}: holds {len(variant)} Variants, and one is wanted here")
    return variant


def read_variants(path: Path, space: VariantSpace) -> Variant:
    """Read one or several Variants; raise RandomizationError or ConfigError for what robot or physics cannot have."""
    if path.suffix in (".yaml", ".yml"):
        return _from_yaml(read_yaml(path), space, str(path))
    readers = {".npz": _read_npz, ".csv": _read_csv}
    if path.suffix not in readers:
        raise RandomizationError(f"{path}: must be a .yaml, .npz or .csv file of Variants")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RandomizationError(
                f"{path}: is longer than {MAX_BYTES >> 20} MiB, the most for samples; thin them out"
            )
        names, values = readers[path.suffix](path)
    except FileNotFoundError:
        raise RandomizationError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise RandomizationError(f"{path}: cannot be read as samples of Variants: {error}") from None
    if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
        raise RandomizationError(
            f"{path}: must hold rows of {len(names)} numbers, one for each name; it is {values.shape}"
        )
    return _checked({name: values[:, k] for k, name in enumerate(names)}, len(values), space, str(path))


def _from_yaml(data: dict[str, Any], space: VariantSpace, source: str) -> Variant:
    if set(data) != {"variants"}:
        return _row(data, space, source)
    rows = data["variants"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise RandomizationError(f"{source}: variants: must be a list of mappings quantity: value")
    parts = [_row(row, space, f"{source}: variants.{k}").values for k, row in enumerate(rows)]
    return Variant(space, np.concatenate(parts))


def _row(row: dict[str, Any], space: VariantSpace, source: str) -> Variant:
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RandomizationError(f"{source}: {name}: must be a number, got {value!r}")
    return _checked({name: np.array([float(value)]) for name, value in row.items()}, 1, space, source)


def _read_npz(path: Path) -> tuple[Sequence[str], Array]:
    with ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES >> 20} MiB")
    with np.load(path, allow_pickle=False) as arrays:
        return [str(name) for name in arrays["names"]], np.asarray(arrays["samples"], np.float64)


def _read_csv(path: Path) -> tuple[Sequence[str], Array]:
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file)) or [[]]
    return names, np.array([[float(cell) for cell in row] for row in rows])


def _checked(columns: Mapping[str, Array], n: int, space: VariantSpace, source: str) -> Variant:
    """Return the Variants, once every value is one that physics bears."""
    for name, values in columns.items():
        try:
            quantity = space.quantities[space.index(name)]
        except RandomizationError as error:
            raise RandomizationError(f"{source}: {error}") from None
        too_low = (values <= quantity.minimum) if quantity.strict else (values < quantity.minimum)
        wrong = values[~np.isfinite(values) | too_low | (values > quantity.maximum)]
        if wrong.size:
            least = f"{'above' if quantity.strict else 'at least'} {quantity.minimum:g}"
            raise RandomizationError(
                f"{source}: {name}: must be a finite number, {least} and at most {quantity.maximum:g} "
                f"[{quantity.unit}], got {wrong[0]:g}; leave a quantity out to have its nominal value"
            )
    return Variant.of(space, columns, n)
