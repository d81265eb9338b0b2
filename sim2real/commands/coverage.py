"""`sim2real coverage`: does a robot's Variant lie in what a policy was trained on, and does the policy work there?"""

import json as jsonlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from sim2real.robustness.coverage import Coordinate, Coverage

out = Console()
err = Console(stderr=True)

MAX_ROWS = 20
MAX_NAMES = 6  # of the quantities outside that the verdict names

PositionalPath = tyro.conf.Positional[Path]


def coverage(
    policy: PositionalPath,
    variant: PositionalPath,
    engine: Literal["bullet", "mujoco"] = "mujoco",
    variants: int = 200,
    radius: float = 0.25,
    randomization: str | None = None,
    seed: int = 0,
    robot: str | None = None,
    workers: int = 2,
    json: Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")] = False,
) -> int:
    """Say which quantities of a robot lie inside of a policy's trained ranges, how deep, and how the policy does there.

    Depth is 1 in the middle of a range, 0 at its ends and negative outside, in half widths of the range; for a
    log_uniform law on the logarithmic scale, so that the middle of 0.5 to 2 is 1. What the file does not name is
    assumed nominal. Exit status: 0 if all lie inside, 1 if not.

    Example: sim2real coverage runs/demo/policy calibrated.yaml
             sim2real coverage runs/demo/policy posterior.npz --engine bullet --json

    Args:
        policy: Policy folder.
        variant: YAML of quantity: value, or with `variants`, a list of such; or samples as .npz or .csv.
        engine: Physics engine.
        variants: Number of worlds around the Variants, one episode each.
        radius: How far they lie from the Variants at most, in half widths of the trained ranges.
        randomization: Ranges to compare with: a shipped name or a .yaml; the policy's own if not given.
        seed: Seed of the worlds.
        robot: Folder or robot.yaml, if the policy's robot is not in the catalog.
        workers: Processes (bullet) or threads (mujoco).
    """
    from randomization.variant_files import read_given
    from sim2real.commands.console import progress_bar
    from sim2real.evaluate import family_of, policy_robot
    from sim2real.policy import Policy
    from sim2real.robustness.coverage import coverage as measure

    loaded = Policy.load(policy)
    body = policy_robot(loaded, robot)
    family = family_of(loaded, body, randomization)
    given = read_given(variant, family.space)
    with progress_bar(err, f"{max(variants, len(given.variants))} worlds in {engine}") as progress:
        result = measure(loaded, given.variants, engine, family, variants, radius, seed, body, workers, progress)
    if json:
        data = {"policy": str(policy), "given": sorted(given.names), **result.to_dict()}
        sys.stdout.write(jsonlib.dumps(data, indent=2) + "\n")
    else:
        shown = [c for c in result.coordinates if c.name in given.names or c.inside < 1.0]
        out.print(coverage_table(shown))
        if others := len(result.coordinates) - len(shown):
            are = "others are assumed nominal and lie" if others > 1 else "other is assumed nominal and lies"
            out.print(f"{others} {are} inside.", highlight=False, soft_wrap=True)
        out.print(_sentence(result), highlight=False, soft_wrap=True)
    return 0 if result.inside.all() else 1


def coverage_table(coordinates: "Sequence[Coordinate]", rows: int = MAX_ROWS) -> Table:
    """Return how some quantities, shallowest first, lie in their trained ranges."""
    left = len(coordinates) - rows
    table = Table(
        title="How deep in the trained ranges (1 middle, 0 end, negative outside)",
        title_justify="left",
        caption=f"and {left} more that lie deeper; --json has all" if left > 0 else None,
        caption_justify="left",
    )
    table.add_column("quantity", overflow="fold")
    for column in ("value", "trained range", "unit", "depth"):
        table.add_column(column)
    for c in coordinates[:rows]:
        table.add_row(
            c.name, _span(float(c.values.min()), float(c.values.max())), _span(c.low, c.high), c.unit, _deep(c)
        )
    return table


def _span(low: float, high: float) -> str:
    return f"{low:.4g}" if low == high else f"{low:.4g} .. {high:.4g}"


def _deep(c: "Coordinate") -> str:
    least = float(c.depth.min())
    text = f"{least:.2f}" if least > float("-inf") else "never varied"
    if c.inside < 1.0:
        share = "" if len(c.values) == 1 else f", {1 - c.inside:.0%} outside"
        return f"[red]{text}{share}[/red]"
    return text


def _sentence(result: "Coverage") -> str:
    low, high = result.evaluation.interval
    n, inside = len(result.variants), int(result.inside.sum())
    one = "The Variant lies" if inside else "The Variant does not lie"
    where = f"{inside} of {n} Variants lie" if n > 1 else one
    outside = [c.name for c in result.coordinates if c.inside < 1.0]
    more = f" and {len(outside) - MAX_NAMES} more" if len(outside) > MAX_NAMES else ""
    failing = f"; outside: {', '.join(outside[:MAX_NAMES])}{more}" if outside else ""
    rate = f"{result.evaluation.success_rate:.1%} (95 % interval {low:.1%} to {high:.1%}"
    return (
        f"{where} inside in all quantities{failing}. Success within {result.radius:g} half widths around: {rate}, "
        f"{len(result.sample)} worlds in {result.evaluation.engine})"
    )
