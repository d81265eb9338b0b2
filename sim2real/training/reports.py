"""What a running training tells: figures for its writers, a learning curve, and a line for each thing to know of.

A disk that is full, a folder that is gone or a writer that fails costs lines and points of the curve, and never the
training.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from sim2real.policy import Policy
from sim2real.training.folder import write_atomically


class MetricsWriter(Protocol):
    """Takes the figures of a running training: a progress bar, TensorBoard, a file."""

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Take figures by name (train/..., rollout/..., time/...) after `step` control steps."""


@runtime_checkable
class NoteWriter(Protocol):
    """A metrics writer that also takes notes: a checkpoint that could not be written, a learner put back."""

    def note(self, step: int, text: str) -> None:
        """Take a line on what happened at `step`."""


@runtime_checkable
class BestWriter(Protocol):
    """A metrics writer that also takes each policy that does better in evaluation than those before, to picture it."""

    def best(self, step: int, policy: Policy) -> None:
        """Take the policy of `step`."""


class Reports:
    """Tells all writers, the run's `progress.csv` and its `notes.log`. notes: those of this process."""

    def __init__(self, folder: Path, writers: Sequence[MetricsWriter], step: int) -> None:
        """step: at which the run begins or goes on."""
        self._writers = [*writers, CurveFile(folder / "progress.csv", step)]
        self._path = folder / "notes.log"
        self._lost: set[str] = set()
        self.notes: list[str] = []

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Pass figures on."""
        for writer in self._writers:
            with self.tolerant(step, type(writer).__name__):
                writer.write(step, metrics)

    def best(self, step: int, policy: Policy) -> None:
        """Pass on the best policy so far."""
        for writer in self._writers:
            if isinstance(writer, BestWriter):
                with self.tolerant(step, type(writer).__name__):
                    writer.best(step, policy)

    def note(self, step: int, text: str) -> None:
        """Pass on a line, and keep it."""
        self.notes.append(text)
        for writer in self._writers:
            if isinstance(writer, NoteWriter):
                with suppress(Exception):  # it is kept, and in the file
                    writer.note(step, text)
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} step {step}: {text}\n")

    @contextmanager
    def tolerant(self, step: int, what: str) -> Iterator[None]:
        """Go on where `what` cannot be written; say so once, until it can be again.

        Any exception counts: TensorFlow's for a full disk are no OSError, and a run that is left alone goes on.
        """
        try:
            yield
        except Exception as error:
            if what not in self._lost:
                self._lost.add(what)
                reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}".partition("\n")[0]
                self.note(step, f"{what} cannot be written: {reason}; training goes on")
        else:
            self._lost.discard(what)


class CurveFile:
    """The learning curve as CSV: one row a second, with what widens. A resumed run goes on with the same columns."""

    COLUMNS = (
        "step",
        "rollout/return",
        "rollout/length",
        "rollout/success",
        "train/std",
        "train/entropy",
        "time/seconds",
        "time/steps_per_s",
    )

    def __init__(self, path: Path, step: int = 0) -> None:
        """step: rows beyond it are of steps that a killed run had not saved, and go."""
        self.path = path
        self._columns: list[str] = []
        if path.exists():
            self._cut(step)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """See MetricsWriter."""
        if not self._columns or not self.path.exists():
            self._columns = [*self.COLUMNS, *(name for name in metrics if name.startswith("widening/"))]
            self._append(self._columns)
        self._append((step, *(f"{metrics.get(name, float('nan')):.6g}" for name in self._columns[1:])))

    def _cut(self, step: int) -> None:
        with self.path.open(newline="", encoding="utf-8") as file:
            header, *rows = file.read().splitlines(keepends=True) or [""]
        if not header.endswith("\n"):
            self.path.unlink()
            return
        self._columns = next(csv.reader([header]))
        whole = [row for row in rows if row.endswith("\n") and row.partition(",")[0].isdecimal()]
        kept = [row for row in whole if int(row.partition(",")[0]) <= step]
        if kept != rows:
            write_atomically(self.path, "".join([header, *kept]).encode())

    def _append(self, row: Sequence[object]) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)
