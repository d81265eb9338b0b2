"""A RobotModel put right in ways that a robot.yaml asks for: another unit or up axis, and inertias that are none."""

from dataclasses import replace
from typing import Literal

import numpy as np

from robots.extent import mesh_points
from robots.kinematics import Array, compose, inertia_matrix, rotation, transform
from robots.model import (
    Box,
    Capsule,
    Cylinder,
    Geometry,
    Inertial,
    Joint,
    Link,
    Mesh,
    Mimic,
    Pose,
    RobotModel,
    Shape,
    Sphere,
    Vector3,
)

Axis = Literal["x", "y", "z"]

_UPRIGHT: dict[str, Vector3] = {"x": (0.0, -np.pi / 2, 0.0), "y": (np.pi / 2, 0.0, 0.0)}  # turns the axis to +z


def scaled(model: RobotModel, factor: float) -> RobotModel:
    """Return the model with every length times `factor`; masses stay, so that inertias go with its square."""
    links = tuple(_scaled_link(link, factor) for link in model.links)
    prismatic = {joint.name for joint in model.joints if joint.type == "prismatic"}
    return replace(model, links=links, joints=tuple(_scaled_joint(joint, factor, prismatic) for joint in model.joints))


def _scaled_link(link: Link, factor: float) -> Link:
    inertial = link.inertial
    if inertial is not None:
        xx, xy, xz, yy, yz, zz = (factor**2 * part for part in inertial.inertia)
        inertial = Inertial(inertial.mass, (xx, xy, xz, yy, yz, zz), _scaled_pose(inertial.origin, factor))
    visuals, collisions = (
        tuple(
            replace(s, geometry=_scaled_shape(s.geometry, factor), origin=_scaled_pose(s.origin, factor)) for s in kind
        )
        for kind in (link.visuals, link.collisions)
    )
    return Link(link.name, inertial, visuals, collisions)


def _scaled_shape(geometry: Geometry, factor: float) -> Geometry:
    match geometry:
        case Box(size):
            return Box(_times(size, factor))
        case Cylinder(radius, length):
            return Cylinder(factor * radius, factor * length)
        case Capsule(radius, length):
            return Capsule(factor * radius, factor * length)
        case Sphere(radius):
            return Sphere(factor * radius)
        case Mesh(path, scale):
            return Mesh(path, _times(scale, factor))


def _scaled_joint(joint: Joint, factor: float, prismatic: set[str]) -> Joint:
    limit, mimic = joint.limit, joint.mimic
    own = factor if joint.name in prismatic else 1.0
    if joint.name in prismatic:
        limit = replace(limit, lower=own * limit.lower, upper=own * limit.upper, velocity=own * limit.velocity)
    if mimic is not None:
        source = factor if mimic.joint in prismatic else 1.0
        mimic = Mimic(mimic.joint, mimic.multiplier * own / source, mimic.offset * own)
    return replace(joint, origin=_scaled_pose(joint.origin, factor), limit=limit, mimic=mimic)


def _scaled_pose(pose: Pose, factor: float) -> Pose:
    return Pose(_times(pose.xyz, factor), pose.rpy)


def _times(vector: Vector3, factor: float) -> Vector3:
    x, y, z = vector
    return factor * x, factor * y, factor * z


def upright(model: RobotModel, up: Axis) -> RobotModel:
    """Return the model on a new root link, `<root>_upright`, in whose frame the file's `up` axis points along +z."""
    if up == "z":
        return model
    name = f"{model.root.name}_upright"
    joint = Joint(name, "fixed", name, model.root.name, Pose(rpy=_UPRIGHT[up]))
    return replace(model, links=(Link(name), *model.links), joints=(joint, *model.joints))


def inertia_from_collisions(model: RobotModel) -> RobotModel:
    """Return the model with the inertia of the collision shapes, filled evenly with the link's mass; its centre stays.

    For descriptions whose `<inertia>` is a placeholder (pybullet_data's cart-pole gives 1 kg m^2 to a 0.1 kg pole). A
    mesh counts as the box around it, as in PyBullet. Where nothing can be touched, what can be seen is taken; a link of
    neither keeps the inertia of the file.
    """
    return replace(model, links=tuple(_solid_inertia(link) for link in model.links))


def _solid_inertia(link: Link) -> Link:
    shapes = link.collisions or link.visuals
    if link.inertial is None or not shapes:
        return link
    solids = [_solid(shape) for shape in shapes]
    share = link.inertial.mass / sum(volume for volume, _, _ in solids)
    parts = [
        (share * volume, pose[:3, 3], pose[:3, :3] @ _inertia(geometry, share * volume) @ pose[:3, :3].T)
        for volume, pose, geometry in solids
    ]
    turn = rotation(link.inertial.origin.rpy)
    matrix = turn.T @ compose(parts)[2] @ turn
    xx, xy, xz, yy, yz, zz = matrix[[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]].tolist()
    return replace(link, inertial=replace(link.inertial, inertia=(xx, xy, xz, yy, yz, zz)))


def _solid(shape: Shape) -> tuple[float, Array, Box | Cylinder | Sphere | Capsule]:
    """Return volume [m^3], pose (4, 4) in the link, and the solid that stands for the shape."""
    pose, geometry = transform(shape.origin), shape.geometry
    if isinstance(geometry, Mesh):
        points = mesh_points(geometry.path) * geometry.scale
        low, high = points.min(axis=0), points.max(axis=0)
        x, y, z = np.maximum(high - low, 1e-3).tolist()  # 1 mm: not even a sheet is thinner
        pose = pose @ transform(Pose(tuple(((low + high) / 2).tolist())))
        geometry = Box((x, y, z))
    return _volume(geometry), pose, geometry


def _volume(geometry: Box | Cylinder | Sphere | Capsule) -> float:
    match geometry:
        case Box(size):
            return float(np.prod(size))
        case Cylinder(radius, length):
            return float(np.pi * radius**2 * length)
        case Sphere(radius):
            return float(4 / 3 * np.pi * radius**3)
        case Capsule(radius, length):
            return float(np.pi * radius**2 * (length + 4 / 3 * radius))


def _inertia(geometry: Box | Cylinder | Sphere | Capsule, mass: float) -> Array:
    return inertia_matrix(Inertial(mass, geometry.inertia(mass)))
