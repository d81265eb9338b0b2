"""The joints of a URDF: type, axis, limits, dynamics and mimic."""

from dataclasses import replace
from math import hypot, inf
from typing import Any, cast, get_args

from robots.findings import Edit
from robots.model import Joint, JointType, Limit, Mimic, Vector3
from robots.urdf.elements import MAX_NUMBER, Element, shorten
from robots.urdf.shapes import read_origin
from robots.urdf.split import free_base, three_joints
from sim2real.errors import nearest

MAX_LIMIT = 1e30  # "no limit" is written as 1e16 and the like
WITHOUT_END = 1000.0  # [m]: a prismatic joint has no other way to say "no limit"

# An axis this close to length 1 is kept to the last bit, so that reading what was written is exact.
_UNIT_LENGTH = 1e-12
_AXIS_LENGTH = 1e-3  # 0.707 0.707 0 is rounding, 0 0 2 is a mistake

_JOINT_TYPES: tuple[str, ...] = get_args(JointType)
_NO_LIMIT = ((0.0, -1.0), (1.0, -1.0))  # what files made for PyBullet write


def read_joint(element: Element, robot: Element) -> Joint | None:
    """Read one joint of the document `robot`; None if its name, type or ends cannot be read: that says all about it."""
    joint = None
    with element.collecting():
        kind = _joint_type(element, robot)
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


def _joint_type(element: Element, robot: Element) -> JointType:
    kind = element.text("type")
    if kind in ("planar", "floating", "spherical"):
        message = f"type '{kind}' is not supported"
        split = {"floating": free_base, "spherical": three_joints}.get(kind)
        remedy, edits = split(element, robot) if split else (f"allowed are {', '.join(_JOINT_TYPES)}", ())
        raise element.fault("joint-type", message, remedy, *edits)
    if kind not in _JOINT_TYPES:
        message = f"unknown type {shorten(kind)}{nearest(kind, _JOINT_TYPES)}"
        raise element.fault("joint-type", message, f"allowed are {', '.join(_JOINT_TYPES)}")
    return cast(JointType, kind)


def _dynamics(element: Element, _: JointType) -> dict[str, Any]:
    dynamics = element.optional("dynamics")
    return {} if dynamics is None else {key: not_negative(dynamics, key, 0.0) for key in ("damping", "friction")}


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
        remedy = "give the range, or make the joint continuous"
        raise limit.fault("limit-bounds", "lower and upper are both missing", remedy, *_as_continuous(element, kind))
    lower, upper = (limit.number(key, 0.0, MAX_LIMIT) for key in ("lower", "upper"))
    if lower > upper:
        remedy, edits = _in_order(element, limit, lower, upper)
        raise limit.fault("limit-order", f"lower {lower:g} is larger than upper {upper:g}", remedy, *edits)
    return {"limit": Limit(lower, upper, *_strength(limit))}


def _in_order(element: Element, limit: Element, lower: float, upper: float) -> tuple[str, tuple[Edit | None, ...]]:
    """Return remedy and edits for lower > upper: PyBullet takes it for "no limit", others got the two mixed up."""
    if (lower, upper) not in _NO_LIMIT:
        written = {end: limit.attributes.get(end, "0") for end in ("lower", "upper")}
        swapped = (limit.with_attribute("lower", written["upper"]), limit.with_attribute("upper", written["lower"]))
        return "swap them", swapped
    if element.attributes["type"] == "revolute":
        return "say continuous, which has no limits", _as_continuous(element, "revolute")
    bounds = {"lower": f"{-WITHOUT_END:g}", "upper": f"{WITHOUT_END:g}"}
    edits = tuple(limit.with_attribute(key, bound) for key, bound in bounds.items())
    return f"write {' and '.join(bounds.values())} [m], which is as good as no limit", edits


def _as_continuous(element: Element, kind: JointType) -> tuple[Edit | None, ...]:
    """Return the edit for a revolute joint without bounds: what turns without end is called continuous in URDF."""
    return (element.with_attribute("type", "continuous"),) if kind == "revolute" else (None,)


def _strength(limit: Element) -> tuple[float, float]:
    """Return the effort and velocity limits; a missing one is no limit, and reported."""
    values = [not_negative(limit, key, inf) for key in ("effort", "velocity")]
    for key, value in zip(("effort", "velocity"), values, strict=True):
        if value == inf or value == 0:
            message = f"{key} is {'missing' if value else '0'}"
            limit.report("limit-effort", message, f"give the motor's largest {key}")
    return values[0], values[1]


def not_negative(element: Element, attribute: str, default: float | None = None, code: str = "negative") -> float:
    """Return a number that must not be negative; raise Fault otherwise."""
    value = element.number(attribute, default, MAX_LIMIT if element.tag == "limit" else MAX_NUMBER)
    if value < 0:
        raise element.fault(code, f"{attribute} {value:g} must not be negative")
    return value
