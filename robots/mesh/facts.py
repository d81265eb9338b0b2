"""What a linter asks of a mesh file: how large, how fine, closed or not."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.mesh.cache import cache_key, load, store
from robots.mesh.data import MeshData, is_closed, signed_volume
from robots.mesh.read import parse_mesh, read_bytes
from sim2real.errors import RobotError

Row = tuple[float, float, float]


@dataclass(frozen=True)
class MeshFacts:
    """Facts of a mesh file, unscaled.

    triangles: number of them, polygons cut. bounds: lowest and highest corner, (2, 3) [m]. watertight: whether the
    surface encloses a volume, with no hole and no face turned round. volume [m^3]: what a watertight one encloses,
    negative if its faces look inward; 0 for others. solids: how many surfaces (OBJ groups, DAE and GLB geometries).
    unit: metres of one unit of length where a DAE says so (applied already). up_axis: a DAE's (not applied).
    """

    triangles: int
    bounds: tuple[Row, Row]
    watertight: bool
    volume: float
    solids: int = 1
    unit: float | None = None
    up_axis: str | None = None

    @property
    def extents(self) -> Row:
        """Edge lengths of the box around the mesh, (3,) [m]."""
        low, high = self.bounds
        return (high[0] - low[0], high[1] - low[1], high[2] - low[2])


def mesh_facts(path: Path) -> MeshFacts:
    """Return the facts of a mesh file, from the cache if they are there.

    Raises RobotError if the file cannot be read, is empty, broken or too large.
    """
    data = read_bytes(path)
    key = cache_key("facts", data, path.suffix.lower())
    if (entry := load(key)) is not None:
        return _from_json(entry.facts)
    facts = facts_of(parse_mesh(path, data))
    with suppress(RobotError):  # facts are as true where nothing can be kept
        store(key, asdict(facts))
    return facts


def facts_of(mesh: MeshData) -> MeshFacts:
    """Return the facts of surfaces that were read."""
    low = np.min([solid.vertices.min(axis=0) for solid in mesh.solids], axis=0)
    high = np.max([solid.vertices.max(axis=0) for solid in mesh.solids], axis=0)
    whole = mesh.joined()
    watertight = is_closed(whole)
    return MeshFacts(
        triangles=mesh.triangles,
        bounds=(_row(low), _row(high)),
        watertight=watertight,
        volume=signed_volume(whole) if watertight else 0.0,
        solids=len(mesh.solids),
        unit=mesh.unit,
        up_axis=mesh.up_axis,
    )


def _row(values: NDArray[np.float64]) -> Row:
    x, y, z = values.tolist()
    return (x, y, z)


def _from_json(facts: dict[str, Any]) -> MeshFacts:
    low, high = facts["bounds"]
    return MeshFacts(**{**facts, "bounds": (tuple(low), tuple(high))})
