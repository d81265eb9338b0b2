"""The solids of a STEP file with their names, places, volumes and surfaces, read by OpenCASCADE. Lengths in metres."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from OCP.Bnd import Bnd_Box
from OCP.BRep import BRep_Tool
from OCP.BRepBndLib import BRepBndLib
from OCP.BRepGProp import BRepGProp
from OCP.BRepMesh import BRepMesh_IncrementalMesh
from OCP.collections import Sequence_TCollection_AsciiString, Sequence_TDF_Label
from OCP.GProp import GProp_GProps
from OCP.IFSelect import IFSelect_ReturnStatus
from OCP.STEPCAFControl import STEPCAFControl_Reader
from OCP.TCollection import TCollection_ExtendedString
from OCP.TDataStd import TDataStd_Name
from OCP.TDF import TDF_Label
from OCP.TDocStd import TDocStd_Document
from OCP.TopAbs import TopAbs_Orientation, TopAbs_ShapeEnum
from OCP.TopExp import TopExp_Explorer
from OCP.TopLoc import TopLoc_Location
from OCP.TopoDS import TopoDS
from OCP.XCAFDoc import XCAFDoc_DocumentTool, XCAFDoc_ShapeTool

from sim2real.errors import RobotError

Array = NDArray[np.float64]

MAX_PARTS = 10_000  # sub-assemblies in sub-assemblies multiply
_MM = 1e-3  # OpenCASCADE hands out millimetres, whatever the file's unit is
_MAX_TURN = 0.3  # [rad] between the normals of neighbouring triangles


@dataclass(frozen=True)
class Part:
    """One solid: its name, the names of the assemblies that it is in, and its shape in the assembly's frame [mm]."""

    name: str
    inside: frozenset[str]
    shape: Any

    def matches(self, name: str) -> bool:
        """Return whether `name` is this part's or that of an assembly around it."""
        return name == self.name or name in self.inside


def read_parts(path: Path) -> tuple[tuple[Part, ...], str]:
    """Return the solids of a STEP file and its unit of length; RobotError if it cannot be read or has none."""
    reader = STEPCAFControl_Reader()
    reader.SetNameMode(True)
    if reader.ReadFile(str(path)) != IFSelect_ReturnStatus.IFSelect_RetDone:
        raise RobotError(f"{path}: is not a STEP file that OpenCASCADE can read; export it again (AP214 or AP242)")
    unit = _unit(reader)
    document = TDocStd_Document(TCollection_ExtendedString("step"))
    if not reader.Transfer(document):
        raise RobotError(f"{path}: holds no shapes; export it again as solids")
    labels = Sequence_TDF_Label()
    XCAFDoc_DocumentTool.ShapeTool_s(document.Main()).GetFreeShapes(labels)
    found: list[Part] = []
    for part in (part for label in labels for part in _parts(label, label, TopLoc_Location(), ())):
        found.append(part)
        if len(found) > MAX_PARTS:
            raise RobotError(f"{path}: more than {MAX_PARTS:,} solids; simplify the assembly")
    if not found:
        raise RobotError(f"{path}: holds no solid (surfaces have no mass); export it again as solids")
    return tuple(_numbered(found)), unit


def _unit(reader: Any) -> str:
    lengths, angles, solid_angles = (Sequence_TCollection_AsciiString() for _ in range(3))
    reader.ChangeReader().FileUnits(lengths, angles, solid_angles)
    return ", ".join(sorted({unit.ToCString().lower() for unit in lengths}))


def _parts(instance: Any, label: Any, place: Any, around: tuple[str, ...]) -> Iterator[Part]:
    """Yield the solids below a label that stands as `instance` at `place`, in assemblies of the names `around`."""
    names = tuple(dict.fromkeys(name for name in (_name(instance), _name(label)) if name))
    if XCAFDoc_ShapeTool.IsAssembly_s(label):
        components = Sequence_TDF_Label()
        XCAFDoc_ShapeTool.GetComponents_s(label, components, False)
        for component in components:
            referred = TDF_Label()
            XCAFDoc_ShapeTool.GetReferredShape_s(component, referred)
            at = place.Multiplied(XCAFDoc_ShapeTool.GetLocation_s(component))
            yield from _parts(component, referred, at, (*around, *names))
        return
    explorer = TopExp_Explorer(XCAFDoc_ShapeTool.GetShape_s(label).Moved(place), TopAbs_ShapeEnum.TopAbs_SOLID)
    while explorer.More():
        yield Part(names[0] if names else "part", frozenset((*around, *names)), explorer.Current())
        explorer.Next()


