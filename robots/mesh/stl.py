"""STL, binary and in text form."""

import re

import numpy as np
from numpy.typing import NDArray

from robots.mesh.data import MeshData, MeshError, Solid, Vertices, check_triangles, from_float32, numbers

_HEADER = 84  # 80 bytes of comment, then the number of triangles as uint32
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("vertices", "<f4", (3, 3)), ("attribute", "<u2")])
_CORNER = re.compile(rb"^[ \t]*(?:vertex|VERTEX)[ \t]+([^\r\n]*)", re.MULTILINE)


def read_stl(data: bytes) -> MeshData:
    """Return the one surface of an STL: each triangle has three vertices of its own. Raise MeshError if broken."""
    if is_binary_stl(data):
        check_triangles((len(data) - _HEADER) // _TRIANGLE.itemsize)
        corners = from_float32(np.frombuffer(data, _TRIANGLE, offset=_HEADER)["vertices"].reshape(-1, 3))
    elif data[:200].lstrip()[:5].lower() == b"solid":
        corners = _read_text(data)
    else:
        raise MeshError(f"binary STL of {len(data)} bytes, but its header says {_expected(data)}; export it again")
    if not len(corners):
        raise MeshError("STL without triangles; export it again")
    return MeshData((Solid("", corners, np.arange(len(corners)).reshape(-1, 3)),))


def is_binary_stl(data: bytes) -> bool:
    """Return whether the data are as long as the header of a binary STL says."""
    return len(data) >= _HEADER and len(data) == _expected(data)


def _expected(data: bytes) -> int:
    return _HEADER + int.from_bytes(data[80:_HEADER], "little") * _TRIANGLE.itemsize


def _read_text(data: bytes) -> Vertices:
    if b"endsolid" not in data[-1000:].lower():
        raise MeshError("STL in text form that does not end with endsolid; export it again")
    # Counted before anything is built: one object a line takes ten times the file's size.
    check_triangles((data.count(b"vertex") + data.count(b"VERTEX")) // 3)
    lines = _CORNER.findall(data)
    values = numbers(b"\n".join(lines))
    if len(values) != 3 * len(lines) or len(lines) % 3:
        raise MeshError("STL in text form whose facets are not three vertices of three numbers; export it again")
    return values.reshape(-1, 3)


def stl_bytes(vertices: NDArray[np.float32], faces: NDArray[np.int64]) -> bytes:
    """Return a binary STL of vertices (n, 3) [m] and faces (m, 3), counter-clockwise seen from outside."""
    triangles = np.zeros(len(faces), _TRIANGLE)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).astype(np.float64)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    triangles["vertices"] = corners
    return b"sim2real".ljust(80, b"\0") + np.uint32(len(faces)).tobytes() + triangles.tobytes()
