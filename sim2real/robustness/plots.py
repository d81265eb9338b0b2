"""Pictures of a policy's sensitivity: success against each quantity, and over the grid of each pair."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sim2real.evaluate import wilson_interval
from sim2real.robustness.sensitivity import Curve, Pair, Sensitivity

COLUMNS = 4
CURVE, CLIFF, RANGE = "#0072B2", "#D55E00", "#DDDDDD"  # after Okabe and Ito: told apart by colour-blind readers too


def plot_sensitivity(result: Sensitivity, folder: Path) -> list[Path]:
    """Draw `sensitivity.png` and, where there are pairs, `pairs.png` into a folder; return their paths."""
    paths = [folder / "sensitivity.png"]
    _finish(_curves(result), paths[0])
    if result.pairs:
        paths.append(folder / "pairs.png")
        _finish(_pairs(result.pairs), paths[1])
    return paths


def _curves(result: Sensitivity) -> Figure:
    rows = -(-len(result.curves) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 2.5 * rows + 0.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)).ravel()
    for k, curve in enumerate(result.curves):
        _curve(axes[k], curve)
        if k % COLUMNS == 0:
            axes[k].set_ylabel("success [%]")
    for unused in axes[len(result.curves) :]:
        unused.set_axis_off()
    figure.suptitle(
        f"Success in {result.engine} against each quantity, the others as drawn ({result.worlds} worlds a point, bars: "
        "95 %; grey: trained range; orange: cliff)",
        fontsize=10,
    )
    return figure


def _curve(axes: Axes, curve: Curve) -> None:
    bounds = np.array([wilson_interval(int(k), curve.worlds) for k in curve.successes])
    errors = np.clip([curve.rates - bounds[:, 0], bounds[:, 1] - curve.rates], 0.0, None) * 100
    inside = curve.values[curve.within]
    axes.axvspan(inside.min(), inside.max(), color=RANGE, lw=0)
    colour = CURVE if curve.cliff == "none" else CLIFF
    axes.errorbar(
        curve.values, curve.rates * 100, yerr=errors, color=colour, marker="o", ms=3.5, lw=1.4, elinewidth=0.8
    )
    if len(curve.axis.ranges) == 1 and curve.axis.ranges[0].logarithmic:
        _logarithmic(axes, curve.values)
    axes.set(ylim=(-4, 104), xlabel=f"[{curve.axis.unit}]")
    suffix = {"within": ": cliff", "beyond": ": cliff beyond", "none": ""}[curve.cliff]
    axes.set_title(f"{curve.axis.name}{suffix}", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _logarithmic(axes: Axes, values: NDArray[np.float64]) -> None:
    """Space factors evenly, and label a few of the values themselves: a decade's ticks are too far apart here."""
    axes.set_xscale("log")
    shown = values[:: max(1, len(values) // 4)]
    axes.set_xticks(shown, [f"{value:.3g}" for value in shown])
    axes.minorticks_off()


def _pairs(pairs: list[Pair]) -> Figure:
    figure = Figure(figsize=(3.9 * len(pairs), 3.7), layout="constrained")
    axes = figure.subplots(1, len(pairs), squeeze=False)[0]
    for each, pair in zip(axes, pairs, strict=True):
        image = each.imshow(pair.rates.T * 100, origin="lower", vmin=0, vmax=100, cmap="viridis", aspect="auto")
        for (row, column), rate in np.ndenumerate(pair.rates):
            each.text(
                row, column, f"{rate:.0%}", ha="center", va="center", fontsize=7, color="w" if rate < 0.6 else "k"
            )
        for axis, ticks in ((pair.first, each.set_xticks), (pair.second, each.set_yticks)):
            ticks(range(len(axis.grid())), [f"{axis.value(p):.3g}" for p in axis.grid()], fontsize=8)
        each.set_xlabel(f"{pair.first.name} [{pair.first.unit}]", fontsize=9)
        each.set_ylabel(f"{pair.second.name} [{pair.second.unit}]", fontsize=9)
    figure.colorbar(image, ax=axes, label="success [%]")
    figure.suptitle("Success over the trained ranges of the most sensitive quantities, in pairs", fontsize=10)
    return figure


def _finish(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
