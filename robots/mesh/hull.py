"""Convex hulls of points: of few vertices, never flat."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.mesh.data import MeshError, cells

Points = NDArray[np.float64]

MAX_HULL_VERTICES = 128  # what both engines take at full speed
THICKNESS = 0.001  # [m] given to what has none
_FLAT = 1e-5  # thinner than this part of its length is flat: no engine can tell its two sides apart
_MANY = 20_000  # points of which all may be corners; a hull of more takes seconds


@dataclass(frozen=True, eq=False)
class Hull:
    """A convex solid: vertices (n, 3) [m], n <= 128; faces (m, 3) outward; `changes`: how it differs from the mesh."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    changes: tuple[str, ...] = ()


def convex_hull(points: Points) -> Hull:
    """Return the convex hull of points (n, 3) [m]; raise MeshError if it cannot be computed.

    Exact up to 128 vertices. Of more, 128 are kept: those that the hull of the others misses most, so that it lies
    inside the exact one: at the deepest 1 % of the points' diagonal for a ball, and 0.25 % in the middle of 750
    meshes of real robots. A flat set is made 1 mm thick.
    """
    points, changes = _thickened(_distinct(points))
    corners = _corners(points)
    if len(corners) > MAX_HULL_VERTICES:
        kept = _fewer(corners)
        missed = _above(corners, *_planes(kept)).max() / np.linalg.norm(np.ptp(points, axis=0))
        changes += (f"{len(kept)} of {len(corners)} vertices kept, which lie up to {missed:.1%} of its size inside",)
        corners = kept
    vertices = np.unique(corners.astype(np.float32), axis=0)
    hull = _qhull(vertices.astype(np.float64))
    order = np.sort(hull.vertices)
    renumbered = np.zeros(len(vertices), np.int64)
    renumbered[order] = np.arange(len(order))
    return Hull(vertices[order], renumbered[_outward(vertices, hull)], changes)


def _distinct(points: Points) -> Points:
    """Return the points without those that are equal; of very many, without those closer than 1e-6 of their size."""
    if len(points) < 100_000:
        distinct: Points = np.unique(points, axis=0)
        return distinct
    return points[np.unique(cells(points, 1e-6), return_index=True)[1]]


def _thickened(points: Points) -> tuple[Points, tuple[str, ...]]:
    """Return the points, spread to 1 mm along each direction in which they have no extent, and what was changed."""
    axes = _principal_axes(points)
    along = points @ axes
    low, high = along.min(axis=0), along.max(axis=0)
    flat = high - low < max(1e-6, _FLAT * float((high - low).max()))
    if not flat.any():
        return points, ()
    middle = (low + high) / 2
    for axis in np.flatnonzero(flat):
        along = np.concatenate([along, along])
        along[:, axis] = middle[axis] + THICKNESS / 2 * np.repeat([-1.0, 1.0], len(along) // 2)
    what = {1: "flat", 2: "a line", 3: "a point"}[int(flat.sum())]
    return np.unique(along @ axes.T, axis=0), (f"{what}: made {1000 * THICKNESS:g} mm thick",)


def _principal_axes(points: Points) -> Points:
    """Return an orthonormal frame, as columns (3, 3), whose axes follow the extent of the points."""
    centred = points - points.mean(axis=0)
    axes: Points = np.linalg.eigh(centred.T @ centred)[1]
    return axes


def _corners(points: Points) -> Points:
    """Return the vertices of the hull of points (n, 3), which are not flat; fewer, spread evenly, if very many."""
    if len(points) > 1000:
        # Most points of a fine mesh lie inside the hull of its extreme ones, which is quick to see.
        core = _extreme(points, 100)
        depth = _above(points, *_planes(core))
        points = np.concatenate([core, points[depth > 1e-9 * np.ptp(points, axis=0).max()]])
        if len(points) > _MANY:
            points = _extreme(points, 1_000)
    corners: Points = points[_qhull(points).vertices]
    return corners


def _extreme(points: Points, count: int) -> Points:
    """Return the points furthest out in `count` directions, even in the frame in which the points are a round cloud."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    directions = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=1)
    along = (points @ _principal_axes(points)).T
    along /= np.ptp(along, axis=1, keepdims=True)
    furthest, distance = np.zeros(count, np.intp), np.full(count, -np.inf)
    step = 1_000_000 // count
    for start in range(0, len(points), step):  # blocks that fit into the processor's cache
        block = directions @ along[:, start : start + step]
        found = block.argmax(axis=1)
        reached = block[np.arange(count), found]
        furthest = np.where(reached > distance, start + found, furthest)
        distance = np.maximum(reached, distance)
    extreme: Points = points[np.unique(furthest)]
    return extreme


def _fewer(corners: Points) -> Points:
    """Return 128 of the vertices of a hull: first extreme ones, then again and again those furthest outside."""
    kept = _extreme(corners, 96)
    while len(kept) < MAX_HULL_VERTICES:
        normals, offsets = _planes(kept)
        above = corners @ normals - offsets
        furthest = above.argmax(axis=0)
        order = np.argsort(-above[furthest, np.arange(len(furthest))], kind="stable")
        _, first = np.unique(furthest[order], return_index=True)
        fresh = furthest[order][np.sort(first)][: min(8, MAX_HULL_VERTICES - len(kept))]
        kept = np.concatenate([kept, corners[fresh]])
    return kept


def _planes(points: Points) -> tuple[Points, Points]:
    """Return normals (3, m) outward and offsets (m,) of the hull's distinct planes: inside, x @ normals <= offsets."""
    planes = np.unique(_qhull(points).equations, axis=0)
    return planes[:, :3].T, -planes[:, 3]


def _above(points: Points, normals: Points, offsets: Points) -> Points:
    """Return how far each point lies above the plane that it is most above: (n,) [m], negative inside."""
    pieces = np.array_split(points, 1 + len(points) // 20_000)  # bounds memory
    above: Points = np.concatenate([(piece @ normals - offsets).max(axis=1) for piece in pieces])
    return above


def _qhull(points: Points) -> Any:
    """Return scipy's ConvexHull of points (n, 3)."""
    from scipy.spatial import ConvexHull, QhullError  # imported here: it takes a tenth of a second

    try:
        return ConvexHull(points)
    except (QhullError, ValueError):
        pass
    try:
        return ConvexHull(points, qhull_options="QJ")  # points joggled until none lie in one plane by accident
    except (QhullError, ValueError):
        raise MeshError("its convex hull cannot be computed; simplify it") from None


def _outward(vertices: NDArray[np.float32], hull: Any) -> NDArray[np.int64]:
    """Return the triangles of a hull (m, 3), counter-clockwise seen from outside."""
    faces: NDArray[np.int64] = hull.simplices.astype(np.int64)
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    inward = (np.cross(b - a, c - a) * hull.equations[:, :3]).sum(axis=1) < 0
    faces[inward] = faces[inward, ::-1]
    return faces
