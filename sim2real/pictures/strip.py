"""A strip: some moments of one recorded episode side by side, and below them what was asked and what was done."""

from contextlib import closing
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sim2real.errors import ConfigError
from sim2real.pictures.recording import Recording

FRAMES = 10
CELL = 360, 300  # [pixels] that each frame is drawn in, before it is cut to what is seen
EMPTY = 250  # of 255: what is brighter is background
MARGIN = 8  # [pixels]
COLUMNS, CELL_INCHES = 5, 2.6
ASKED, DONE, MOMENT = "#D55E00", "#0072B2", "#BBBBBB"  # Okabe and Ito's palette
WINDOW_S = 0.5  # speeds are shown as their mean over so long: the swing of a gait is not what was asked for


def draw_strip(recording: Recording, path: Path, title: str = "", frames: int = FRAMES) -> None:
    """Draw `frames` moments, the first and the last among them, into a PNG file; raise ConfigError if it cannot be."""
    check_png(path)
    rows = np.unique(np.linspace(0, len(recording.time) - 1, frames).round().astype(int))
    pictures, lines, plots = _pictures(recording, rows), -(-len(rows) // COLUMNS), len(recording.done)
    tall = CELL_INCHES * pictures[0].shape[0] / pictures[0].shape[1]
    heights = [min(tall, CELL_INCHES) + 0.65] * lines + [1.35] * plots
    figure = Figure(figsize=(COLUMNS * CELL_INCHES, sum(heights) + 0.5), dpi=100, layout="constrained")
    grid = figure.add_gridspec(len(heights), COLUMNS, height_ratios=heights)
    for k, (row, pixels) in enumerate(zip(rows, pictures, strict=True)):
        axes = figure.add_subplot(grid[divmod(k, COLUMNS)])
        axes.imshow(pixels)
        axes.set_axis_off()
        axes.set_title(_caption(recording, row, last=k == len(rows) - 1), fontsize=9)
    for k, name in enumerate(recording.done):
        _plot(figure.add_subplot(grid[lines + k, :]), recording, name, rows, last=k == plots - 1)
    if title:
        figure.suptitle(title, fontsize=11)
    try:
        figure.savefig(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def check_png(path: Path) -> None:
    """Raise ConfigError unless `path` may become a PNG file: to be called before minutes of work."""
    if path.suffix.lower() != ".png":
        raise ConfigError(f"{path}: pictures are written as PNG; name it {path.with_suffix('.png').name}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")


def _pictures(recording: Recording, rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """Draw the robot at some moments: the camera goes with it, and does not turn."""
    from sim2real.sim.render import Renderer

    ahead = np.array([1.0, 1.0, 0.0])
    with closing(Renderer(recording.robot, *CELL)) as renderer:
        pictures = [
            renderer.draw(recording.q[row], recording.base[row] * (1 - ahead), recording.quaternion[row])
            for row in rows.tolist()
        ]
    return [picture[_seen(pictures)] for picture in pictures]


def _seen(pictures: list[NDArray[np.uint8]]) -> tuple[slice, slice]:
    """Return the part outside of which all pictures are empty, with a margin."""
    drawn = np.asarray(np.any(np.array(pictures) < EMPTY, axis=(0, 3)))
    if not drawn.any():
        return slice(None), slice(None)
    ends = [np.flatnonzero(np.any(drawn, axis=axis))[[0, -1]].tolist() for axis in (1, 0)]
    rows, columns = (slice(max(0, low - MARGIN), high + MARGIN + 1) for low, high in ends)
    return rows, columns


def _caption(recording: Recording, row: int, last: bool) -> str:
    """Return the time, and what was asked and done then: names are in the plots below, in the same order."""
    digits = 1 if recording.time[-1] > 3.0 else 2
    lines = [f"{recording.time[row]:.{digits}f} s{' failed' if last and recording.failed else ''}"]
    if recording.asked:
        lines.append(f"asked {_figures([values[row] for values in recording.asked.values()])}")
    done = _figures([_smooth(recording, name)[row] for name in recording.done])
    names = [name.partition(" [")[0] for name in recording.done if name not in recording.asked]
    label = f"{', '.join(names)} " if names else "done "
    lines.append(f"{label if recording.asked else ''}{done}")
    return "\n".join(lines)


def _figures(values: list[float]) -> str:
    return "  ".join(f"{round(float(value), 2) + 0.0:+.2f}" for value in values)  # + 0.0 makes -0 a plain 0


def _smooth(recording: Recording, name: str) -> NDArray[np.float64]:
    """Return the mean over WINDOW_S around each moment, less at the ends, of what answers a command; else as it is."""
    values = recording.done[name]
    if name not in recording.asked or len(values) < 2:
        return values
    window = np.ones(min(max(1, round(WINDOW_S / recording.time[1])), len(values)))
    sums, counts = (np.convolve(v, window, "same") for v in (values, np.ones_like(values)))
    smooth: NDArray[np.float64] = sums / counts
    return smooth


def _plot(axes: Axes, recording: Recording, name: str, rows: NDArray[np.int64], last: bool) -> None:
    for row in rows.tolist():
        axes.axvline(recording.time[row], color=MOMENT, lw=0.8)
    if name in recording.asked:
        axes.plot(recording.time, recording.asked[name], color=ASKED, lw=1.4, drawstyle="steps-post", label="asked")
    axes.plot(recording.time, _smooth(recording, name), color=DONE, lw=1.2, label="done")
    axes.set_ylabel(name.replace(" [", "\n["), fontsize=9)
    axes.set_xlim(0.0, max(float(recording.time[-1]), 1e-9))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, labelbottom=last)
    if last:
        axes.set_xlabel("time [s]", fontsize=9)
        if name in recording.asked:
            axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper right", bbox_to_anchor=(1.0, 1.25))
