"""What `sim2real audit` prints: a table that a stranger can read, then each finding in full."""

from collections.abc import Iterable, Sequence
from math import isinf

from rich import box
from rich.table import Table
from rich.text import Text

from sim2real.audit.verdict import Audit, Finding, Measured, Row

_SHORT = {"bullet": "PyBullet", "mujoco": "MuJoCo"}
_LEGEND = (
    "One quantity a row, of the member below its name, at its lowest and highest value, alone. read: the value as the "
    "engine has it, at both ends; ~ measured by its effects, - only seen to act. moves: what it changes most, of "
    "joints, base and sensors [rad | m | the sensor's unit] or pixels [share of full scale], RMS over the motion, at "
    "the end where that is more. idle: mechanics lets it do nothing in this motion, and it does nothing."
)


def audit_table(audit: Audit, rows: Sequence[Row]) -> Table:
    """Return the table of some rows."""
    table = Table(
        title=f"Audit of {audit.robot}",
        title_justify="left",
        caption=Text(_LEGEND),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("quantity", overflow="fold")
    table.add_column("unit", overflow="fold")
    for name in ("nominal", "low", "high"):
        table.add_column(name, justify="right")
    for engine in audit.engines:
        table.add_column(f"{_SHORT[engine]}\nread", justify="right", overflow="fold")
        table.add_column("\nmoves", justify="right")
    table.add_column("verdict", overflow="fold")
    for row in rows:
        numbers = [_figure(value) for value in (row.nominal, row.low, row.high)]
        cells = [cell for engine in audit.engines for cell in _cells(row, engine)]
        table.add_row(_name(row), row.unit, *numbers, *cells, _verdict(row))
    return table


def one_per_quantity(audit: Audit) -> list[Row]:
    """Return one row of each quantity: a failing one, else the one whose change is least, idle ones last."""
    worst: dict[str, Row] = {}
    for row in audit.rows:
        if row.quantity not in worst or _badness(row) < _badness(worst[row.quantity]):
            worst[row.quantity] = row
    return list(worst.values())


def finding_lines(audit: Audit, rows: Iterable[Row]) -> list[Text]:
    """Return one line for each row with findings and kind of finding, and for each that belongs to no row."""
    lines = [Text.assemble(("all quantities ", "bold"), str(finding)) for finding in audit.general]
    for row in rows:
        for kind in dict.fromkeys(finding.kind for finding in row.findings):
            texts = _merged([finding for finding in row.findings if finding.kind == kind])
            lines.append(Text.assemble((f"{row.name} ", "bold"), (f"{kind}: ", "red"), "; ".join(texts)))
    return lines


def summary(audit: Audit) -> str:
    """Return one line that counts rows and failures."""
    quantities = len({row.quantity for row in audit.rows})
    engines = " and ".join(_SHORT[engine] for engine in audit.engines)
    what = f"{len(audit.rows)} coordinates of {quantities} quantities in {engines}, {audit.seconds:.0f} s"
    if audit.ok:
        return f"{audit.robot}: every quantity does what it says, and nothing else: {what}"
    return f"{audit.robot}: {len(audit.failures) + len(audit.general)} failed: {what}"


def _merged(findings: Sequence[Finding]) -> list[str]:
    """Return the texts of findings, each once, with the engines that it is true of."""
    engines: dict[str, list[str]] = {}
    for finding in findings:
        engines.setdefault(finding.text, []).append(_SHORT.get(finding.engine, ""))
    return [f"{' and '.join(dict.fromkeys(names))} {text}".strip() for text, names in engines.items()]


def _badness(row: Row) -> tuple[bool, bool, float]:
    return not row.findings, bool(row.reason), min((m.change for m in row.ends.values()), default=0.0)


def _name(row: Row) -> Text:
    _, _, member = row.name.partition("/")
    return Text.assemble(row.quantity, (f"\n  {member}" if member else "", "dim"))


def _cells(row: Row, engine: str) -> tuple[str, str]:
    ends = [measured for (name, _), measured in row.ends.items() if name == engine]
    read = [_read(measured) for measured in ends]
    change = max((measured.change for measured in ends), default=0.0)
    return " ".join(filter(None, read)) or "-", f"{change:.2g}"


def _read(measured: Measured) -> str:
    if measured.read_back is not None:
        return _figure(measured.read_back)
    return "" if measured.inferred is None else f"~{measured.inferred:.2g}"


def _verdict(row: Row) -> Text:
    if row.findings:
        return Text(row.verdict, style="bold red")
    return Text("idle", style="dim") if row.reason else Text("ok", style="green")


def _figure(value: float) -> str:
    return "none" if isinf(value) else f"{round(value, 9):.4g}"
