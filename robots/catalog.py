"""The catalog: a robot is a folder with a robot.yaml, in `robots/catalog/` (then its name will do) or anywhere else."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from robots.adjust import inertia_from_collisions, scaled, upright
from robots.fit import check_fit
from robots.model import RobotModel
from robots.robot import Robot
from robots.robot_file import Actuator, CameraMount, CommandMode, ImuMount, Loop, RobotFile
from robots.rules import RULES
from robots.urdf.reader import read_urdf
from sim2real.config import load
from sim2real.errors import RobotError, nearest

__all__ = [
    "CATALOG",
    "Actuator",
    "CameraMount",
    "CommandMode",
    "ImuMount",
    "Loop",
    "Robot",
    "RobotFile",
    "load_robot",
    "robot_names",
]

CATALOG = Path(__file__).parent / "catalog"


def robot_names() -> list[str]:
    """Return the names of the catalog's robots."""
    return sorted(p.parent.name for p in CATALOG.glob("*/robot.yaml"))


def load_robot(name: str | Path) -> Robot:
    """Load a robot by catalog name, by folder, or by the path of its robot.yaml; raise RobotError or ConfigError."""
    path = find_robot(name)
    file = load(RobotFile, path)
    for code in file.repair:
        if code not in RULES:
            raise RobotError(f"{path}: repair: no rule '{code[:60]}'{nearest(code, RULES)}; docs/rules.md lists them")
    urdf, folder = urdf_path(file.urdf, path)
    model = read_urdf(urdf, roots=(folder,), floating_base=not file.fixed_base, repair=file.repair)
    model = replace(adjusted(model, file), name=file.name)
    robot = Robot(name=file.name, model=model, file=file, path=path)
    check_fit(robot)
    return robot


def adjusted(model: RobotModel, file: RobotFile) -> RobotModel:
    """Return the model in the unit, with the axis up and the inertias that its robot.yaml asks for."""
    model = upright(scaled(model, file.scale), file.up)
    return inertia_from_collisions(model) if file.inertia == "from_collision" else model


def find_robot(name: str | Path) -> Path:
    """Return the path of a robot.yaml by catalog name, folder or its own path; raise RobotError if there is none."""
    given = Path(name)
    if given.suffix in (".yaml", ".yml"):
        return given
    if (given / "robot.yaml").is_file():
        return given / "robot.yaml"
    if str(name) in robot_names():
        return CATALOG / str(name) / "robot.yaml"
    names = robot_names()
    known = f"the catalog has {', '.join(names)}; or give a folder with a robot.yaml"
    raise RobotError(f"no robot '{name}'{nearest(str(name), names)}; {known}")


def urdf_path(urdf: str, robot_yaml: Path) -> tuple[Path, Path]:
    """Return the URDF's path and the folder that its meshes may lie in: the robot's, or the whole Python package."""
    package, _, inside = urdf.rpartition(":")
    if not package:
        return robot_yaml.parent / urdf, robot_yaml.parent
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        remedy = f"pip install {package.replace('_', '-')}"
        raise RobotError(f"{robot_yaml}: urdf: Python package '{package}' is not installed ({remedy})")
    folder = Path(spec.submodule_search_locations[0])
    if not Path(os.path.realpath(folder / inside)).is_relative_to(os.path.realpath(folder)):
        raise RobotError(f"{robot_yaml}: urdf: '{inside[:100]}' is no file of the Python package '{package}'")
    return folder / inside, folder
