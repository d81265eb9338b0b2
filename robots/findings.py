"""Findings: what is wrong or doubtful in a robot description, where, and how to mend it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robots.rules import RULES, Rule
from sim2real.errors import RobotError


@dataclass(frozen=True)
class Edit:
    """A change of a file: the bytes from `start` to `end` become `text`."""

    start: int
    end: int
    text: bytes


@dataclass(frozen=True)
class Finding:
    """One fault of a description. `element` says where in the file's tree; `edits` mend it, if that can be done."""

    code: str
    path: Path
    line: int
    element: str
    message: str
    remedy: str = ""
    edits: tuple[Edit, ...] = ()

    @property
    def rule(self) -> Rule:
        """The row of `robots.rules.RULES` that this breaks: severity, and what each engine would silently do."""
        return RULES[self.code]

    @property
    def severity(self) -> str:
        """Return error (the robot is refused), warning (it loads, but likely lies) or note."""
        return self.rule.severity

    @property
    def what(self) -> str:
        """The message and its remedy in one line."""
        return f"{self.message}; {self.remedy}" if self.remedy else self.message

    def __str__(self) -> str:
        """Return file:line: element: message; remedy."""
        where = f"{self.path}:{self.line}: " if self.line else f"{self.path}: "
        return where + (f"{self.element}: " if self.element else "") + self.what

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "file": str(self.path),
            "line": self.line,
            "element": self.element,
            "message": self.message,
            "remedy": self.remedy,
            "pybullet": self.rule.pybullet,
            "mujoco": self.rule.mujoco,
            "repairable": bool(self.edits),
        }


class Fault(RobotError):  # noqa: N818 - a word of its own beside Finding
    """A finding that ends the reading of the element in which it was met."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def errors(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings that refuse a robot."""
    return (finding for finding in findings if finding.severity == "error")


def apart(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings whose edits can be made together: of two that change the same bytes the first."""
    chosen: list[Finding] = []
    taken: list[Edit] = []
    for finding in findings:
        if not any(new.start < old.end and old.start < new.end for new in finding.edits for old in taken):
            chosen.append(finding)
            taken += finding.edits
    return chosen


def apply_edits(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Return `data` with the edits made; of two that overlap the first one wins."""
    parts, at = [], 0
    for edit in _in_order(edits):
        parts += [data[at : edit.start], edit.text]
        at = edit.end
    return b"".join([*parts, data[at:]])


def old_lines(data: bytes, edits: Iterable[Edit]) -> list[int]:
    """Return, for each line of `data` with the edits made, the line of `data` that it comes from, both from 1."""
    lines, at, line = [1], 0, 1
    for edit in _in_order(edits):
        kept = data.count(b"\n", at, edit.start)
        lines += range(line + 1, line + kept + 1)
        line += kept
        lines += [line] * edit.text.count(b"\n")
        line += data.count(b"\n", edit.start, edit.end)
        if not edit.text and data[: edit.start][-1:] in (b"", b"\n"):
            lines[-1] = line  # whole lines are gone
        at = edit.end
    lines += range(line + 1, line + data.count(b"\n", at) + 1)
    return lines


def _in_order(edits: Iterable[Edit]) -> list[Edit]:
    """Return the edits from first to last byte, without those that overlap the one before."""
    ordered: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if not ordered or edit.start >= ordered[-1].end:
            ordered.append(edit)
    return ordered
