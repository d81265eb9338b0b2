"""Mesh files of a robot: found inside allowed folders only, and not empty or broken.

PyBullet loads `package://../../..` from anywhere, turns a broken mesh into no shape without a word, and crashes on an
OBJ whose faces name vertices that do not exist. `robots.mesh.read` reads what lies inside.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from robots.mesh.facts import mesh_facts
from robots.urdf.elements import shorten
from sim2real.errors import OutsideError, RobotError


def find_mesh(filename: str, folder: Path, roots: Sequence[Path]) -> Path:
    """Return the real path of a URDF's mesh `filename`; raise RobotError if it is not a file inside an allowed folder.

    `folder` is the URDF's, against which relative names are resolved; `roots` are further allowed folders, in which (or
    as which) the packages of `package://` names are looked for. Both are real paths.
    """
    allowed = (folder, *roots)
    outside = None
    for candidate in _candidates(filename, folder, roots):
        # Symbolic links and ".." are resolved before the comparison: what counts is where the bytes lie.
        real = Path(os.path.realpath(candidate))
        if not any(real.is_relative_to(root) for root in allowed):
            outside = real
        elif _is_file(real):
            return real
    places = ", ".join(str(root) for root in allowed)
    if outside is not None:
        raise OutsideError(
            f"mesh {shorten(filename, 200)} lies outside of what may be read ({places}); copy it beside the URDF"
        )
    raise RobotError(f"mesh {shorten(filename, 200)} is not a file in {places}; copy it there or mend the name")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def _candidates(filename: str, folder: Path, roots: Sequence[Path]) -> Iterator[Path]:
    scheme, separator, rest = filename.partition("://")
    if not separator:
        yield folder / filename
    elif scheme == "package" and rest and not rest.startswith("/"):
        package, _, inside = rest.partition("/")
        for place in (folder, *roots):
            yield place / package / inside
        yield from (place / inside for place in (*roots, folder, *folder.parents) if place.name == package)
    else:
        raise RobotError(
            f"mesh {shorten(filename, 200)}: only relative names and package://<package>/<file> are supported"
        )


def check_mesh(path: Path) -> None:
    """Raise RobotError if the mesh is too large, of an unknown format, empty or broken."""
    mesh_facts(path)  # kept by content: a second reading costs a millisecond
