"""Pictures and the report: matplotlib figures without pyplot's global state, and one HTML file that fetches nothing."""

import csv
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from robots import Robot
from sim2real.evaluate import Evaluation, wilson_interval

Array = NDArray[np.float64]

# Okabe and Ito's palette: told apart by colour-blind readers too.
WITH, WITHOUT, ROBOT, TWIN, GAP = "#0072B2", "#D55E00", "#222222", "#009E73", "#CC79A7"
PALETTE = (WITH, WITHOUT, TWIN, GAP, "#E69F00", "#56B4E9", ROBOT)
MIN_IN_BIN = 5


@dataclass(frozen=True)
class Outcome:
    """How often one policy succeeded in one setting."""

    policy: str
    setting: str
    successes: int
    n: int

    @property
    def rate(self) -> float:
        """Share of successes."""
        return self.successes / self.n


@dataclass(frozen=True)
class TwinLog:
    """Robot and twin side by side, one row a control period, as the twin node writes it.

    time (n,) [s]; q, twin_q (n, n_joints) [rad | m]; gap (n,) [rad | m], RMS over joints of the position error, NaN
    where there was nothing to compare; anchored (n,): True where the twin was put back onto the robot after this row
    """

    joints: tuple[str, ...]
    time: Array
    q: Array
    twin_q: Array
    gap: Array
    anchored: NDArray[np.bool_]

    @classmethod
    def load(cls, path: Path, joints: tuple[str, ...]) -> "TwinLog":
        """Read a twin node's --log; `joints` names the columns."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(joints, *(arrays[name] for name in ("time", "q", "twin_q", "gap", "anchored")))

    @property
    def ends(self) -> NDArray[np.bool_]:
        """Where a whole horizon ended: (n,)."""
        return self.anchored & np.isfinite(self.gap)


def plot_outcomes(outcomes: list[Outcome], path: Path) -> None:
    """Draw success rates with 95 % intervals: settings side by side, one colour a policy."""
    settings = list(dict.fromkeys(o.setting for o in outcomes))
    policies = list(dict.fromkeys(o.policy for o in outcomes))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(policies)
    for k, (policy, colour) in enumerate(zip(policies, (WITH, WITHOUT), strict=False)):
        mine = {o.setting: o for o in outcomes if o.policy == policy}
        places = np.arange(len(settings)) + (k - (len(policies) - 1) / 2) * width
        rates = np.array([mine[s].rate for s in settings])
        bounds = np.array([wilson_interval(mine[s].successes, mine[s].n) for s in settings])
        errors = np.clip(np.array([rates - bounds[:, 0], bounds[:, 1] - rates]), 0, None) * 100
        bars = axes.bar(
            places,
            rates * 100,
            width * 0.92,
            color=colour,
            label=policy,
            yerr=errors,
            error_kw={"lw": 1, "capsize": 3, "ecolor": "#555555"},
        )
        axes.bar_label(bars, [f"{mine[s].successes} of {mine[s].n}" for s in settings], padding=4, fontsize=8)
    axes.axhline(95, color="#888888", lw=0.8, ls=":")
    axes.set_xticks(np.arange(len(settings)), settings)
    axes.set(ylim=(0, 118), ylabel="episodes that stay up [%]", yticks=range(0, 101, 20))
    axes.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    _finish(figure, path)


def plot_learning_curves(runs: dict[str, Path], path: Path) -> None:
    """Draw return and success during training from the progress.csv of up to seven runs."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (label, file), colour in zip(runs.items(), PALETTE, strict=False):
        curve = read_curve(file)
        steps = curve["step"] / 1e6
        left.plot(steps, curve["rollout/return"], color=colour, label=label)
        right.plot(steps, curve["rollout/success"] * 100, color=colour, label=label)
    left.set(
        xlabel="control steps [million]",
        ylabel="return of an episode",
        title="with exploration noise, own training worlds",
    )
    right.set(xlabel="control steps [million]", ylabel="episodes that succeed [%]", ylim=(0, 103))
    left.legend(frameon=False)
    _finish(figure, path)


def read_curve(file: Path) -> dict[str, Array]:
    """Read a progress.csv as arrays by column."""
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]} if rows else {}


