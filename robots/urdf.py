"""URDF in: a strict, bounded reader that gives a RobotModel or one line that says what is wrong, where, and the remedy.

What PyBullet and MuJoCo would each guess differently (or crash on) is refused here, so that both engines, the twin and
the robot start from the same truth. Ignored on purpose: textures, transmissions, gazebo and safety_controller elements.
"""

from collections.abc import Sequence
from math import hypot, inf
from pathlib import Path
from typing import cast, get_args

from robots.model import Inertial, Joint, JointType, Limit, Link, RobotModel, Vector3
from robots.urdf_rules import arrange, check_masses
from robots.urdf_shapes import ShapeReader, read_origin
from robots.urdf_write import digest, urdf_text, write_urdf
from robots.urdf_xml import MAX_NUMBER, Element, read_xml, shorten
from sim2real.errors import nearest

__all__ = ["digest", "read_urdf", "urdf_text", "write_urdf"]

MAX_LIMIT = 1e30  # "no limit" is written as 1e16 and the like

# An axis this close to length 1 is kept to the last bit, so that reading what was written is exact.
_UNIT_LENGTH = 1e-12

_JOINT_TYPES: tuple[str, ...] = get_args(JointType)
_INERTIA = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
# Element: the attributes and the child elements that are read from it.
_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "robot": ((), ("link", "joint", "material")),
    "link": ((), ("inertial", "visual", "collision")),
    "joint": ((), ("origin", "parent", "child", "axis", "limit", "dynamics", "mimic")),
    "inertial": ((), ("origin", "mass", "inertia")),
    "visual": ((), ("origin", "geometry", "material")),
    "collision": ((), ("origin", "geometry")),
    "geometry": ((), ("box", "cylinder", "sphere", "mesh")),
    "material": ((), ("color",)),
    "origin": (("xyz", "rpy"), ()),
    "axis": (("xyz",), ()),
    "mass": (("value",), ()),
    "inertia": (_INERTIA, ()),
    "limit": (("lower", "upper", "effort", "velocity"), ()),
    "dynamics": (("damping", "friction"), ()),
    "box": (("size",), ()),
    "cylinder": (("radius", "length"), ()),
    "sphere": (("radius",), ()),
    "mesh": (("filename", "scale"), ()),
    "color": (("rgba",), ()),
}


def read_urdf(path: Path, roots: Sequence[Path] = (), floating_base: bool = False) -> RobotModel:
    """Read a URDF file; raise RobotError with one line (file:line: element: what, allowed, remedy) if it is not sound.

    Meshes must lie inside the URDF's folder or one of `roots`, which are also searched for `package://` names.
    A root link without mass is refused only with `floating_base`; a link whose mass is 0 gets `inertial=None`.
    """
    document = read_xml(path)
    if document.tag != "robot":
        raise document.error("the root element of a URDF must be <robot>; is this another format (SDF, MJCF)?")
    _check_spelling(document)
    shapes = ShapeReader(document, path, roots)
    elements = _named_elements(document)
    links = [_link(element, shapes) for element in document.all("link")]
    joints = [_joint(element) for element in document.all("joint")]
    model = arrange(document, elements, links, joints)
    check_masses(model, elements, floating_base)
    return model


def _check_spelling(element: Element) -> None:
    attributes, children = _WORDS[element.tag]
    element.check_spelling(attributes, children)
    for child in element.children:
        if child.tag in children and child.tag in _WORDS:
            _check_spelling(child)


def _named_elements(document: Element) -> dict[str, Element]:
    """Return links and joints by name; a name may stand only once, so that it means one thing everywhere."""
    found: dict[str, Element] = {}
    for element in document.children:
        if element.tag in ("link", "joint"):
            first = found.setdefault(element.name(), element)
            if first is not element:
                raise element.error(f"the name is taken by the {first.tag} in line {first.line}; rename one of them")
    return found


