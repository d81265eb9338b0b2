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

from benchmarks.raw import bullet_rate, mujoco_rate
from sim2real.train import train
from sim2real.train_config import load_train_config

BARS = {"bullet": 0.70, "mujoco": None}
RAW = {"bullet": bullet_rate, "mujoco": mujoco_rate}


def training_rate(engine: str, cores: int, steps: int) -> float:
    """Return control steps/s of a real training run of the preset `cartpole`."""
    config = load_train_config("cartpole", {"environment.engine": engine, "workers": cores, "steps": steps})
    with tempfile.TemporaryDirectory() as folder:
        return train(config, Path(folder)).metrics["time/steps_per_s"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement")
    options = parser.parse_args()
    cores, console = len(os.sched_getaffinity(0)), Console()
    worlds = load_train_config("cartpole", {"workers": cores}).worlds
    table = Table(
        title=f"Control steps/s, cart-pole, 50 Hz control, 1,000 Hz physics, {worlds} randomized worlds, {cores} cores",
        title_justify="left",
    )
    for column in ("engine", "engine alone", "training", "ratio, median (min .. max)", "bar"):
        table.add_column(column)
    missed = False
    for engine, bar in BARS.items():
        raw, trained = [], []
        for _ in range(options.rounds):
            raw.append(RAW[engine]("cartpole", "cartpole", worlds, cores, options.seconds))
            trained.append(training_rate(engine, cores, max(1, int(0.6 * raw[-1] * options.seconds))))
            console.print(
                f"  {engine}: alone {raw[-1]:,.0f}, training {trained[-1]:,.0f}: {trained[-1] / raw[-1]:.0%}",
                highlight=False,
            )
        ratios = [t / r for t, r in zip(trained, raw, strict=True)]
        ratio = statistics.median(ratios)
        short = bar is not None and ratio < bar
        missed |= short
        table.add_row(
            engine,
            f"{statistics.median(raw):,.0f}",
            f"{statistics.median(trained):,.0f}",
            f"{ratio:.0%} ({min(ratios):.0%} .. {max(ratios):.0%})",
            "none" if bar is None else f"≥ {bar:.0%} {'missed' if short else 'met'}",
        )
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
