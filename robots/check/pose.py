"""Lint rules for the robot as a whole in its default pose: nothing overlaps, and the motors bear its weight."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from robots.check.overlap import overlap, shrunk
from robots.check.subject import Subject
from robots.findings import Finding
from robots.kinematics import Array, gravity_torques, sources
from sim2real.errors import RobotError

TOLERANCE = 1e-3  # [m] of overlap that is not worth a word
MAX_SHAPES = 200  # of one body that are looked at
MAX_TESTS = 2000


@dataclass(frozen=True, eq=False)
class _Solids:
    """The collision shapes of a body: the link and the points (n, 3) [m] of each, and the boxes around them (n, 3)."""

    links: tuple[str, ...]
    points: tuple[Array, ...]
    low: Array
    high: Array


def pose_collision(subject: Subject) -> Iterator[Finding]:
    """Warn of links that overlap in the default pose; those that a joint connects, or hold together, may."""
    solids = {body: found for body in subject.bodies if (found := _solids(subject, body)) is not None}
    joined = {frozenset((j.parent, j.child)) for j in subject.merged.model.joints}
    tests = 0
    for first, second in combinations(solids, 2):
        if frozenset((first, second)) in joined:
            continue
        a, b = solids[first], solids[second]
        for i, j in _near(a, b):
            tests += 1
            if tests > MAX_TESTS:
                return
            if overlap(a.points[i], b.points[j]):
                message = f"overlaps link '{b.links[j][:60]}' in the default pose"
                remedy = "check origins and lengths, or give another default pose"
                yield subject.link(a.links[i]).finding("pose-collision", message, remedy)
                break


def _solids(subject: Subject, body: str) -> _Solids | None:
    found: list[tuple[str, Array]] = []
    for link in subject.bodies[body]:
        pose = subject.poses[link.name]
        for shape in link.collisions[: MAX_SHAPES - len(found)]:
            with suppress(RobotError):
                points = shrunk(subject.solids.points(shape), TOLERANCE / 2)
                if points is not None:
                    found.append((link.name, points @ pose[:3, :3].T + pose[:3, 3]))
    if not found:
        return None
    links, points_of = zip(*found, strict=True)
    low, high = (np.array([bound(points, axis=0) for points in points_of]) for bound in (np.min, np.max))
    return _Solids(links, points_of, low, high)


def _near(a: _Solids, b: _Solids) -> list[tuple[int, int]]:
    """Return the pairs of shapes whose boxes overlap."""
    if (a.low.min(axis=0) > b.high.max(axis=0)).any() or (b.low.min(axis=0) > a.high.max(axis=0)).any():
        return []
    touch = (a.low[:, None] <= b.high[None]) & (b.low[None] <= a.high[:, None])
    return [(int(i), int(j)) for i, j in np.argwhere(touch.all(axis=2))]


def gravity_effort(subject: Subject) -> Iterator[Finding]:
    """Warn of a joint whose effort limit does not hold up what hangs on it in the default pose, the base upright."""
    needed = dict(zip(subject.model.joint_names, gravity_torques(subject.model, subject.q).tolist(), strict=True))
    for name, mimic in sources(subject.model).items():
        needed[mimic.joint] += mimic.multiplier * needed[name]
    for joint in subject.model.movable:
        effort = joint.limit.effort
        if joint.mimic is None and 0 < effort < abs(needed[joint.name]):
            unit = "N" if joint.type == "prismatic" else "N m"
            message = f"gravity asks for {abs(needed[joint.name]):.4g} {unit} in the default pose, effort is {effort:g}"
            remedy = "check masses [kg] and effort, or give another default pose"
            yield subject.part(joint, "limit").finding("gravity-effort", message, remedy)


LINTS = (pose_collision, gravity_effort)
