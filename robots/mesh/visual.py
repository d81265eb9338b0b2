"""The mesh that a renderer is given: the file itself where that is safe, else one of our own."""

import re
from pathlib import Path

import numpy as np

from robots.mesh.cache import Entry, cache_key, load, store
from robots.mesh.data import MeshError, numbers
from robots.mesh.read import parse_mesh, read_bytes
from robots.mesh.stl import is_binary_stl, stl_bytes
from robots.model import Mesh

_LINE = 8_000  # PyBullet reads lines of an OBJ in pieces of 8 kB
_MAX_BYTES = 64_000_000  # of a material file or a texture
_FACE = re.compile(rb"^[ \t]*f[ \t]+([^\r\n]*)", re.MULTILINE)
_CORNER = re.compile(rb"/([^/ \t\n]*)(?:/([^ \t\n]*))?")
_MATERIALS = re.compile(rb"^[ \t]*mtllib[ \t]+([^\r\n]*)", re.MULTILINE)
_TEXTURE = re.compile(rb"^[ \t]*(?:map_\w+|bump|disp|decal|refl|norm)[ \t]+([^\r\n]*)", re.MULTILINE | re.IGNORECASE)


def visual_mesh(mesh: Mesh) -> Path:
    """Return a file that both engines' renderers read as this mesh; its scale is still to be applied.

    A binary STL is that itself, and so is an OBJ (with its materials and textures) if PyBullet can read it without
    looking outside of its folder. Others become a binary STL, which has no colours: PyBullet shows none of a DAE
    either, and reads no GLB; MuJoCo reads neither. Raises RobotError for a mesh that is broken.
    """
    data = read_bytes(mesh.path)
    suffix = mesh.path.suffix.lower()
    if suffix == ".stl" and is_binary_stl(data):
        parse_mesh(mesh.path, data)
        return mesh.path
    key = cache_key("visual", data, suffix)
    entry = load(key) or _make(mesh.path, data, key)
    if suffix == ".obj" and entry.facts["plain"] and _materials_inside(mesh.path, data):
        return mesh.path
    if not entry.files:
        entry = _make(mesh.path, data, key, convert=True)
    return entry.files[0]


def _make(path: Path, data: bytes, key: str, convert: bool = False) -> Entry:
    whole = parse_mesh(path, data).joined()
    plain = path.suffix.lower() == ".obj" and _is_plain(data)
    if plain and not convert:
        return store(key, {"plain": True})
    return store(key, {"plain": plain}, {".stl": stl_bytes(whole.vertices.astype(np.float32), whole.faces)})


def _is_plain(data: bytes) -> bool:
    """Return whether an OBJ's lines are short and its faces name texture coordinates and normals that are there."""
    data = data.replace(b"\r", b"\n")
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    if np.diff(ends, prepend=-1, append=len(data)).max() > _LINE or b"\0" in data:
        return False
    corners = _CORNER.findall(b"\n".join(_FACE.findall(data)))
    for column, tag in enumerate((b"vt", b"vn")):
        known = len(re.findall(rb"^[ \t]*" + tag + rb"[ \t]", data, re.MULTILINE))
        try:
            named = numbers(b" ".join(corner[column] for corner in corners), np.int64)
        except MeshError:
            return False
        if named.size and not 1 <= named.min() <= named.max() <= known:
            return False
    return True


def _materials_inside(path: Path, data: bytes) -> bool:
    """Return whether an OBJ's material files and their textures are files in its folder, or missing."""
    folder = path.parent.resolve()
    try:
        libraries = [_inside(name, folder) for name in _MATERIALS.findall(data)]
        materials = [library.read_bytes() for library in libraries if library.is_file()]
        # A name may follow options (-s 1 1 1 name): it is the last word.
        words = [texture.split() for material in materials for texture in _TEXTURE.findall(material)]
        for texture in words:
            _inside(texture[-1] if texture else b"", folder)
    except (OSError, ValueError):  # not inside; not readable; a name too long or with a zero byte
        return False
    return True


def _inside(name: bytes, folder: Path) -> Path:
    """Return the real path of a file; raise ValueError if it is outside of the folder, too large or no plain file."""
    path = (folder / name.decode("utf-8", "replace").strip()).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(path)
    if path.exists() and not path.is_dir() and not (path.is_file() and path.stat().st_size <= _MAX_BYTES):
        raise ValueError(path)
    return path
