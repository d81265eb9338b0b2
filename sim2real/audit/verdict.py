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
OK, IDLE = "ok", "idle"
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
    reason: why it changes nothing here, where it changes nothing; "" where it acts
    """

    read_back: float | None
    inferred: float | None
    change: float
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One coordinate: values in the unit of its quantity, what each engine made of them, and the findings.

    ends: by engine and end; agreements: of the engines, at the ends at which they could be compared
    """

    name: str
    quantity: str
    unit: str
    nominal: float
    low: float
    high: float
    ends: Mapping[tuple[str, End], Measured]
    findings: tuple[Finding, ...] = ()
    agreements: Mapping[End, Agreement] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The gravest finding, else `idle` for what does nothing in any engine, or `ok`."""
        if self.findings:
            return self.findings[0].kind
        return IDLE if self.idle else OK

    @property
    def idle_in(self) -> dict[str, str]:
        """Why it does nothing, by engine, for engines in which it does nothing at either end."""
        reasons: dict[str, list[str]] = {}
        for (engine, _), measured in self.ends.items():
            reasons.setdefault(engine, []).append(measured.reason)
        return {engine: own[0] for engine, own in reasons.items() if all(own)}

    @property
    def idle(self) -> bool:
        """Whether it does nothing in any engine, and has a reason for it in each; also where both ends are nominal."""
        return self.idle_in.keys() == {engine for engine, _ in self.ends}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; infinite numbers as text."""
        ends = [
            {
                "engine": engine,
                "end": end,
                "read_back": _plain(m.read_back),
                "inferred": _plain(m.inferred),
                "change": _plain(m.change),
                "reason": m.reason,
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
            "idle": self.idle_in,
            "compared": [
                {"end": end, "ratio": _plain(a.ratio), "cosine": a.cosine} for end, a in self.agreements.items()
            ]
            or None,
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
