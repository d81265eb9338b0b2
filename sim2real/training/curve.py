"""The learning curve that a run leaves as CSV: how long it took, and a shorter one that shows the same."""

import csv
from pathlib import Path

from sim2real.errors import TrainingError


def training_seconds(path: Path) -> float:
    """Return the seconds of training [s] in a progress.csv, over all its starts: each counts from 0.

    Raise TrainingError if there is no curve.
    """
    total = last = 0.0
    for row in _rows(path)[1]:
        seconds = float(row["time/seconds"])
        total += last if seconds < last else 0.0
        last = seconds
    return total + last


def shortened(path: Path, rows: int) -> str:
    """Return a progress.csv with at most so many rows, evenly spaced, the last among them; raise as above."""
    columns, every = _rows(path)
    step = -(-len(every) // rows)
    kept = every[::-1][::step][::-1]
    lines = [",".join(columns), *(",".join(row[name] for name in columns) for row in kept)]
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), list(reader.fieldnames or ())
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror}") from None
    if not rows or "time/seconds" not in columns:
        raise TrainingError(f"{path}: is no learning curve of a training")
    return columns, rows
