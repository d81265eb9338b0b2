"""`sim2real robot ...`: check and mend descriptions, import other formats, make a robot.yaml, look at the catalog."""

import json as jsonlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console

from sim2real.errors import ConfigError, Sim2RealError

if TYPE_CHECKING:
    from robots.check.linter import Report

app = tyro.extras.SubcommandApp()
out = Console()
err = Console(stderr=True)

Files = tyro.conf.Positional[tuple[str, ...]]
PositionalStr = tyro.conf.Positional[str]
PositionalPath = tyro.conf.Positional[Path]
Json = Annotated[bool, tyro.conf.arg(help="Print JSON instead of text.")]
Search = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FOLDER ...")]
Assignments = Annotated[tuple[str, ...], tyro.conf.arg(name="args", metavar="NAME:=VALUE ...")]


@app.command(name="check")
def check(
    files: Files,
    search: Search = (),
    strict: bool = False,
    notes: bool = False,
    repair: Path | None = None,
    overwrite: bool = False,
    json: Json = False,
) -> int:
    """Find what is wrong with robot descriptions, what each engine would silently do about it, and the remedy.

    Takes URDF files, robot.yaml files, folders or names of the catalog, and what `sim2real robot import` reads. Exit
    status: 0 sound, 1 a robot is refused (or, with --strict, doubtful), 2 a file cannot be read.

    Example: sim2real robot check my_robot.urdf --search ~/ros_ws/src
             sim2real robot check my_robot.urdf --repair mended.urdf
             sim2real robot check robots/*.urdf --strict --json

    Args:
        files: Descriptions to check.
        search: Further folders in which meshes and packages (package://name/...) may lie.
        strict: Warnings fail too.
        notes: Show notes as well.
        repair: Write the description with what can be mended mended, and name each change. One file only.
        overwrite: Let --repair replace a file that exists.
    """
    from sim2real.commands.robot_report import print_report, summary

    if missing := [folder for folder in search if not folder.is_dir()]:
        raise ConfigError(f"--search: {missing[0]} is not a folder")
    if not files:
        raise ConfigError("files: give at least one description: sim2real robot check my_robot.urdf")
    if repair is not None:
        return _repair(files, search, repair, overwrite, strict, notes, json)
    reports = [_checked(file, search) for file in files]
    if json:
        _print_json([report.to_dict() for report in reports])
    else:
        for report in reports:
            print_report(out, report, notes)
        out.print(summary(reports, notes), highlight=False)
    return max(report.status(strict) for report in reports)


def _checked(file: str, search: tuple[Path, ...]) -> "Report":
    """Check one description; what is neither URDF nor robot.yaml is imported into a temporary folder first."""
    from robots.check.linter import Report
    from robots.findings import Finding

    try:
        return _report(Path(file), search)
    except Sim2RealError as error:  # of one file among many
        return Report(Path(file), (Finding("file", Path(file), 0, "", str(error)),))


def _report(path: Path, search: tuple[Path, ...]) -> "Report":
    from robots.check.linter import check as check_file
    from sim2real.importing import detect_format, import_robot, mesh_folders

    if not path.is_file() or path.suffix in (".yaml", ".yml"):
        return check_file(path, roots=search)
    if path.suffix == ".urdf" or detect_format(path) == "urdf":
        return check_file(path, roots=mesh_folders(path, search))
    with tempfile.TemporaryDirectory() as folder:
        imported = import_robot(path, Path(folder) / "imported", search=search)
        report = check_file(imported.urdf, floating_base=imported.floating_base)
        # Lines of the URDF that was made of it would mean nothing to its author.
        findings = tuple(replace(f, path=path, line=0, edits=()) for f in report.findings)
        return replace(report, path=path, findings=findings)


def _repair(
    files: tuple[str, ...],
    search: tuple[Path, ...],
    out_file: Path,
    overwrite: bool,
    strict: bool,
    notes: bool,
    json: bool,
) -> int:
    from robots.check.repair import repair
    from sim2real.commands.robot_report import print_repairs, print_report, summary
    from sim2real.importing import mesh_folders

    if len(files) > 1:
        raise ConfigError(f"--repair: takes one description at a time, got {len(files)}")
    if out_file.exists() and not overwrite:
        raise ConfigError(f"--repair: {out_file} exists; give another name, or say --overwrite")
    roots = mesh_folders(Path(files[0]), search) if Path(files[0]).is_file() else search
    repaired = repair(Path(files[0]), out_file, roots=roots, overwrite=overwrite)
    if json:
        _print_json(repaired.to_dict())
    else:
        print_repairs(out, repaired)
        print_report(out, repaired.report, notes)
        out.print(summary([repaired.report], notes), highlight=False)
    return repaired.report.status(strict)


