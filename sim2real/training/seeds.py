"""One config under several seeds, one after the other: what each run came to, and what they say together."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim2real.config import Strict, dump_yaml, load
from sim2real.errors import ConfigError, TrainingError
from sim2real.training.config import TrainConfig
from sim2real.training.curve import training_seconds
from sim2real.training.folder import write_atomically
from sim2real.training.statistics import Spread, spread

if TYPE_CHECKING:
    from sim2real.training.run import TrainResult

FINISHED = "finished.yaml"
_FINISHED = "# What this run came to. With it here, `--resume` takes the run as done.\n"
MAX_SEEDS = 1000

Run = Callable[[TrainConfig, Path], "TrainResult"]
"""Trains a config in a folder, going on where a run is there."""


class SeedRun(Strict):
    """What one run came to. figures: those of `sim2real.train.TrainResult.metrics` that were measured at its end.

    seconds: of training, over all starts [s]; steps: less than the config's where the goal was reached before
    """

    seed: int
    steps: int
    seconds: float
    figures: dict[str, float]


@dataclass(frozen=True)
class SeedRuns:
    """Runs of one config. interrupted: before all were done."""

    runs: tuple[SeedRun, ...]
    interrupted: bool = False

    def spreads(self) -> dict[str, Spread]:
        """Return what the runs say together of each figure that all of them have, steps and seconds among them."""
        if not self.runs:
            return {}
        columns = [{"steps": float(run.steps), "seconds": run.seconds} | run.figures for run in self.runs]
        names = [name for name in columns[0] if all(name in column for column in columns)]
        return {name: spread([column[name] for column in columns]) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for --json."""
        together = {name: asdict(found) for name, found in self.spreads().items()}
        return {"runs": [run.model_dump() for run in self.runs], "together": together, "interrupted": self.interrupted}


def seed_folder(folder: Path, seed: int) -> Path:
    """Return the run folder of one seed."""
    return folder / f"seed-{seed}"


def train_seeds(config: TrainConfig, count: int, folder: Path, run: Run, *, resume: bool = False) -> SeedRuns:
    """Train under `count` seeds from the config's on, each in a folder of its own, and stop where one is interrupted.

    With `resume`, runs that are done are taken as they are. Raise TrainingError, before anything is trained, where a
    run is there and `resume` is not asked for, or a run that is done had another config.
    """
    if not 1 <= count <= MAX_SEEDS:
        raise ConfigError(f"--seeds: must be from 1 to {MAX_SEEDS}, got {count}")
    configs = [config.model_copy(update={"seed": config.seed + k}) for k in range(count)]
    done = {c.seed: found for c in configs if (found := _finished(c, seed_folder(folder, c.seed), resume)) is not None}
    runs = list[SeedRun]()
    for one in configs:
        if one.seed not in done:
            found, interrupted = _train(one, seed_folder(folder, one.seed), run)
            if interrupted:
                return SeedRuns(tuple(runs), interrupted=True)
            done[one.seed] = found
        runs.append(done[one.seed])
    return SeedRuns(tuple(runs))


def _finished(config: TrainConfig, folder: Path, resume: bool) -> SeedRun | None:
    """Return what a run that is done came to, None if it is not."""
    if not resume and (folder / "checkpoints").exists():
        raise TrainingError(f"{folder}: holds a run already; add --resume to go on with it, or choose another --out")
    if not (folder / FINISHED).exists():
        return None
    if load(TrainConfig, folder / "config.yaml") != config:
        raise TrainingError(f"{folder}: is a run of another config, and is done; choose another --out")
    return load(SeedRun, folder / FINISHED)


def _train(config: TrainConfig, folder: Path, run: Run) -> tuple[SeedRun, bool]:
    result = run(config, folder)
    figures = dict(sorted(_figures(result.metrics)))
    seconds = round(training_seconds(folder / "progress.csv"), 3)
    found = SeedRun(seed=config.seed, steps=result.steps, seconds=seconds, figures=figures)
    if not result.interrupted:
        data = _FINISHED + dump_yaml(found.model_dump())
        try:
            write_atomically(folder / FINISHED, data.encode())
        except OSError as error:
            raise TrainingError(f"{folder / FINISHED}: cannot be written: {error.strerror}") from None
    return found, result.interrupted


def _figures(metrics: dict[str, float]) -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        if name.startswith(("evaluation/", "rollout/")) and isfinite(value):
            yield name, float(value)
