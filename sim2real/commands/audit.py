"""`sim2real audit`: proof that each quantity of a robot's Variants does what it says, in both engines."""

import json as jsonlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import tyro
from rich.console import Console

out = Console()
err = Console(stderr=True)

EVERY = 10.0  # [s] between two lines of progress, where there is no terminal

PositionalStr = tyro.conf.Positional[str]
Patterns = Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN ...")]


def audit(
    robot: PositionalStr,
    task: tyro.conf.Positional[str | None] = None,
    engine: Literal["both", "bullet", "mujoco"] = "both",
    quantity: Patterns = (),
    randomization: str | None = None,
    members: bool = False,
    failures: bool = False,
    json: Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")] = False,
) -> int:
    """Put each quantity of a robot at its extremes, alone: what does each engine make of it, and what does it move?

    Fails on a quantity without effect or with an effect on anything else, on one that compounds over 1,000 resets, on
    lost collisions, on engines that disagree in sign or size, and on a range that physics cannot bear. Exit status: 0
    every quantity passes, 1 one fails, 2 bad input. An A1 takes one to two minutes, a cart-pole ten seconds; --quantity
    narrows it.

    Example: sim2real audit a1
             sim2real audit cartpole balance --randomization cartpole --members
             sim2real audit my_robot/robot.yaml --quantity mass 'friction/*_hip_joint' --json

    Args:
        robot: Name in the catalog, folder or robot.yaml.
        task: Also start from where this task starts its episodes.
        engine: Physics engine; both are compared with each other.
        quantity: Quantities or coordinates to audit, with * and ?; all of them if not given.
        randomization: Audit only what a shipped Randomization or a .yaml file varies, within its ranges.
        members: Show every body, joint and motor, and not one of each quantity.
        failures: Show only what fails.
    """
    from randomization import Randomization
    from robots import load_robot
    from sim2real.audit import audit as run_audit
    from sim2real.audit.summary import finding_lines, summary
    from sim2real.audit.table import audit_table, one_per_quantity
    from sim2real.tasks.task import load_task

    loaded = load_robot(robot)
    with _progress(f"auditing {loaded.name}") as progress:
        found = run_audit(
            loaded,
            task=None if task is None else load_task(task, loaded),
            engines=("bullet", "mujoco") if engine == "both" else (engine,),
            quantities=quantity or None,
            randomization=None if randomization is None else Randomization.load(randomization, loaded),
            progress=progress,
        )
    if json:
        sys.stdout.write(jsonlib.dumps(found.to_dict(), indent=2) + "\n")
        return 0 if found.ok else 1
    rows = found.rows if members else one_per_quantity(found)
    if failures:
        rows = found.failures if members else [row for row in rows if row.findings]
    if rows:
        out.print(audit_table(found, rows, out.width, members))
    for line in finding_lines(found):
        out.print(line, soft_wrap=True)
    out.print(summary(found), highlight=False, soft_wrap=True)
    return 0 if found.ok else 1


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (done, total): it drives a bar on a terminal; else a line is printed every 10 s."""
    from sim2real.commands.console import progress_bar

    if err.is_terminal:
        with progress_bar(err, label) as bar:
            yield bar
        return
    began, ended = time.monotonic(), threading.Event()
    counts = 0, 0

    def count(done: int, total: int) -> None:
        nonlocal counts
        counts = done, total

    def tell() -> None:
        while not ended.wait(EVERY):
            done, total = counts
            share = f"{done} of {total} trials, " if total else ""
            err.print(f"{label}: {share}{time.monotonic() - began:.0f} s", highlight=False, soft_wrap=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield count
    finally:
        ended.set()
        thread.join()
