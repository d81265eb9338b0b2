"""`sim2real tune`: search for a better training config, trial by trial."""

import json as jsonlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sim2real.errors import ConfigError

if TYPE_CHECKING:
    from sim2real.training.config import TrainConfig
    from sim2real.training.reports import MetricsWriter
    from sim2real.tuning.search import Tuned
    from sim2real.tuning.trials import Tried

out = Console()
err = Console(stderr=True)

MAX_TRIALS = 100_000
INTERRUPTED = 130


def tune(
    config: tyro.conf.Positional[str],
    out_folder: Annotated[Path | None, tyro.conf.arg(name="out")] = None,
    trials: int = 20,
    minutes: float = 2.0,
    space: Path | None = None,
    objective: Literal["return", "success"] = "return",
    pruner: Literal["median", "hyperband", "none"] = "median",
    steps: int | None = None,
    engine: Literal["bullet", "mujoco"] | None = None,
    randomization: str | None = None,
    seed: int = 0,
    resume: bool = False,
    json: Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")] = False,
) -> int:
    """Search for a better training config: trials chosen by optuna's TPE, the hopeless ones ended early.

    Each trial trains for the config's steps, or for --minutes if that is less; then its policy is judged in 64 worlds
    of the same engine. Trials have a seed of their own, so that the worlds of `sim2real evaluate` stay unseen. The
    folder's journal has it all: Ctrl-C or a kill costs one trial at most, and --resume goes on.

    Example: sim2real tune cartpole --trials 20 --minutes 2 --out runs/tuned
             sim2real tune cartpole --space my_space.yaml --objective success
             sim2real train runs/tuned/best.yaml

    A space names keys of the config and the values that they may have:
             space:
               a2c.learning_rate: {law: log_uniform, low: 3e-4, high: 1e-2}
               a2c.horizon: {law: choice, values: [8, 16, 32]}

    Args:
        config: Preset (see `sim2real train --list`) or path of a .yaml file: what trials have in common.
        out_folder: Folder for journal, trials and best.yaml; runs/tune-<config> if not given.
        trials: Number of trials, those of a search that goes on included.
        minutes: Most that one trial may train.
        space: YAML of the keys to search and their values; the most telling keys of a2c if not given.
        objective: What to make large: the mean return of an episode, or the share that reach their time limit.
        pruner: Which trials to end early: those below the median of the others, by hyperband, or none.
        steps: Replaces the config's number of control steps.
        engine: Replaces the config's physics engine.
        randomization: Replaces the config's Randomization: a shipped name, a .yaml file, or none.
        seed: Seed of the search and of its trials.
        resume: Go on with the search in the folder.
    """
    if not 1 <= trials <= MAX_TRIALS:
        raise ConfigError(f"--trials: must be from 1 to {MAX_TRIALS}, got {trials}")
    if not minutes > 0 or seed < 0:
        raise ConfigError(f"--minutes must be above 0, and --seed at least 0, got {minutes:g} and {seed}")
    from sim2real.tuning.space import load_space

    replaced = {"steps": steps, "environment.engine": engine, "environment.randomization": randomization}
    overrides = {key: value for key, value in replaced.items() if value is not None}
    keys = load_space(space, config, overrides)
    folder = out_folder or Path("runs") / f"tune-{Path(config).stem}"

    from sim2real.tuning.search import tune as search
    from sim2real.tuning.trials import Asked

    asked = Asked(config=config, overrides=overrides, objective=objective, pruner=pruner, minutes=minutes, seed=seed)
    with _Watch(err if json else out, trials) as watch:
        found = search(asked, keys, trials, folder, resume=resume, watch=watch)
    if json:
        sys.stdout.write(jsonlib.dumps(_plain(found, folder), indent=2) + "\n")
    else:
        out.print(tune_table(found, objective))
        for line in _closing(found, folder):
            out.print(line, highlight=False, soft_wrap=True)
    return INTERRUPTED if found.interrupted else 0 if found.best is not None else 1


class _Watch:
    """Shows each trial's training with a bar of its own, and closes the one before."""

    def __init__(self, console: Console, trials: int) -> None:
        self._console, self._trials, self._stack = console, trials, ExitStack()

    def __enter__(self) -> "_Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, number: int, config: "TrainConfig") -> Sequence["MetricsWriter"]:
        from sim2real.commands.console import TrainingProgress

        self._stack.close()
        label = f"trial {number + 1} of {self._trials}"
        return [self._stack.enter_context(TrainingProgress(self._console, config.steps, label))]


def tune_table(found: "Tuned", objective: str) -> Table:
    """Return all trials, the best first, then those without a score."""
    table = Table(title="Trials, the best first", title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    keys = list(dict.fromkeys(key for trial in found.trials for key in trial.values))
    for title in ("trial", objective, "seconds", *(key.removeprefix("a2c.") for key in keys)):
        table.add_column(title, justify="right", overflow="fold")
    for trial in sorted(found.trials, key=_rank):
        values = [_cell(trial.values[key]) if key in trial.values else "" for key in keys]
        score = f"{trial.score:.4g}" if trial.score is not None else trial.state
        table.add_row(str(trial.number + 1), score, f"{trial.seconds:.0f}", *values)
    return table


def _rank(trial: "Tried") -> tuple[bool, float, int]:
    return trial.score is None, -(trial.score or 0.0), trial.number


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else escape(str(value))


def _closing(found: "Tuned", folder: Path) -> Iterator[str]:
    for trial in found.trials:
        if trial.state == "failed" and trial.reason:
            yield escape(f"trial {trial.number + 1} failed: {trial.reason}")
    if found.interrupted:
        yield "interrupted; add --resume to go on"
    if found.best is None:
        yield "no trial has a score"
    else:
        best = folder / "best.yaml"
        yield escape(f"the best config, trial {found.best.number + 1}'s, is {best}; `sim2real train {best}` trains it")


def _plain(found: "Tuned", folder: Path) -> dict[str, Any]:
    trials = [asdict(trial) for trial in found.trials]
    best = None if found.best is None else {"config": str(folder / "best.yaml"), **asdict(found.best)}
    return {"folder": str(folder), "interrupted": found.interrupted, "best": best, "trials": trials}
