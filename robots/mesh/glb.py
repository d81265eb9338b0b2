"""GLB, glTF in one binary file: the triangles of its scene, from its own buffer only.

The nodes' transforms are applied. That glTF calls +Y up is not: as with DAE, the axes of the file are the link's.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.mesh.data import MAX_TRIANGLES, MAX_VERTICES, MeshData, MeshError, Solid, fans, from_float32, strips
from robots.mesh.scene import MAX_DEPTH, Matrix, Part, Scene

_MAX_JSON = 8_000_000  # of nothing but {} it becomes 200 MB
_JSON, _BIN = 0x4E4F534A, 0x004E4942
_INDEX_TYPES = {5121: "<u1", 5123: "<u2", 5125: "<u4"}
_FLOAT = 5126
_COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_mesh_quantization")


def read_glb(data: bytes) -> MeshData:
    """Return one surface for each mesh in the scene. Raise MeshError if it is broken, empty or not supported."""
    document, binary = _chunks(data)
    required = document.get("extensionsRequired", [])
    for name in _COMPRESSED:
        if isinstance(required, list) and name in required:
            raise MeshError(f"GLB compressed by {name}, which is not supported; export it without compression")
    reader = _Reader(document, binary)
    for node in reader.roots():
        reader.visit(node, np.eye(4), 0)
    if not reader.scene.solids:
        raise MeshError("GLB whose scene holds no triangle; export it again")
    return MeshData(tuple(reader.scene.solids), 1.0)


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the JSON document and the binary buffer (empty if there is none)."""
    magic, version, length, size, kind = (int.from_bytes(data[k : k + 4], "little") for k in range(0, 20, 4))
    if len(data) < 20 or magic != 0x46546C67 or version != 2 or kind != _JSON:
        raise MeshError("not a GLB of version 2; export it again")
    if length != len(data) or size > len(data) - 20:
        raise MeshError(f"GLB of {len(data)} bytes, but its header says {max(length, size + 20)}; export it again")
    if size > _MAX_JSON:
        raise MeshError(f"GLB whose JSON takes {size:,} bytes; allowed are {_MAX_JSON:,}; simplify it")
    try:
        document = json.loads(data[20 : 20 + size], parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MeshError("GLB whose JSON is malformed; export it again") from None
    if not isinstance(document, dict):
        raise MeshError("GLB whose JSON is not an object; export it again")
    start = 20 + size
    size, kind = (int.from_bytes(data[start + k : start + k + 4], "little") for k in (0, 4))
    if start == len(data):
        return document, b""
    if kind != _BIN or size > len(data) - start - 8:
        raise MeshError("GLB whose second part is not the binary buffer it says it is; export it again")
    return document, data[start + 8 : start + 8 + size]


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


@dataclass
class _Reader:
    document: dict[str, Any]
    binary: bytes
    scene: Scene = field(default_factory=Scene)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    meshes: dict[int, Solid | None] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def roots(self) -> list[int]:
        """Return the nodes of the scene that is shown; of none, those that are no node's child."""
        if not self.document.get("scenes"):
            nodes = _rows(self.document, "nodes")
            children = {k for node in nodes for k in _indices(node, "children")}
            return [k for k in range(len(nodes)) if k not in children]
        return _indices(self._row("scenes", self.document.get("scene", 0)), "nodes")

    def visit(self, index: int, parent: Matrix, depth: int) -> None:
        """Add the mesh of a node, whose frame is given in the frame `parent` (4, 4)."""
        node = self._row("nodes", index)
        # In glTF a node has one parent; a node that holds another twice could grow without bound.
        if index in self.seen or depth > MAX_DEPTH:
            raise MeshError(f"GLB with a node in two places or more than {MAX_DEPTH} deep; flatten the scene")
        self.seen.add(index)
        frame = parent @ _frame(node)
        if "mesh" in node:
            self._place(node, frame)
        for child in _indices(node, "children"):
            self.visit(child, frame, depth + 1)

    def _place(self, node: dict[str, Any], frame: Matrix) -> None:
        index = node["mesh"]
        mesh = self._row("meshes", index)
        if index not in self.meshes:
            parts = (self._primitive(primitive) for primitive in _rows(mesh, "primitives"))
            self.meshes[index] = self.scene.join(part for part in parts if part is not None)
        self.scene.place(str(node.get("name") or mesh.get("name") or ""), self.meshes[index], frame)

    def _primitive(self, primitive: dict[str, Any]) -> Part | None:
        """Return vertices (n, 3) and faces (m, 3), None for points and lines."""
        mode, attributes = primitive.get("mode", 4), primitive.get("attributes")
        if not isinstance(attributes, dict) or "POSITION" not in attributes or mode not in (4, 5, 6):
            return None
        vertices = from_float32(self._accessor(attributes["POSITION"], "VEC3"))
        if "indices" in primitive:
            corners = self._accessor(primitive["indices"], "SCALAR")[:, 0].astype(np.int64)
        else:
            corners = np.arange(len(vertices))
        if mode == 4:
            faces = corners[: len(corners) // 3 * 3].reshape(-1, 3)
        elif mode == 5:
            faces = corners[strips(np.array([len(corners)]))]
        else:
            faces = corners[fans(np.array([len(corners)]))]
        return vertices, faces

    def _accessor(self, index: Any, shape: str) -> NDArray[Any]:
        """Return the numbers of an accessor: (count, 3) floats for VEC3, (count, 1) whole numbers for SCALAR."""
        accessor = self._row("accessors", index)
        types = {_FLOAT: "<f4"} if shape == "VEC3" else _INDEX_TYPES
        component = accessor.get("componentType")
        if accessor.get("type") != shape or component not in list(types) or "sparse" in accessor:
            raise MeshError("GLB with positions that are not plain floats or indices that are not whole numbers")
        view = self._row("bufferViews", accessor.get("bufferView"))
        buffer = self._row("buffers", view.get("buffer"))
        if view["buffer"] != 0 or "uri" in buffer:
            raise MeshError("GLB that refers to another file; save it with its buffers inside")
        kind = np.dtype(types[component])
        width = 3 if shape == "VEC3" else 1
        most = MAX_VERTICES if shape == "VEC3" else 3 * MAX_TRIANGLES
        count = _whole(accessor, "count", None, most)
        stride = _whole(view, "byteStride", 0, 252) or width * kind.itemsize
        inside, start = _whole(accessor, "byteOffset", 0), _whole(view, "byteOffset", 0)
        end = start + _whole(view, "byteLength", None)
        needed = inside + (count - 1) * stride + width * kind.itemsize if count else 0
        if stride < width * kind.itemsize or end > len(self.binary) or start + needed > end:
            raise MeshError(f"GLB with an accessor of {count} items that do not fit into its buffer; export it again")
        if not count:
            return np.empty((0, width), kind)
        return np.ndarray((count, width), kind, self.binary, start + inside, (stride, kind.itemsize))

    def _row(self, key: str, index: Any) -> dict[str, Any]:
        if key not in self.tables:
            self.tables[key] = _rows(self.document, key)
        rows = self.tables[key]
        if type(index) is not int or not 0 <= index < len(rows):
            raise MeshError(f"GLB that names {key} {_short(index)} of {len(rows)}; export it again")
        return rows[index]


def _short(value: Any) -> str:
    return repr(value)[:40] if isinstance(value, int | float | str | None) else f"of type {type(value).__name__}"


def _rows(owner: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = owner.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MeshError(f"GLB whose {key} are not a list of objects; export it again")
    return rows


def _indices(owner: dict[str, Any], key: str) -> list[int]:
    indices = owner.get(key, [])
    if not isinstance(indices, list) or not all(type(index) is int for index in indices):
        raise MeshError(f"GLB whose {key} are not a list of whole numbers; export it again")
    return indices


def _whole(owner: dict[str, Any], key: str, default: int | None, largest: int = 1 << 31) -> int:
    value = owner.get(key, default)
    if type(value) is not int or not 0 <= value <= largest:
        raise MeshError(f"GLB whose {key} {_short(value)} is not a whole number from 0 to {largest:,}")
    return value


def _frame(node: dict[str, Any]) -> Matrix:
    """Return the frame of a node in its parent's: (4, 4)."""
    if "matrix" in node:
        return _numbers(node, "matrix", np.eye(4).ravel()).reshape(4, 4).T  # stored by columns
    x, y, z, w = _numbers(node, "rotation", np.array([0.0, 0.0, 0.0, 1.0]))
    frame = np.eye(4)
    frame[:3, 3] = _numbers(node, "translation", np.zeros(3))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    frame[:3, :3] = np.eye(3) + 2 * w * cross + 2 * cross @ cross
    frame[:3, :3] *= _numbers(node, "scale", np.ones(3))
    return frame


def _numbers(node: dict[str, Any], key: str, default: NDArray[np.float64]) -> NDArray[np.float64]:
    values = node.get(key, default.tolist())
    if not (isinstance(values, list) and len(values) == len(default) and all(type(v) in (int, float) for v in values)):
        raise MeshError(f"GLB with a node whose {key} is not {len(default)} numbers; export it again")
    if not all(abs(v) < 1e12 for v in values):
        raise MeshError(f"GLB with a node whose {key} holds a number of 1e12 or more; export it again")
    return np.array(values, np.float64)
