"""What makes links and joints a robot that physics can move: one tree, and masses and inertias that can exist."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robots.merge import merge_fixed
from robots.model import Inertial, Joint, Link, RobotModel
from robots.urdf.elements import Element
from robots.urdf.mends import mend_inertia, mend_mass
from robots.urdf.solids import Solids
from sim2real.errors import nearest

MAX_MOVABLE = 127  # PyBullet's MAX_DEGREE_OF_FREEDOM is 128; its getJointState fails from 128 on
MIN_MASS = 1e-9  # [kg]
MIN_INERTIA = 1e-15  # [kg m^2], MuJoCo's mjMINVAL: it refuses moving bodies below
GROUND = ("world", "map", "odom", "ground")  # names of a root that is no part of the robot

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
                    message = f"mimics '{name[:60]}', no movable joint{nearest(name[:60], movable)}"
                    at.report("mimic", message, *_mend_mimic(at, joint.name, name, movable))
                break
            if name in seen:
                at.report("mimic", f"mimics itself by way of joint '{name}'", "let it follow a joint that is free")
                break
            seen.add(name)
            followed = movable[name]


def _mend_mimic(at: Element, own: str, name: str, movable: Mapping[str, Joint]) -> tuple[Any, ...]:
    """Return remedy and edits for a mimicked joint that was renamed with a prefix, as the joint itself was."""
    found = [other for other in movable if other.endswith(name) and own.startswith(other.removesuffix(name))]
    found = [other for other in found if other not in (own, name)]
    if len(found) != 1:
        return ("name a joint that is free",)
    return f'write joint="{found[0]}"', *(mimic.with_attribute("joint", found[0]) for mimic in at.all("mimic"))


def check_masses(model: RobotModel, elements: Elements, floating: bool) -> None:
    """Report what moves and has no mass, or a mass whose inertia no body can have.

    What fixed joints hold together is one body for the engines and is judged as one; the root's moves if `floating`.
    """
    merged, solids = merge_fixed(model), Solids()
    groups: dict[str, list[Link]] = defaultdict(list)
    for link in model.links:
        groups[merged.frames[link.name][0]].append(link)
    movers = {joint.child: f"joint '{joint.name}'" for joint in model.joints}
    for body in merged.model.links:
        moves = floating or body.name != model.root.name
        if body.inertial is not None and body.inertial.mass >= MIN_MASS:
            if moves or _refused_at_rest(body.inertial):
                _check_body(body.inertial, groups[body.name], elements, solids)
        elif moves:
            by = movers.get(body.name, "its floating base")
            message = f"is moved by {by}, but neither it nor what is fixed to it has a mass"
            remedy, edits = mend_mass(elements["link", body.name], model.link(body.name), solids)
            elements["link", body.name].report("mass-missing", message, remedy, *edits)


def _refused_at_rest(inertial: Inertial) -> bool:
    """Return whether MuJoCo refuses an inertia even of what never moves; zeros, as a placeholder, it takes."""
    return inertia_fault(inertial)[0] == "inertia-triangle" or _negative(inertial)


def guess_floating(model: RobotModel) -> bool:
    """Return whether the base is taken to float: it has mass, or what is fixed to it has, and is not named for ground.

    Names for ground: world, map, odom, ground.
    """
    if model.root.name.lower() in GROUND:
        return False
    return bool(merge_fixed(model).model.root.inertial)


def _check_body(body: Inertial, links: list[Link], elements: Elements, solids: Solids) -> None:
    """Report the parts of one moving body whose inertia makes it impossible, and note those that it can bear."""
    faults = [(link, *inertia_fault(link.inertial)) for link in links if link.inertial]
    faulty = [(link, code, what) for link, code, what in faults if code]
    code, what = inertia_fault(body)
    if code and not faulty:
        faulty = [(links[0], code, what)]
    for link, own_code, own in faulty:
        element = elements["link", link.name]
        at = next((e for outer in element.all("inertial") for e in outer.all("inertia")), element)
        if code or _negative(link.inertial):
            remedy, edits = mend_inertia(element, link, own_code, solids)
            at.report(own_code, own, remedy, *edits)
        else:
            at.report("inertia-part", f"{own}; with what is fixed to it the body is sound", "give it its own inertia")


def _negative(inertial: Inertial | None) -> bool:
    """Return whether a moment is negative beyond rounding."""
    if inertial is None:
        return False
    xx, xy, xz, yy, yz, zz = inertial.inertia
    moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return bool(moments[0] < -1e-9 * max(abs(moments[2]), MIN_INERTIA))


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
        return "inertia-definite", f"{shown} must all be larger than 0 (engines: {MIN_INERTIA:g})"
    if a + b < c * (1.0 if diagonal else 1.0 + _ROUNDING):
        return "inertia-triangle", f"{shown} break the triangle inequality A + B >= C that every body obeys"
    return "", ""
