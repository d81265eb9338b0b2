"""The walking quadruped, zero-shot in the other engine: `make flagship`. Hours; goes on where it was stopped.

Each variation of the shipped config is trained under some seeds (each in a folder of its own) and judged in families of
200 worlds that no training draws from. The table gives medians over seeds, beside their bars. Exits with 1 on a miss.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sim2real.evaluate import evaluate
from sim2real.policy import Policy
from sim2real.train import train
from sim2real.training.config import RobotEnvironment, load_train_config
from sim2real.training.curve import training_seconds

ORDINARY, HARD, ROUGH = "quadruped_ordinary", "quadruped_hard", "quadruped_rough"
PRESET = "a1"
JUDGE_SEED = 2026
WORLDS = 200
FIGURES = {
    "forward [m/s]": "forward",
    "left [m/s]": "left",
    "turn [rad/s]": "turn",
    "joint power [W]": "W",
    "action jerk [1]": "jerk",
    "slow share [1]": "slow",
    "foot slip [m/s]": "slip",
}
"""Errors and figures of an evaluation that the table shows, in its order, each with the title of its column."""


@dataclass(frozen=True)
class Bar:
    """What is promised of a family of worlds: share alive, and errors in m/s (both ways) and rad/s."""

    alive: float
    speed: float
    turn: float | None = None


@dataclass(frozen=True)
class Variation:
    """A way to train: what differs from the shipped config, how many seeds, and in which families it is judged."""

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1
    judged: Mapping[str, Bar | None] = field(default_factory=lambda: {ORDINARY: None, HARD: None})


ALIVE = Bar(0.99, 0.03, 0.03)
VARIATIONS = (
    Variation("as shipped", seeds=3, judged={ORDINARY: ALIVE, HARD: Bar(0.85, 0.10)}),
    Variation("no randomization", {"environment.randomization": "none"}),
    Variation("no history", {"environment.options.history": 1}),
    Variation("critic sees what the actor sees", {"a2c.asymmetric": False}),
    Variation("first-order actor", {"a2c.actor_step": "first_order", "a2c.schedule": "kl", "a2c.learning_rate": 3e-4}),
    Variation("not symmetric", {"a2c.symmetry": False}),
    Variation("rough ground", {"environment.randomization": "quadruped_terrain"}, judged={ROUGH: Bar(0.90, 0.10)}),
    Variation("laikago", {"environment.robot": "laikago"}, judged={ORDINARY: Bar(0.95, 0.06)}),
    Variation("mini_cheetah", {"environment.robot": "mini_cheetah"}, judged={ORDINARY: Bar(0.95, 0.06)}),
    Variation(
        "trained in PyBullet",
        {"environment.engine": "bullet", "environment.physics_hz": 500},
        judged={ORDINARY: ALIVE, HARD: None},
    ),
)


def trained(variation: Variation, seed: int, folder: Path) -> Policy:
    """Train a variation, or go on with it, or take what is there; return its policy."""
    config = load_train_config(PRESET, {**variation.overrides, "seed": seed})
    done = folder / "done"
    if not done.exists():
        train(config, folder, resume=True)
        done.touch()
    return Policy.load(folder / "policy")


def judged(policy: Policy, folder: Path, family: str, worlds: int) -> dict[str, float]:
    """Judge a policy in the engine that it was not trained in, once; return the figures by name."""
    noted = folder / f"{family}-{worlds}.json"
    if not noted.exists():
        environment = load_train_config(folder / "config.yaml").environment
        other = "bullet" if isinstance(environment, RobotEnvironment) and environment.engine == "mujoco" else "mujoco"
        found = evaluate(policy, other, family, worlds, JUDGE_SEED)
        figures = {name: float(np.nanmean(values)) for name, values in (found.errors | found.figures).items()}
        noted.write_text(json.dumps({"alive": found.success_rate} | figures))
    figures = json.loads(noted.read_text())
    return {name: float(value) for name, value in figures.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flagship", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/flagship"))
    parser.add_argument("--only", action="append", choices=[v.name for v in VARIATIONS], help="may be repeated")
    parser.add_argument("--worlds", type=int, default=WORLDS)
    options = parser.parse_args(arguments)
    table, missed = empty_table(), False
    for variation in VARIATIONS:
        if options.only and variation.name not in options.only:
            continue
        folders = [options.out / variation.name.replace(" ", "-") / f"seed-{seed}" for seed in range(variation.seeds)]
        policies = [trained(variation, seed, folder) for seed, folder in enumerate(folders)]
        minutes = statistics.median(training_seconds(folder / "progress.csv") for folder in folders) / 60
        for family, bar in variation.judged.items():
            runs = [judged(p, f, family, options.worlds) for p, f in zip(policies, folders, strict=True)]
            found = medians(runs)
            verdict, met = _verdict(found, bar)
            missed |= not met
            table.add_row(variation.name, str(variation.seeds), f"{minutes:.1f}", family, *cells(found), verdict)
    Console(width=150).print(table)
    return 1 if missed else 0


def empty_table() -> Table:
    """Return the table without rows."""
    table = Table(title="Walking, zero-shot in the other engine; medians over seeds", title_justify="left")
    for column in ("trained", "seeds", "minutes", "judged in", "alive", *FIGURES.values(), "bars"):
        table.add_column(column, justify="left" if column in ("trained", "judged in") else "right")
    return table


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median over runs of each figure that all of them have."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0] if all(name in run for run in runs)}


def cells(found: Mapping[str, float]) -> list[str]:
    """Return the cells of the share alive and of `FIGURES`; a dash for what was not measured."""
    shown = (f"{found[name]:.3f}" if name in found else "-" for name in FIGURES)
    return [f"{found['alive']:.1%}", *shown]


def _verdict(found: dict[str, float], bar: Bar | None) -> tuple[str, bool]:
    """Say whether the bars are met; True where there are none."""
    if bar is None:
        return "", True
    speed = max(found["forward [m/s]"], found["left [m/s]"])
    turned = bar.turn is None or found["turn [rad/s]"] <= bar.turn
    met = found["alive"] >= bar.alive and speed <= bar.speed and turned
    return f"{bar.alive:.0%} {bar.speed:g} {'met' if met else 'MISSED'}", met


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
