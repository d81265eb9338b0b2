"""`sim2real sensitivity`: success against each quantity that varies, the cliffs among them, and the worst pairs."""

import json as jsonlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from sim2real.robustness.sensitivity import Sensitivity

out = Console()
err = Console(stderr=True)

PositionalPath = tyro.conf.Positional[Path]
Json = Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")]


def sensitivity(
    policy: PositionalPath,
    out_folder: Annotated[Path, tyro.conf.arg(name="out")],
    engine: Literal["bullet", "mujoco"] = "mujoco",
    worlds: int = 28,
    quantities: str = "*",
    randomization: str | None = None,
    seed: int = 0,
    robot: str | None = None,
    workers: int = 2,
    json: Json = False,
) -> int:
    """Measure how success depends on each quantity over its trained range and half as far again on both sides.

    The other quantities are as drawn, the same worlds at each point. A quantity has a cliff where success falls below
    half of its value at the middle of the range. The most sensitive are varied in pairs. A cart-pole takes 2 to 4
    minutes.

    Example: sim2real sensitivity runs/demo/policy --out runs/demo/sensitivity
             sim2real sensitivity runs/demo/policy --out masses --quantities "mass/*" --worlds 100

    Args:
        policy: Policy folder.
        out_folder: Folder for sensitivity.png, pairs.png and sensitivity.json.
        engine: Physics engine.
        worlds: Number of worlds at each point, one episode each.
        quantities: Pattern of the quantities to vary.
        randomization: Ranges to vary in: a shipped name or a .yaml; the policy's own if not given.
        seed: Seed of the worlds.
        robot: Folder or robot.yaml, if the policy's robot is not in the catalog.
        workers: Processes (bullet) or threads (mujoco).
    """
    from sim2real.commands.console import progress_bar
    from sim2real.errors import ConfigError
    from sim2real.evaluate import family_of, policy_robot
    from sim2real.policy import Policy
    from sim2real.robustness.plots import plot_sensitivity
    from sim2real.robustness.sensitivity import sensitivity as measure

    started = time.monotonic()
    loaded = Policy.load(policy)
    body = policy_robot(loaded, robot)
    family = family_of(loaded, body, randomization)
    try:  # before minutes of work
        out_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out_folder}: cannot be made: {error.strerror}") from None
    with progress_bar(err, f"sensitivity in {engine}") as progress:
        result = measure(loaded, engine, family, worlds, quantities, seed, body, workers, progress)
    pictures = plot_sensitivity(result, out_folder)
    report = jsonlib.dumps({"policy": str(policy), **result.to_dict()}, indent=2) + "\n"
    (out_folder / "sensitivity.json").write_text(report, encoding="utf-8")
    if json:
        sys.stdout.write(report)
        return 0
    out.print(sensitivity_table(result))
    out.print(_sentence(result), highlight=False, soft_wrap=True)
    files = ", ".join(path.name for path in pictures)
    seconds = time.monotonic() - started
    out.print(
        f"{files} and sensitivity.json are in {out_folder}; {result.episodes:,} episodes in {seconds:.0f} s",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def sensitivity_table(result: "Sensitivity") -> Table:
    """Return what success loses with each quantity, the most sensitive first."""
    table = Table(title=f"Success in {result.engine} against each quantity", title_justify="left")
    table.add_column("quantity", overflow="fold")
    for column in ("middle", "worst in range", "at", "worst beyond", "unit", "cliff"):
        table.add_column(column)
    for curve in result.curves:
        rates = curve.rates
        inside = curve.within
        worst = int(rates[inside].argmin())
        outside = f"{rates[~inside].min():.0%}" if (~inside).any() else ""
        cliff = {"within": "[red]within[/red]", "beyond": "beyond", "none": ""}[curve.cliff]
        cells = [
            f"{rates[abs(curve.places).argmin()]:.0%}",
            f"{rates[inside][worst]:.0%}",
            f"{curve.values[inside][worst]:.4g}",
        ]
        table.add_row(curve.axis.name, *cells, outside, curve.axis.unit, cliff)
    return table


def _sentence(result: "Sensitivity") -> str:
    cliffs, beyond = result.cliffs(), result.cliffs("beyond")
    parts = [
        f"Cliffs within the trained range: {', '.join(cliffs) or 'none'}",
        f"beyond it: {', '.join(beyond) or 'none'}",
    ]
    if result.pairs:
        worst = result.pairs[0]
        success, first, second = worst.worst
        parts.append(
            f"worst pair: {worst.first.name} {worst.first.value(first):.3g} and {worst.second.name} "
            f"{worst.second.value(second):.3g} with {success:.0%} success"
        )
    return "; ".join(parts)
