"""One door for every format: a description in, a folder with a URDF and its meshes out, whole or not at all."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from robots.urdf.elements import read_xml
from sim2real.errors import RobotError
from sim2real.importing.folders import new_folder
from sim2real.importing.formats import Format, detect_format
from sim2real.importing.limits import DEFAULT_LIMITS, Limits, run_limited
from sim2real.importing.onshape import export_file
from sim2real.importing.plain import import_urdf, import_xacro, robot_name
from sim2real.importing.result import Imported, from_plain
from sim2real.importing.step import import_step

_NONE: Mapping[str, str] = MappingProxyType({})


def import_robot(
    path: Path,
    out: Path,
    *,
    arguments: Mapping[str, str] = _NONE,
    search: Sequence[Path] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> Imported:
    """Turn a description of any format into a folder `out` with `<name>.urdf` and meshes/, and say what was changed.

    `arguments` are a xacro file's; `search` are folders with the packages and meshes that the description names, beside
    its own folder and, for URDF and xacro, ROS_PACKAGE_PATH and AMENT_PREFIX_PATH. What runs code or a C++ library on
    the file does so in a child process within `limits`.

    The URDF is not checked for physics here: `read_urdf` and `sim2real robot check` do. Raise RobotError in one line
    if the description cannot be imported, or if `out` exists and is not an empty folder; nothing is left behind then.
    """
    with new_folder(out) as made:
        kind = detect_format(path)
        if arguments and kind != "xacro":
            raise RobotError(f"{path}: arguments are for xacro files, and this is {kind}; leave them out")
        result = _import(kind, path, made, arguments, search, limits)
    return replace(result, urdf=out / result.urdf.name)


def _import(
    kind: Format, path: Path, out: Path, arguments: Mapping[str, str], search: Sequence[Path], limits: Limits
) -> Imported:
    if kind == "onshape":
        file = export_file(path)
        return _import(detect_format(file), file, out, arguments, search, limits)
    readers: dict[Format, Callable[[], Imported]] = {
        "urdf": lambda: import_urdf(path, out, search),
        "xacro": lambda: import_xacro(path, out, search, arguments, limits),
        "mjcf": lambda: _import_mjcf(path, out, search, limits),
        "step": lambda: import_step(path, out, limits),
    }
    return readers[kind]()


def _import_mjcf(path: Path, out: Path, search: Sequence[Path], limits: Limits) -> Imported:
    request = {
        "file": os.path.abspath(path),  # noqa: PTH100 - resolve() would follow links, and errors name the file as given
        "name": robot_name(read_xml(path).attributes.get("model", "") or path.stem),
        "out": str(out.resolve()),
        "search": [str(folder.resolve()) for folder in search],
    }
    return from_plain(run_limited("sim2real.importing.mjcf:convert", request, path, limits), out)
