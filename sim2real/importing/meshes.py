"""Meshes of an imported robot: found inside the search path, checked, and copied beside the URDF."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr, unescape

import numpy as np
from numpy.typing import NDArray

from robots.mesh.read import MAX_BYTES
from robots.mesh.stl import stl_bytes
from robots.urdf.elements import Element, shorten
from sim2real.errors import RobotError
from sim2real.importing.packages import SearchPath

FOLDER = "meshes"

_MESH = re.compile(r"""(<(?:\w+:)?mesh\b[^<>]*?\bfilename\s*=\s*)("[^"]*"|'[^']*')""")


def copy_meshes(text: str, document: Element, path: SearchPath, folder: Path) -> str:
    """Copy each mesh that a URDF names into `folder`/meshes; return its text with the new names, else as it was.

    Raise RobotError naming line and element where a mesh is not found in the search path. What is in it is not looked
    at: `read_urdf` and `sim2real robot check` do.
    """
    copied: dict[Path, str] = {}
    names: dict[str, str] = {}
    for element in _mesh_elements(document):
        name = element.text("filename")
        if name in names:
            continue
        try:
            source = find_mesh(name, path)
        except RobotError as error:
            raise RobotError(f"{place(element)}: {error}") from None
        if source not in copied:
            copied[source] = _free_name(source, copied.values())
            _copy(source, folder / copied[source])
        names[name] = copied[source]
    return _MESH.sub(lambda match: match[1] + _renamed(match[2], names), text)


def find_mesh(name: str, path: SearchPath) -> Path:
    """Return the real path of a mesh that a URDF names; raise RobotError if it is not a file in the search path."""
    # `package:///x` has a slash too many, as some exporters write it.
    scheme, separator, rest = re.sub("^package:///+", "package://", name).partition("://")
    if not separator:
        candidate = path.folders[0] / name
    elif scheme == "package":
        package, _, inside = rest.partition("/")
        candidate = path.find(package) / inside
    elif scheme == "file":
        candidate = Path(unquote(rest))
    else:
        raise RobotError(f"mesh {shorten(name, 200)}: only file names, file:// and package:// are supported")
    real = Path(os.path.realpath(candidate))
    # What lies in a package that was found may be read too: the package is on the search path.
    if not path.contains(real) and not (scheme == "package" and separator and _inside(real, path, rest)):
        places = ", ".join(map(str, path.allowed))
        raise RobotError(
            f"mesh {shorten(name, 200)} lies outside of the search path ({places}); give its folder to search"
        )
    if not real.is_file():
        raise RobotError(f"mesh {shorten(name, 200)}: there is no file {real}; copy it there or mend the name")
    return real


def _inside(real: Path, path: SearchPath, rest: str) -> bool:
    return real.is_relative_to(path.find(rest.partition("/")[0]))


def write_stl(path: Path, vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
    """Write triangles as binary STL: vertices (n, 3) [m], faces (m, 3) indices into them, seen from outside."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(stl_bytes(np.asarray(vertices, dtype=np.float32), np.asarray(faces, dtype=np.int64)))


def place(element: Element) -> str:
    """Return file, line and name of an element, as errors begin."""
    return f"{element.document.source}:{element.line}: {element.label}"


def file_name(name: str) -> str:
    """Return a name that is safe as a file's in any system: letters, digits, and - _ . inside."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:100].strip("._-") or "part"


def _mesh_elements(element: Element) -> Iterator[Element]:
    stack = [element]
    while stack:
        top = stack.pop()
        if top.tag == "geometry":
            yield from top.all("mesh")
        stack += reversed(top.children)


def _free_name(source: Path, taken: Iterable[str]) -> str:
    """Return a name in the meshes' folder that no other mesh has, in any case of letters."""
    lower = {name.lower() for name in taken}
    stem, suffix = file_name(source.stem), source.suffix.lower()
    names = (f"{FOLDER}/{stem}{number}{suffix}" for number in ("", *(f"_{n}" for n in range(2, len(lower) + 3))))
    return next(name for name in names if name.lower() not in lower)


def _copy(source: Path, target: Path) -> None:
    try:
        if source.stat().st_size > MAX_BYTES:
            raise RobotError(f"mesh {source}: more than {MAX_BYTES:,} bytes; simplify it")
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise RobotError(f"mesh {source}: cannot be copied to {target.parent}: {error.strerror}") from None


def _renamed(quoted: str, names: dict[str, str]) -> str:
    name = unescape(quoted[1:-1], {"&quot;": '"', "&apos;": "'"})
    return quoteattr(names[name]) if name in names else quoted
