"""What the commands show: tables and progress bars. On a terminal they live; in a log they are plain lines."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from randomization import Randomization
from randomization.ranges import unwidened
from randomization.table import COLUMNS
from sim2real.evaluate import Evaluation
from sim2real.training.config import RobotEnvironment, TrainConfig, Widening

if TYPE_CHECKING:
    from sim2real.train import TrainResult

LOG_EVERY_S = 10.0
# [characters] at least of the columns of the table of what varies that a narrow terminal may fold
WIDTHS = {"law": 11, "range": 11, "unit": 9}


class TrainingProgress:
    """A metrics writer that shows steps/s, return and time left."""

    def __init__(self, console: Console, total: int, label: str) -> None:
        self._console, self._total, self._label = console, total, label
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._started = time.monotonic()
        self._logged = self._started

    def __enter__(self) -> "TrainingProgress":
        if self._console.is_terminal:
            self._progress.start()
            self._task = self._progress.add_task(self._label, total=self._total, figures="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """See `sim2real.train.MetricsWriter`."""
        rate = metrics.get("time/steps_per_s", 0.0)
        figures = f"{rate:7,.0f} steps/s  return {metrics.get('rollout/return', float('nan')):7.2f}"
        if self._task is not None:
            self._progress.update(self._task, completed=step, figures=figures)
            return
        now = time.monotonic()
        if now - self._logged >= LOG_EVERY_S or step >= self._total:
            self._logged = now
            left = max(0.0, (self._total - step) / rate) if rate else float("nan")
            self._console.print(
                f"  {self._label}: {step:>9,} of {self._total:,} steps  {figures}  {left:4.0f} s left",
                highlight=False,
                soft_wrap=True,
            )

    def note(self, step: int, text: str) -> None:
        """See `sim2real.train.NoteWriter`."""
        warn(self._console, [f"step {step:,}: {text}"])


def announce_training(config: TrainConfig, console: Console, resume: bool = False) -> None:
    """Say what varies from world to world, where anything can."""
    from sim2real.training.worlds import load_family

    randomization = load_family(config)
    if randomization is None:
        return
    console.print(randomization_table(randomization))
    if config.widening is not None:
        console.print(widening_line(config.widening, randomization, resume), highlight=False, soft_wrap=True)
    warn(Console(stderr=True), randomization.warnings)


def train_with_progress(
    config: TrainConfig,
    folder: Path,
    console: Console,
    *,
    resume: bool = False,
    label: str = "training",
    announce: bool = True,
) -> "TrainResult":
    """Train with a progress bar, a TensorBoard log and strips in the run folder, and say what came of it.

    announce: say first what varies
    """
    if announce:
        announce_training(config, console, resume)  # before the seconds that TensorFlow takes to load

    from sim2real.a2c.tensorboard import TensorBoard
    from sim2real.pictures.best_strips import BestStrips
    from sim2real.train import train
    from sim2real.training.worlds import load_family

    engine = config.environment.engine if isinstance(config.environment, RobotEnvironment) else "bullet"
    with BestStrips(folder / "strips", engine) as strips, TrainingProgress(console, config.steps, label) as progress:
        board = TensorBoard(folder / "tensorboard", load_family(config))
        result = train(config, folder, resume=resume, writers=[progress, board, strips])
    say_result(result, console, label)
    return result


def say_result(result: "TrainResult", console: Console, label: str) -> None:
    """Say in a line or two what came of a training."""
    figures = f"return {result.metrics.get('rollout/return', float('nan')):.2f}"
    if "evaluation/return" in result.metrics:
        figures += f" with exploration, {result.metrics['evaluation/return']:.2f} without"
    if result.policy:
        figures += f", success {result.metrics.get('rollout/success', float('nan')):.0%} with exploration noise"
    rate = result.metrics.get("time/steps_per_s", 0.0)
    verb = "interrupted after" if result.interrupted else "done:"
    console.print(
        f"  {label} {verb} {result.steps:,} steps in {result.seconds:.0f} s ({rate:,.0f} steps/s), {figures}",
        highlight=False,
        soft_wrap=True,
    )
    if result.widening is not None:
        console.print(f"  widening: {result.widening}; see randomization-reached.yaml", highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(console: Console, label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (done, total) that drives a bar; silent where the output is not a terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def randomization_table(randomization: Randomization) -> Table | str:
    """Return what varies, by which law, how far and when; a line where nothing does."""
    rows = randomization.table()
    if not rows:
        return "Nothing varies: every world is the nominal one."
    times = {row[-1] for row in rows}
    shown = len(COLUMNS) - (len(times) == 1)  # one time for all goes into the title: names need the width
    title = "What varies from world to world" + (f", drawn {_often(times.pop())}" if len(times) == 1 else "")
    table = Table(
        title=title, title_justify="left", min_width=len(title), box=None, padding=(0, 1, 0, 0), pad_edge=False
    )
    for column in COLUMNS[:shown]:
        table.add_column(column, overflow="fold", min_width=WIDTHS.get(column), no_wrap=column not in WIDTHS)
    for row in rows:
        table.add_row(*row[:shown])
    return table


def _often(when: str) -> str:
    return {"world": "once a world", "episode": "each episode", "step": "each step"}.get(when, when)


def widening_line(widening: Widening, full: Randomization, resume: bool) -> str:
    """Say from where to where the ranges in the table go, and which vary at full width from the start."""
    kind = "automatic widening" if widening.automatic is not None else "curriculum"
    start = "goes on at the ranges reached, if there is a run, else" if resume else "starts"
    how = (
        "may grow to these ranges"
        if widening.curriculum is None
        else (f"grows to these ranges over {widening.curriculum.steps:,} steps")
    )
    fixed = unwidened(full)
    at_once = f"; at full width from the start: {', '.join(fixed)}" if fixed else ""
    return f"{kind}: {start} at the nominal robot, {how}{at_once}"


def warn(console: Console, warnings: Sequence[str]) -> None:
    """Print each of some warnings in a line."""
    for warning in warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False, soft_wrap=True)


def evaluation_table(evaluation: Evaluation, worst: int) -> Table:
    """Return success, return and the worst worlds."""
    low, high = evaluation.interval
    success = f"success {evaluation.success_rate:.1%} (95 % interval {low:.1%} to {high:.1%})"
    returns = f"return {evaluation.returns.mean():.2f} ± {evaluation.returns.std():.2f}"
    title = f"{evaluation.engine}, {len(evaluation.success)} held-out worlds: {success}, {returns}"
    table = Table(
        title=title,
        title_justify="left",
        caption="the worst worlds, and what is furthest from nominal in them",
        caption_justify="left",
    )
    for column in ("world", "result", "after", "return", "Variant"):
        table.add_column(column)
    for world in evaluation.worst(worst):
        result = "success" if evaluation.success[world] else "[red]failed[/red]"
        table.add_row(
            str(world),
            result,
            f"{evaluation.seconds[world]:.1f} s",
            f"{evaluation.returns[world]:.2f}",
            describe_variant(evaluation, int(world)),
        )
    return table


def describe_variant(evaluation: Evaluation, world: int, k: int = 4) -> str:
    """Name the k coordinates of a world that lie furthest out in their spread over all worlds."""
    values = evaluation.variants.values
    varied = np.flatnonzero((values != values[0]).any(axis=0))  # the others may be infinite: no such limit
    if not len(varied):
        return "nominal"
    spread = values[:, varied]
    distance = np.abs(spread[world] - spread.mean(axis=0)) / spread.std(axis=0)
    furthest = varied[np.argsort(-distance, kind="stable")[:k]]
    return ", ".join(f"{evaluation.variants.space.names[c]} {values[world, c]:.3g}" for c in furthest)
