"""Checkpoints that survive kill -9: written aside, flushed, renamed; verified when read; the newest good one wins."""

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from sim2real.config import dump_yaml, read_yaml
from sim2real.errors import ConfigError, TrainingError

KEEP = 3
LEARNER, COUNTERS = "learner.npz", "counters.yaml"


class CheckpointFolder:
    """`step-N/` folders, each with `learner.npz` and `counters.yaml`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, step: int, write_learner: Callable[[Path], None], counters: dict[str, Any]) -> Path:
        """Write one checkpoint atomically and drop all but the newest few.

        An intact one of the same step is of the same learner, and stays: there is no moment without it.
        """
        final, draft = self.path / f"step-{step}", self.path / f"step-{step}.tmp"
        if _verify(final) is not None:
            return final
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write_learner(draft / LEARNER)
        digest = _digest(counters, (draft / LEARNER).read_bytes())
        (draft / COUNTERS).write_text(dump_yaml({**counters, "sha256": digest}), encoding="utf-8")
        for path in (*draft.iterdir(), draft):
            _flush(path)
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
        _flush(self.path)
        steps = self._steps()
        kept = [s for s in steps if s <= step][-KEEP:]  # one of a later step is broken, else it would have been resumed
        for old in set(steps) - set(kept):
            shutil.rmtree(self.path / f"step-{old}")
        return final

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """Return the newest checkpoint that verifies, with its counters; None if there is none at all."""
        for draft in self.path.glob("step-*.tmp"):
            shutil.rmtree(draft)
        steps = self._steps()
        for step in reversed(steps):
            folder = self.path / f"step-{step}"
            if (counters := _verify(folder)) is not None:
                return folder / LEARNER, counters
        if steps:
            raise TrainingError(
                f"{self.path}: none of its {len(steps)} checkpoints is intact; start again with another --out"
            )
        return None

    def _steps(self) -> list[int]:
        names = (p.name.removeprefix("step-") for p in self.path.glob("step-*") if p.is_dir())
        return sorted(int(n) for n in names if n.isdigit())


def _verify(folder: Path) -> dict[str, Any] | None:
    """Return a checkpoint's counters if it is exactly what was written, else None."""
    try:
        counters, learner = read_yaml(folder / COUNTERS), (folder / LEARNER).read_bytes()
    except (ConfigError, OSError):
        return None
    stated = counters.pop("sha256", None)
    return counters if stated == _digest(counters, learner) else None


def _digest(counters: dict[str, Any], learner: bytes) -> str:
    return sha256(dump_yaml(counters).encode() + learner).hexdigest()


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
