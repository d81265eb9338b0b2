"""What a mesh file holds, as plain arrays; and numbers out of text, fast and strict."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]

MAX_TRIANGLES = 1_000_000  # in one file: 20 times what a finely drawn link has; bounds time and memory
MAX_VERTICES = 3_000_000
MAX_SOLIDS = 10_000
MAX_NUMBERS = 12_000_000  # in one list; 200 ns each


class MeshError(ValueError):
    """What is wrong with a mesh, in one line without its path; `robots.mesh.read` adds that."""


@dataclass(frozen=True, eq=False)
class Solid:
    """One named surface: vertices (n, 3) [m], faces (m, 3) indices of them; every vertex belongs to a face."""

    name: str
    vertices: Vertices
    faces: Faces


@dataclass(frozen=True, eq=False)
class MeshData:
    """The surfaces of a file, at least one; a DAE's `unit` [m] is applied already, its `up_axis` is not."""

    solids: tuple[Solid, ...]
    unit: float | None = None
    up_axis: str | None = None

    @property
    def triangles(self) -> int:
        """Number of triangles of all surfaces."""
        return sum(len(part.faces) for part in self.solids)

    def joined(self) -> Solid:
        """Return all surfaces as one."""
        if len(self.solids) == 1:
            return self.solids[0]
        offsets = np.cumsum([0] + [len(part.vertices) for part in self.solids[:-1]])
        faces = np.concatenate([part.faces + offset for part, offset in zip(self.solids, offsets, strict=True)])
        return Solid("", np.concatenate([part.vertices for part in self.solids]), faces)


def solid(name: str, vertices: Vertices, faces: Faces) -> Solid:
    """Return the surface of these faces alone; raise MeshError if an index is none of vertices (n, 3)."""
    if faces.size and not (faces.min() >= 0 and faces.max() < len(vertices)):
        worst = int(faces.max() if faces.max() >= len(vertices) else faces.min())
        raise MeshError(f"a face names vertex {worst} (from 0) of {len(vertices)}; export it again")
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    if used.all():
        return Solid(name, vertices, faces)
    return Solid(name, vertices[used], (np.cumsum(used) - 1)[faces])


def numbers(text: bytes, kind: Any = np.float64) -> NDArray[Any]:
    """Return the numbers of a text, parted by white space: (n,); raise MeshError if there is anything else."""
    if not text or text.isspace():  # of blanks NumPy makes one number
        return np.empty(0, kind)
    blank = np.frombuffer(text, np.uint8) <= 32
    words = int((blank[:-1] & ~blank[1:]).sum()) + int(not blank[0])
    if words > MAX_NUMBERS:
        raise MeshError(f"more than {MAX_NUMBERS:,} numbers in a row; simplify it")
    try:
        values: NDArray[Any] = np.fromstring(text, dtype=kind, sep=" ")
    except ValueError:
        values = np.empty(0, kind)
    if len(values) != words:
        raise MeshError("a number is not a number; export it again")
    return values


def words_per_line(text: bytes) -> NDArray[np.int64]:
    """Return how many words, parted by white space, each line of a text holds: (n_lines,)."""
    characters = np.frombuffer(text, np.uint8)
    begins = characters > 32
    begins[1:] &= characters[:-1] <= 32
    before = np.concatenate([[0], np.cumsum(begins)])
    ends = np.flatnonzero(characters == ord("\n"))
    counts: NDArray[np.int64] = np.diff(before[np.concatenate([[0], ends, [len(text)]])])
    return counts


def fans(counts: NDArray[np.int64]) -> Faces:
    """Cut polygons of counts (p,) corners, listed one after another, into triangles: (m, 3) positions in that list.

    Each polygon becomes a fan around its first corner, as in PyBullet; one of two corners or fewer becomes nothing.
    """
    starts = np.cumsum(counts) - counts
    pieces = np.maximum(counts - 2, 0)
    first = np.repeat(starts, pieces)
    step = np.arange(int(pieces.sum())) - np.repeat(np.cumsum(pieces) - pieces, pieces) + 1
    triangles: Faces = np.stack([first, first + step, first + step + 1], axis=1)
    return triangles


def strips(counts: NDArray[np.int64]) -> Faces:
    """Cut strips of counts (p,) corners, listed one after another, into triangles: (m, 3) positions in that list."""
    starts = np.cumsum(counts) - counts
    pieces = np.maximum(counts - 2, 0)
    number = np.arange(int(pieces.sum())) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    triangles: Faces = (np.repeat(starts, pieces) + number)[:, None] + np.arange(3)
    triangles[number % 2 == 1] = triangles[number % 2 == 1, ::-1]  # every other one runs the other way round
    return triangles


def is_closed(surface: Solid) -> bool:
    """Return whether a surface encloses a volume: each edge is run through as often one way as the other.

    Vertices count as one where they are closer than 1e-5 of the surface's size: an STL gives each triangle its own,
    and exporters round them differently.
    """
    # Two that are close may lie in two cells of a grid; hardly so in each of three grids.
    return any(_cancels(cells(surface.vertices, 1e-5, shift), surface.faces) for shift in (0.5, 0.17, 0.83))


def cells(points: Vertices, edge: float, shift: float = 0.0) -> NDArray[np.uint64]:
    """Return for each of points (n, 3) the number of its cell in a grid: (n,).

    The cells' `edge` is given as a part, 1e-6 or more, of the points' size; `shift` moves the grid, 0 to 1 cells.
    """
    size = max(float(np.ptp(points, axis=0).max()) * edge, 1e-300)
    x, y, z = ((points - points.min(axis=0)) / size + shift).astype(np.uint64).T
    number: NDArray[np.uint64] = (x << np.uint64(42)) | (y << np.uint64(21)) | z
    return number


def _cancels(place: NDArray[np.uint64], faces: Faces) -> bool:
    """Return whether the edges of the faces cancel one another, vertices in the same place taken as one."""
    start = place[faces]
    end = np.roll(start, -1, axis=1)
    # One number for each directed edge: those of two edges are the same once in 1e19.
    odd = np.uint64(0xD6E8FEB86659FD93)
    forth, back = (start * odd + end).ravel(), (end * odd + start).ravel()
    forth.sort()
    back.sort()
    return bool((forth == back).all())


def signed_volume(surface: Solid) -> float:
    """Return the volume inside a closed surface [m^3]; negative if its faces look inward."""
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


def from_float32(values: NDArray[np.float32]) -> Vertices:
    """Return values (n, 3) as float64; raise MeshError if one is not finite."""
    if not np.isfinite(values).all():
        raise MeshError("a vertex is not finite; export it again")
    return values.astype(np.float64)


def check_triangles(count: int) -> None:
    """Raise MeshError if a file holds more triangles than allowed."""
    if count > MAX_TRIANGLES:
        raise MeshError(f"more than {MAX_TRIANGLES:,} triangles; simplify it")
