"""How far a robot's collision shapes reach: plain numpy, no engine."""

from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np

from robots.kinematics import Array, link_poses, transform
from robots.mesh.read import parse_mesh, read_bytes
from robots.model import Box, Capsule, Cylinder, Geometry, Link, Mesh, RobotModel, Sphere, Vector3

DOWN: Vector3 = (0.0, 0.0, -1.0)


def reach(link: Link, pose: Array, direction: Vector3 = DOWN) -> float:
    """Return how far the link's collision shapes reach in a direction [m], from the origin of pose's frame.

    pose: (4, 4) of the link; direction: a unit vector. -inf for a link that nothing can touch; raise RobotError for a
    mesh that cannot be read.
    """
    return max(
        (_reach(shape.geometry, pose @ transform(shape.origin), direction) for shape in link.collisions),
        default=-np.inf,
    )


def _reach(geometry: Geometry, pose: Array, direction: Vector3) -> float:
    local = pose[:3, :3].T @ direction
    across = float(np.hypot(local[0], local[1]))
    match geometry:
        case Box(size):
            far = float(np.abs(local) @ size) / 2
        case Cylinder(radius, length):
            far = radius * across + length / 2 * abs(float(local[2]))
        case Capsule(radius, length):
            far = radius + length / 2 * abs(float(local[2]))
        case Sphere(radius):
            far = radius
        case Mesh(path, scale):
            far = float((mesh_points(path) * scale @ local).max())
    return far + float(pose[:3, 3] @ direction)


@lru_cache(maxsize=256)
def mesh_points(path: Path) -> Array:
    """Return the vertices (n, 3) of a mesh file, unscaled; raise RobotError if it cannot be read."""
    return np.concatenate([solid.vertices for solid in parse_mesh(path, read_bytes(path)).solids])


def lowest_points(model: RobotModel, q: Array) -> dict[str, float]:
    """Return the height of each link's lowest point [m] above the root's frame, of links that can touch something.

    q: (n_joints,) [rad or m], canonical order
    """
    poses = link_poses(model, q)
    return {link.name: -reach(link, poses[link.name]) for link in model.links if link.collisions}


def outline(geometry: Geometry) -> Array:
    """Return points (n, 3) [m] whose convex hull is that of the shape, round ones to within 2 %; as `reach` refuses."""
    match geometry:
        case Box(size):
            return np.array(list(product((-0.5, 0.5), repeat=3))) * size
        case Cylinder(radius, length):
            return _rings([(radius, -length / 2), (radius, length / 2)])
        case Capsule(radius, length):
            return np.concatenate([_ball(radius) + [0.0, 0.0, end] for end in (-length / 2, length / 2)])
        case Sphere(radius):
            return _ball(radius)
        case Mesh(path, scale):
            return mesh_points(path) * scale


def _rings(rings: list[tuple[float, float]]) -> Array:
    turn = np.linspace(0.0, 2 * np.pi, 16, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=1)
    return np.concatenate([radius * circle + [0.0, 0.0, height] for radius, height in rings])


def _ball(radius: float) -> Array:
    tilts = np.linspace(-np.pi / 2, np.pi / 2, 9).tolist()
    return _rings([(radius * np.cos(tilt), radius * np.sin(tilt)) for tilt in tilts])
