"""What makes links and joints a robot that physics can move: one tree, and masses and inertias that can exist."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from robots.model import Inertial, Joint, Link, RobotModel
from robots.urdf_xml import Element
from sim2real.errors import nearest

MAX_MOVABLE = 127  # PyBullet's MAX_DEGREE_OF_FREEDOM is 128; its getJointState fails from 128 on
MIN_MASS = 1e-9  # [kg]
MIN_INERTIA = 1e-15  # [kg m^2], MuJoCo's mjMINVAL: it refuses moving bodies below

_ROUNDING = 1e-12

Elements = Mapping[tuple[str, str], Element]  # ("link" or "joint", name) -> its element


def arrange(document: Element, elements: Elements, links: Sequence[Link], joints: Sequence[Joint]) -> RobotModel:
    """Return the tree in canonical order (depth first from the root, children in file order).

    `elements` are the elements of links and joints by name. Raise RobotError if the links and joints are not one tree.
    """
    if not links:
        raise document.fault("no-link", "there is no <link>", "a robot has at least one")
    _check_ends(elements, {link.name for link in links}, joints)
    root = _find_root(document, elements, links, joints)
    model = _depth_first(document.name(), root, links, joints)
    if len(model.links) < len(links):
        reached = set(model.link_names)
        loop = next(joint for joint in joints if joint.child not in reached)
        message = f"hangs on a cycle of joints, not on the root link '{root}'"
        raise elements["joint", loop.name].fault("cycle", message, "cut the cycle")
    if len(model.movable) > MAX_MOVABLE:
        extra = elements["joint", model.movable[MAX_MOVABLE].name]
        message = f"{len(model.movable)} movable joints; PyBullet bears {MAX_MOVABLE}"
        raise extra.fault("too-many-joints", message, "make some fixed")
    return model


def _check_ends(elements: Elements, names: set[str], joints: Sequence[Joint]) -> None:
    mover: dict[str, Joint] = {}
    for joint in joints:
        at = elements["joint", joint.name]
        for end, link in (("parent", joint.parent), ("child", joint.child)):
            if link not in names:
                raise at.fault("unknown-link", f"{end} link '{link[:60]}' does not exist{nearest(link[:60], names)}")
        if joint.child in mover:
            first = mover[joint.child].name
            message = f"link '{joint.child}' has two parents (the other by joint '{first}')"
            raise at.fault("two-parents", message, "a robot is a tree: remove one of the joints")
        mover[joint.child] = joint


def _find_root(document: Element, elements: Elements, links: Sequence[Link], joints: Sequence[Joint]) -> str:
    children = {joint.child for joint in joints}
    roots = [link.name for link in links if link.name not in children]
    if not roots:
        raise document.fault("no-root", "no root link: the joints form a cycle", "one link must be no joint's child")
    if len(roots) > 1:
        message = f"a second root beside link '{roots[0]}'"
        raise elements["link", roots[1]].fault("second-root", message, "join the two with a (fixed) joint")
    return roots[0]


def _depth_first(name: str, root: str, links: Sequence[Link], joints: Sequence[Joint]) -> RobotModel:
    link_of = {link.name: link for link in links}
    below: dict[str, list[Joint]] = defaultdict(list)
    for joint in joints:
        below[joint.parent].append(joint)
    ordered_links, ordered_joints = [link_of[root]], []
    # A stack, not recursion: a chain of links may be deeper than Python's stack.
    stack = below[root][::-1]
    while stack:
        joint = stack.pop()
        ordered_joints.append(joint)
        ordered_links.append(link_of[joint.child])
        stack.extend(below[joint.child][::-1])
    return RobotModel(name, tuple(ordered_links), tuple(ordered_joints))


def check_mimics(model: RobotModel, elements: Elements) -> None:
    """Report joints that mimic themselves, each other in a circle, a fixed joint, or one that does not exist."""
    movable = {joint.name: joint for joint in model.movable}
    for joint in model.movable:
        at, followed = elements["joint", joint.name], joint
        seen = {joint.name}
        while followed.mimic is not None:
            name = followed.mimic.joint
            if name not in movable:
                if followed is joint:
                    at.report("mimic", f"mimics '{name[:60]}', no movable joint{nearest(name[:60], movable)}")
                break
            if name in seen:
                at.report("mimic", f"mimics itself by way of joint '{name}'", "let it follow a joint that is free")
                break
            seen.add(name)
            followed = movable[name]


def check_masses(model: RobotModel, elements: Elements, floating_base: bool) -> None:
    """Report what moves and has no mass, or a mass whose inertia no body can have.

    What fixed joints hold together moves as one and needs one mass; the root's part moves only with `floating_base`.
    """
    leader = {model.root.name: model.root.name}
    for joint in model.joints:
        leader[joint.child] = leader[joint.parent] if joint.type == "fixed" else joint.child
    mass: dict[str, float] = defaultdict(float)
    for link in model.links:
        first = leader[link.name]
        moves = floating_base or first != model.root.name
        if link.inertial is not None:
            mass[first] += link.inertial.mass
            if moves:
                _check_inertia(elements["link", link.name], link.inertial)
    movers = {joint.child: f"joint '{joint.name}'" for joint in model.joints}
    for first in dict.fromkeys(leader.values()):
        if mass[first] < MIN_MASS and (floating_base or first != model.root.name):
            by = movers.get(first, "its floating base")
            message = f"is moved by {by}, but neither it nor what is fixed to it has a mass"
            elements["link", first].report("mass-missing", message, "add <inertial> [kg, kg m^2]")


def _check_inertia(link: Element, inertial: Inertial) -> None:
    code, shown = inertia_fault(inertial)
    if code:
        at = next((e for outer in link.all("inertial") for e in outer.all("inertia")), link)
        at.report(code, shown, "compute them from the shape (solid sphere: 0.4 m r^2)")


def inertia_fault(inertial: Inertial) -> tuple[str, str]:
    """Return code and message of what is wrong with the inertia of a moving body; empty strings if nothing is.

    The principal moments A <= B <= C of any mass are positive with A + B >= C. Both engines check this to the last
    bit (PyBullet then silently takes 0, MuJoCo refuses), so a turned plate without thickness is refused here too.
    """
    xx, xy, xz, yy, yz, zz = inertial.inertia
    diagonal = xy == xz == yz == 0
    moments = np.sort([xx, yy, zz]) if diagonal else np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    a, b, c = (float(moment) for moment in moments)
    shown = f"principal moments {a:.6g}, {b:.6g}, {c:.6g} [kg m^2]"
    if a <= MIN_INERTIA:
        return "inertia-definite", f"{shown} must all be larger than 0"
    if a + b < c * (1.0 if diagonal else 1.0 + _ROUNDING):
        return "inertia-triangle", f"{shown} break the triangle inequality A + B >= C that every body obeys"
    return "", ""
