"""What an audit found: one row for each coordinate, with the numbers and the verdict of each engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from sim2real.audit.cases import End
from sim2real.audit.compare import Agreement

Kind = Literal[
    "no effect",
    "wrong value",
    "acts elsewhere",
    "compounds",
    "collisions lost",
    "engines disagree",
    "physics cannot bear it",
]
OK = "ok"
GRAVEST: tuple[Kind, ...] = (
    "physics cannot bear it",
    "collisions lost",
    "compounds",
    "no effect",
    "wrong value",
    "acts elsewhere",
    "engines disagree",
)


@dataclass(frozen=True)
class Finding:
    """What is wrong with a coordinate, in which engine ("" for both together), and the numbers that say so."""

    kind: Kind
    engine: str
    text: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.kind}{f' in {self.engine}' if self.engine else ''}: {self.text}"


@dataclass(frozen=True)
class Measured:
    """One end of one coordinate in one engine.

    read_back: the value as the engine has it; None where it cannot be read
    inferred: the value as its effects tell it, where it cannot be read; None where they do not
    change: of the trajectory, or of the readings for a sensor: RMS over time of the number that changed most, in its
    unit [rad | m | the sensor's]
    """

    read_back: float | None
    inferred: float | None
    change: float


@dataclass(frozen=True)
class Row:
    """One coordinate: values in the unit of its quantity, what each engine made of them, and the findings.

    ends: by engine and end; reason: why mechanics lets a coordinate do nothing here, if it does; agreements: of the
    engines, for the ends at which they could be compared
    """

    name: str
    quantity: str
    unit: str
    nominal: float
    low: float
    high: float
    ends: Mapping[tuple[str, End], Measured]
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    agreements: tuple[Agreement, ...] = ()

    @property
    def verdict(self) -> str:
        """The gravest finding, or `ok`."""
        return self.findings[0].kind if self.findings else OK

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; infinite numbers as text."""
        ends = [
            {
                "engine": engine,
                "end": end,
                "read_back": _plain(m.read_back),
                "inferred": _plain(m.inferred),
                "change": _plain(m.change),
            }
            for (engine, end), m in self.ends.items()
        ]
        return {
            "name": self.name,
            "quantity": self.quantity,
            "unit": self.unit,
            "nominal": _plain(self.nominal),
            "low": _plain(self.low),
            "high": _plain(self.high),
            "measured": ends,
            "verdict": self.verdict,
            "findings": [{"kind": f.kind, "engine": f.engine, "text": f.text} for f in self.findings],
            "reason": self.reason,
            "engines": [{"cosine": a.cosine, "ratio": _plain(a.ratio)} for a in self.agreements],
        }


@dataclass(frozen=True)
class Audit:
    """The audit of one robot: rows of all coordinates, and what belongs to none of them."""

    robot: str
    engines: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float
    general: tuple[Finding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.general and not any(row.findings for row in self.rows)

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows with findings."""
        return tuple(row for row in self.rows if row.findings)

    def row(self, name: str) -> Row:
        """Return the row of a coordinate; raise KeyError for one that was not audited."""
        return next(row for row in self.rows if row.name == name) if name in {r.name for r in self.rows} else _no(name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "robot": self.robot,
            "engines": list(self.engines),
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "general": [str(finding) for finding in self.general],
            "rows": [row.to_dict() for row in self.rows],
        }


def _no(name: str) -> Row:
    raise KeyError(name)


def _plain(value: float | None) -> float | str | None:
    return value if value is None or isfinite(value) else str(value)
