"""Repair: a URDF with its mendable faults mended, and nothing else changed."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robots.check.linter import Report, find_source, report_on
from robots.findings import Edit, Finding, apply_edits
from robots.mesh.files import find_mesh
from robots.urdf.elements import Element, parse_xml, read_bytes
from robots.urdf.reader import mend
from robots.urdf.shapes import plain_name
from sim2real.errors import RobotError


@dataclass(frozen=True)
class Repaired:
    """What was mended, and the report on what came of it.

    `out` is None if errors remain: then nothing was written. `meshes` is the number of mesh names that were rewritten
    because `out` lies in another folder.
    """

    path: Path
    out: Path | None
    mended: tuple[Finding, ...]
    meshes: int
    report: Report

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "file": str(self.path),
            "out": None if self.out is None else str(self.out),
            "mended": [finding.to_dict() for finding in self.mended],
            "meshes_renamed": self.meshes,
            "report": self.report.to_dict(),
        }


def repair(
    path: Path,
    out: Path,
    roots: Sequence[Path] = (),
    floating_base: bool | None = None,
    default_pose: Mapping[str, float] | None = None,
    overwrite: bool = False,
) -> Repaired:
    """Write the URDF behind `path` to `out` with every fault mended that has one sure or conventional remedy.

    The other arguments are those of `robots.check.linter.check`. Comments, order and layout stay. Repairing the result
    again changes no byte. The input itself is replaced only with `overwrite`. Raise RobotError if there is no such
    file, or `out` cannot be written.
    """
    source = replace(find_source(path, roots, floating_base, default_pose), file=None)
    if not overwrite and os.path.realpath(out) == os.path.realpath(source.urdf):
        raise RobotError(f"{out}: is the input itself; give another name, or ask for overwriting")
    mended = mend(read_bytes(source.urdf), source.urdf, source.roots, source.floating_base)
    report = report_on(source.urdf, mended.data, source)
    if report.model is None:
        return Repaired(path, None, mended.findings, 0, report)
    old, new = (Path(os.path.realpath(file)).parent for file in (source.urdf, out))
    edits = [] if old == new else _moved_meshes(mended.data, source.urdf, old, new, source.roots)
    data = apply_edits(mended.data, edits)
    _write(out, data)
    there = replace(source, urdf=out, roots=(*source.roots, old))
    return Repaired(path, out, mended.findings, len(edits), report_on(out, data, there))


def _moved_meshes(data: bytes, source: Path, old: Path, new: Path, roots: Sequence[Path]) -> list[Edit]:
    """Return the edits of mesh names that would mean another file, or none, in the folder `new`."""
    allowed = [Path(os.path.realpath(root)) for root in roots]
    edits = []
    for mesh in _meshes(parse_xml(data, source)):
        name = plain_name(mesh.text("filename"))
        target = find_mesh(name, old, allowed)
        if _find(name, new, [*allowed, old]) != target:
            edit = mesh.with_attribute("filename", os.path.relpath(target, new))
            if edit is None:
                raise RobotError(f"{source}: mesh names cannot be rewritten in this encoding; write to {old}")
            edits.append(edit)
    return edits


def _meshes(robot: Element) -> list[Element]:
    shapes = [shape for link in robot.all("link") for tag in ("visual", "collision") for shape in link.all(tag)]
    return [mesh for shape in shapes for geometry in shape.all("geometry") for mesh in geometry.all("mesh")]


def _find(name: str, folder: Path, roots: Sequence[Path]) -> Path | None:
    try:
        return find_mesh(name, folder, roots)
    except RobotError:
        return None


def _write(out: Path, data: bytes) -> None:
    """Write the file whole or not at all."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        try:
            part.write_bytes(data)
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise RobotError(f"{out}: cannot be written: {error.strerror}") from None
