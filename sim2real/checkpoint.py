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


class CheckpointFolder:
    """`step-N/` folders, each with `learner.npz` and `counters.yaml`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, step: int, write_learner: Callable[[Path], None], counters: dict[str, Any]) -> Path:
        """Write one checkpoint atomically and drop all but the newest few."""
        final, draft = self.path / f"step-{step}", self.path / f"step-{step}.tmp"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write_learner(draft / "learner.npz")
        digest = sha256((draft / "learner.npz").read_bytes()).hexdigest()
        (draft / "counters.yaml").write_text(dump_yaml({**counters, "learner_sha256": digest}), encoding="utf-8")
        for file in draft.iterdir():
            _flush(file)
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
        _flush(self.path)
        for old in self._steps()[:-KEEP]:
            shutil.rmtree(self.path / f"step-{old}")
        return final

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """Return the newest checkpoint that verifies, with its counters; None if there is none at all."""
        for draft in self.path.glob("step-*.tmp"):
            shutil.rmtree(draft)
        steps = self._steps()
        for step in reversed(steps):
            folder = self.path / f"step-{step}"
            try:
                counters = read_yaml(folder / "counters.yaml")
                if sha256((folder / "learner.npz").read_bytes()).hexdigest() == counters["learner_sha256"]:
                    return folder / "learner.npz", counters
            except (ConfigError, OSError, KeyError):
                continue
        if steps:
            raise TrainingError(
                f"{self.path}: none of its {len(steps)} checkpoints is intact; start again with another --out"
            )
        return None

    def _steps(self) -> list[int]:
        names = (p.name.removeprefix("step-") for p in self.path.glob("step-*") if p.is_dir())
        return sorted(int(n) for n in names if n.isdigit())


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