@app.command(name="import")
def import_(
    file: PositionalPath,
    out_folder: Annotated[Path, tyro.conf.arg(name="out")],
    search: Search = (),
    arguments: Assignments = (),
    json: Json = False,
) -> int:
    """Turn a xacro, MJCF or STEP file, or an onshape-to-robot folder, into a folder with a URDF and its meshes.

    Example: sim2real robot import panda.urdf.xacro --out panda --search ~/ros_ws/src --args hand:=true
             sim2real robot import ant.xml --out ant

    Args:
        file: The description; a STEP file has a YAML of the same name beside it (docs/importing.md).
        out_folder: Folder to make.
        search: Folders with the packages and meshes that the description names.
        arguments: Arguments of a xacro file.
    """
    from sim2real.importing import import_robot

    imported = import_robot(file, out_folder, arguments=_assigned(arguments), search=search)
    if json:
        _print_json(asdict(imported) | {"urdf": str(imported.urdf)})
        return 0
    _print_lines(imported.notes)
    _next(imported.urdf, f"sim2real robot check {imported.urdf}; or sim2real robot new {file}, motors and all")
    return 0


@app.command(name="onshape")
def onshape(source: PositionalStr, out_folder: Annotated[Path, tyro.conf.arg(name="out")]) -> int:
    """Fetch an assembly from Onshape with onshape-to-robot; `sim2real robot new` reads the folder that this makes.

    Example: sim2real robot onshape https://.../documents/D/w/W/e/E --out my_export

    Args:
        source: The assembly's address, or an onshape-to-robot config.json.
        out_folder: Folder to make.
    """
    from sim2real.importing import fetch_onshape

    folder = fetch_onshape(source, out_folder)
    _next(folder, f"sim2real robot new {folder} --out NAME")
    return 0


@app.command(name="new")
def new(
    file: PositionalPath,
    out_folder: Annotated[Path, tyro.conf.arg(name="out")],
    search: Search = (),
    arguments: Assignments = (),
    json: Json = False,
) -> int:
    """Make a robot of a description: a folder with URDF, meshes and a robot.yaml filled in, each guess named.

    The description is imported if it is no URDF, mended where that can be done, and loaded in both engines, in a
    process of its own.

    Example: sim2real robot new my_robot.urdf --out robots/my_robot
             sim2real robot show robots/my_robot

    Args:
        file: A URDF, or what `sim2real robot import` reads.
        out_folder: Folder to make; give it wherever a robot is asked for.
        search: Folders with the packages and meshes that the description names.
        arguments: Arguments of a xacro file.
    """
    from sim2real.commands.robot_new import make_robot

    made = make_robot(file, out_folder, search, _assigned(arguments))
    if json:
        _print_json(made.to_dict())
        return 0
    for title, lines in (("imported", made.imported), ("mended", made.mended), ("guessed", made.guessed)):
        _print_lines(lines, title)
    _next(out_folder / "robot.yaml", f"look at the guesses, and sim2real robot show {out_folder}")
    return 0


@app.command(name="list")
def list_(sheet: Path | None = None, json: Json = False) -> int:
    """List the robots of the catalog, or draw them all into one picture.

    Example: sim2real robot list --sheet catalog.png

    Args:
        sheet: PNG to draw the whole catalog into.
    """
    from sim2real.commands.robot_view import render_sheet, robot_dicts, robot_list

    if sheet is not None:
        render_sheet(sheet)
    if json:
        _print_json(robot_dicts())
    else:
        out.print(robot_list())
    return 0


@app.command(name="show")
def show(robot: PositionalStr, png: Path | None = None, json: Json = False) -> int:
    """Show a robot: joints, motors, masses, sensors, where it comes from, and a picture of its default pose.

    Example: sim2real robot show a1 --png a1.png

    Args:
        robot: Name in the catalog, folder or robot.yaml.
        png: Picture to draw.
    """
    from robots import load_robot
    from sim2real.commands.robot_view import render_robot, robot_dict, robot_table

    loaded = load_robot(robot)
    if png is not None:
        render_robot(loaded, png)
    if json:
        _print_json(robot_dict(loaded))
    else:
        out.print(robot_table(loaded))
    return 0


def _next(made: Path, step: str) -> None:
    out.print(f"{made}: written. Next: {step}", highlight=False, markup=False, soft_wrap=True)


def _print_lines(lines: Sequence[str], title: str = "") -> None:
    if lines and title:
        out.print(f"[bold]{title}[/bold]")
    for line in lines:
        out.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _assigned(arguments: tuple[str, ...]) -> dict[str, str]:
    wrong = [a for a in arguments if ":=" not in a]
    if wrong:
        raise ConfigError(f"--args: '{wrong[0]}' is no assignment; write name:=value")
    return dict(a.split(":=", 1) for a in arguments)


def _print_json(data: Any) -> None:
    sys.stdout.write(jsonlib.dumps(data, indent=2) + "\n")
