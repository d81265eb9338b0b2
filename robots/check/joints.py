"""Lint rules for joints: limits, the default pose inside them, and joints that follow others."""

from collections.abc import Iterator
from math import hypot, pi

from robots.check.subject import Subject
from robots.findings import Finding

FARTHEST = 10.0  # [m] from a link to a joint on it
# Cables and screws turn a few times; 1,000 rad and more is how "no limit" is written.
FEW_TURNS, NO_LIMIT = 6 * pi, 1000.0  # [rad]


def limit_empty(subject: Subject) -> Iterator[Finding]:
    """Warn of a joint that has no room to move."""
    for joint in subject.model.movable:
        if joint.limit.lower == joint.limit.upper:
            message = f"lower and upper are both {joint.limit.lower:g}: the joint cannot move"
            yield subject.part(joint, "limit").finding("limit-empty", message, "give it a range, or make it fixed")


def limit_default(subject: Subject) -> Iterator[Finding]:
    """Warn of a default position outside of a joint's limits; note where 0, at which engines start, is outside."""
    for joint in subject.model.movable:
        q = subject.pose.get(joint.name, 0.0)
        if joint.limit.lower <= q <= joint.limit.upper:
            continue
        bounds = f"[{joint.limit.lower:g}, {joint.limit.upper:g}]"
        at = subject.part(joint, "limit")
        if joint.name in subject.pose:
            message = f"default position {q:g} is outside of the limits {bounds}"
            yield at.finding("limit-default", message, "change the default pose or the limits")
        else:
            message = f"0 is outside of the limits {bounds}"
            yield at.finding("limit-zero", message, "give a default pose inside of them")


def limit_degrees(subject: Subject) -> Iterator[Finding]:
    """Warn of a hinge whose limits are many turns away, as degrees are."""
    for joint in subject.model.movable:
        farthest = max(abs(joint.limit.lower), abs(joint.limit.upper))
        if joint.type == "revolute" and FEW_TURNS < farthest < NO_LIMIT:
            lower, upper = joint.limit.lower * pi / 180, joint.limit.upper * pi / 180
            message = f"limits {joint.limit.lower:g} to {joint.limit.upper:g} rad are {farthest / (2 * pi):.0f} turns"
            remedy = f"URDF takes radians: if these are degrees, write {lower:.4g} and {upper:.4g}"
            yield subject.part(joint, "limit").finding("limit-degrees", message, remedy)


def angle_degrees(subject: Subject) -> Iterator[Finding]:
    """Warn of a joint's frame that is turned by more than a turn, as one in degrees is."""
    for joint in subject.model.joints:
        turned = max(joint.origin.rpy, key=abs)
        if abs(turned) > 2 * pi + 0.01 and ("joint", joint.name) in subject.elements:
            remedy = f"URDF takes radians: if this is degrees, write {turned * pi / 180:.5g}"
            yield subject.part(joint, "origin").finding("angle-degrees", f"rpy {turned:g} is more than a turn", remedy)


def origin_far(subject: Subject) -> Iterator[Finding]:
    """Warn of a joint that is farther from its parent link than any robot is long."""
    for joint in subject.model.joints:
        away = hypot(*joint.origin.xyz)
        if away > FARTHEST and ("joint", joint.name) in subject.elements:
            message = f"{away:.4g} m from link '{joint.parent[:60]}'; a robot's link has at most {FARTHEST:g} m"
            yield subject.part(joint, "origin").finding("origin-far", message, "write metres, not millimetres")


def mimic_joint(subject: Subject) -> Iterator[Finding]:
    """Note what becomes of each mimic joint."""
    for joint in subject.model.movable:
        if joint.mimic is not None:
            what = f"{joint.mimic.multiplier:g} x {joint.mimic.joint[:60]} + {joint.mimic.offset:g}"
            remedy = "sim2real makes it follow in both engines"
            yield subject.part(joint, "mimic").finding("mimic-joint", f"follows {what}", remedy)


LINTS = (limit_empty, limit_default, limit_degrees, angle_degrees, origin_far, mimic_joint)
