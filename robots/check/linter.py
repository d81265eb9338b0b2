"""A linter for robots: what is wrong or doubtful in a description, where, what engines would do, and how to mend it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from robots.catalog import adjusted, find_robot, load_robot, urdf_path
from robots.check import joints, mass, pose, shapes
from robots.check.document import ignored, name_shared
from robots.check.subject import Lint, Subject
from robots.findings import Fault, Finding
from robots.model import RobotModel
from robots.robot_file import RobotFile
from robots.urdf.elements import read_bytes
from robots.urdf.reader import Mended, Parsed, mend, parse_urdf
from sim2real.config import load
from sim2real.errors import ConfigError, RobotError, nearest

SEVERITIES = ("error", "warning", "note")
LINTS: tuple[Lint, ...] = (*mass.LINTS, *joints.LINTS, *shapes.LINTS, *pose.LINTS)

_UNREAD = ("file",)  # codes of what could not even be looked at


@dataclass(frozen=True)
class Report:
    """What the linter says of one file. `model` is None if the URDF is refused; `floating`: how its base was taken."""

    path: Path
    findings: tuple[Finding, ...]
    model: RobotModel | None = None
    floating: bool = False

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity: error, warning or note."""
        return sum(finding.severity == severity for finding in self.findings)

    def status(self, strict: bool = False) -> Literal[0, 1, 2]:
        """Return the exit status: 0 sound, 1 refused (`strict`: or warned of), 2 no file that could be read."""
        if any(finding.code in _UNREAD for finding in self.findings):
            return 2
        return 1 if self.count("error") or (strict and self.count("warning")) else 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "file": str(self.path),
            "robot": None if self.model is None else self.model.name,
            "base": "floating" if self.floating else "fixed",
            "status": self.status(),
            **{f"{severity}s": self.count(severity) for severity in SEVERITIES},
            "findings": [finding.to_dict() for finding in self.findings],
        }


@dataclass(frozen=True)
class Source:
    """The URDF behind a path, and what is known of the robot."""

    urdf: Path
    roots: tuple[Path, ...]
    floating_base: bool | None
    pose: Mapping[str, float]
    file: RobotFile | None = None


def check(
    path: Path,
    roots: Sequence[Path] = (),
    floating_base: bool | None = None,
    default_pose: Mapping[str, float] | None = None,
) -> Report:
    """Return all findings about a URDF, a robot.yaml, or a robot of the catalog (by folder or name), by line.

    Meshes may lie in the URDF's folder and in `roots`. With `floating_base` None a robot.yaml says whether the base
    floats, else `robots.urdf.tree.guess_floating`. `default_pose`: joint name -> [rad or m]; others are at 0, or at
    the limit next to it. Raise RobotError only if there is no such robot at all, or `default_pose` names no joint.
    """
    try:
        source = find_source(path, roots, floating_base, default_pose)
    except ConfigError as error:
        return Report(path, (Finding("robot-yaml", path, 0, "", str(error)),))
    try:
        data = read_bytes(source.urdf)
    except Fault as fault:
        return Report(path, (fault.finding,))
    return report_on(path, data, source)


def find_source(
    path: Path, roots: Sequence[Path], floating_base: bool | None, pose: Mapping[str, float] | None
) -> Source:
    """Return what `check` looks at; raise RobotError or ConfigError if there is no such robot."""
    if path.suffix not in (".yaml", ".yml") and not path.is_dir() and (path.suffix or path.exists()):
        return Source(path, tuple(roots), floating_base, pose or {})
    found = find_robot(path)
    file = load(RobotFile, found)
    urdf, folder = urdf_path(file.urdf, found)
    floating = not file.fixed_base if floating_base is None else floating_base
    return Source(urdf, (folder, *roots), floating, file.default_pose if pose is None else pose, file)


def report_on(path: Path, data: bytes, source: Source) -> Report:
    """Return the findings about `data`, the bytes of the source's URDF."""
    mended = Mended(data, (), ())
    if source.file is not None and source.file.repair:
        mended = mend(data, source.urdf, source.roots, source.floating_base, source.file.repair)
    parsed = parse_urdf(mended.data, source.urdf, source.roots, source.floating_base)
    findings = [*parsed.findings, *_lint(parsed, source)]
    if source.file is not None and parsed.model is not None:
        findings += _unfit(path)
    findings = [mended.original(finding) if finding.path == source.urdf else finding for finding in findings]
    findings.sort(key=lambda finding: (finding.line, SEVERITIES.index(finding.severity), finding.code))
    return Report(path, tuple(findings), parsed.model, parsed.floating)


def _lint(parsed: Parsed, source: Source) -> Iterator[Finding]:
    if parsed.document is not None:
        yield from ignored(parsed.document)
        yield from name_shared(parsed.elements)
    model = parsed.model
    if model is None:
        return
    unknown = sorted(source.pose.keys() - set(model.joint_names))
    if unknown and source.file is None:
        hint = nearest(unknown[0], model.joint_names)
        raise RobotError(f"{source.urdf}: default pose: no movable joint '{unknown[0][:60]}'{hint}")
    if source.file is not None:
        model = adjusted(model, source.file)
    subject = Subject(model, parsed.elements, parsed.floating, source.pose)
    for lint in LINTS:
        yield from lint(subject)


def _unfit(path: Path) -> Iterator[Finding]:
    """Yield what keeps a robot.yaml from being loaded though its URDF is sound."""
    try:
        load_robot(path)
    except (RobotError, ConfigError) as error:
        yield Finding("robot-yaml", path, 0, "", str(error))
