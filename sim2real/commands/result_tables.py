"""Tables of what was measured: of several seeds of a training, and of a policy in many worlds."""

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from sim2real.commands.console import evaluation_table
from sim2real.evaluate import Evaluation
from sim2real.measures import CHATTER_HZ

if TYPE_CHECKING:
    from sim2real.training.seeds import SeedRuns

SLOW = "slow share [1]"
OF_SLOW = f"below {CHATTER_HZ:g} Hz"
# Figure of a run under a seed -> its title and format in the tables of seeds.
SEED_FIGURES = {
    "steps": ("steps", ",.0f"),
    "seconds": ("seconds", ",.0f"),
    "rollout/return": ("return", ".2f"),
    "rollout/success": ("success", ".1%"),
    "evaluation/return": ("evaluated return", ".2f"),
    "evaluation/success": ("evaluated success", ".1%"),
    "evaluation/best": ("best evaluated", ".2f"),
}


def seeds_tables(found: "SeedRuns") -> RenderableType:
    """Return a row for each run and, below, one for each figure: what the runs say of it together.

    Of figures that all runs have.
    """
    spreads = found.spreads()
    names = [name for name in SEED_FIGURES if name in spreads]
    runs, together = _table("Each seed", "seed"), _table(f"{len(found.runs)} seeds together", "")
    for name in names:
        runs.add_column(SEED_FIGURES[name][0], justify="right")
    for run in found.runs:
        values = {"steps": float(run.steps), "seconds": run.seconds} | run.figures
        runs.add_row(str(run.seed), *(format(values[name], SEED_FIGURES[name][1]) for name in names))
    for title in ("median", "least", "most", "IQM", "95 % interval of IQM"):
        together.add_column(title, justify="right")
    for name in names:
        title, style = SEED_FIGURES[name]
        s = spreads[name]
        plain = (format(value, style) for value in (s.median, s.least, s.most, s.iqm))
        together.add_row(title, *plain, f"{s.low:{style}} to {s.high:{style}}")
    return Group(runs, "", together)


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first)
    return table


def evaluation_report(evaluation: Evaluation, worst: int) -> RenderableType:
    """Return success, return and the worst worlds, and what was measured: errors and figures, with their units."""
    measured = measures_table(evaluation)
    table = evaluation_table(evaluation, worst)
    return table if measured is None else Group(measured, "", table)


def measures_table(evaluation: Evaluation) -> Table | None:
    """Return mean, median and the bad end of each error and figure over the worlds; None if nothing was measured."""
    table = _table("Measured", "")
    for title in ("mean", "median", "worst in twenty", "unit"):
        table.add_column(title, justify="left" if title == "unit" else "right")
    kinds = (("error, ", evaluation.errors), ("", evaluation.figures))
    for name, values, kind in ((n, v[np.isfinite(v)], kind) for kind, found in kinds for n, v in found.items()):
        if len(values):
            title, _, unit = name.removesuffix("]").partition(" [")
            bad = 5 if name == SLOW else 95  # percentile: a large share is good
            figures = (values.mean(), np.median(values), np.percentile(values, bad))
            table.add_row(f"{kind}{title}", *(f"{figure:.3g}" for figure in figures), OF_SLOW if name == SLOW else unit)
    return table if table.rows else None
