"""The shapes of a URDF: `<visual>` and `<collision>` elements, their meshes and colours."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from robots.findings import Edit, Fault, Finding
from robots.mesh.files import check_mesh, find_mesh
from robots.model import Box, Capsule, Cylinder, Geometry, Mesh, Pose, Shape, Sphere, Vector3
from robots.urdf.elements import Element, shorten
from sim2real.errors import OutsideError, RobotError

Rgba = tuple[float, float, float, float]

# What is wrong with a <visual> that may as well be left out.
_WITHOUT = ("size", "geometry", "element-missing", "mesh-missing", "mesh-broken", "mesh-scale")


class ShapeReader:
    """Turns elements into Shapes; holds what they refer to: colours by name, and where meshes may lie."""

    def __init__(self, document: Element, path: Path, roots: Sequence[Path]) -> None:
        """Collect the colours of `document`, the file at `path`; meshes may lie in its folder and in `roots`."""
        self._folder = Path(os.path.realpath(path)).parent
        self._roots = [Path(os.path.realpath(root)) for root in roots]
        self._meshes: dict[str, Path] = {}
        self._kinds: dict[str, Callable[[Element], Geometry]] = {
            "box": _box,
            "cylinder": _cylinder,
            "sphere": _sphere,
            "capsule": _capsule,
            "mesh": self._mesh,
        }
        self._colours: dict[str, Rgba] = {}
        # A colour that a link gives to a name holds for the other links too, as in ROS.
        painted = [visual for link in document.all("link") for visual in link.all("visual")]
        for material in (m for owner in (document, *painted) for m in owner.all("material")):
            rgba = None
            with material.collecting():
                rgba = _colour(material)
            if rgba is not None:
                self._colours.setdefault(material.attributes.get("name", ""), rgba)

    def shapes(self, link: Element, tag: str) -> Iterator[Shape]:
        """Yield the sound shapes among a link's `<visual>` or `<collision>` elements, and report the others."""
        for element in link.all(tag):
            try:
                shape = self._shape(element)
            except Fault as fault:
                element.document.add(_removable(fault.finding, element))
            else:
                yield shape

    def _shape(self, element: Element) -> Shape:
        """Return the Shape of a `<visual>` or `<collision>`; raise Fault if that is not one sound shape."""
        geometry = element.required("geometry", f"give the {element.tag} a shape")
        kinds = [child for child in geometry.children if child.tag in self._kinds]
        if len(kinds) != 1:
            given = ", ".join(f"<{child.tag[:60]}>" for child in geometry.children[:5]) or "nothing"
            allowed = ", ".join(self._kinds)
            message = f"must hold exactly one of {allowed} (others are not supported), got {given}"
            if len(kinds) > 1:
                remedy = f"keep the <{kinds[0].tag}>, which the engines take"
                raise geometry.fault("geometry", message, remedy, *(kind.removed() for kind in kinds[1:]))
            raise geometry.fault("geometry", message)
        return Shape(self._kinds[kinds[0].tag](kinds[0]), read_origin(element), self._rgba(element))

    def _rgba(self, element: Element) -> Rgba | None:
        material = element.optional("material")
        if element.tag != "visual" or material is None:
            return None
        return _colour(material) or self._colours.get(material.attributes.get("name", ""))

    def _mesh(self, element: Element) -> Geometry:
        filename = element.text("filename")
        scale = cast(Vector3, element.numbers("scale", 3, (1.0, 1.0, 1.0)))
        if 0 in scale:
            raise element.fault("mesh-scale", "scale must not be 0", "write 1 1 1 for the mesh as it is")
        if filename not in self._meshes:
            try:
                path = find_mesh(plain_name(filename), self._folder, self._roots)
            except OutsideError as error:
                raise element.fault("mesh-outside", str(error), "or give its folder: --search FOLDER") from None
            except RobotError as error:
                raise element.fault("mesh-missing", str(error)) from None
            try:
                check_mesh(path)
            except RobotError as error:
                raise element.fault("mesh-broken", str(error)) from None
            self._meshes[filename] = path
        return Mesh(self._meshes[filename], scale)


def plain_name(filename: str) -> str:
    """Return a mesh's name without `file://`, and with `package://name/` where a slash too many precedes the name."""
    if filename.startswith("file://"):
        return filename.removeprefix("file://")
    return re.sub("^package:///+", "package://", filename)


def _removable(finding: Finding, element: Element) -> Finding:
    """Return the finding with the remedy of leaving the shape out, where physics is the same without it."""
    if finding.edits or finding.code not in (_WITHOUT if element.tag == "visual" else ("size",)):
        return finding
    edit = element.removed()
    remedy = f"remove the <{element.tag}>"
    if finding.remedy:
        remedy = f"{finding.remedy}, or {remedy}"
    return replace(finding, remedy=remedy, edits=() if edit is None else (edit,))


def read_origin(element: Element) -> Pose:
    """Return the pose of the child `<origin>`, the identity if there is none."""
    origin = element.optional("origin")
    if origin is None:
        return Pose()
    xyz, rpy = (cast(Vector3, origin.numbers(key, 3, (0.0, 0.0, 0.0))) for key in ("xyz", "rpy"))
    return Pose(xyz, rpy)


def _box(element: Element) -> Geometry:
    x, y, z = (_length(element, "size", edge) for edge in element.numbers("size", 3))
    return Box((x, y, z))


def _cylinder(element: Element) -> Geometry:
    radius, length = (_length(element, key, element.number(key)) for key in ("radius", "length"))
    return Cylinder(radius, length)


def _sphere(element: Element) -> Geometry:
    return Sphere(_length(element, "radius", element.number("radius")))


def _capsule(element: Element) -> Geometry:
    radius, length = (_length(element, key, element.number(key)) for key in ("radius", "length"))
    return Capsule(radius, length)


def _length(element: Element, what: str, value: float) -> float:
    if value <= 0:
        raise element.fault("size", f"{what} {value:g} must be larger than 0 [m]")
    return value


def _colour(material: Element) -> Rgba | None:
    color = material.optional("color")
    if color is None:
        return None
    if not color.attributes.get("rgba", "").strip():
        raise color.fault("attribute-missing", "attribute rgba is missing or empty", "remove it", color.removed())
    if len(color.attributes["rgba"].split()) == 3:
        opaque = f"{color.attributes['rgba'].strip()} 1"
        message = f"rgba {shorten(color.attributes['rgba'])} has no opacity"
        raise color.fault("number-count", message, f"write {opaque[:60]}", color.with_attribute("rgba", opaque))
    rgba = cast(Rgba, color.numbers("rgba", 4))
    if not all(0 <= part <= 1 for part in rgba):
        message = f"rgba {color.attributes['rgba'][:60]} must be four numbers from 0 to 1"
        remedy, edits = _scaled(color, rgba)
        raise color.fault("color", message, remedy, *edits)
    return rgba


def _scaled(color: Element, rgba: Rgba) -> tuple[str, tuple[Edit | None, ...]]:
    """Return remedy and edits for a colour of 0 to 255; an opacity of 0 to 1 beside it is one already."""
    if min(rgba) < 0 or max(rgba) > 255:
        return "write red, green, blue and opacity", ()
    parts = [part / 255 for part in rgba]
    if rgba[3] <= 1:
        parts[3] = rgba[3]
    written = " ".join(f"{part:.6g}" for part in parts)
    return f"divide by 255: {written}", (color.with_attribute("rgba", written),)
