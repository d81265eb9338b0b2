"""Training speed beside the engines' own: `make bench`.

Each round measures the raw engine and then a real training run (sensors, delays, reward, network, learner,
checkpoints, learning curve) with the shipped preset on the same cores; the ratio of a round is what counts, since the
machine's speed drifts. Exits with 1 where a bar is missed.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.raw import Load, bullet_rate, mujoco_rate
from sim2real.report import read_curve
from sim2real.train import train
from sim2real.training.config import load_train_config

PRESET = "cartpole"
BARS = {"bullet": 0.70, "mujoco": None}


def training_rate(engine: str, cores: int, steps: int) -> float:
    """Return control steps/s of a real training run of the preset, once TensorFlow has compiled the update."""
    config = load_train_config(PRESET, {"environment.engine": engine, "workers": cores, "steps": steps})
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder))
        curve = read_curve(Path(folder) / "progress.csv")
    return float((curve["step"][-1] - curve["step"][1]) / (curve["time/seconds"][-1] - curve["time/seconds"][1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement")
    options = parser.parse_args()
    cores, console = len(os.sched_getaffinity(0)), Console()
    worlds = load_train_config(PRESET, {"workers": cores}).worlds
    load = Load(PRESET, PRESET, worlds, cores, options.seconds)
    title = f"Control steps/s: cart-pole at 50 Hz, physics at 1,000 Hz, {worlds} randomized worlds, {cores} cores"
    table = Table(title=title, title_justify="left")
    for column in ("engine", "engine alone", "plain loop", "training", "training / engine alone", "bar"):
        table.add_column(column, justify="right")
    missed = False
    for engine, bar in BARS.items():
        alone, plain, trained = [], [], []
        for _ in range(options.rounds):
            alone.append(bullet_rate(load) if engine == "bullet" else mujoco_rate(load))
            plain.append(bullet_rate(load, plain=True) if engine == "bullet" else float("nan"))
            trained.append(training_rate(engine, cores, int(0.7 * alone[-1] * options.seconds)))
            console.print(f"  {engine}: alone {alone[-1]:,.0f}, training {trained[-1]:,.0f}", highlight=False)
        ratios = [t / a for t, a in zip(trained, alone, strict=True)]
        ratio = statistics.median(ratios)
        missed |= bar is not None and ratio < bar
        cells = [f"{statistics.median(rates):,.0f}" for rates in (alone, plain, trained)]
        spread = f"{ratio:.0%} ({min(ratios):.0%} to {max(ratios):.0%})"
        verdict = "" if bar is None else f"≥ {bar:.0%} {'met' if ratio >= bar else 'MISSED'}"
        table.add_row(engine, *(c.replace("nan", "") for c in cells), spread, verdict)
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
