"""Mesh files read by ourselves: STL, OBJ, DAE and GLB, from bytes, in bounded time and memory.

No library is asked: those that read meshes for display open textures, follow links to other files and have no limits.
Materials, normals, texture coordinates and animations are not looked at.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from robots.mesh.dae import read_dae
from robots.mesh.data import MeshData, MeshError
from robots.mesh.glb import read_glb
from robots.mesh.obj import read_obj
from robots.mesh.stl import read_stl
from sim2real.errors import RobotError

MAX_BYTES = 200_000_000
MAX_TEXT_BYTES = 64_000_000  # reading numbers out of text takes 20 ns a byte
MAX_LENGTH = 1e6  # [m]; a thousand times a large machine drawn in millimetres

_READERS: dict[str, Callable[[bytes], MeshData]] = {
    ".stl": read_stl,
    ".obj": read_obj,
    ".dae": read_dae,
    ".glb": read_glb,
}
_TEXT = (".obj", ".dae")
FORMATS = tuple(_READERS)


def read_bytes(path: Path) -> bytes:
    """Return what is in a mesh file; raise RobotError if its format is unknown or it is too large."""
    suffix = path.suffix.lower()
    if suffix == ".gltf":
        raise RobotError(f"mesh {path}: glTF in several files is not supported; save it as one .glb file")
    if suffix not in _READERS:
        raise RobotError(f"mesh {path}: format '{suffix}' is not supported; convert it to one of {', '.join(FORMATS)}")
    limit = MAX_TEXT_BYTES if suffix in _TEXT else MAX_BYTES
    try:
        size = path.stat().st_size
        if not path.is_file():  # of a pipe the end never comes
            raise RobotError(f"mesh {path}: not a file; give the name of one")
        if size <= limit:
            with path.open("rb") as file:
                data = file.read(limit + 1)
            size = len(data)
    except OSError as error:
        raise RobotError(f"mesh {path}: cannot be read: {error.strerror}") from None
    if size > limit:
        raise RobotError(f"mesh {path}: {size:,} bytes; allowed are {limit:,}; simplify it")
    return data


def parse_mesh(path: Path, data: bytes) -> MeshData:
    """Return the surfaces in `data`, what `read_bytes(path)` returned; raise RobotError if they are empty or broken."""
    try:
        mesh = _READERS[path.suffix.lower()](data)
        for part in mesh.solids:
            if not np.isfinite(part.vertices).all():
                raise MeshError("a vertex is not finite; export it again")
            if (largest := float(np.abs(part.vertices).max())) > MAX_LENGTH:
                raise MeshError(f"a vertex lies {largest:.3g} from the origin; at most {MAX_LENGTH:g} [m] is allowed")
    except MeshError as fault:
        raise RobotError(f"mesh {path}: {fault}") from None
    return mesh
