"""URDF in: as it is, comments and order and all, with its meshes copied beside it under names that hold anywhere."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from robots.urdf.elements import Element, parse_xml, read_xml
from sim2real.errors import RobotError
from sim2real.importing.limits import Limits, run_limited
from sim2real.importing.meshes import copy_meshes, file_name
from sim2real.importing.packages import search_path
from sim2real.importing.result import Imported

# What `$(env NAME)` in a xacro file can see of this process's environment, beside PATH, HOME and LANG.
ROS_VARIABLES = ("ROS_DISTRO", "ROS_VERSION", "ROS_PACKAGE_PATH", "AMENT_PREFIX_PATH")


def import_urdf(path: Path, out: Path, search: Sequence[Path]) -> Imported:
    """Copy a URDF into `out`; see `import_robot`."""
    document = read_xml(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise RobotError(f"{path}: cannot be read as UTF-8 ({error}); save it as UTF-8") from None
    return _write(path, document, text, out, search)


def import_xacro(
    path: Path, out: Path, search: Sequence[Path], arguments: Mapping[str, str], limits: Limits
) -> Imported:
    """Expand a xacro file into `out`; see `import_robot`."""
    environment = {name: os.environ[name] for name in ROS_VARIABLES if name in os.environ}
    request = {
        "file": os.path.abspath(path),  # noqa: PTH100 - resolve() would follow links, and errors name the file as given
        "arguments": dict(arguments),
        "search": [os.path.abspath(folder) for folder in search],  # noqa: PTH100
        "environment": environment,
    }
    text = str(run_limited("sim2real.importing.xacro:expand", request, path, limits, environment))
    document = parse_xml(text.encode(), Path(f"{path} (expanded)"))
    out.mkdir(exist_ok=True)
    given = " ".join(f"{name}:={value}" for name, value in arguments.items())
    note = f"expanded by xacro{' with ' + given if given else ''}"
    return _write(path, document, text, out, search, (note,))


def _write(
    source: Path, document: Element, text: str, out: Path, search: Sequence[Path], notes: tuple[str, ...] = ()
) -> Imported:
    places = search_path(source, search, os.environ)
    renamed = copy_meshes(text, document, places, out)
    name = robot_name(document.attributes.get("name", "") or source.stem)
    urdf = out / f"{name}.urdf"
    urdf.write_text(renamed, encoding="utf-8")
    if renamed != text:
        notes += ("mesh files are copied to meshes/ and named from there",)
    return Imported(urdf, name, notes)


def robot_name(given: str) -> str:
    """Return a name as robot.yaml asks for it: small letters, digits and _, a letter first."""
    name = file_name(given).lower().replace("-", "_").replace(".", "_")
    return name if name[0].isalpha() else f"robot_{name}"
