"""Links held by fixed joints made one body, so that engines step fewer of them; nothing moves and nothing gets lighter.

A URDF's fixed joints mostly place sensors, covers and feet. Each engine has a way of its own to fuse them: MuJoCo keeps
each as a body, PyBullet's flag for it renames and reorders. Merging here gives both the same bodies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from robots.kinematics import Array, compose, inertia_matrix, pose_of, transform
from robots.model import Inertial, Link, Pose, RobotModel, Shape


@dataclass(frozen=True)
class Merged:
    """A RobotModel without fixed joints, and where each link of the original has gone.

    `model`: each body is named after the topmost link of its group and keeps that link's frame; its inertial frame lies
    in its centre of mass, along the axes of its frame (a link with mass that is alone in its group keeps its own).
    Joints are the original's movable ones, in the same order. `frames`: link name -> (body name, the link's pose in the
    body's frame), for every link of the original.
    """

    model: RobotModel
    frames: Mapping[str, tuple[str, Pose]]


def merge_fixed(model: RobotModel) -> Merged:
    """Merge every link that hangs on a fixed joint into the body it is bolted to."""
    body = {model.root.name: model.root.name}
    place = {model.root.name: np.eye(4)}  # of each link in its body
    joints = []
    for joint in model.joints:
        origin = place[joint.parent] @ transform(joint.origin)
        if joint.type == "fixed":
            body[joint.child], place[joint.child] = body[joint.parent], origin
        else:
            body[joint.child], place[joint.child] = joint.child, np.eye(4)
            # What hangs on the topmost link itself is kept to the last bit.
            kept = joint.origin if body[joint.parent] == joint.parent else pose_of(origin)
            joints.append(replace(joint, parent=body[joint.parent], origin=kept))
    groups: dict[str, list[Link]] = {}
    for link in model.links:
        groups.setdefault(body[link.name], []).append(link)
    links = tuple(_body(group, place) for group in groups.values())
    frames = {name: (body[name], Pose() if body[name] == name else pose_of(place[name])) for name in model.link_names}
    return Merged(replace(model, links=links, joints=tuple(joints)), frames)


def _body(group: list[Link], place: dict[str, Array]) -> Link:
    top = group[0]
    if len(group) == 1:
        return top
    return Link(
        name=top.name,
        inertial=_inertial(group, place),
        visuals=tuple(_moved(shape, place[link.name]) for link in group for shape in link.visuals),
        collisions=tuple(_moved(shape, place[link.name]) for link in group for shape in link.collisions),
    )


def _moved(shape: Shape, place: Array) -> Shape:
    if np.array_equal(place, np.eye(4)):
        return shape
    return replace(shape, origin=pose_of(place @ transform(shape.origin)))


def _inertial(group: list[Link], place: dict[str, Array]) -> Inertial | None:
    heavy = [(link.inertial, place[link.name]) for link in group if link.inertial and link.inertial.mass > 0]
    if not heavy:
        return None
    if len(heavy) == 1 and heavy[0][0] is group[0].inertial:
        return heavy[0][0]
    parts = []
    for inertial, pose in heavy:
        turn = pose[:3, :3]
        parts.append(
            (
                inertial.mass,
                turn @ inertial.origin.xyz + pose[:3, 3],
                turn @ inertia_matrix(inertial) @ turn.T,
            )
        )
    mass, centre, inertia = compose(parts)
    x, y, z = centre.tolist()
    xx, xy, xz, yy, yz, zz = inertia[[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]].tolist()
    return Inertial(mass, (xx, xy, xz, yy, yz, zz), Pose((x, y, z)))
