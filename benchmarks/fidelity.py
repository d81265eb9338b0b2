"""How far each engine is from mechanics with an answer on paper: `make fidelity`.

`python -m benchmarks.fidelity --json` prints the same for scripts. Exit status 1 if an error is above its bar.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.closed_form import LAWS

BARS = {"bullet": 0.01, "mujoco": 0.005}
TITLES = {"bullet": "PyBullet", "mujoco": "MuJoCo"}


@dataclass(frozen=True)
class Row:
    """One law in one engine: relative error, its bar, and what else was measured."""

    law: str
    engine: str
    error: float
    bar: float
    note: str

    @property
    def holds(self) -> bool:
        """Whether the error keeps to its bar; a NaN does not."""
        return self.error <= self.bar


def measure() -> list[Row]:
    """Measure every law in every engine."""
    rows = []
    for law, function in LAWS.items():
        for engine, bar in BARS.items():
            result = function(engine)
            rows.append(Row(law, engine, result.error, bar, result.note))
    return rows


def table(rows: list[Row]) -> Table:
    """Return the table of relative errors: a line for each law, a column for each engine."""
    made = Table(title="Relative error against the closed form, 1 ms physics steps")
    made.add_column("law")
    for engine, bar in BARS.items():
        made.add_column(f"{TITLES[engine]} (bar {bar:.1%})", justify="right")
    made.add_column("and")
    for law in LAWS:
        found = [row for row in rows if row.law == law]
        errors = [f"{row.error:.2g}" if row.holds else f"[red]{row.error:.2g} misses[/red]" for row in found]
        notes = [f"{TITLES[row.engine]}: {row.note}" for row in found if row.note]
        made.add_row(law, *errors, "\n".join(notes))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fidelity", description="Measure engines against closed forms."
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    rows = measure()
    if options.json:
        print(json.dumps([asdict(row) | {"holds": row.holds} for row in rows], indent=2))
    else:
        Console(width=120 if not sys.stdout.isatty() else None).print(table(rows))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
