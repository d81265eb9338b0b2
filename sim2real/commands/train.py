"""`sim2real train`: one run, several seeds of it, or the list of what ships."""

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console

from sim2real.errors import ConfigError

if TYPE_CHECKING:
    from sim2real.training.config import TrainConfig
    from sim2real.training.run import TrainResult

out = Console()
err = Console(stderr=True)

INTERRUPTED = 130  # as a shell says of a process that Ctrl-C has ended


def train(
    config: tyro.conf.Positional[str | None] = None,
    out_folder: Annotated[Path | None, tyro.conf.arg(name="out")] = None,
    resume: bool = False,
    seed: int | None = None,
    seeds: int | None = None,
    steps: int | None = None,
    worlds: int | None = None,
    engine: Literal["bullet", "mujoco"] | None = None,
    randomization: str | None = None,
    list_presets: Annotated[bool, tyro.conf.arg(name="list")] = False,
    json: Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")] = False,
) -> int:
    """Train a policy from a preset or a YAML file. Ctrl-C ends it with a usable checkpoint and policy.

    A cart-pole takes one to two minutes on two cores. With --seeds, one run follows another, and a table says what they
    came to together: median, extremes, and the interquartile mean with its 95 % stratified bootstrap interval (Agarwal
    et al. 2021).

    Example: sim2real train cartpole --out runs/mine
             sim2real train cartpole --out runs/mine --resume
             sim2real train cartpole --randomization none --out runs/plain
             sim2real train cartpole --seeds 5 --out runs/five
             sim2real train --list

    Args:
        config: Preset (see --list) or path of a .yaml file.
        out_folder: Run folder; runs/<config> if not given. With --seeds, each has a folder seed-N in it.
        resume: Go on from the newest intact checkpoint in the run folder; with --seeds, runs that are done stay.
        seed: Replaces the config's seed; with --seeds, the first of them.
        seeds: Number of runs, each under the next seed.
        steps: Replaces the config's number of control steps.
        worlds: Replaces the config's number of worlds.
        engine: Replaces the config's physics engine.
        randomization: Replaces the config's Randomization: a shipped name, a .yaml file, or none.
        list_presets: Show the presets, and what the policies that ship for them achieve.
    """
    if list_presets:
        return _list(json)
    if config is None:
        raise ConfigError("train: name a preset or a .yaml file; `sim2real train --list` shows the presets")
    from sim2real.training.config import load_train_config

    replaced = {
        "seed": seed,
        "steps": steps,
        "worlds": worlds,
        "environment.engine": engine,
        "environment.randomization": randomization,
    }
    settings = load_train_config(config, {k: v for k, v in replaced.items() if v is not None})
    folder = out_folder or Path("runs") / Path(config).stem
    if seeds is not None:
        return _train_seeds(settings, seeds, folder, resume, json)
    return _train_one(settings, folder, resume, json)


def _list(json: bool) -> int:
    from sim2real.commands.preset_list import preset_tables, presets

    if json:
        _print_json(presets())
    else:
        out.print(preset_tables())
    return 0


def _train_one(config: "TrainConfig", folder: Path, resume: bool, json: bool) -> int:
    from sim2real.commands.console import train_with_progress

    result = train_with_progress(config, folder, err if json else out, resume=resume)
    if json:
        summary = {
            "folder": str(folder),
            "steps": result.steps,
            "seconds": result.seconds,
            "interrupted": result.interrupted,
            "metrics": result.metrics,
            "notes": list(result.notes),
        }
        _print_json(summary)
    return INTERRUPTED if result.interrupted else 0


def _train_seeds(config: "TrainConfig", seeds: int, folder: Path, resume: bool, json: bool) -> int:
    from sim2real.commands.console import train_with_progress
    from sim2real.commands.result_tables import seeds_tables
    from sim2real.training.folder import write_atomically, written
    from sim2real.training.seeds import train_seeds

    shown = err if json else out

    announced = False

    def run(one: "TrainConfig", where: Path) -> "TrainResult":
        nonlocal announced
        label, announce, announced = f"seed {one.seed} ({one.seed - config.seed + 1} of {seeds})", not announced, True
        return train_with_progress(one, where, shown, resume=True, label=label, announce=announce)

    found = train_seeds(config, seeds, folder, run, resume=resume)
    if found.runs:
        with written(folder):
            text = jsonlib.dumps(found.to_dict(), indent=2) + "\n"
            write_atomically(folder / "seeds.json", text.encode())
    if json:
        _print_json({"folder": str(folder), **found.to_dict()})
    elif found.runs:
        out.print(seeds_tables(found))
    if found.interrupted:
        done = f"{len(found.runs)} of {seeds} seeds are done"
        shown.print(f"interrupted: {done}; add --resume to go on", highlight=False, soft_wrap=True)
        return INTERRUPTED
    if not json:
        text = f"{folder}: seeds.json holds the table, and each seed-N/policy its policy"
        out.print(text, soft_wrap=True, highlight=False, markup=False)
    return 0


def _print_json(data: Any) -> None:
    sys.stdout.write(jsonlib.dumps(data, indent=2) + "\n")
