"""Collision meshes as convex parts in files of our own, so that both engines are given exactly the same shapes.

Left to themselves they differ: PyBullet makes one hull of a file, but several of an OBJ's groups; MuJoCo one, and it
reads no DAE and no GLB. Here an OBJ is one hull a group, as PyBullet has it; an STL is one; a DAE or GLB is one for
each geometry in its scene, where PyBullet would fill the gaps between them with a single hull; if not all of them are
closed bodies, a single hull it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robots.mesh.cache import Entry, cache_key, load, store
from robots.mesh.data import MeshData, MeshError, Solid, is_closed
from robots.mesh.hull import Hull, convex_hull
from robots.mesh.read import MAX_LENGTH, parse_mesh, read_bytes
from robots.mesh.stl import read_stl, stl_bytes
from robots.model import Mesh
from sim2real.errors import RobotError

MAX_PARTS = 1_000  # of one mesh; each is a shape of its own for the engines


@dataclass(frozen=True)
class ConvexParts:
    """Files of a mesh's convex parts, binary STL in metres with the scale applied; `changes` in words, one a change."""

    files: tuple[Path, ...]
    changes: tuple[str, ...]


def convex_parts(mesh: Mesh) -> tuple[Path, ...]:
    """Return the files of the convex parts of a mesh: binary STL [m], scale applied, faces outward.

    At most 128 vertices each. Raises RobotError for what cannot be read, is empty, or is too large.
    """
    return convert(mesh).files


def convert(mesh: Mesh) -> ConvexParts:
    """Return the convex parts of a mesh, from the cache if they are there, and what had to be changed to make them."""
    data = read_bytes(mesh.path)
    key = cache_key("convex", data, mesh.path.suffix.lower(), *map(float, mesh.scale))
    entry = load(key) or _make(mesh, data, key)
    return ConvexParts(entry.files, tuple(entry.facts["changes"]))


def mesh_hull_points(mesh: Mesh) -> NDArray[np.float64]:
    """Return the vertices of a mesh's convex parts: (n, 3) [m], scale applied, in the mesh's frame."""
    corners = [read_stl(file.read_bytes()).solids[0].vertices for file in convex_parts(mesh)]
    return np.unique(np.concatenate(corners), axis=0)


def _make(mesh: Mesh, data: bytes, key: str) -> Entry:
    solids, changes = _parts(mesh, parse_mesh(mesh.path, data))
    files = {}
    for number, part in enumerate(solids):
        hull = _hull(mesh, part.vertices * mesh.scale)
        files[f"-{number}.stl"] = stl_bytes(hull.vertices, hull.faces)
        label = f"part {number} {part.name[:60]!r}: " if len(solids) > 1 else ""
        changes += [label + change for change in hull.changes]
    return store(key, {"changes": changes}, files)


def _parts(mesh: Mesh, content: MeshData) -> tuple[Sequence[Solid], list[str]]:
    """Return the surfaces of which each becomes one hull, and what that changes."""
    solids = content.solids
    if len(solids) > 1 and mesh.path.suffix.lower() != ".obj":
        # CAD exports each face of a part as a geometry: hulls of those would be a shell of plates.
        n_open = sum(not is_closed(part) for part in solids)
        if n_open:
            change = f"one hull of {len(solids)} geometries, as {n_open} of them enclose no volume by themselves"
            return (content.joined(),), [change]
    if len(solids) > MAX_PARTS:
        raise RobotError(f"mesh {mesh.path}: {len(solids):,} parts; allowed are {MAX_PARTS:,}; join its groups")
    return solids, []


def _hull(mesh: Mesh, points: NDArray[np.float64]) -> Hull:
    largest = float(np.abs(points).max())
    if not largest <= MAX_LENGTH:
        raise RobotError(f"mesh {mesh.path}: scaled, it reaches {largest:.3g} m; at most {MAX_LENGTH:g} m are allowed")
    try:
        return convex_hull(points)
    except MeshError as fault:
        raise RobotError(f"mesh {mesh.path}: {fault}") from None
