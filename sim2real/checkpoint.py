"""Checkpoints that survive kill -9: written aside, flushed, renamed; verified when read; the newest good one wins."""

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from sim2real.config import dump_yaml, read_yaml
from sim2real.errors import ConfigError, TrainingError

KEEP = 3
LEARNER, COUNTERS, WORLDS = "learner.npz", "counters.yaml", "worlds.json"


class Checkpoint(NamedTuple):
    """What a checkpoint holds. learner: a file; worlds: how far their ranges have widened, None if they do not."""

    learner: Path
    counters: dict[str, Any]
    worlds: dict[str, Any] | None


class CheckpointFolder:
    """`step-N/` folders, each with `learner.npz`, `counters.yaml` and, where ranges widen, `worlds.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(
        self,
        step: int,
        write_learner: Callable[[Path], None],
        counters: dict[str, Any],
        worlds: dict[str, Any] | None = None,
    ) -> Path:
        """Write one checkpoint atomically and drop all but the newest few.

        An intact one of the same step is of the same learner, and stays: there is no moment without it.
        """
        final, draft = self.path / f"step-{step}", self.path / f"step-{step}.tmp"
        if _verify(final) is not None:
            return final
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write_learner(draft / LEARNER)
        state = b"" if worlds is None else json.dumps(worlds).encode()
        if state:
            (draft / WORLDS).write_bytes(state)
        digest = _digest(counters, (draft / LEARNER).read_bytes() + state)
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

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that verifies; None if there is none at all."""
        for draft in self.path.glob("step-*.tmp"):
            shutil.rmtree(draft)
        steps = self._steps()
        for step in reversed(steps):
            folder = self.path / f"step-{step}"
            if (counters := _verify(folder)) is not None:
                worlds = json.loads((folder / WORLDS).read_bytes()) if (folder / WORLDS).exists() else None
                return Checkpoint(folder / LEARNER, counters, worlds)
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
        counters, arrays = read_yaml(folder / COUNTERS), (folder / LEARNER).read_bytes()
        worlds = (folder / WORLDS).read_bytes() if (folder / WORLDS).exists() else b""
    except (ConfigError, OSError):
        return None
    stated = counters.pop("sha256", None)
    return counters if stated == _digest(counters, arrays + worlds) else None


def _digest(counters: dict[str, Any], rest: bytes) -> str:
    return sha256(dump_yaml(counters).encode() + rest).hexdigest()


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
