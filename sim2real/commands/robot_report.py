"""What `sim2real robot check` prints: findings, as a compiler prints errors, and what was mended."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from robots.check.linter import Report
from robots.check.repair import Repaired
from robots.findings import Finding

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_ORDER = tuple(_COLOURS)


def print_report(console: Console, report: Report, notes: bool = False) -> None:
    """Print the findings of one file by line, notes only if asked for."""
    for finding in report.findings:
        if notes or finding.severity != "note":
            console.print(finding_text(finding), soft_wrap=True)


def finding_text(finding: Finding) -> Text:
    """Return one finding: place, severity and code, then what is wrong, what each engine would do, and the remedy."""
    text = Text(f"{finding.path}:{finding.line}: " if finding.line else f"{finding.path}: ", style="bold")
    text.append(f"{finding.severity}[{finding.code}]", style=_COLOURS[finding.severity])
    text.append(f" {finding.element}\n" if finding.element else "\n")
    rows = [
        ("", finding.message),
        ("PyBullet ", finding.rule.pybullet),
        ("MuJoCo   ", finding.rule.mujoco),
        ("remedy   ", _remedy(finding)),
    ]
    for title, row in rows:
        if row:
            text.append(f"    {title}", style="dim").append(f"{row}\n")
    return text


def _remedy(finding: Finding) -> str:
    mend = "--repair mends it" if finding.edits else ""
    return "; ".join(part for part in (finding.remedy, mend) if part)


def print_repairs(console: Console, repaired: Repaired) -> None:
    """Print what was mended, one line each, and where it was written."""
    for finding in repaired.mended:
        line = Text(f"{finding.path}:{finding.line}: ", style="bold").append(f"mended[{finding.code}]", style="green")
        console.print(line.append(f" {finding.element}: {finding.what}"), soft_wrap=True)
    if repaired.out is None:
        console.print("what is left cannot be mended: nothing was written", style="bold red")
        return
    meshes = f", {_plural(repaired.meshes, 'mesh name')} rewritten for the new folder" if repaired.meshes else ""
    console.print(f"{repaired.out}: written, {_plural(len(repaired.mended), 'fault')} mended{meshes}", highlight=False)


def summary(reports: Iterable[Report], notes: bool = False) -> str:
    """Return one line that counts files and findings."""
    reports = list(reports)
    found = Counter(finding.severity for report in reports for finding in report.findings)
    counts = ", ".join(_plural(found[severity], severity) for severity in _ORDER)
    hint = " (--notes shows them)" if found["note"] and not notes else ""
    rest = "; the other rules are tried once the errors are mended" if found["error"] else ""
    return f"{_plural(len(reports), 'robot')}: {counts}{hint}{rest}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
