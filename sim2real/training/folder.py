"""The folder of a training run: who may use it, and what stands in it beside checkpoints and policies."""

import fcntl
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sim2real
from randomization import Randomization
from sim2real.config import dump_yaml, read_yaml
from sim2real.errors import ConfigError, TrainingError
from sim2real.training.config import TrainConfig

POLICY, BEST_POLICY = "policy", "policy-best"
_DRAWN = "# What the worlds of this training are drawn from, with every pattern resolved.\n"
_AIMED_AT = "# The ranges that widening aims at; those reached are in randomization-reached.yaml.\n"
_REACHED = "# The ranges that widening has reached, as the policy has them; those aimed at are in randomization.yaml.\n"
_STARTS = "# Every start of this run: when, at which control step, and with what.\n"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a run folder, hold its lock, and clear what a killed run left; raise TrainingError if that cannot be.

    The kernel drops the lock when the process dies, however it dies.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+")
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be written: {error.strerror}; choose another --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise TrainingError(
                f"{folder}: in use by process {file.read().strip() or '?'}; choose another --out"
            ) from None
        with written(folder):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            _clear(folder)
        yield


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """Turn a failure to write at the start of a run into one line: there is nothing to lose yet."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise TrainingError(f"{folder}: {where}cannot be written: {error.strerror}; choose another --out") from None


def _clear(folder: Path) -> None:
    for draft in folder.glob(".*.tmp"):
        draft.unlink()
    for name in (POLICY, BEST_POLICY):
        replaced = folder / f".{name}.replaced"
        if replaced.exists() and not (folder / name).exists():  # killed between the two renames of a policy's writing
            replaced.rename(folder / name)
        for leftover in (replaced, folder / f".{name}.draft"):
            shutil.rmtree(leftover, ignore_errors=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file of a run so that a reader, or a run killed here, finds the old one or the new one."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def describe(config: TrainConfig, full: Randomization | None, folder: Path, step: int) -> None:
    """Write down what is trained, in which worlds, and with what software; raise OSError where that fails.

    full: the Randomization of the config with nothing left open, None for environments without a robot
    """
    _write_yaml(config.model_dump(mode="json", exclude_none=True), folder / "config.yaml")
    if full is not None:
        _write_yaml(full.to_dict(), folder / "randomization.yaml", _DRAWN if config.widening is None else _AIMED_AT)
    path = folder / "run.yaml"
    try:
        earlier = read_yaml(path).get("starts") if path.exists() else None
    except ConfigError:
        earlier = None
    start = {
        "time": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "step": step,
        "versions": versions(),
        "git": git_state(),
        "machine": {"platform": platform.platform(), "cores": len(os.sched_getaffinity(0))},
    }
    _write_yaml({"starts": [*(earlier if isinstance(earlier, list) else []), start]}, path, _STARTS)


def write_reached(randomization: Randomization, folder: Path) -> None:
    """Write down how wide the ranges have become; raise OSError where that fails."""
    _write_yaml(randomization.to_dict(), folder / "randomization-reached.yaml", _REACHED)


def _write_yaml(data: dict[str, Any], path: Path, comment: str = "") -> None:
    write_atomically(path, (comment + dump_yaml(data)).encode())


def versions() -> dict[str, str]:
    """Return the versions that decide what a run computes."""
    packages = ("tensorflow", "numpy", "gymnasium", "pybullet", "mujoco")
    own = {"python": platform.python_version(), "sim2real": sim2real.__version__}
    return own | {name: version(name) for name in packages}


def git_state(package: Path = Path(sim2real.__file__).parent) -> dict[str, Any] | None:
    """Return the commit that the code is of, and whether files differ from it; None where it is not under git."""
    try:
        _git(package, "ls-files", "--error-unmatch", "__init__.py")  # an environment may lie in another repository
        return {"commit": _git(package, "rev-parse", "HEAD"), "dirty": bool(_git(package, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
