"""What the scene graphs of DAE and GLB have in common: geometries, each read once, placed by frames."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from robots.mesh.data import MAX_SOLIDS, MAX_VERTICES, Faces, MeshError, Solid, Vertices, check_triangles, solid

Matrix = NDArray[np.float64]
Part = tuple[Vertices, Faces]

MAX_DEPTH = 64
_MAX_READ = 10 * MAX_VERTICES  # vertices looked at: a hundred bytes can name the same three million again


class Scene:
    """Collects surfaces, within the limits of one file."""

    def __init__(self) -> None:
        self.solids: list[Solid] = []
        self._triangles = 0
        self._read = 0

    def join(self, parts: Iterable[Part]) -> Solid | None:
        """Return the surface of parts, each vertices (n, 3) and faces (m, 3); None if there is no triangle.

        Raises MeshError if a face names a vertex that is none of its part's.
        """
        found = []
        for vertices, faces in parts:
            self._read += len(vertices)
            if self._read > _MAX_READ:
                raise MeshError(f"geometries that name more than {_MAX_READ:,} vertices; simplify it")
            if len(faces):
                found.append(solid("", vertices, faces))
        if not found:
            return None
        offsets = np.cumsum([0] + [len(part.vertices) for part in found[:-1]])
        faces = np.concatenate([part.faces + offset for part, offset in zip(found, offsets, strict=True)])
        return Solid("", np.concatenate([part.vertices for part in found]), faces)

    def place(self, name: str, part: Solid | None, frame: Matrix) -> None:
        """Add a surface whose vertices are given in a frame (4, 4)."""
        if part is None:
            return
        self._triangles += len(part.faces)
        check_triangles(self._triangles)
        if len(self.solids) == MAX_SOLIDS:
            raise MeshError(f"more than {MAX_SOLIDS:,} geometries; join them")
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by the reader
            placed = part.vertices @ frame[:3, :3].T + frame[:3, 3]
            mirrored = np.linalg.det(frame[:3, :3]) < 0
        self.solids.append(Solid(name, placed, part.faces[:, ::-1] if mirrored else part.faces))
