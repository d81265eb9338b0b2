"""The table that `sim2real audit` prints, in the layout that the console is wide enough for."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf, log

from rich import box
from rich.table import Table
from rich.text import Text

from sim2real.audit.compare import Agreement
from sim2real.audit.summary import NAMES
from sim2real.audit.verdict import IDLE, OK, Audit, Measured, Row

_GAP = 2  # [characters] between columns
_UNIT = 12  # [characters] to which units are wrapped
_TEXT = 16  # [characters] that a verdict with a reason takes at least in the wide layout

_CHOSEN = "One member of each quantity: one that fails, else the one that moves least, idle ones last."
_RANGE = "range: lowest and highest value; each is tried alone."
_READ = "read: what the engine has at either; ~ as its effects tell it; - only seen to act; nothing at a nominal value."
_FEWER = "A wider console also shows nominal values, and values read back from the engines; --json has them too."
_MOVES = (
    "moves: change of what changes most, of joints and base [rad | m], of a sensor's readings in their unit, or of "
    "pixels [share of full scale]; RMS over the whole motion, at the end of the range where that is more."
)
_COMPARED = (
    "compared: how many times as far it moves the robot in PyBullet as in MuJoCo, on the stretch before contacts set "
    "both apart; - not compared: less than what the engines differ by anyway, contacts that begin at different times, "
    "or models of sensors and pictures, which change no motion."
)
_IDLE = "idle: mechanics lets it do nothing in this motion, and it does nothing."


@dataclass(frozen=True)
class _Column:
    """A column whose cells keep their lines, and are as wide as the widest of these."""

    head: str
    cells: Sequence[Text]
    right: bool = True

    @property
    def width(self) -> int:
        return max(len(line) for text in (self.head, *map(str, self.cells)) for line in text.split("\n"))


def audit_table(audit: Audit, rows: Sequence[Row], width: int, members: bool) -> Table:
    """Return the table of some rows, with fewer columns where `width` [characters] asks for it.

    members: whether the rows are all of those audited, and not one for each quantity
    """
    verdicts = [_verdict(row) for row in rows]
    columns, legend, spare = _layout(audit, rows, verdicts, width)
    if not members:
        legend = [_CHOSEN, *legend]
    table = Table(
        title=f"Audit of {audit.robot}",
        title_justify="left",
        caption=Text("\n".join(legend)),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in columns:
        table.add_column(column.head, justify="right" if column.right else "left", no_wrap=True, width=column.width)
    table.add_column("verdict", width=spare)
    for *cells, verdict in zip(*(column.cells for column in columns), verdicts, strict=True):
        table.add_row(*cells, verdict)
    return table


def _layout(
    audit: Audit, rows: Sequence[Row], verdicts: Sequence[Text], width: int
) -> tuple[list[_Column], list[str], int]:
    """Return the columns before the verdict, the legend, and the width of the verdict: whole words at least."""
    longest = max(len("verdict"), *map(len, verdicts))
    word = max(len(word) for text in ("verdict", *map(str, verdicts)) for word in text.split())
    columns, legend = _wide(audit, rows), [_RANGE, _READ, _MOVES]
    spare = width - _taken(columns)
    if spare < max(word, min(longest, _TEXT)):
        columns, legend = _narrow(audit, rows), [_RANGE, _FEWER, _MOVES]
        spare = max(width - _taken(columns), word)
    if len(audit.engines) == 2:
        legend.append(_COMPARED)
    return columns, [*legend, _IDLE], min(spare, longest)


def one_per_quantity(audit: Audit) -> list[Row]:
    """Return one row of each quantity: a failing one, else the one whose change is least, idle ones last."""
    worst: dict[str, Row] = {}
    for row in audit.rows:
        if row.quantity not in worst or _badness(row) < _badness(worst[row.quantity]):
            worst[row.quantity] = row
    return list(worst.values())


def _taken(columns: Sequence[_Column]) -> int:
    return sum(column.width + _GAP for column in columns) + _GAP


def _wide(audit: Audit, rows: Sequence[Row]) -> list[_Column]:
    columns = [
        _Column("quantity", [_name(row) for row in rows], right=False),
        _Column("unit", [Text("\n".join(textwrap.wrap(row.unit, _UNIT))) for row in rows], right=False),
        _Column("nominal", [Text(_figure(row.nominal)) for row in rows]),
        _Column("range", [_range(row) for row in rows]),
    ]
    for engine in audit.engines:
        columns.append(_Column(f"{NAMES[engine]}\nread", [_read(row, engine) for row in rows]))
        columns.append(_Column("\nmoves", [_moves(row, engine) for row in rows]))
    return columns + _compared(audit, rows)


def _narrow(audit: Audit, rows: Sequence[Row]) -> list[_Column]:
    names = [Text.assemble(_name(row), (f"\n  [{row.unit}]", "dim")) for row in rows]
    return [
        _Column("quantity", names, right=False),
        _Column("range", [_range(row) for row in rows]),
        *(_Column(f"{NAMES[engine]}\nmoves", [_moves(row, engine) for row in rows]) for engine in audit.engines),
        *_compared(audit, rows),
    ]


def _compared(audit: Audit, rows: Sequence[Row]) -> list[_Column]:
    if len(audit.engines) < 2:
        return []
    return [_Column("compared", [_ratio(list(row.agreements.values())) for row in rows])]


def _badness(row: Row) -> tuple[bool, bool, bool, float]:
    change = min((m.change for m in row.ends.values()), default=0.0)
    return not row.findings, row.idle, bool(row.idle_in), change


def _name(row: Row) -> Text:
    _, _, member = row.name.partition("/")
    return Text.assemble(row.quantity, (f"\n  {member}" if member else "", "dim"))


def _range(row: Row) -> Text:
    return Text(f"{_figure(row.low)}\n{_figure(row.high)}")


def _read(row: Row, engine: str) -> Text:
    """Return what was read at each end, on the lines of the range's ends."""
    lines = []
    for end in ("low", "high"):
        measured = row.ends.get((engine, end))
        lines.append("" if measured is None else _seen(measured))
    return Text("\n".join(lines))


def _seen(measured: Measured) -> str:
    if measured.read_back is not None:
        return _figure(measured.read_back)
    return "-" if measured.inferred is None else f"~{measured.inferred:.2g}"


def _moves(row: Row, engine: str) -> Text:
    changes = [measured.change for (name, _), measured in row.ends.items() if name == engine]
    return Text(f"{max(changes):.2g}" if changes else "-")


def _ratio(agreements: Sequence[Agreement]) -> Text:
    """Return the ratio that is farthest from 1."""
    if not agreements:
        return Text("-")
    return Text(f"x{max(agreements, key=_apart).ratio:.2f}")


def _apart(agreement: Agreement) -> float:
    return abs(log(agreement.ratio)) if 0.0 < agreement.ratio < inf else inf


def _verdict(row: Row) -> Text:
    if row.findings:
        return Text(row.verdict, style="bold red")
    engines: dict[str, list[str]] = {}
    for engine, why in row.idle_in.items():
        engines.setdefault(why, []).append(NAMES[engine])
    if row.verdict == IDLE:
        reasons = [why if len(engines) == 1 else f"{names[0]}: {why}" for why, names in engines.items()]
        return Text(f"{IDLE}: {'; '.join(reasons) or 'it has no range'}", style="dim")
    notes = [f"; idle in {names[0]}: {why}" for why, names in engines.items()]
    return Text(OK, style="green").append("".join(notes), style="yellow")


def _figure(value: float) -> str:
    return "none" if isinf(value) else f"{round(value, 9):.4g}"
