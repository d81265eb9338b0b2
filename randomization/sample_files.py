"""Sets of samples from files: .npz without pickles, .csv with the coordinates' names in its first line."""

import csv
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from randomization.correlated import MAX_NUMBERS, Samples
from sim2real.errors import RandomizationError, nearest

MAX_BYTES = 2_000_000
# What numpy and zipfile raise over a damaged or a strange archive.
BROKEN = (
    ValueError, TypeError, AttributeError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error,
    csv.Error,
)  # fmt: skip


def read_samples(path: Path, names: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Return the rows of a file, one column for each of `names` in their order.

    An .npz has `samples`: (n, k), and may have `names`: (k,) of text; a .csv names its columns in its first line.
    Columns with names are matched by them; else there must be as many as `names`. Raise RandomizationError otherwise.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device might never end
            raise RandomizationError(f"{path.name} is no file of samples")
        if path.stat().st_size > MAX_BYTES:
            raise RandomizationError(f"{path.name} is longer than {MAX_BYTES} bytes; thin the samples out")
        header, rows = {".npz": _read_npz, ".csv": _read_csv}[path.suffix](path)
    except KeyError:
        raise RandomizationError(f"{path.name} must be an .npz or a .csv file") from None
    except OSError as error:
        raise RandomizationError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except BROKEN as error:
        reason, *_ = str(error).splitlines() or ["it is broken"]
        raise RandomizationError(f"{path.name} cannot be read: {reason}") from None
    if rows.ndim != 2 or rows.size == 0 or not np.isfinite(rows).all():
        raise RandomizationError(f"{path.name}: samples must be rows of finite numbers, one row a sample")
    if rows.size > MAX_NUMBERS:
        raise RandomizationError(f"{path.name} holds {rows.size} numbers, {MAX_NUMBERS} are the most; thin them out")
    columns = _columns(path, header, rows.shape[1], names)
    return tuple(map(tuple, rows[:, columns].tolist()))


def _columns(path: Path, header: Sequence[str] | None, width: int, names: Sequence[str]) -> list[int]:
    if header is None:
        if width != len(names):
            raise RandomizationError(f"{path.name} has {width} columns for {len(names)} names; give one each")
        return list(range(width))
    if len(header) != width or len(set(header)) != width:
        raise RandomizationError(f"{path.name}: its {width} columns need {width} different names")
    missing = [name for name in names if name not in header]
    if missing:
        raise RandomizationError(f"{path.name} has no column '{missing[0]}'{nearest(missing[0], header)}")
    return [header.index(name) for name in names]


def _read_npz(path: Path) -> tuple[Sequence[str] | None, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES} bytes")
    with np.load(path, allow_pickle=False) as arrays:
        if "samples" not in arrays:
            raise ValueError("has no array 'samples'")
        if arrays["samples"].dtype.kind not in "fiu":
            raise ValueError(f"samples are of type {arrays['samples'].dtype}, not numbers")
        header = arrays["names"].astype(str).tolist() if "names" in arrays else None
        return header, arrays["samples"].astype(np.float64)


def _read_csv(path: Path) -> tuple[Sequence[str], np.ndarray]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = [row for row in csv.reader(stream) if row] or [[]]
    if any(len(row) != len(header) for row in rows):
        raise ValueError("its rows are of different lengths")
    return [name.strip() for name in header], np.array(rows, dtype=np.float64)


def with_rows(law: Samples, folder: Path | None) -> Samples:
    """Return `law` with the rows of its file, which lies in `folder`; raise RandomizationError if it cannot be read."""
    if law.file is None:
        return law
    if folder is None:
        raise RandomizationError("file can be given in a YAML file only; write the rows as samples")
    rows = read_samples(folder / law.file, law.names)
    return law.model_copy(update={"samples": rows, "file": None})
