"""What `sim2real audit` prints: a table that a stranger can read, then each finding in full."""

from collections.abc import Iterable, Sequence
from math import isinf

from rich.table import Table
from rich.text import Text

from sim2real.audit.verdict import Audit, Row

_COLOURS = {"ok": "green", "ok, idle": "dim"}
_SHORT = {"bullet": "PyBullet", "mujoco": "MuJoCo"}
_LEGEND = (
    "Each row is one quantity, of the member named, at its lowest and highest value, alone. Read back: as the engine has "
    "it (- where only the motion tells). Change: RMS over the motion of the joint, base or sensor number that changed "
    "most, at low / high. ok, idle: mechanics lets it do nothing here, and it does nothing."
)


def audit_table(audit: Audit, rows: Sequence[Row]) -> Table:
    """Return the table of some rows."""
    table = Table(title=f"Audit of {audit.robot}", title_justify="left", caption=_LEGEND, caption_justify="left")
    table.add_column("quantity (member)", overflow="fold", ratio=3)
    table.add_column("unit", overflow="fold")
    for name in ("nominal", "low", "high"):
        table.add_column(name, justify="right")
    for engine in audit.engines:
        table.add_column(f"{_SHORT.get(engine, engine)}\nread back", justify="right", overflow="fold")
        table.add_column("\nchange", justify="right", overflow="fold")
    table.add_column("verdict", overflow="fold", ratio=2)
    for row in rows:
        cells = [cell for engine in audit.engines for cell in _cells(row, engine)]
        table.add_row(
            _name(row), row.unit, *(_figure(v) for v in (row.nominal, row.low, row.high)), *cells, _verdict(row)
        )
    return table


def one_per_quantity(audit: Audit) -> list[Row]:
    """Return one row of each quantity: a failing one, else the one whose change is least, idle ones last."""
    worst: dict[str, Row] = {}
    for row in audit.rows:
        if row.quantity not in worst or _badness(row) < _badness(worst[row.quantity]):
            worst[row.quantity] = row
    return list(worst.values())


def finding_lines(audit: Audit, rows: Iterable[Row]) -> list[Text]:
    """Return one line for each finding, and for what belongs to no row."""
    lines = [Text.assemble(("every quantity ", "bold"), str(finding)) for finding in audit.general]
    return lines + [Text.assemble((f"{row.name} ", "bold"), str(finding)) for row in rows for finding in row.findings]


def summary(audit: Audit) -> str:
    """Return one line that counts rows and failures."""
    failed, quantities = audit.failures, len({row.quantity for row in audit.rows})
    engines = " and ".join(_SHORT.get(engine, engine) for engine in audit.engines)
    what = f"{len(audit.rows)} coordinates of {quantities} quantities in {engines}, {audit.seconds:.0f} s"
    if audit.ok:
        return f"{audit.robot}: every quantity does what it says, and nothing else: {what}"
    return f"{audit.robot}: {len(failed) + len(audit.general)} failed: {what}"


def _badness(row: Row) -> tuple[bool, bool, float]:
    return not row.findings, bool(row.reason), min((m.change for m in row.ends.values()), default=0.0)


def _name(row: Row) -> str:
    _, _, member = row.name.partition("/")
    return f"{row.quantity} ({member})" if member else row.quantity


def _cells(row: Row, engine: str) -> tuple[str, str]:
    ends = [row.ends.get((engine, "low")), row.ends.get((engine, "high"))]
    read = [m.read_back for m in ends if m is not None]
    values = " ".join(_figure(value) for value in read if value is not None)
    return values or "-", " ".join("-" if m is None else f"{m.change:.2g}" for m in ends)


def _verdict(row: Row) -> Text:
    verdict = row.verdict
    if verdict == "ok" and row.reason:
        verdict = "ok, idle"
    engines = dict.fromkeys(f.engine for f in row.findings if f.engine and f.kind == verdict)
    where = f" in {' and '.join(_SHORT.get(e, e) for e in engines)}" if engines else ""
    return Text(verdict + where, style=_COLOURS.get(verdict, "bold red"))


def _figure(value: float) -> str:
    return "none" if isinf(value) else f"{value:.4g}"
