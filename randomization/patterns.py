"""Names and patterns of coordinates, and what to say where one matches nothing.

`mass/trunk` is one coordinate; `*` stands for any letters and `?` for one; `@base` is the robot's root body, and
`@end_effector` the one that its end effector is part of, whatever their names: `payload/@base`.
"""

import re
from fnmatch import translate
from glob import escape

from randomization.quantities import QUANTITIES
from randomization.variant import VariantSpace
from robots import Robot
from sim2real.errors import nearest

BASE = "@base"
END_EFFECTOR = "@end_effector"


def expand(pattern: str, space: VariantSpace, robot: Robot) -> list[int]:
    """Return the columns of the coordinates that a pattern stands for; none where it matches nothing.

    What is a coordinate's name stands for it alone: a link's name may hold brackets.
    """
    if pattern in space.names:
        return [space.index(pattern)]
    for alias, body in ((BASE, robot.merged.model.root.name), (END_EFFECTOR, _end_body(robot))):
        pattern = pattern if body is None else pattern.replace(alias, escape(body))
    matches = re.compile(translate(pattern)).match
    return [column for column, name in enumerate(space.names) if matches(name)]


def _end_body(robot: Robot) -> str | None:
    """Return the body that the robot's end effector is part of, None where it has none."""
    frame = robot.merged.frames.get(robot.file.end_effector or "")
    return None if frame is None else frame[0]


def unmatched(pattern: str, space: VariantSpace, robot: Robot) -> str:
    """Say that a pattern matches nothing, the nearest name or pattern, and which members its quantity has."""
    kind, _, member = pattern.partition("/")
    known = {quantity.name for quantity in QUANTITIES}
    if kind in known and kind not in {quantity.name for quantity in space.quantities}:
        return f"{space.robot_name} has nothing for '{kind}' to act on; leave it out"
    if member == BASE and robot.fixed_base and kind in known:
        root = robot.merged.model.root.name
        there = ", ".join(_members(kind, space))
        return f"the base of '{robot.name}', {root}, is bolted to the world; {kind} is there for {there}"
    if member == END_EFFECTOR and robot.file.end_effector is None and kind in known:
        there = ", ".join(_members(kind, space))
        return f"the robot.yaml of '{robot.name}' names no end_effector; {kind} is there for {there}"
    hint = nearest(pattern, [*space.patterns, *space.names] if "*" in member else space.names) or nearest(kind, known)
    if kind not in known or not member:
        return f"no such quantity{hint}"
    return f"no such quantity{hint}; {kind} is there for {', '.join(_members(kind, space)) or 'the whole robot'}"


def _members(kind: str, space: VariantSpace) -> list[str]:
    members = (space.members[column] for column in range(*space.block(kind).indices(space.size)))
    return [member for member in members if member]