def plot_success_by_quantity(evaluations: dict[str, Evaluation], path: Path, bins: int = 6) -> None:
    """Draw, for each quantity that varies, the success rate across its range: where a policy's cliff is."""
    first = next(iter(evaluations.values()))
    space, values = first.variants.space, first.variants.values
    varied = np.flatnonzero((values != values[0]).any(axis=0)).tolist()  # the others may be infinite: no such limit
    columns = 4
    figure = Figure(figsize=(11, 2.1 * -(-len(varied) // columns)), layout="constrained")
    grid = figure.subplots(-(-len(varied) // columns), columns, squeeze=False, sharey=True)
    for axes, c in zip(grid.flat, varied, strict=False):
        for (label, evaluation), colour in zip(evaluations.items(), (WITH, WITHOUT), strict=False):
            _plot_binned(axes, evaluation.variants.values[:, c], evaluation.success, bins, colour, label)
        axes.set(ylim=(0, 103), title=f"{space.names[c]}")
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel(space.quantities[c].unit, fontsize=8)
        axes.title.set_fontsize(9)
    for axes in list(grid.flat)[len(varied) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("stay up [%]")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=2, loc="outside upper center")
    _finish(figure, path)


def _plot_binned(axes: Axes, x: Array, success: NDArray[np.bool_], bins: int, colour: str, label: str) -> None:
    """Plot the success rate in bins of equal count (or at each value where there are few) with its 95 % interval."""
    distinct = np.unique(x)
    groups = (
        [x == v for v in distinct]
        if len(distinct) <= bins
        else [np.isin(np.arange(len(x)), part) for part in np.array_split(np.argsort(x), bins)]
    )
    groups = [g for g in groups if g.sum() >= MIN_IN_BIN]
    middle = np.array([x[g].mean() for g in groups])
    rate = np.array([success[g].mean() for g in groups]) * 100
    bounds = np.array([wilson_interval(int(success[g].sum()), int(g.sum())) for g in groups]).reshape(-1, 2) * 100
    axes.plot(middle, rate, color=colour, marker="o", ms=3, label=label)
    axes.fill_between(middle, bounds[:, 0], bounds[:, 1], color=colour, alpha=0.15, lw=0)


def plot_joints(log: TwinLog, path: Path) -> None:
    """Draw each joint of robot and twin over time."""
    figure = Figure(figsize=(9, 2.2 * len(log.joints)), layout="constrained")
    grid = figure.subplots(len(log.joints), 1, sharex=True, squeeze=False)
    for axes, name, robot, twin in zip(grid.flat, log.joints, log.q.T, log.twin_q.T, strict=True):
        axes.plot(log.time, robot, color=ROBOT, lw=1.6, label="robot (measured)")
        axes.plot(log.time, twin, color=TWIN, lw=1.0, label="twin (nominal physics, same commands)")
        axes.set_ylabel(f"{name}\n[rad | m]")
    grid[0, 0].legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    grid[-1, 0].set_xlabel("time since the first command [s]")
    _finish(figure, path)


def plot_film(log: TwinLog, robot: Robot, path: Path, frames: int = 5) -> None:
    """Draw the robot as it was measured at some moments, the first of them at its first command."""
    from sim2real.sim.render import Renderer

    figure = Figure(figsize=(11, 1.9), layout="constrained")
    renderer = Renderer(robot, 330, 240)
    try:
        moments = np.linspace(log.time[0], log.time[-1], frames)
        for axes, moment in zip(figure.subplots(1, frames), moments, strict=True):
            row = int(np.abs(log.time - moment).argmin())
            axes.imshow(renderer.draw(log.q[row], np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0])))
            axes.set_title(f"{log.time[row]:.1f} s", fontsize=9)
            axes.set_axis_off()
    finally:
        renderer.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def plot_gap(log: TwinLog, path: Path) -> None:
    """Draw the gap over time; it returns to zero wherever the twin is anchored to the robot again."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(log.time, log.gap, color=GAP, lw=1.0)
    at_end = log.gap[log.ends]
    axes.plot(log.time[log.ends], at_end, "o", ms=3, color=ROBOT, label="at the end of a horizon")
    if len(at_end):
        axes.axhline(float(np.median(at_end)), color="#888888", ls=":", lw=1, label=f"median {np.median(at_end):.3f}")
    axes.set(xlabel="time since the first command [s]", ylabel="gap, RMS over joints\n[rad | m]")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    _finish(figure, path)


def _finish(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, alpha=0.2)
        axes.set_axisbelow(True)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


@dataclass(frozen=True)
class Section:
    """One part of a report: a heading, text in plain paragraphs, a table (first row is its head), pictures."""

    heading: str
    text: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[Path, ...] = ()


STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem} h2{font-size:1.2rem;margin-top:2.2rem}
table{border-collapse:collapse;margin:1rem 0} th,td{padding:.3rem .8rem;border-bottom:1px solid #ddd;text-align:left}
th{border-bottom:2px solid #888} img{max-width:100%;height:auto;display:block;margin:1rem 0}
"""


def write_html(path: Path, title: str, lead: str, sections: list[Section]) -> None:
    """Write a self-contained page: pictures inside, nothing fetched."""
    body = "".join(_section_html(section) for section in sections)
    meta = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    head = f"<head>{meta}<title>{escape(title)}</title><style>{STYLE}</style></head>"
    path.write_text(
        f"<!doctype html><html lang='en'>{head}<body><h1>{escape(title)}</h1><p>{escape(lead)}</p>{body}</body></html>",
        encoding="utf-8",
    )


def _section_html(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in section.text.split("\n\n") if paragraph]
    if section.table:
        head, *rows = section.table
        parts.append("<table><tr>" + "".join(f"<th>{escape(c)}</th>" for c in head) + "</tr>")
        parts += ["<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows]
        parts.append("</table>")
    for picture in section.pictures:
        data = b64encode(picture.read_bytes()).decode()
        parts.append(f"<img alt='{escape(picture.stem.replace('_', ' '))}' src='data:image/png;base64,{data}'>")
    return "".join(parts)
