"""COLLADA (.dae): the geometry of its scene, nothing else.

The nodes' transforms and `<unit meter>` are applied. `<up_axis>` is not: PyBullet, RViz and Gazebo leave it alone too,
and exporters such as MeshLab write Y_UP whatever they hold, so to apply it would turn robots that are right.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from robots.mesh.data import Faces, MeshData, MeshError, Solid, Vertices, check_triangles, fans, numbers, strips
from robots.mesh.scene import MAX_DEPTH, Matrix, Part, Scene
from robots.mesh.xml import XmlNode, read_xml

_MAX_VISITS = 300_000  # a node that holds another twice, ten thousand deep, is short to write
_KEPT = frozenset(
    re.findall(
        r"\w+",
        """COLLADA asset unit up_axis library_geometries geometry mesh source float_array technique_common accessor
        vertices input triangles polylist polygons tristrips trifans p ph vcount library_visual_scenes visual_scene
        library_nodes node matrix translate rotate scale lookat skew instance_geometry instance_node
        instance_controller scene instance_visual_scene""",
    )
)
_PRIMITIVES = ("triangles", "polylist", "polygons", "tristrips", "trifans")


def read_dae(data: bytes) -> MeshData:
    """Return one surface for each geometry in the scene. Raise MeshError if it is broken, empty or not supported."""
    root = read_xml(data, _KEPT)
    if root.tag != "COLLADA":
        raise MeshError(f"<{root.tag[:60]}> is not a COLLADA document; export it again")
    document = _Document(root)
    unit = document.unit()
    start = np.diag([unit or 1.0] * 3 + [1.0])
    for scene in document.scenes():
        for node in scene.all("node"):
            document.visit(node, start, 0)
    if not document.scene.solids:
        raise MeshError("DAE whose scene holds no triangle; export it again")
    up_axis = root.path("asset", "up_axis")
    return MeshData(tuple(document.scene.solids), unit, up_axis.text.strip() if up_axis else None)


@dataclass
class _Document:
    root: XmlNode
    scene: Scene = field(default_factory=Scene)
    ids: dict[str, XmlNode] = field(default_factory=dict)
    frames: dict[int, Matrix] = field(default_factory=dict)
    geometries: dict[str, Solid | None] = field(default_factory=dict)
    arrays: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    visits: int = 0

    def __post_init__(self) -> None:
        for node in self.root.walk():
            if "id" in node.attributes:
                self.ids.setdefault(node.attributes["id"], node)

    def unit(self) -> float | None:
        """Return the metres of one unit of length, None if the document does not say."""
        element = self.root.path("asset", "unit")
        if element is None or "meter" not in element.attributes:
            return None
        try:
            unit = float(element.attributes["meter"])
        except ValueError:
            unit = 0.0
        if not (isfinite(unit) and unit > 0):
            raise MeshError(f"<unit meter={element.attributes['meter'][:40]!r}> must be a number above 0")
        return unit

    def scenes(self) -> Iterator[XmlNode]:
        """Yield the scene that is shown; every scene if the document names none."""
        for shown in self.root.all("scene"):
            for instance in shown.all("instance_visual_scene"):
                yield self.target(instance, "url", "visual_scene")
                return
        for library in self.root.all("library_visual_scenes"):
            yield from library.all("visual_scene")

    def target(self, node: XmlNode, attribute: str, tag: str) -> XmlNode:
        """Return the element of this document that an attribute names as `#id`."""
        reference = node.attributes.get(attribute, "")
        if not reference.startswith("#"):
            raise MeshError(f"<{node.tag} {attribute}={reference[:60]!r}> must name something in this file, as #id")
        found = self.ids.get(reference[1:])
        if found is None or found.tag != tag:
            raise MeshError(f"<{node.tag} {attribute}={reference[:60]!r}>: no <{tag}> of that id; export it again")
        return found

    def visit(self, node: XmlNode, parent: Matrix, depth: int) -> None:
        """Add the geometries of a node, whose frame is given in the frame `parent` (4, 4)."""
        self.visits += 1 + len(node.children)
        if depth > MAX_DEPTH or self.visits > _MAX_VISITS:
            raise MeshError(f"nodes more than {MAX_DEPTH} deep or {_MAX_VISITS:,} in number; flatten the scene")
        frame = parent @ self._frame(node)
        for child in node.children:
            if child.tag == "node":
                self.visit(child, frame, depth + 1)
            elif child.tag == "instance_node":
                self.visit(self.target(child, "url", "node"), frame, depth + 1)
            elif child.tag == "instance_geometry":
                self._place(self.target(child, "url", "geometry"), frame)

    def _frame(self, node: XmlNode) -> Matrix:
        """Return the frame of a node in its parent's: (4, 4)."""
        if id(node) not in self.frames:
            frame = np.eye(4)
            for child in node.children:
                if child.tag in _TRANSFORMS:
                    frame = frame @ _TRANSFORMS[child.tag](child)
                elif child.tag in ("lookat", "skew", "instance_controller"):
                    raise MeshError(f"<{child.tag}> is not supported; apply it to the vertices and export again")
            self.frames[id(node)] = frame
        return self.frames[id(node)]

    def _place(self, geometry: XmlNode, frame: Matrix) -> None:
        key = geometry.attributes["id"]
        if key not in self.geometries:
            self.geometries[key] = self.scene.join(self._parts(geometry))
        self.scene.place(geometry.attributes.get("name") or key, self.geometries[key], frame)

    def _parts(self, geometry: XmlNode) -> list[Part]:
        """Return vertices (n, 3) and triangles (m, 3) of each list of vertices in a geometry."""
        faces: dict[str, list[Faces]] = {}
        positions: dict[str, Vertices] = {}
        for primitive in (p for mesh in geometry.all("mesh") for p in mesh.children if p.tag in _PRIMITIVES):
            inputs = {i.attributes.get("semantic"): i for i in primitive.all("input")}
            if "VERTEX" not in inputs:
                raise MeshError(f"<{primitive.tag}> without an input of semantic VERTEX; export it again")
            key = inputs["VERTEX"].attributes.get("source", "")
            if key not in positions:
                positions[key] = self._positions(self.target(inputs["VERTEX"], "source", "vertices"))
            stride = 1 + max(_whole(i, "offset", 0, 255) for i in primitive.all("input"))
            triangles = _triangles(primitive, stride, _whole(inputs["VERTEX"], "offset", 0, 255))
            faces.setdefault(key, []).append(triangles)
        return [(positions[key], np.concatenate(lists)) for key, lists in faces.items()]

    def _positions(self, vertices: XmlNode) -> Vertices:
        for item in vertices.all("input"):
            if item.attributes.get("semantic") == "POSITION":
                return self._source(self.target(item, "source", "source"))
        raise MeshError("<vertices> without an input of semantic POSITION; export it again")

    def _source(self, source: XmlNode) -> Vertices:
        accessor = source.path("technique_common", "accessor")
        if accessor is None:
            raise MeshError("<source> without an <accessor>; export it again")
        array = self.target(accessor, "source", "float_array")
        key = array.attributes["id"]
        if key not in self.arrays:
            self.arrays[key] = numbers(array.text.encode())
        values = self.arrays[key]
        count, stride, offset = (
            _whole(accessor, key, default, len(values))
            for key, default in (("count", None), ("stride", 1), ("offset", 0))
        )
        if stride < 3 or offset + count * stride > len(values):
            raise MeshError(
                f"<accessor> of {count} times {stride} numbers, but <float_array> holds {len(values)}; export it again"
            )
        return values[offset : offset + count * stride].reshape(count, stride)[:, :3]


