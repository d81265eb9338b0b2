"""Variants in files: one or several by name in YAML, or many samples as .npz or .csv, as a calibration returns them.

    mass/pole: 1.2                  variants:                    mass/pole,latency
    latency: 0.01                     - {mass/pole: 1.2}         1.2,0.01
                                      - {latency: 0.01}          1.3,0.012

An .npz holds `names` (k,) of text and `samples` (n, k). What is not named is nominal.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from randomization.sample_files import BROKEN
from sim2real.config import read_yaml
from sim2real.errors import RandomizationError, nearest

Array = NDArray[np.float64]

MAX_BYTES = 64 << 20  # of a file of samples


def read_variant(path: Path, space: VariantSpace) -> Variant:
    """Read a file of one Variant; raise as `read_variants` does, and where there are several."""
    variant = read_variants(path, space)
    if len(variant) != 1:
        raise RandomizationError(f"{path}: holds {len(variant)} Variants, and one is wanted here")
    return variant


@dataclass(frozen=True)
class Given:
    """What a file of Variants says: the Variants, and which coordinates it names; the others are assumed nominal."""

    variants: Variant
    names: frozenset[str]


def read_variants(path: Path, space: VariantSpace) -> Variant:
    """Read one or several Variants; raise as `read_given` does."""
    return read_given(path, space).variants


def read_given(path: Path, space: VariantSpace) -> Given:
    """Read one or several Variants and what is named; raise RandomizationError or ConfigError with all that is wrong.

    Wrong is what the robot does not have and what physics cannot bear.
    """
    if path.suffix in (".yaml", ".yml"):
        return _from_yaml(read_yaml(path), space, str(path))
    readers = {".npz": _read_npz, ".csv": _read_csv}
    if path.suffix not in readers:
        raise RandomizationError(f"{path}: must be a .yaml, .npz or .csv file of Variants")
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device might never end
            raise RandomizationError(f"{path}: is no file of samples")
        if path.stat().st_size > MAX_BYTES:
            raise RandomizationError(
                f"{path}: is longer than {MAX_BYTES >> 20} MiB, the most for samples; thin them out"
            )
        names, values = readers[path.suffix](path)
    except FileNotFoundError:
        raise RandomizationError(f"{path}: no such file") from None
    except (OSError, *BROKEN, KeyError) as error:
        raise RandomizationError(f"{path}: cannot be read as samples of Variants: {error}") from None
    if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
        raise RandomizationError(
            f"{path}: must hold rows of {len(names)} numbers, one for each name; it is {values.shape}"
        )
    if len(set(names)) != len(names):
        raise RandomizationError(f"{path}: names a column twice; keep one of them")
    columns = {name: values[:, k] for k, name in enumerate(names)}
    _refuse(list(_mistakes(columns, space)), columns, space, str(path))
    return Given(Variant.of(space, columns, len(values)), frozenset(columns))


def _from_yaml(data: dict[str, Any], space: VariantSpace, source: str) -> Given:
    if set(data) != {"variants"}:
        return _rows({"": data}, space, source)
    rows = data["variants"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise RandomizationError(f"{source}: variants: must be a list of mappings quantity: value")
    return _rows({f"variants.{k}: ": row for k, row in enumerate(rows)}, space, source)


def _rows(rows: Mapping[str, dict[str, Any]], space: VariantSpace, source: str) -> Given:
    """Return a Variant for each row; rows are named by what is put before their mistakes."""
    wrong, parts = [], []
    for before, row in rows.items():
        numbers = {n: np.array([float(v)]) for n, v in row.items() if _is_number(v)}
        mistakes = [f"{name}: must be a number, got {row[name]!r}" for name in row if name not in numbers]
        wrong += [before + mistake for mistake in (*mistakes, *_mistakes(numbers, space))]
        parts.append(numbers)
    names = frozenset(name for row in rows.values() for name in row)
    _refuse(wrong, names, space, source)
    return Given(Variant(space, np.concatenate([Variant.of(space, part).values for part in parts])), names)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e300)


def _read_npz(path: Path) -> tuple[Sequence[str], Array]:
    with ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES >> 20} MiB")
    with np.load(path, allow_pickle=False) as arrays:
        return [str(name) for name in arrays["names"]], np.asarray(arrays["samples"], np.float64)


def _read_csv(path: Path) -> tuple[Sequence[str], Array]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        names, *rows = list(csv.reader(file)) or [[]]
    return names, np.array([[float(cell) for cell in row] for row in rows])


def _mistakes(columns: Mapping[str, Array], space: VariantSpace) -> Iterator[str]:
    """Yield what is wrong with the values (n,) of some coordinates, by name."""
    for name, values in columns.items():
        if name not in space.names:
            yield f"robot '{space.robot_name}' has no quantity '{name}'{nearest(name, space.names)}"
            continue
        quantity = space.quantities[space.index(name)]
        too_low = (values <= quantity.minimum) if quantity.strict else (values < quantity.minimum)
        wrong = values[~np.isfinite(values) | too_low | (values > quantity.maximum)]
        if wrong.size:
            least = f"{'above' if quantity.strict else 'at least'} {quantity.minimum:g}"
            yield (
                f"{name}: must be a finite number, {least} and at most {quantity.maximum:g} [{quantity.unit}], "
                f"got {wrong[0]:g}; leave a quantity out to have its nominal value"
            )


def _refuse(wrong: Sequence[str], names: Iterable[str], space: VariantSpace, source: str) -> None:
    """Raise RandomizationError with all that is wrong, and with what there is where a name is unknown."""
    if wrong:
        there = [f"it has {', '.join(space.patterns)}"] if not set(names) <= set(space.names) else []
        raise RandomizationError(f"{source}: {'; '.join([*wrong, *there])}")
