"""Learning beside its peers and limits, one table: `make bench`, or `python -m benchmarks --row walk` for a part.

Ours and the peer take turns in the same run; figures are medians over rounds. Exits with 1 where a bar is missed.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.rows import CORES, ROWS, Effort, Row


def table_of(rows: Sequence[Row]) -> Table:
    """Return the table."""
    table = Table(title=f"Learning beside its peers and limits, {CORES} cores, medians", title_justify="left")
    for column in ("work", "peer or limit", "theirs", "ours", "ratio", "bar"):
        table.add_column(column, justify="left" if column in ("work", "peer or limit") else "right")
    for row in rows:
        verdict = ""
        if row.bar is not None:
            verdict = f"{'≤' if row.at_most else '≥'} {row.shown(row.bar)} {'met' if row.met else 'MISSED'}"
        table.add_row(row.work, row.peer, row.theirs, row.ours, row.shown(row.ratio), verdict)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--row", choices=sorted(ROWS), action="append", help="measure only this; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it runs, not how fast")
    options = parser.parse_args(arguments)
    console, rows = Console(width=150), []
    for name in options.row or ROWS:
        console.print(f"  {name}: {ROWS[name].__doc__}", highlight=False)
        rows += list(ROWS[name](Effort.small() if options.quick else Effort()))
    console.print(table_of(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
