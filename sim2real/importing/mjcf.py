"""MJCF in: compiled by MuJoCo in a limited child process, then written as a URDF with its meshes.

MuJoCo's compiled model is what the file means: defaults, includes, inertias from geoms and all. The numbers of the
URDF are read from there.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from robots.urdf.elements import MAX_NUMBER, Element, read_xml, shorten
from robots.urdf.writer import write_urdf
from sim2real.errors import RobotError
from sim2real.importing.meshes import place
from sim2real.importing.mjcf_extras import couplings, default_pose, motors, note_losses
from sim2real.importing.mjcf_shapes import add_shapes
from sim2real.importing.mjcf_tree import build_tree, robot_model
from sim2real.importing.packages import SearchPath, search_path

_FOLDERS = {"mesh": "meshdir", "texture": "texturedir", "hfield": "meshdir", "skin": "meshdir", "flexcomp": "meshdir"}
_PLACES = ("meshdir", "texturedir", "assetdir", "strippath")
_MAX_FILES = 200
_NUMBERS = {
    "body_mass": "body", "body_inertia": "body", "body_pos": "body", "body_ipos": "body", "jnt_pos": "joint",
    "jnt_range": "joint", "qpos0": "position", "dof_damping": "degree of freedom", "dof_frictionloss":
    "degree of freedom", "dof_armature": "degree of freedom", "geom_size": "geom", "geom_pos": "geom",
    "mesh_vert": "vertex", "actuator_gear": "actuator", "actuator_gainprm": "actuator", "actuator_biasprm": "actuator",
    "eq_data": "equality",
}  # fmt: skip
_LINE = re.compile(r"\bline (\d+)")

# MuJoCo's own handler writes MUJOCO_LOG.TXT into the working folder.
mujoco.set_mju_user_warning(lambda _: None)


def convert(file: str, name: str, out: str, search: Sequence[str]) -> dict[str, Any]:
    """Write the URDF of an MJCF file and its meshes into the folder `out`; return the plain form of an Imported.

    To be called in a process of its own: MuJoCo may crash on what it reads. Raise RobotError if the file is no single
    robot, or MuJoCo's reason for refusing it.
    """
    source, folder = Path(file), Path(out)
    files = _check_files(source, search_path(source, [Path(given) for given in search], {}))
    model = _compile(source, len(files) == 1)
    try:
        _check_finite(model)
        tree = build_tree(model)
        add_shapes(tree, folder)
        loops = couplings(tree)
        actuators = motors(tree)
        pose = default_pose(tree)
        note_losses(tree)
    except RobotError as error:
        raise RobotError(f"{file}: {error}") from None
    urdf = folder / f"{name}.urdf"
    write_urdf(robot_model(tree, name), urdf, relative=True)
    return {
        "urdf": urdf.name,
        "name": name,
        "notes": tree.notes,
        "floating_base": tree.floating_base,
        "base_height": tree.base_height,
        "actuators": [asdict(motor) for motor in actuators],
        "default_pose": pose,
        "loops": [loop.model_dump() for loop in loops],
    }


def _compile(path: Path, alone: bool) -> Any:
    """Return the MjModel; where the file stands `alone`, includes none, MuJoCo's line is one of its own."""
    try:
        return mujoco.MjSpec.from_file(str(path)).compile()
    except ValueError as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        line = _LINE.search(reason) if alone else None
        at = f"{path}:{line[1]}" if line else str(path)
        raise RobotError(f"{at}: MuJoCo refuses it: {reason}") from None


def _check_finite(model: Any) -> None:
    """Refuse what MuJoCo lets through: a number that is none, or too large to mean something."""
    for field, what in _NUMBERS.items():
        values = np.asarray(getattr(model, field))
        wrong = ~(np.abs(values) <= MAX_NUMBER)
        if wrong.any():
            index = int(np.argwhere(wrong)[0][0])
            raise RobotError(f"{what} number {index} has {field} {values[index]}; allowed are up to {MAX_NUMBER:g}")


def _check_files(path: Path, allowed: SearchPath) -> set[Path]:
    """Return the MJCF files that make up this one; RobotError if it reads files outside of the search path.

    MuJoCo itself opens whatever is named.
    """
    todo, seen, meshes = [path], set[Path](), list[tuple[Element, str]]()
    folders: dict[str, str] = {}
    while todo:
        file = todo.pop()
        seen.add(file)
        if len(seen) > _MAX_FILES:
            raise RobotError(f"{path}: includes more than {_MAX_FILES} files; not a robot description")
        for element in _descendants(read_xml(file)):
            if element.tag == "compiler":
                folders |= {key: value for key, value in element.attributes.items() if key in _PLACES}
            elif element.tag == "include" or (element.tag == "model" and "file" in element.attributes):
                todo += [found for found in [_inside(element, "file", path.parent, allowed)] if found not in seen]
            elif element.tag in _FOLDERS:
                meshes += [(element, key) for key in element.attributes if key.startswith("file")]
    for element, key in meshes:
        folder = folders.get(_FOLDERS[element.tag], folders.get("assetdir", ""))
        _inside(element, key, path.parent / folder, allowed, strip=folders.get("strippath") == "true")
    return seen


def _inside(element: Element, key: str, folder: Path, allowed: SearchPath, strip: bool = False) -> Path:
    """Return the real path of the file that an attribute names; RobotError if it is none in the search path."""
    name = element.text(key)
    given = f"{place(element)}: {key} {shorten(name, 200)}"
    path = Path(os.path.realpath(folder / (Path(name).name if strip else name)))
    if not allowed.contains(path):
        places = ", ".join(map(str, allowed.allowed))
        raise RobotError(f"{given} lies outside of the search path ({places}); give its folder to search")
    if not path.is_file():
        raise RobotError(f"{given}: there is no file {path}; copy it there or mend the name")
    return path


def _descendants(element: Element) -> Iterator[Element]:
    stack = [element]
    while stack:
        top = stack.pop()
        yield top
        stack += reversed(top.children)
