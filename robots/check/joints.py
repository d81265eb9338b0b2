"""Lint rules for joints: limits, the default pose inside them, and joints that follow others."""

from collections.abc import Iterator

from robots.check.subject import Subject
from robots.findings import Finding


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


def mimic_joint(subject: Subject) -> Iterator[Finding]:
    """Note what becomes of each mimic joint."""
    for joint in subject.model.movable:
        if joint.mimic is not None:
            what = f"{joint.mimic.multiplier:g} x {joint.mimic.joint[:60]} + {joint.mimic.offset:g}"
            remedy = "sim2real makes it follow in both engines"
            yield subject.part(joint, "mimic").finding("mimic-joint", f"follows {what}", remedy)


LINTS = (limit_empty, limit_default, mimic_joint)
