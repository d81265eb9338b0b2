"""What `sim2real audit` says in lines: what fails, and how many quantities do what they say."""

from collections.abc import Sequence

from rich.text import Text

from sim2real.audit.verdict import OK, Audit, Finding

NAMES = {"bullet": "PyBullet", "mujoco": "MuJoCo"}
_LINES = 20  # at most, of failing coordinates


def finding_lines(audit: Audit) -> list[Text]:
    """Return a line for each coordinate with findings, the first 20 of them, and for each that belongs to none."""
    lines = [Text.assemble(("all quantities ", "bold"), str(finding)) for finding in audit.general]
    for row in audit.failures[:_LINES]:
        line = Text(f"{row.name} ", style="bold")
        for k, kind in enumerate(dict.fromkeys(finding.kind for finding in row.findings)):
            texts = _merged([finding for finding in row.findings if finding.kind == kind])
            line = Text.assemble(line, "; " if k else "", (f"{kind}: ", "red"), "; ".join(texts))
        lines.append(line)
    if (more := len(audit.failures) - _LINES) > 0:
        lines.append(Text(f"and {more} more; --failures --members shows all of them in a table", style="bold"))
    return lines


def summary(audit: Audit) -> str:
    """Return one sentence that counts coordinates: moved, idle, not compared and failed."""
    quantities = len({row.quantity for row in audit.rows})
    idle = sum(row.idle and not row.findings for row in audit.rows)
    sound = [row for row in audit.rows if row.verdict == OK]
    lone = sum(not row.agreements for row in sound)
    counts = [f"{len(sound)} move as they should"]
    if len(audit.engines) == 2:
        counts[0] += f" ({lone} of them not compared between the engines)"
    counts.append(f"{idle} idle (mechanics lets them do nothing here)")
    counts.append(f"{len(audit.failures) or 'none'} failed")
    if audit.general:
        counts.append(f"{len(audit.general)} faults of no single quantity")
    engines = " and ".join(NAMES[engine] for engine in audit.engines)
    what = f"{_plural(len(audit.rows), 'coordinate')} of {_plural(quantities, 'quantity')}"
    return f"{audit.robot} in {engines}: {what}: {', '.join(counts)}; {audit.seconds:.0f} s"


def _plural(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _merged(findings: Sequence[Finding]) -> list[str]:
    """Return the texts of findings, each once, with the engines that it is true of."""
    engines: dict[str, list[str]] = {}
    for finding in findings:
        engines.setdefault(finding.text, []).append(NAMES.get(finding.engine, ""))
    return [f"{' and '.join(dict.fromkeys(names))} {text}".strip() for text, names in engines.items()]
