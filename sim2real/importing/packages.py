"""Where the packages of `$(find pkg)` and `package://pkg/...` are looked for: a search path that errors can print."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim2real.errors import RobotError, closest

MANIFEST = "package.xml"
_MAX_MANIFEST = 100_000  # bytes of it that are looked at
_MAX_FOLDERS = 2_000  # entries of one folder that are looked at: a package is near the top, not among 10^6 files
_NAME = re.compile(rb"<name>\s*([^<]*?)\s*</name>")


@dataclass(frozen=True)
class SearchPath:
    """Folders, first come first served: a package is one of them, or a folder in one of them, by name or manifest.

    `parents` are the folders above the description: a package that it lies in, or that lies beside that one, is found
    there by its manifest, but a home folder that a stranger's file calls a package is none.
    """

    folders: tuple[Path, ...]
    parents: tuple[Path, ...] = ()

    def find(self, package: str) -> Path:
        """Return the real path of a package's folder; raise RobotError that prints the search path."""
        if found := next(self._candidates(package), None):
            return found
        known = sorted({path.name for folder in self.folders for path in _subfolders(folder)})
        near = closest(package, known)
        hint = f" (did you mean '{near}'?)" if near else ""
        places = ", ".join(map(str, (*self.folders, *self.parents)))
        raise RobotError(
            f"package '{package[:100]}' is in none of the folders searched{hint}: {places}; "
            "give the folder that holds it, or set ROS_PACKAGE_PATH"
        )

    def contains(self, path: Path) -> bool:
        """Return whether a file lies, links resolved, in the search path or in the description's own package."""
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(folder) for folder in self.allowed)

    @property
    def allowed(self) -> tuple[Path, ...]:
        """The folders that files may be read from: those of the path, and the description's own package."""
        return (*self.folders, *(parent for parent in self.parents if _is_package(parent)))

    def _candidates(self, package: str) -> Iterator[Path]:
        if not package or package in (".", "..") or "/" in package or "\\" in package or "\0" in package:
            return
        for folder in (*self.folders, *self.parents):
            if _is_package(folder) and _name(folder) == package:
                yield folder
        for folder in self.folders:
            if folder.name == package:
                yield folder
            for inside in (folder / package, folder / "share" / package):
                if inside.is_dir():
                    yield Path(os.path.realpath(inside))
            yield from (path for path in _subfolders(folder) if _is_package(path) and _name(path) == package)
        # Beside the description's own package: several packages of one robot lie in one repository.
        for parent in self.parents:
            if _is_package(parent / package):
                yield Path(os.path.realpath(parent / package))


def search_path(file: Path, search: Sequence[Path], environment: Mapping[str, str]) -> SearchPath:
    """Return the search path of a description: its own folder, the folders given, those of ROS, its parent folders.

    Raise RobotError if a folder given is none.
    """
    own = Path(os.path.realpath(file)).parent
    for folder in search:
        if not folder.is_dir():
            raise RobotError(f"{folder}: is not a folder to search for packages and meshes; mend the search path")
    ros = environment.get("ROS_PACKAGE_PATH", "").split(os.pathsep)
    ros += [prefix and f"{prefix}/share" for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    folders = [own, *search, *(Path(entry) for entry in ros if entry and Path(entry).is_dir())]
    real = dict.fromkeys(Path(os.path.realpath(folder)) for folder in folders)
    # The root folder is nobody's package.
    return SearchPath(tuple(real), tuple(parent for parent in own.parents if parent != Path(parent.anchor)))


def mesh_folders(file: Path, search: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders in which the meshes of a URDF may lie, as `robots.urdf.reader.read_urdf` takes them.

    Those of `search_path` beside its own, and the package that the file lies in.
    """
    own = Path(os.path.realpath(file)).parent
    return tuple(folder for folder in search_path(file, search, os.environ).allowed if folder != own)


def _is_package(folder: Path) -> bool:
    try:
        return (folder / MANIFEST).is_file()
    except OSError:  # a folder that may not be read
        return False


def _name(folder: Path) -> str:
    """Return the name in a package's manifest, or its folder's."""
    try:
        with (folder / MANIFEST).open("rb") as stream:
            found = _NAME.search(stream.read(_MAX_MANIFEST))
    except OSError:
        found = None
    return found[1].decode(errors="replace") if found else folder.name


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry) for entry, _ in zip(entries, range(_MAX_FOLDERS), strict=False) if entry.is_dir()]
    except OSError:
        return []
