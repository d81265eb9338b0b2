"""Joint types that physics engines disagree about, in terms of those that they share."""

from math import isfinite
from xml.sax.saxutils import quoteattr

from robots.findings import Edit
from robots.urdf.edits import append_child, insert_after
from robots.urdf.elements import Element
from robots.urdf.mends import FRAME_MASS, FRAME_MOMENT, mass_xml

Edits = tuple[Edit | None, ...]

SMALL = 1e-3  # mass and inertia of the bodies between three joints, as parts of the child's


def free_base(element: Element, robot: Element) -> tuple[str, Edits]:
    """Return remedy and edits for a floating joint: one that ties the base to an empty root can go."""
    parent = next((end.attributes.get("link", "") for end in element.all("parent")), "")
    joints = list(robot.all("joint"))
    link = next((link for link in robot.all("link") if link.attributes.get("name") == parent), None)
    from_parent = sum(end.attributes.get("link") == parent for joint in joints for end in joint.all("parent"))
    is_child = any(end.attributes.get("link") == parent for joint in joints for end in joint.all("child"))
    if link is None or link.children or from_parent != 1 or is_child:
        return "only the base of a robot can float, without a joint", (None,)
    remedy = f"remove it and link '{parent[:60]}': the base floats by itself"
    return remedy, (link.removed(), element.removed())


def three_joints(element: Element, robot: Element) -> tuple[str, Edits]:
    """Return remedy and edits that make a ball joint of three hinges about x, y and z, with a small body between each.

    The hinge about z keeps the joint's name and child. Two bodies are added with 1/1000 of the child's mass and largest
    moment each.
    """
    name = element.attributes.get("name", "")
    parent, child = (next(element.all(end), None) for end in ("parent", "child"))
    names = {other.attributes.get("name") for other in robot.children}
    new = [f"{name}_x", f"{name}_y", f"{name}_x_link", f"{name}_y_link"]
    if parent is None or child is None or names & set(new):
        return "make three hinges of it", (None,)
    mass, moment = _small(child.attributes.get("link", ""), robot)
    body = mass_xml(mass, (moment, 0.0, 0.0, moment, 0.0, moment))
    origin = next(element.all("origin"), None)
    rows = [
        *(f"<link name={quoteattr(link)}><inertial>{body}</inertial></link>" for link in new[2:]),
        _hinge(new[0], parent.attributes.get("link", ""), new[2], "1 0 0", _source(origin)),
        _hinge(new[1], new[2], new[3], "0 1 0", ""),
    ]
    remedy = f"make hinges about x, y and z of it, with bodies of {mass:g} kg and {moment:g} kg m^2 between them"
    axes, gone = list(element.all("axis")), [*element.all("origin"), *element.all("limit")]
    axis = '<axis xyz="0 0 1"/>'
    edits: list[Edit | None] = [
        element.with_attribute("type", "continuous"),
        parent.with_attribute("link", new[3]),
        insert_after(element.document.data, element.start, element.end, "\n".join(rows)),
        *(old.with_attribute("xyz", "0 0 1") for old in axes),
    ]
    if not axes:
        document = element.document.data
        edits.append(gone.pop(0).replaced(axis) if gone else append_child(document, element.start, element.end, axis))
    edits += [old.removed() for old in gone]
    return remedy, tuple(edits)


def _source(element: Element | None) -> str:
    """Return an element as it stands in the file."""
    return "" if element is None else element.document.data[element.start : element.end].decode("utf-8", "replace")


def _hinge(name: str, parent: str, child: str, axis: str, origin: str) -> str:
    ends = f"<parent link={quoteattr(parent)}/><child link={quoteattr(child)}/>"
    return f'<joint name={quoteattr(name)} type="continuous">{origin}{ends}<axis xyz="{axis}"/></joint>'


def _small(child: str, robot: Element) -> tuple[float, float]:
    """Return mass [kg] and moment [kg m^2] that are small beside the child's."""
    link = next((link for link in robot.all("link") if link.attributes.get("name") == child), None)
    inertials = [] if link is None else list(link.all("inertial"))
    mass = max((_number(e, "value") for i in inertials for e in i.all("mass")), default=0.0)
    keys = ("ixx", "iyy", "izz")
    moment = max((_number(e, key) for i in inertials for e in i.all("inertia") for key in keys), default=0.0)
    if mass <= 0 or moment <= 0:
        return FRAME_MASS, FRAME_MOMENT
    return float(f"{SMALL * mass:.3g}"), float(f"{SMALL * moment:.3g}")


def _number(element: Element, attribute: str) -> float:
    try:
        value = float(element.attributes.get(attribute, ""))
    except ValueError:
        return 0.0
    return value if isfinite(value) else 0.0