def _triangles(primitive: XmlNode, stride: int, offset: int) -> Faces:
    """Return the triangles (m, 3) of a primitive: its vertex numbers, which stand at `offset` of each `stride`."""
    lists = [numbers(p.text.encode(), np.int64) for p in primitive.walk() if p.tag == "p"]
    if any(len(values) % stride for values in lists):
        raise MeshError(f"<{primitive.tag}>: <p> is not made of groups of {stride} numbers; export it again")
    corners = np.concatenate([values.reshape(-1, stride)[:, offset] for values in lists] or [np.empty(0, np.int64)])
    lengths = np.array([len(values) // stride for values in lists], np.int64)
    match primitive.tag:
        case "triangles":
            counts = np.full(len(corners) // 3, 3)
        case "polylist":
            vcount = primitive.path("vcount")
            counts = numbers(vcount.text.encode(), np.int64) if vcount else np.empty(0, np.int64)
            if (counts < 0).any():
                raise MeshError("<vcount> holds a negative number; export it again")
        case "tristrips":
            return corners[strips(lengths)]
        case _:
            counts = lengths
    if int(counts.sum()) != len(corners):
        raise MeshError(
            f"<{primitive.tag}> of {int(counts.sum())} corners, but <p> holds {len(corners)}; export it again"
        )
    check_triangles(int(np.maximum(counts - 2, 0).sum()))
    return corners[fans(counts)]


def _whole(node: XmlNode, attribute: str, default: int | None, largest: int) -> int:
    text = node.attributes.get(attribute)
    if text is None and default is not None:
        return default
    if text is None or not (text.strip().isascii() and text.strip().isdigit()) or len(text) > 12 or int(text) > largest:
        raise MeshError(f"<{node.tag} {attribute}={str(text)[:40]!r}> must be a whole number from 0 to {largest}")
    return int(text)


def _given(node: XmlNode, count: int) -> NDArray[np.float64]:
    values = numbers(node.text.encode())
    if len(values) != count or not np.isfinite(values).all():
        raise MeshError(f"<{node.tag}> must hold {count} finite numbers; export it again")
    return values


def _matrix(node: XmlNode) -> Matrix:
    return _given(node, 16).reshape(4, 4)


def _translate(node: XmlNode) -> Matrix:
    result = np.eye(4)
    result[:3, 3] = _given(node, 3)
    return result


def _scale(node: XmlNode) -> Matrix:
    return np.diag([*_given(node, 3), 1.0])


def _rotate(node: XmlNode) -> Matrix:
    """Rotation about an axis by an angle [deg]: x y z angle."""
    *axis, angle = _given(node, 4)
    length = float(np.linalg.norm(axis))
    result = np.eye(4)
    if length > 0:
        x, y, z = np.array(axis) / length
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        turn = np.deg2rad(angle)
        result[:3, :3] += np.sin(turn) * cross + (1 - np.cos(turn)) * (cross @ cross)
    return result


_TRANSFORMS = {"matrix": _matrix, "translate": _translate, "scale": _scale, "rotate": _rotate}
