"""URDF in: a strict, bounded reader that gives a RobotModel, or findings that say what is wrong, where, and the remedy.

What PyBullet and MuJoCo would each guess differently (or crash on) is refused here, so that both engines, the twin and
the robot start from the same truth. Ignored on purpose: textures, transmissions, gazebo and safety_controller elements.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import hypot, inf
from pathlib import Path
from typing import Any, cast, get_args

from robots.findings import Edit, Fault, Finding, apply_edits, errors
from robots.model import Inertial, Joint, JointType, Limit, Link, Mimic, RobotModel, Vector3
from robots.urdf_rules import Elements, arrange, check_masses, check_mimics
from robots.urdf_shapes import ShapeReader, read_origin
from robots.urdf_write import digest, urdf_text, write_urdf
from robots.urdf_xml import MAX_NUMBER, Element, parse_xml, read_bytes, shorten
from sim2real.errors import RobotError, nearest

__all__ = ["Parsed", "digest", "parse_urdf", "read_urdf", "repaired", "urdf_text", "write_urdf"]

MAX_LIMIT = 1e30  # "no limit" is written as 1e16 and the like
MAX_PASSES = 20  # a mended fault may uncover the next one

# An axis this close to length 1 is kept to the last bit, so that reading what was written is exact.
_UNIT_LENGTH = 1e-12
_AXIS_LENGTH = 1e-3  # 0.707 0.707 0 is rounding, 0 0 2 is a mistake

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
    "geometry": ((), ("box", "cylinder", "sphere", "capsule", "mesh")),
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
    "capsule": (("radius", "length"), ()),
    "mimic": (("joint", "multiplier", "offset"), ()),
    "mesh": (("filename", "scale"), ()),
    "color": (("rgba",), ()),
}


@dataclass(frozen=True)
class Parsed:
    """What came out of a URDF: the model, unless a finding is an error; `elements` are its links and joints."""

    findings: tuple[Finding, ...]
    model: RobotModel | None = None
    elements: Elements | None = None


def read_urdf(
    path: Path, roots: Sequence[Path] = (), floating_base: bool = False, repair: Collection[str] = ()
) -> RobotModel:
    """Read a URDF file; raise RobotError with one line (file:line: element: what, allowed, remedy) if it is not sound.

    Meshes must lie inside the URDF's folder or one of `roots`, which are also searched for `package://` names.
    A root link without mass is refused only with `floating_base`; a link whose mass is 0 gets `inertial=None`.
    Faults whose codes are in `repair` are mended first, as `sim2real robot check --repair` does.
    """
    data = read_bytes(path)
    if repair:
        data, _ = repaired(data, path, roots, floating_base, repair)
    parsed = parse_urdf(data, path, roots, floating_base)
    if parsed.model is None:
        first, *others = errors(parsed.findings)
        more = f" (and {len(others)} more: sim2real robot check {path})" if others else ""
        raise RobotError(f"{first}{more}")
    return parsed.model


def repaired(
    data: bytes,
    path: Path,
    roots: Sequence[Path] = (),
    floating_base: bool = False,
    codes: Collection[str] | None = None,
) -> tuple[bytes, tuple[Finding, ...]]:
    """Return the URDF with its repairable faults mended (only those of `codes`, if given), and these findings.

    Nothing else changes, and what was mended once is not found again.
    """
    done: list[Finding] = []
    for _ in range(MAX_PASSES):
        findings = parse_urdf(data, path, roots, floating_base).findings
        mends = [f for f in findings if f.edits and (codes is None or f.code in codes)]
        if not mends:
            break
        data = apply_edits(data, (edit for finding in mends for edit in finding.edits))
        done += mends
    return data, tuple(done)


def parse_urdf(data: bytes, path: Path, roots: Sequence[Path] = (), floating_base: bool = False) -> Parsed:
    """Read the bytes of the URDF file `path` as far as it goes, and collect what is wrong with them."""
    try:
        document = parse_xml(data, path)
        if document.tag != "robot":
            message = "the root element of a URDF must be <robot>; is this another format (SDF, MJCF)?"
            raise document.fault("format", message)
    except Fault as fault:
        return Parsed((fault.finding,))
    findings = document.document.findings
    elements: Elements = {}
    model = None
    with document.collecting():
        _check_spelling(document)
        elements = _named_elements(document)
        shapes = ShapeReader(document, path, roots)
        links = [_link(element, shapes) for element in document.all("link") if element.attributes.get("name")]
        joints = [joint for element in document.all("joint") if (joint := _joint(element)) is not None]
        if not any(errors(findings)):
            model = arrange(document, elements, links, joints)
            check_mimics(model, elements)
            check_masses(model, elements, floating_base)
    sound = not any(errors(findings))
    return Parsed(tuple(findings), model if sound else None, elements)


def _check_spelling(element: Element) -> None:
    attributes, children = _WORDS[element.tag]
    element.check_spelling(attributes, children)
    for child in element.children:
        if child.tag in children and child.tag in _WORDS:
            _check_spelling(child)


def _named_elements(document: Element) -> Elements:
    """Return links and joints by tag and name; a name may stand only once among links, and once among joints."""
    found: dict[tuple[str, str], Element] = {}
    for element in document.children:
        if element.tag in ("link", "joint"):
            with element.collecting():
                first = found.setdefault((element.tag, element.name()), element)
                if first is not element:
                    message = f"the name is taken by the {first.tag} in line {first.line}"
                    raise element.fault("name-twice", message, "rename one of them")
    return found


def _link(element: Element, shapes: ShapeReader) -> Link:
    inertial = None
    with element.collecting():
        found = element.optional("inertial")
        inertial = None if found is None else _inertial(found)
    return Link(
        name=element.attributes["name"],
        inertial=inertial,
        visuals=tuple(shapes.shapes(element, "visual")),
        collisions=tuple(shapes.shapes(element, "collision")),
    )


def _inertial(element: Element) -> Inertial | None:
    mass = element.required("mass", 'write <mass value="..."/> [kg]')
    inertia = element.required("inertia", "write <inertia ixx iyy izz ixy ixz iyz/> [kg m^2]")
    origin = read_origin(element)
    value = _not_negative(mass, "value", code="mass-negative")
    xx, xy, xz, yy, yz, zz = (inertia.number(key, None if key[1] == key[2] else 0.0) for key in _INERTIA)
    return None if value == 0 else Inertial(value, (xx, xy, xz, yy, yz, zz), origin)


def _joint(element: Element) -> Joint | None:
    """Read one joint; None if its name, type or ends cannot be read, which says all about it."""
    joint = None
    with element.collecting():
        kind = _joint_type(element)
        parent, child = (
            element.required(end, f'write <{end} link="..."/>').text("link") for end in ("parent", "child")
        )
        joint = Joint(element.name(), kind, parent, child, read_origin(element))
    if joint is None or joint.type == "fixed":
        return joint
    parts: dict[str, Any] = {}
    for part in (_axis, _dynamics, _mimic, _limit):
        with element.collecting():
            parts |= part(element, joint.type)
    return replace(joint, **parts)


def _joint_type(element: Element) -> JointType:
    kind = element.text("type")
    if kind in ("planar", "floating"):
        message = f"type '{kind}' is not supported yet"
        raise element.fault("joint-type", message, f"allowed are {', '.join(_JOINT_TYPES)}")
    if kind not in _JOINT_TYPES:
        message = f"unknown type {shorten(kind)}{nearest(kind, _JOINT_TYPES)}"
        raise element.fault("joint-type", message, f"allowed are {', '.join(_JOINT_TYPES)}")
    return cast(JointType, kind)


def _dynamics(element: Element, _: JointType) -> dict[str, Any]:
    dynamics = element.optional("dynamics")
    return {} if dynamics is None else {key: _not_negative(dynamics, key, 0.0) for key in ("damping", "friction")}


def _mimic(element: Element, _: JointType) -> dict[str, Any]:
    mimic = element.optional("mimic")
    if mimic is None:
        return {}
    return {"mimic": Mimic(mimic.text("joint"), mimic.number("multiplier", 1.0), mimic.number("offset", 0.0))}


def _axis(element: Element, _: JointType) -> dict[str, Any]:
    axis = element.optional("axis")
    if axis is None:
        return {}
    x, y, z = axis.numbers("xyz", 3)
    length = hypot(x, y, z)
    given = shorten(axis.text("xyz"))
    if length < 1e-9:
        raise axis.fault("axis-zero", f"xyz {given} has no direction", "write a vector of length 1, as 0 0 1")
    if abs(length - 1.0) <= _UNIT_LENGTH:
        return {"axis": (x, y, z)}
    unit: Vector3 = (x / length, y / length, z / length)
    if abs(length - 1.0) > _AXIS_LENGTH:
        written = " ".join(repr(part) for part in unit)
        edit = axis.with_attribute("xyz", written)
        axis.report("axis-length", f"xyz {given} has length {length:g}", f"write {written}", edit)
    return {"axis": unit}


def _limit(element: Element, kind: JointType) -> dict[str, Any]:
    """Read `<limit>`: URDF asks for it except on a continuous joint, whose bounds have no meaning."""
    if kind == "continuous":
        limit = element.optional("limit")
        if limit is None:
            return {"limit": Limit(-inf, inf, inf, inf)}
        return {"limit": Limit(-inf, inf, *_strength(limit))}
    remedy = f'a {kind} joint needs <limit lower="" upper="" effort="" velocity=""/>'
    limit = element.required("limit", remedy, "limit-missing", *_as_continuous(element, kind))
    if not limit.attributes.keys() & {"lower", "upper"}:
        remedy = "give the range, or make the joint fixed or continuous"
        raise limit.fault("limit-bounds", "lower and upper are both missing", remedy, *_as_continuous(element, kind))
    lower, upper = (limit.number(key, 0.0, MAX_LIMIT) for key in ("lower", "upper"))
    if lower > upper:
        # PyBullet takes lower > upper for "no limit", and files for it say so by 0 and -1.
        raise limit.fault("limit-order", f"lower {lower:g} is larger than upper {upper:g}", "swap them")
    return {"limit": Limit(lower, upper, *_strength(limit))}


def _as_continuous(element: Element, kind: JointType) -> tuple[Edit | None, ...]:
    """Return the edit for a revolute joint without bounds: what turns without end is called continuous in URDF."""
    return (element.with_attribute("type", "continuous"),) if kind == "revolute" else (None,)


def _strength(limit: Element) -> tuple[float, float]:
    """Return the effort and velocity limits; a missing one is no limit, and reported."""
    values = [_not_negative(limit, key, inf) for key in ("effort", "velocity")]
    for key, value in zip(("effort", "velocity"), values, strict=True):
        if value == inf or value == 0:
            message = f"{key} is {'missing' if value else '0'}"
            limit.report("limit-effort", message, f"give the motor's largest {key}")
    return values[0], values[1]


def _not_negative(element: Element, attribute: str, default: float | None = None, code: str = "negative") -> float:
    value = element.number(attribute, default, MAX_LIMIT if element.tag == "limit" else MAX_NUMBER)
    if value < 0:
        raise element.fault(code, f"{attribute} {value:g} must not be negative")
    return value
