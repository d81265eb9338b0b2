"""`sim2real ship` and `sim2real curve`: make a run into what ships with the package, and draw a learning curve."""

import json as jsonlib
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

if TYPE_CHECKING:
    from sim2real.training.ship import Judging

out = Console()
err = Console(stderr=True)

PositionalPath = tyro.conf.Positional[Path]
Engines = tuple[str, ...]


def ship(
    run: PositionalPath,
    preset: str,
    worlds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ENGINE:RANDOMIZATION ...")] = (),
    variants: int = 200,
    seed: int = 0,
    out_folder: Annotated[Path | None, tyro.conf.arg(name="out")] = None,
    json: Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")] = False,
) -> int:
    """Judge the policy of a finished run of a preset, and make it into what ships with the package.

    That is a folder with the policy, its learning curve, its evaluations, and a README with the command that trains it.
    The run must have the preset's config; its seed may be another one.

    Example: sim2real ship runs/a1 --preset a1 --worlds bullet:quadruped_ordinary bullet:quadruped_hard

    Args:
        run: Run folder.
        preset: Preset that it is a run of, and name of the policy.
        worlds: Where to judge it: an engine and a Randomization each; both engines in its own if not given.
        variants: Number of worlds, one episode each.
        seed: Seed of the worlds.
        out_folder: Folder to make; the package's own, for developers, if not given.
    """
    from sim2real.commands.console import progress_bar
    from sim2real.evaluate import Progress
    from sim2real.policy.shipped import SHOWCASE
    from sim2real.training.ship import ship as make

    folder = out_folder or SHOWCASE / preset
    judgings = _judgings(worlds, variants, seed)
    with ExitStack() as stack:

        def show(judging: "Judging") -> Progress:
            stack.close()
            label = f"{variants} worlds in {judging.engine}, {judging.randomization}"
            return stack.enter_context(progress_bar(err, label))

        about = make(run, preset, judgings, folder, show)
    if json:
        sys.stdout.write(jsonlib.dumps({"folder": str(folder), **about}, indent=2) + "\n")
        return 0
    out.print((folder / "README.md").read_text(encoding="utf-8"), highlight=False, markup=False, soft_wrap=True, end="")
    out.print(f"in {folder}", highlight=False, soft_wrap=True)
    return 0


def _judgings(worlds: tuple[str, ...], variants: int, seed: int) -> "list[Judging]":
    from sim2real.errors import ConfigError, nearest
    from sim2real.sim.engine import ENGINES
    from sim2real.training.ship import OWN, Judging

    found = []
    for asked in worlds or [f"{engine}:{OWN}" for engine in ENGINES]:
        engine, _, family = asked.partition(":")
        if engine not in ENGINES or not family:
            meant = nearest(engine, ENGINES)
            raise ConfigError(f"--worlds: '{asked}' is not ENGINE:RANDOMIZATION{meant}; e.g. bullet:cartpole")
        found.append(Judging(engine, family, variants, seed))
    return found


def curve(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN ...")],
    out_picture: Annotated[Path, tyro.conf.arg(name="out")],
    json: Annotated[bool, tyro.conf.arg(help="Print the curves as JSON too.")] = False,
) -> int:
    """Draw return and success during training, of up to seven runs or shipped policies, into a PNG file.

    Example: sim2real curve cartpole --out curve.png
             sim2real curve runs/mine runs/plain --out both.png

    Args:
        runs: Run folders, or names of shipped policies.
        out_picture: PNG file to write.
    """
    from sim2real.errors import ConfigError
    from sim2real.pictures.strip import check_png
    from sim2real.policy.shipped import curve_file
    from sim2real.report import PALETTE, plot_learning_curves, read_curve

    check_png(out_picture)
    files = {str(run): curve_file(run) for run in runs}
    if not 1 <= len(files) <= len(PALETTE):
        raise ConfigError(f"curve: name from 1 to {len(PALETTE)} run folders or shipped policies, got {len(files)}")
    plot_learning_curves(files, out_picture)
    if json:
        columns = {name: read_curve(file) for name, file in files.items()}
        curves = {name: {key: column.tolist() for key, column in found.items()} for name, found in columns.items()}
        sys.stdout.write(jsonlib.dumps(curves, indent=2) + "\n")
    else:
        out.print(f"{out_picture} shows {', '.join(files)}", highlight=False, soft_wrap=True)
    return 0
