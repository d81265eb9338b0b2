"""From a description of any format to a robot: imported, mended, its robot.yaml guessed, tried in both engines."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robots import load_robot
from robots.check.repair import Repaired, repair
from robots.findings import Finding, errors
from robots.guess.guesser import Known, guess_robot, write_robot
from robots.model import RobotModel
from sim2real.errors import RobotError
from sim2real.importing import Imported, detect_format, import_robot, mesh_folders
from sim2real.importing.folders import new_folder
from sim2real.importing.plain import robot_name
from sim2real.sim.probe import NAMES, OK, probe


@dataclass(frozen=True)
class Made:
    """A new robot's folder; what importing, mending and guessing did, one line each, in this order."""

    folder: Path
    name: str
    imported: tuple[str, ...]
    mended: tuple[str, ...]
    guessed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def make_robot(path: Path, out: Path, search: Sequence[Path], arguments: Mapping[str, str]) -> Made:
    """Make the folder `out` with a URDF, its meshes and a robot.yaml from a description of any format.

    The robot is named as the folder. Arguments are those of `sim2real.importing.import_robot`. Raise RobotError in one
    line, and leave nothing behind, if the description cannot be imported or mended, or an engine does not bear it.
    """
    with new_folder(out) as folder:
        made = _make(path, robot_name(out.name), folder, search, arguments)
    return Made(out, *made)


def _make(
    path: Path, name: str, folder: Path, search: Sequence[Path], arguments: Mapping[str, str]
) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Fill the empty `folder`; return the name and what was done."""
    imported, mended = _imported(path, folder, search, arguments)
    again = repair(imported.urdf, imported.urdf, floating_base=imported.floating_base, overwrite=True)
    model = _sound(path, again)
    guess = guess_robot(model, imported.urdf.name, _known(path, name, imported))
    write_robot(folder, guess, imported.urdf)
    for engine, answer in probe(load_robot(folder), path).items():
        if answer != OK:
            raise RobotError(f"{path}: {NAMES[engine]}: {answer}")
    lines = tuple(f"line {f.line}: {f.element}: {f.what}" for f in (*mended, *again.mended))
    return name, imported.notes, lines, guess.notes


def _imported(
    path: Path, folder: Path, search: Sequence[Path], arguments: Mapping[str, str]
) -> tuple[Imported, tuple[Finding, ...]]:
    """Import a description into `folder`; a URDF is mended first, since what it names may not be there to import."""
    if detect_format(path) != "urdf":
        return import_robot(path, folder, search=search, arguments=arguments), ()
    with tempfile.TemporaryDirectory() as scratch:
        mended = repair(path, Path(scratch) / path.name, roots=mesh_folders(path, search))
        _sound(path, mended)
        imported = import_robot(Path(scratch) / path.name, folder, search=(path.parent, *search), arguments=arguments)
        return imported, mended.mended


def _sound(path: Path, mended: Repaired) -> RobotModel:
    """Return the mended model; raise RobotError if something is left that refuses the robot."""
    if mended.report.model is not None:
        return mended.report.model
    first, *others = errors(mended.report.findings)
    more = f" (and {len(others)} more)" if others else ""
    raise RobotError(f"{path}:{first.line}: {first.element}: {first.what}{more}; see all: sim2real robot check {path}")


def _known(path: Path, name: str, imported: Imported) -> Known:
    motors = tuple({k: v for k, v in asdict(motor).items() if v} for motor in imported.actuators)
    return Known(
        name=name,
        source=path.name,
        floating_base=imported.floating_base,
        base_height=imported.base_height or None,
        default_pose=imported.default_pose,
        motors=motors,
        loops=imported.loops,
    )
