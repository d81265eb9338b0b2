"""What was made of mesh files, kept on disk under the SHA-256 of what it was made from.

In `$XDG_CACHE_HOME/sim2real/meshes`, else `~/.cache/sim2real/meshes`; where that cannot be written, in a temporary
folder of this process. Every file is written under another name and renamed, so that processes may share the folder,
and is checked against its SHA-256 before it is used, so that a damaged one is made again.
"""

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sim2real.errors import RobotError

VERSION = 1  # of what is made; a higher one makes everything again
_MAX_FILES = 10_000


@dataclass(frozen=True)
class Entry:
    """What was kept under one key: plain `facts` (JSON) and files."""

    facts: dict[str, Any]
    files: tuple[Path, ...] = ()


def cache_key(kind: str, data: bytes, *options: object) -> str:
    """Return the key of what is made, of that kind and with these options, from `data`."""
    digest = hashlib.sha256(repr((VERSION, kind, *options)).encode() + b"\0")
    digest.update(data)
    return digest.hexdigest()


def load(key: str) -> Entry | None:
    """Return what is kept under `key`; None if there is nothing or it is damaged."""
    for folder in _folders():
        try:
            manifest = json.loads((folder / f"{key}.json").read_bytes())
            if (entry := _checked(folder, manifest)) is not None:
                return entry
        except (OSError, ValueError, RecursionError):
            continue
    return None


def store(key: str, facts: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> Entry:
    """Keep facts and files (name behind the key: content) under `key`; raise RobotError if no folder can be written."""
    files = files or {}
    names = {f"{key}{name}": hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest: dict[str, Any] = {"facts": dict(facts), "files": names}
    manifest["sha256"] = _digest(manifest)
    written = dict(zip(names, files.values(), strict=True)) | {f"{key}.json": json.dumps(manifest).encode()}
    reason = "no folder"
    for folder in _folders(full=True):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in written.items():  # the manifest last: it vouches for the others
                _write(folder / name, content)
        except OSError as error:
            reason = str(error.strerror)
        else:
            return Entry(manifest["facts"], tuple(folder / name for name in names))
    raise RobotError(
        f"no folder for converted meshes ({reason}); set XDG_CACHE_HOME or TMPDIR to one that can be written"
    )


def _checked(folder: Path, manifest: Any) -> Entry | None:
    """Return the entry of a manifest, None if it or one of its files is not what was written."""
    if not isinstance(manifest, dict) or manifest.pop("sha256", None) != _digest(manifest):
        return None
    files = [(folder / name, digest) for name, digest in manifest["files"].items()]
    if any(hashlib.sha256(path.read_bytes()).hexdigest() != digest for path, digest in files):
        return None
    return Entry(manifest["facts"], tuple(path for path, _ in files))


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _folders(full: bool = False) -> Iterator[Path]:
    """Yield the folders to look into and to write to, best first; the private one only where the shared one fails."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117  as the XDG specification says: a relative one is not used
        base = os.path.expanduser("~/.cache")  # noqa: PTH111  Path.expanduser raises where there is no home
    shared = Path(base, "sim2real", "meshes") if os.path.isabs(base) else None  # noqa: PTH117
    if shared:
        yield shared
    if (full or not shared or not _is_writable(shared)) and (private := _private_folder(os.getpid())) is not None:
        yield private


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


@cache
def _private_folder(process: int) -> Path | None:
    """Return a temporary folder that the process of that number removes when it ends; a fork has its own."""
    try:
        folder = tempfile.mkdtemp(prefix="sim2real-meshes-")
    except OSError:
        return None

    def remove() -> None:
        if os.getpid() == process:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return Path(folder)
