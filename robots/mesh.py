"""Mesh files of a robot: found inside allowed folders only, and not empty or broken.

PyBullet loads `package://../../..` from anywhere, turns a broken mesh into no shape without a word, and crashes on an
OBJ whose faces name vertices that do not exist.
"""

import os
import re
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path

import numpy as np

from robots.urdf_xml import shorten
from sim2real.errors import RobotError

MAX_BYTES = 200_000_000
FORMATS = (".stl", ".obj", ".dae", ".glb", ".gltf")

_STL_HEADER = 84  # 80 bytes of comment, then the number of triangles as uint32
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("vertices", "<f4", (3, 3)), ("attribute", "<u2")])
_OBJ_LINE = re.compile(rb"^[ \t]*(v|vt|vn|f)[ \t]+([^\r\n]*)", re.MULTILINE)


def find_mesh(filename: str, folder: Path, roots: Sequence[Path]) -> Path:
    """Return the real path of a URDF's mesh `filename`; raise RobotError if it is not a file inside an allowed folder.

    `folder` is the URDF's, against which relative names are resolved; `roots` are further allowed folders, in which (or
    as which) the packages of `package://` names are looked for. Both are real paths.
    """
    allowed = (folder, *roots)
    outside = None
    for candidate in _candidates(filename, folder, roots):
        # Symbolic links and ".." are resolved before the comparison: what counts is where the bytes lie.
        real = Path(os.path.realpath(candidate))
        if not any(real.is_relative_to(root) for root in allowed):
            outside = real
        elif _is_file(real):
            return real
    places = ", ".join(str(root) for root in allowed)
    if outside is not None:
        raise RobotError(
            f"mesh {shorten(filename, 200)} lies outside of what may be read ({places}); copy it beside the URDF"
        )
    raise RobotError(f"mesh {shorten(filename, 200)} is not a file in {places}; copy it there or mend the name")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def _candidates(filename: str, folder: Path, roots: Sequence[Path]) -> Iterator[Path]:
    scheme, separator, rest = filename.partition("://")
    if not separator:
        yield folder / filename
    elif scheme == "package" and rest and not rest.startswith("/"):
        package, _, inside = rest.partition("/")
        for place in (folder, *roots):
            yield place / package / inside
        yield from (place / inside for place in (*roots, folder, *folder.parents) if place.name == package)
    else:
        raise RobotError(
            f"mesh {shorten(filename, 200)}: only relative names and package://<package>/<file> are supported"
        )


def check_mesh(path: Path) -> None:
    """Raise RobotError if the mesh is too large, of an unknown format, or (STL, OBJ) empty or broken."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise RobotError(f"mesh {path}: format '{suffix}' is not supported; convert it to one of {', '.join(FORMATS)}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RobotError(f"mesh {path}: {size:,} bytes; allowed are {MAX_BYTES:,}; simplify it")
        if suffix == ".stl":
            _check_stl(path, size)
        elif suffix == ".obj":
            _check_obj(path)
    except OSError as error:
        raise RobotError(f"mesh {path}: cannot be read: {error.strerror}") from None


def _check_stl(path: Path, size: int) -> None:
    with path.open("rb") as file:
        header = file.read(_STL_HEADER)
    count = int.from_bytes(header[80:], "little")
    expected = _STL_HEADER + count * _STL_TRIANGLE.itemsize
    if len(header) < _STL_HEADER or size != expected:
        if header.lstrip().startswith(b"solid"):
            raise RobotError(f"mesh {path}: an STL in text form, which neither engine reads; save it as binary STL")
        raise RobotError(f"mesh {path}: binary STL of {size} bytes, but its header says {expected}; export it again")
    if count == 0:
        raise RobotError(f"mesh {path}: STL without triangles; export it again")
    # Mapped, not read: a mesh may be larger than the memory at hand.
    triangles = np.memmap(path, dtype=_STL_TRIANGLE, mode="r", offset=_STL_HEADER)
    if not np.isfinite(triangles["vertices"]).all():
        raise RobotError(f"mesh {path}: STL with a vertex that is not finite; export it again")


def _check_obj(path: Path) -> None:
    data = path.read_bytes()
    seen = {b"v": 0, b"vt": 0, b"vn": 0}
    faces = 0
    try:
        for kind, values in _OBJ_LINE.findall(data):
            words = values.split()
            if kind == b"f":
                faces += len(words) >= 3
                _check_face(words, (seen[b"v"], seen[b"vt"], seen[b"vn"]))
            else:
                seen[kind] += 1
                if kind == b"v" and not (len(words) >= 3 and all(map(isfinite, map(float, words)))):
                    raise ValueError(f"vertex {seen[kind]} is not three finite numbers")
    except ValueError as error:
        raise RobotError(f"mesh {path}: broken OBJ: {error}; export it again") from None
    if not faces:
        raise RobotError(f"mesh {path}: OBJ without a face; export it again")


def _check_face(corners: list[bytes], seen: tuple[int, int, int]) -> None:
    """Raise ValueError if a corner `v/vt/vn` names something not seen so far (1-based, or negative from the end)."""
    for corner in corners:
        for index, known in zip(corner.split(b"/"), seen, strict=False):
            if index and not (0 < int(index) <= known or -known <= int(index) < 0):
                raise ValueError(f"a face names item {int(index)} of {known}")