def _name(label: Any) -> str:
    """Return a label's own name; OpenCASCADE calls an instance without one after its reference, as =>[0:1:1:2]."""
    attribute = TDataStd_Name()
    name = str(attribute.Get().ToExtString()) if label.FindAttribute(TDataStd_Name.GetID_s(), attribute) else ""
    return "" if name.startswith("=>") else name.strip()


def _numbered(parts: list[Part]) -> Iterator[Part]:
    """Yield the parts with `name#1`, `name#2` ... where several have a name; the plain name still means them all."""
    names = [part.name for part in parts]
    seen: dict[str, int] = {}
    for part in parts:
        seen[part.name] = seen.get(part.name, 0) + 1
        single = names.count(part.name) == 1
        name = part.name if single else f"{part.name}#{seen[part.name]}"
        yield Part(name, part.inside | {part.name}, part.shape)


def volume_properties(part: Part, scale: float) -> tuple[float, Array, Array]:
    """Return volume [m^3], centroid (3,) [m] and the second moment about it (3, 3) [m^5], in the assembly's frame.

    The second moment times a density is the inertia. Raise RobotError if the solid encloses no volume.
    """
    properties = GProp_GProps()
    BRepGProp.VolumeProperties_s(part.shape, properties)
    metre = _MM * scale
    volume = properties.Mass() * metre**3
    point, moments = properties.CentreOfMass(), properties.MatrixOfInertia()
    centre = np.array([point.X(), point.Y(), point.Z()]) * metre
    matrix = np.array([[moments.Value(row, column) for column in (1, 2, 3)] for row in (1, 2, 3)]) * metre**5
    if not (0 < volume < np.inf and np.isfinite(centre).all() and np.isfinite(matrix).all()):
        raise RobotError(f"part '{part.name}' encloses no volume or is inside out; mend it in the CAD system")
    return volume, centre, matrix


def extent(parts: Iterable[Part], scale: float) -> float:
    """Return the longest edge [m] of the box around the parts, loosely."""
    box = Bnd_Box()
    for part in parts:
        BRepBndLib.Add_s(part.shape, box)
    low, high = box.CornerMin(), box.CornerMax()
    return float(max(high.X() - low.X(), high.Y() - low.Y(), high.Z() - low.Z())) * _MM * scale


def triangles(part: Part, scale: float, tolerance: float) -> tuple[Array, NDArray[np.int64]]:
    """Return vertices (n, 3) [m] and faces (m, 3), seen from outside, at most `tolerance` [m] off the solid."""
    metre = _MM * scale
    BRepMesh_IncrementalMesh(part.shape, tolerance / metre, False, _MAX_TURN, False)
    vertices: list[Array] = []
    faces: list[NDArray[np.int64]] = []
    count = 0
    explorer = TopExp_Explorer(part.shape, TopAbs_ShapeEnum.TopAbs_FACE)
    while explorer.More():
        points, corners = _face(TopoDS.Face(explorer.Current()))
        vertices.append(points * metre)
        faces.append(corners + count)
        count += len(points)
        explorer.Next()
    if not any(len(corners) for corners in faces):
        raise RobotError(f"part '{part.name}' gives no triangles at a tolerance of {tolerance:g} m; mend it")
    return np.concatenate(vertices), np.concatenate(faces)


def _face(face: Any) -> tuple[Array, NDArray[np.int64]]:
    place = TopLoc_Location()
    mesh = BRep_Tool.Triangulation_s(face, place)
    if mesh is None:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    turn = place.Transformation()
    nodes = [mesh.Node(index).Transformed(turn) for index in range(1, mesh.NbNodes() + 1)]
    corners = np.array([mesh.Triangle(index).Get() for index in range(1, mesh.NbTriangles() + 1)], dtype=np.int64) - 1
    if face.Orientation() == TopAbs_Orientation.TopAbs_REVERSED:
        corners = corners[:, ::-1]
    return np.array([[node.X(), node.Y(), node.Z()] for node in nodes]), corners
