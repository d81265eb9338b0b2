"""OBJ: vertices, faces and groups. Materials and texture coordinates mean nothing to physics and are not looked at."""

import re

import numpy as np
from numpy.typing import NDArray

from robots.mesh.data import (
    MAX_SOLIDS,
    MAX_VERTICES,
    Faces,
    MeshData,
    MeshError,
    Solid,
    check_triangles,
    fans,
    numbers,
    solid,
    words_per_line,
)

_MAX_GROUPS = 100_000  # most of them empty: what has faces is bounded by MAX_SOLIDS
_BLOCK = 4_000_000  # bytes read at once: one object a line takes ten times the file's size
_GROUP = re.compile(rb"^[ \t]*[go][ \t]+([^\n]*)", re.MULTILINE)  # a bare "g" parts nothing, as in PyBullet
_VERTEX = re.compile(rb"^[ \t]*v[ \t]+([^\n]*)", re.MULTILINE)
_FACE = re.compile(rb"^[ \t]*f[ \t]+([^\n]*)", re.MULTILINE)
_EITHER = re.compile(rb"^[ \t]*([vf])[ \t]+([^\n]*)", re.MULTILINE)
_BEHIND_SLASH = re.compile(rb"/[^ \t\n]*")


def read_obj(data: bytes) -> MeshData:
    """Return one surface for each `g` or `o` with faces, as PyBullet parts an OBJ. Raise MeshError if it is broken."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\\\n" in data:
        data = data.replace(b"\\\n", b" ")
    reader = _Reader(data)
    start, name = 0, b""
    for number, match in enumerate(_GROUP.finditer(data)):
        if number == _MAX_GROUPS:
            raise MeshError(f"OBJ of more than {_MAX_GROUPS:,} groups; join them")
        reader.group(name, start, match.start())
        start, name = match.end(), match[1]
    reader.group(name, start, len(data))
    return MeshData(reader.solids())


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._seen = self._triangles = 0
        self._vertices: list[NDArray[np.float64]] = []
        self._groups: list[tuple[str, Faces]] = []

    def group(self, name: bytes, start: int, end: int) -> None:
        """Read the lines between two group lines."""
        faces = []
        while start < end:
            stop = end if end - start <= _BLOCK else self._data.rfind(b"\n", start, start + _BLOCK)
            if stop <= start:
                raise MeshError("broken OBJ: a line of more than 4 MB; export it again")
            seen = self._seen
            self._read_vertices(start, stop)
            faces.append(self._read_faces(start, stop, seen))
            self._triangles += len(faces[-1])
            check_triangles(self._triangles)
            start = stop
        if any(map(len, faces)):
            self._groups.append((name.decode("utf-8", "replace").strip(), np.concatenate(faces)))
            if len(self._groups) > MAX_SOLIDS:
                raise MeshError(f"OBJ of more than {MAX_SOLIDS:,} groups; join them")

    def solids(self) -> tuple[Solid, ...]:
        """Return the surfaces of all groups."""
        if not self._groups:
            raise MeshError("OBJ without a face; export it again")
        vertices = np.concatenate(self._vertices) if self._vertices else np.empty((0, 3))
        for _, faces in self._groups:
            outside = faces[(faces < 0) | (faces >= len(vertices))]
            if outside.size:
                raise MeshError(f"broken OBJ: a face names vertex {outside[0] + 1} of {len(vertices)}; export it again")
        if len(self._groups) == 1:
            ((name, faces),) = self._groups
            return (solid(name, vertices, faces),)
        return tuple(_compact(name, vertices, faces) for name, faces in self._groups)

    def _read_vertices(self, start: int, stop: int) -> None:
        lines = _VERTEX.findall(self._data, start, stop)
        if not lines:
            return
        text = b"\n".join(lines)
        counts = words_per_line(text)
        if counts.min() < 3:
            raise MeshError(f"broken OBJ: vertex {self._seen + int(counts.argmin()) + 1} is not three finite numbers")
        try:
            values = numbers(text)
        except MeshError:
            raise MeshError("broken OBJ: a vertex is not three numbers; export it again") from None
        rows = values[(np.cumsum(counts) - counts)[:, None] + np.arange(3)]
        if not np.isfinite(rows).all():
            first = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise MeshError(f"broken OBJ: vertex {self._seen + first + 1} is not three finite numbers")
        self._vertices.append(rows)
        self._seen += len(rows)
        if self._seen > MAX_VERTICES:
            raise MeshError(f"OBJ of more than {MAX_VERTICES:,} vertices; simplify it")

    def _read_faces(self, start: int, stop: int, seen: int) -> Faces:
        """Return triangles (m, 3) of vertex indices from 0; `seen` vertices stand before `start`."""
        lines = _FACE.findall(self._data, start, stop)
        if not lines:
            return np.empty((0, 3), np.int64)
        text = b"\n".join(lines)
        counts = words_per_line(text)
        try:
            corners = numbers(_BEHIND_SLASH.sub(b"", text), np.int64)
        except MeshError:
            corners = np.empty(0, np.int64)
        if len(corners) != counts.sum():
            raise MeshError("broken OBJ: a face is not a list of vertex numbers; export it again")
        if (corners <= 0).any():
            if (corners == 0).any():
                raise MeshError("broken OBJ: a face names vertex 0, the first is 1; export it again")
            known = np.repeat(self._vertices_before(start, stop, seen), counts)
            corners = np.where(corners < 0, known + corners, corners - 1)
        else:
            corners -= 1
        check_triangles(int(np.maximum(counts - 2, 0).sum()))
        triangles: Faces = corners[fans(counts)]
        return triangles

    def _vertices_before(self, start: int, stop: int, seen: int) -> NDArray[np.int64]:
        """Return, for each face line, how many vertices stand before it: negative numbers count back from there."""
        kinds = np.array([match[1] == b"v" for match in _EITHER.finditer(self._data, start, stop)])
        before: NDArray[np.int64] = seen + np.cumsum(kinds)[~kinds]
        return before


def _compact(name: str, vertices: NDArray[np.float64], faces: Faces) -> Solid:
    used, inverse = np.unique(faces, return_inverse=True)
    return Solid(name, vertices[used], inverse.reshape(faces.shape))