def _link(element: Element, shapes: ShapeReader) -> Link:
    inertial = element.optional("inertial")
    return Link(
        name=element.name(),
        inertial=None if inertial is None else _inertial(inertial),
        visuals=tuple(shapes.shape(visual) for visual in element.all("visual")),
        collisions=tuple(shapes.shape(collision) for collision in element.all("collision")),
    )


def _inertial(element: Element) -> Inertial | None:
    mass = element.required("mass", '<inertial> needs <mass value="..."/> [kg]')
    inertia = element.required("inertia", "<inertial> needs <inertia ixx iyy izz ixy ixz iyz/> [kg m^2]")
    origin = read_origin(element)
    value = _not_negative(mass, "value")
    xx, xy, xz, yy, yz, zz = (inertia.number(key, None if key[1] == key[2] else 0.0) for key in _INERTIA)
    return None if value == 0 else Inertial(value, (xx, xy, xz, yy, yz, zz), origin)


def _joint(element: Element) -> Joint:
    kind = _joint_type(element)
    parent, child = (element.required(end, f'write <{end} link="..."/>').text("link") for end in ("parent", "child"))
    name, origin = element.name(), read_origin(element)
    if kind == "fixed":
        return Joint(name, kind, parent, child, origin)
    damping = friction = 0.0
    if (dynamics := element.optional("dynamics")) is not None:
        damping, friction = (_not_negative(dynamics, key, 0.0) for key in ("damping", "friction"))
    return Joint(name, kind, parent, child, origin, _axis(element), _limit(element, kind), damping, friction)


def _joint_type(element: Element) -> JointType:
    kind = element.text("type")
    if kind in ("planar", "floating"):
        raise element.error(f"type '{kind}' is not supported yet; allowed are {', '.join(_JOINT_TYPES)}")
    if kind not in _JOINT_TYPES:
        hint = nearest(kind, _JOINT_TYPES)
        raise element.error(f"unknown type {shorten(kind)}{hint}; allowed are {', '.join(_JOINT_TYPES)}")
    if (mimic := element.optional("mimic")) is not None:
        raise mimic.error("<mimic> is not supported yet; remove it and command the joint, or make the joint fixed")
    return cast(JointType, kind)


def _axis(element: Element) -> Vector3:
    axis = element.optional("axis")
    if axis is None:
        return (1.0, 0.0, 0.0)
    x, y, z = axis.numbers("xyz", 3)
    length = hypot(x, y, z)
    if length < 1e-9:
        raise axis.error(f"xyz {shorten(axis.text('xyz'))} has no direction; write a vector of length 1, as 0 0 1")
    return (x, y, z) if abs(length - 1.0) <= _UNIT_LENGTH else (x / length, y / length, z / length)


def _limit(element: Element, kind: JointType) -> Limit:
    """Read `<limit>`: URDF asks for it except on a continuous joint, whose bounds have no meaning."""
    if kind == "continuous":
        limit = element.optional("limit")
        if limit is None:
            return Limit(-inf, inf, inf, inf)
        return Limit(-inf, inf, _not_negative(limit, "effort", inf), _not_negative(limit, "velocity", inf))
    limit = element.required("limit", f'a {kind} joint needs <limit lower="" upper="" effort="" velocity=""/>')
    if not limit.attributes.keys() & {"lower", "upper"}:
        raise limit.error("lower and upper are both missing; give the range, or make the joint fixed or continuous")
    lower, upper = (limit.number(key, 0.0, MAX_LIMIT) for key in ("lower", "upper"))
    if lower > upper:
        raise limit.error(f"lower {lower:g} is larger than upper {upper:g}; swap them")
    return Limit(lower, upper, _not_negative(limit, "effort"), _not_negative(limit, "velocity"))


def _not_negative(element: Element, attribute: str, default: float | None = None) -> float:
    value = element.number(attribute, default, MAX_LIMIT if element.tag == "limit" else MAX_NUMBER)
    if value < 0:
        raise element.error(f"{attribute} {value:g} must not be negative")
    return value
