"""The four files of a policy: written all or none, and read so that nothing in them can be more than data.

Each file is read once, whole, after its kind and size were checked; what is parsed are the bytes whose SHA-256 the
manifest states. Arrays are read without numpy's own reader, which evaluates a header and can unpickle.
"""

import io
import os
import re
import shutil
import stat
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.config import Strict, dump_yaml, parse_yaml, validate
from sim2real.errors import ConfigError, PolicyError
from sim2real.policy.shipped import policy_folder, suggestion

Array = NDArray[np.float64]
Shapes = dict[str, tuple[int | None, ...]]
"""Array name -> its shape; None stands for any length from 1 on."""

MANIFEST = "manifest.yaml"
MAX_BYTES = {"policy.yaml": 1_000_000, "weights.npz": 32_000_000, "golden.npz": 4_000_000, MANIFEST: 10_000}
LARGEST = float(np.finfo(np.float32).max)

_END = struct.Struct("<4s4H2LH")  # a zip's last record (APPNOTE 4.3.16): signature, .., entries, size of directory, ..
_HEADER = re.compile(  # what numpy.save writes for a float array in C order (NEP 1, version 1.0), and nothing else
    rb"\x93NUMPY\x01\x00(..)\{'descr': '<f([48])', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,12}, ?)*\d{0,12})\), \} *\n",
    re.DOTALL,
)


class _Fingerprint(Strict):
    sha256: str
    bytes: int


