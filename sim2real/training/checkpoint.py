"""Checkpoints that survive kill -9: written aside, flushed, renamed; verified when read; the newest good one wins."""

import json
import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sim2real.config import dump_yaml, read_yaml
from sim2real.errors import ConfigError, TrainingError

KEEP = 3
COUNTERS = "counters.yaml"
LEARNER, BEST, WORLDS = FILES = ("learner.npz", "best.npz", "worlds.json")


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on.

    counters: plain data, with the control steps taken as "step"; learner: an .npz
    best: the learner of the best policy so far, None where none was chosen yet
    worlds: how far their ranges have widened, None if they do not
    """

    counters: dict[str, Any]
    learner: bytes
    best: bytes | None = None
    worlds: dict[str, Any] | None = None

    @property
    def files(self) -> dict[str, bytes]:
        """What is written beside the counters, by file name."""
        worlds = None if self.worlds is None else json.dumps(self.worlds).encode()
        contents = dict(zip(FILES, (self.learner, self.best, worlds), strict=True))
        return {name: data for name, data in contents.items() if data is not None}


class CheckpointFolder:
    """`step-N/` folders, each with `learner.npz`, `counters.yaml` and, if there is any, `best.npz`, `worlds.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write one checkpoint atomically and drop all but the newest few; where that fails, the others are intact.

        An intact one of the same step is of the same learner, and stays: there is no moment without it. Raise OSError
        where the disk is full, or the folder cannot be written.
        """
        step = checkpoint.counters["step"]
        final, draft = self.path / f"step-{step}", self.path / f"step-{step}.tmp"
        if _read(final) is not None:
            return final
        shutil.rmtree(draft, ignore_errors=True)
        try:
            _write(draft, checkpoint)
            shutil.rmtree(final, ignore_errors=True)
            draft.rename(final)
            _flush(self.path)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)  # a full disk has better use for it
            raise
        steps = self._steps()
        kept = [s for s in steps if s <= step][-KEEP:]  # one of a later step is broken, else it would have been resumed
        for old in set(steps) - set(kept):
            shutil.rmtree(self.path / f"step-{old}", ignore_errors=True)
        return final

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that verifies; None if there is none at all. Remove what a killed save left."""
        for draft in self.path.glob("step-*.tmp"):
            shutil.rmtree(draft, ignore_errors=True)
        steps = self._steps()
        for step in reversed(steps):
            if (found := _read(self.path / f"step-{step}")) is not None:
                return found
        if steps:
            raise TrainingError(
                f"{self.path}: none of its {len(steps)} checkpoints is intact; start again with another --out"
            )
        return None

    def _steps(self) -> list[int]:
        names = (p.name.removeprefix("step-") for p in self.path.glob("step-*") if p.is_dir())
        return sorted(int(n) for n in names if n.isdecimal() and n.isascii())


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    folder.mkdir(parents=True)
    stated = {**checkpoint.counters, "sha256": _digest(checkpoint.counters, checkpoint.files)}
    for name, data in {**checkpoint.files, COUNTERS: dump_yaml(stated).encode()}.items():
        (folder / name).write_bytes(data)
        _flush(folder / name)
    _flush(folder)


def _read(folder: Path) -> Checkpoint | None:
    """Return a checkpoint if it is exactly what was written, else None."""
    try:
        counters = read_yaml(folder / COUNTERS)
        files = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    except (ConfigError, OSError):
        return None
    if counters.pop("sha256", None) != _digest(counters, files) or LEARNER not in files:
        return None
    return Checkpoint(counters, files[LEARNER], files.get(BEST), _worlds(folder / WORLDS, files.get(WORLDS)))


def _worlds(path: Path, data: bytes | None) -> dict[str, Any] | None:
    """Parse what stands beside a matching digest, and so was written by this program or by a forger."""
    try:
        worlds = None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        raise TrainingError(f"{path}: is not JSON; start again with another --out") from None
    if not isinstance(worlds, dict | None):
        raise TrainingError(f"{path}: is not an object with the state of a widening; start again with another --out")
    return worlds


def _digest(counters: dict[str, Any], files: dict[str, bytes]) -> str:
    """Return the SHA-256 over the counters and the files, each with its name and length: none passes for another."""
    digest = sha256(dump_yaml(counters).encode())
    for name in FILES:
        if name in files:
            digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return digest.hexdigest()


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
