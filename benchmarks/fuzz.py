"""Damaged robots, seeded: `make fuzz`. Every file gets one of two answers, and nothing else happens.

URDFs, MJCFs and meshes are mutated (`benchmarks.mutations`) and given to the readers, in child processes. The answer is
a robot, finite in every number, the same after writing and reading, that both engines build and step without NaN (every
`ENGINE_EVERY`th case is tried); or a RobotError in one line. A crash, a hang, another exception, a non-finite number or
memory that grows is a failure. What fails is cut down to what causes it, and kept. Exits with 1 if anything fails.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fuzz_cases import SHARES, Case, cases
from benchmarks.isolated import Outcome, run_isolated, shown
from sim2real.errors import RobotError
from sim2real.importing import Limits, import_robot

TARGET = "benchmarks.fuzz_cases:attempt"
SECONDS = 5.0  # for one answer
GROWTH = 128.0  # megabytes that a child may hold more in the end: MuJoCo and we keep some hundred meshes for next time
MINIMIZE_SECONDS = 120.0
ENOUGH = 400  # cases of a child that can tell of its memory
ANSWERS = ("refused", "read", "built", "diverges")


@dataclass
class Tally:
    """What came of all cases."""

    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[Outcome] = field(default_factory=list)
    slowest: float = 0.0
    memory: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.slowest = max(self.slowest, outcome.seconds)
        if outcome.child:
            self.memory[outcome.child].append(outcome.resident)
        if outcome.failure and outcome.job.suffix == ".xml" and caught(outcome.job):
            outcome = replace(outcome, value="refused", failure="")
        self.answers[outcome.job.suffix][outcome.value or "failed"] += 1
        if outcome.failure:
            self.failures.append(outcome)

    @property
    def growth(self) -> float:
        """Megabytes that the worst child holds more at its end than early on.

        The least of the second and of the last quarter of its cases are compared: what comes and goes does not count.
        """
        quarters = [np.array_split(held, 4) for held in self.memory.values() if len(held) >= ENOUGH]
        return max((float(last.min() - early.min()) / 1e6 for _, early, _, last in quarters), default=0.0)

    @property
    def passed(self) -> bool:
        """Whether no case failed, and no memory was lost."""
        return not self.failures and self.growth <= GROWTH


def caught(case: Case) -> bool:
    """Return whether the importer, which has a child of its own, refuses in one line a MJCF that broke its child."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "robot.xml"
        source.write_bytes(case.contents)
        try:
            import_robot(source, Path(folder) / "out", limits=Limits(seconds=SECONDS))
        except RobotError:
            return True
    return False


def run(count: int, workers: int = 2, first: int = 0, console: Console | None = None) -> Tally:
    """Try cases `first` to `first + count`; what readers cache on the way goes into a folder that is then deleted."""
    tally, console = Tally(), console or Console(quiet=True)
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            outcomes = run_isolated(TARGET, cases(count, first), SECONDS, workers)
            for outcome in shown(outcomes, count, "fuzz", console):
                tally.add(outcome)
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before
    return tally


def _keep(failures: Sequence[Outcome], folder: Path, console: Console) -> None:
    """Write a file of each kind of failure into `folder`, cut down to what causes it unless its child did not live."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {(outcome.job.suffix, outcome.failure[:40]): outcome for outcome in reversed(failures)}
    cut = run_isolated("benchmarks.fuzz_cases:minimized", [outcome.job for outcome in kinds.values()], MINIMIZE_SECONDS)
    smaller = {outcome.job: outcome.value for outcome in cut}
    for outcome in kinds.values():
        case: Case = outcome.job
        path = folder / f"case_{case.number}{case.suffix}"
        path.write_bytes(smaller[case] or case.contents)
        console.print(f"{path}: {outcome.failure} (seed {case.seed})", markup=False, highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first case; a number is always the same case"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for what fails, cut down")
    options = parser.parse_args()
    started, console = time.monotonic(), Console()
    tally = run(options.cases, options.workers, options.first, console)
    if tally.failures:
        _keep(tally.failures, options.keep, console)
    console.print(_table(tally, time.monotonic() - started))
    return 0 if tally.passed else 1


def _table(tally: Tally, seconds: float) -> Table:
    table = Table(title=f"{sum(c.total() for c in tally.answers.values()):,} damaged files in {seconds:.0f} s")
    for column in ("kind", "cases", *ANSWERS, "failed"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for suffix in SHARES:
        counts = tally.answers[suffix]
        table.add_row(suffix, str(counts.total()), *(str(counts[answer]) for answer in (*ANSWERS, "failed")))
    table.caption = (
        f"slowest answer {tally.slowest:.2f} s (bar {SECONDS:g} s); memory {tally.growth:+.0f} MB "
        f"(bar {GROWTH:g} MB); read: not tried in the engines"
    )
    return table


if __name__ == "__main__":
    sys.exit(main())