class _Manifest(Strict):
    files: dict[str, _Fingerprint]


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the contents of a policy's files by name; raise PolicyError unless they are what the manifest says.

    folder: or the name of a shipped policy
    """
    folder = policy_folder(folder)
    try:
        contents = _read_files(folder)
    except OSError as error:
        raise PolicyError(f"{folder}: cannot be read: {error.strerror}") from None
    text = contents.pop(MANIFEST)
    try:
        manifest = validate(_Manifest, parse_yaml(text, str(folder / MANIFEST)), str(folder / MANIFEST))
    except ConfigError as error:
        raise PolicyError(str(error)) from None
    if set(manifest.files) != set(contents) or dump_yaml(manifest.model_dump()).encode() != text:
        raise PolicyError(f"{folder / MANIFEST}: was changed by hand; export the policy again")
    for name, stated in manifest.files.items():
        if _fingerprint(contents[name]) != stated.model_dump():
            cause = "it was changed or cut off; export the policy again"
            raise PolicyError(f"{folder / name}: its SHA-256 is not the manifest's: {cause}")
    return contents


def write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """Write a policy's files beside `folder`, then swap them in: a reader finds the old policy, or the new one.

    Raise PolicyError, with the old one in place, where that fails or `folder` holds anything but a policy.
    """
    folder = folder.resolve()
    draft, replaced = folder.parent / f".{folder.name}.draft", folder.parent / f".{folder.name}.replaced"
    manifest = {"files": {name: _fingerprint(data) for name, data in contents.items()}}
    try:
        if replaced.exists() and not folder.exists():  # a process was killed between the two renames below
            replaced.rename(folder)
        if folder.exists() and {p.name for p in folder.iterdir()} - set(MAX_BYTES):
            raise PolicyError(f"{folder}: holds other things than a policy; choose another folder")
        for leftover in (draft, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, data in {**contents, MANIFEST: dump_yaml(manifest).encode()}.items():
            _write(draft / name, data)
        _swap(draft, folder, replaced)
    except OSError as error:
        raise PolicyError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def pack_arrays(arrays: Mapping[str, NDArray[np.floating[Any]]]) -> bytes:
    """Return float arrays as an .npz that `read_arrays` reads."""
    plain = {k: np.ascontiguousarray(v, np.float32 if v.dtype == np.float32 else np.float64) for k, v in arrays.items()}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **plain)
    return stream.getvalue()


def read_arrays(data: bytes, shapes: Shapes, source: str, may_be_nan: tuple[str, ...] = ()) -> dict[str, Array]:
    """Read an .npz of exactly these arrays, uncompressed; nothing is allocated before its declared shape is checked."""
    try:
        return _read_arrays(data, shapes, source, may_be_nan)
    except PolicyError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds on hostile input
        raise PolicyError(f"{source}: not an array file: {error}") from None


def _read_files(folder: Path) -> dict[str, bytes]:
    if not folder.exists():
        raise PolicyError(f"{folder}: no such policy folder{suggestion(folder)}")
    if not folder.is_dir():
        kind = f"a {folder.suffix} file" if folder.suffix else "a file"
        raise PolicyError(
            f"{folder}: is {kind}; a policy is a folder, written by `sim2real train` or `sim2real export`"
        )
    found = {p.name for p in folder.iterdir()}
    if found != set(MAX_BYTES):
        missing, extra = sorted(set(MAX_BYTES) - found), sorted(found - set(MAX_BYTES))
        wrong = [f"{word} {', '.join(names[:5])}" for word, names in (("without", missing), ("with", extra)) if names]
        raise PolicyError(f"{folder}: is not a policy folder: {' and '.join(wrong)}")
    contents = {}
    for name, most in MAX_BYTES.items():
        if not stat.S_ISREG((folder / name).lstat().st_mode):
            raise PolicyError(f"{folder / name}: is a link, a folder or a device, not a plain file")
        with (folder / name).open("rb") as stream:
            contents[name] = stream.read(most + 1)
        if len(contents[name]) > most:
            raise PolicyError(f"{folder / name}: is longer than {most} bytes, the most for this file")
    return contents


def _fingerprint(data: bytes) -> dict[str, Any]:
    return {"sha256": sha256(data).hexdigest(), "bytes": len(data)}


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _swap(draft: Path, folder: Path, replaced: Path) -> None:
    if folder.exists():
        folder.rename(replaced)
    try:
        draft.rename(folder)
    finally:
        if not folder.exists():  # whatever went wrong, Ctrl-C included: the old policy comes back
            with suppress(FileNotFoundError):
                replaced.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)


def _read_arrays(data: bytes, shapes: Shapes, source: str, may_be_nan: tuple[str, ...]) -> dict[str, Array]:
    # Python reads a zip's whole directory at once, so its size is checked first; the second form is that of a huge zip.
    signature, _, _, _, entries, directory, _, _ = _END.unpack(data[-_END.size :])
    if signature != b"PK\5\6" or data[-42:-38] == b"PK\6\7" or entries != len(shapes) or directory > 200 * entries:
        raise PolicyError(f"{source}: is not an uncompressed .npz of {len(shapes)} arrays")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if set(members) != {f"{name}.npy" for name in shapes}:
            raise PolicyError(f"{source}: holds {', '.join(sorted(members))}, expected {', '.join(sorted(shapes))}")
        compressed = any(info.compress_type != zipfile.ZIP_STORED for info in members.values())
        if compressed or sum(info.file_size for info in members.values()) > len(data):
            raise PolicyError(f"{source}: is compressed; a policy's arrays are not")
        arrays = {
            name: _array(archive.read(f"{name}.npy"), shape, f"{source}: {name}") for name, shape in shapes.items()
        }
    for name, array in arrays.items():
        if not (np.abs(array) <= LARGEST).all() and name not in may_be_nan:
            raise PolicyError(f"{source}: {name}: holds values that are not finite in single precision")
    return arrays


def _array(data: bytes, wanted: tuple[int | None, ...], where: str) -> Array:
    header = _HEADER.match(data)
    if header is None or int.from_bytes(header[1], "little") != header.end() - 10:
        raise PolicyError(f"{where}: is not a plain array of float32 or float64")
    itemsize = int(header[2])
    shape = tuple(int(s) for s in re.findall(rb"\d+", header[3]))
    fits = len(shape) == len(wanted) and all(
        s == w or (w is None and s > 0) for s, w in zip(shape, wanted, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if w is None else str(w) for w in wanted)
        raise PolicyError(f"{where}: has shape {shape}, expected ({expected})")
    if prod(shape) * itemsize != len(data) - header.end():
        raise PolicyError(
            f"{where}: has {len(data) - header.end()} bytes, its shape {shape} needs {prod(shape) * itemsize}"
        )
    return np.frombuffer(data, f"<f{itemsize}", offset=header.end()).reshape(shape).astype(np.float64)
