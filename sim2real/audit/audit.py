"""The audit: each quantity at its extremes alone, in each engine, and what became of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, VariantSpace, stream
from robots import Robot
from sim2real.audit.cases import Case, choose, ends, make_cases
from sim2real.audit.judge import judge_case, judge_shots
from sim2real.audit.pictures import Shots, Studio
from sim2real.audit.read_back import make_reader
from sim2real.audit.repeat import compounding
from sim2real.audit.scenario import Scenario, Scenarios, by_scenario, dropped
from sim2real.audit.trials import Trial, Trials
from sim2real.audit.verdict import Audit, Finding, Measured, Row
from sim2real.audit.worlds import MakeEngine, Worlds, build
from sim2real.tasks.task import Task

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
RESETS = 1000
BATCH = 32  # worlds at most; the same in both engines, so that a case meets the same random numbers in both
_GRAVEST = (
    "physics cannot bear it",
    "collisions lost",
    "compounds",
    "no effect",
    "wrong value",
    "acts elsewhere",
    "engines disagree",
)


def audit(
    robot: Robot,
    task: Task | None = None,
    engines: Sequence[str] = ("bullet", "mujoco"),
    quantities: Sequence[str] | None = None,
    randomization: Randomization | None = None,
    per_quantity: int | None = None,
    resets: int = RESETS,
    progress: Progress = lambda _, __: None,
    make: MakeEngine = build,
) -> Audit:
    """Audit the quantities of a robot: put each coordinate at its extremes alone, read it back, see what it moves.

    task: the motion starts where this task starts an episode, else in the default pose at rest
    quantities: patterns of quantities or coordinates; all of them if None
    randomization: its laws replace the table's; per_quantity: audit at most so many members of each quantity
    progress: is told (done, total); make: builds the engines, in this process
    Raise RandomizationError for a pattern without match, EngineError where an engine refuses the robot.
    """
    began, tried = time.monotonic(), dropped(robot)
    space = VariantSpace(tried)
    bounds = ends(space, randomization)
    columns = choose(space, quantities, per_quantity)
    cases = make_cases(space, bounds, columns)
    start = None if task is None else tuple(rows[0] for rows in task.start(stream(0, "audit start"), 1))
    scenarios = Scenarios(tried, space, bounds, start)  # type: ignore[arg-type]
    groups = by_scenario((case for case in cases if case.quantity.place != "camera"), scenarios)
    pictured = [case for case in cases if case.quantity.place == "camera"]
    done, total = 0, len(cases) * len(engines)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    trials: dict[Case, dict[str, Trial]] = {case: {} for case in cases}
    shots: dict[Case, dict[str, Shots]] = {case: {} for case in pictured}
    repeated: dict[str, dict[str, str]] = {}
    general = []
    for engine in engines:
        for chosen in _by_length(groups):
            n_worlds = min(BATCH, sum(map(len, chosen.values())) + len(chosen) + 1)  # cases, baselines, and one more
            with closing(Worlds(tried, engine, n_worlds, make)) as worlds:
                run = Trials(worlds, make_reader(worlds.engine, engine))
                for trial in run.run(chosen, advance):
                    trials[trial.case][engine] = trial
                general += [Finding("acts elsewhere", engine, leak) for leak in run.leaks]
        if pictured:
            with closing(Studio(tried, engine)) as studio:
                for taken in studio.run(pictured):
                    shots[taken.case][engine] = taken
            advance(len(pictured))
        with closing(Worlds(tried, engine, 1, make)) as worlds:
            reader = make_reader(worlds.engine, engine)
            repeated[engine] = compounding(worlds, reader, scenarios.plain, bounds, columns, resets)
    general += [Finding("compounds", engine, found[""]) for engine, found in repeated.items() if "" in found]
    rows = [_row(tried, space, column, bounds, trials, shots, repeated) for column in columns]
    return Audit(robot.name, tuple(engines), tuple(rows), time.monotonic() - began, tuple(general))


def _by_length(groups: Mapping[Scenario, Sequence[Case]]) -> list[dict[Scenario, Sequence[Case]]]:
    """Return the scenarios of each length."""
    lengths: dict[int, dict[Scenario, Sequence[Case]]] = {}
    for scenario, cases in groups.items():
        lengths.setdefault(len(scenario.commands), {})[scenario] = cases
    return list(lengths.values())


def _row(
    robot: Robot,
    space: VariantSpace,
    column: int,
    bounds: Array,
    trials: Mapping[Case, Mapping[str, Trial]],
    shots: Mapping[Case, Mapping[str, Shots]],
    repeated: Mapping[str, Mapping[str, str]],
) -> Row:
    name, quantity = space.names[column], space.quantities[column]
    findings: list[Finding] = []
    judgements, measured = [], {}
    for case in (case for case in trials if case.name == name):
        judgement = judge_shots(case, shots[case]) if case in shots else judge_case(robot, case, trials[case])
        judgements.append(judgement)
        findings += judgement.findings
        for engine, taken in shots.get(case, {}).items():
            measured[engine, case.end] = Measured(None, taken.change)
        for engine, trial in trials[case].items():
            measured[engine, case.end] = Measured(trial.read_back, trial.effect)
    findings += [
        Finding("compounds", e, found[quantity.name]) for e, found in repeated.items() if quantity.name in found
    ]
    findings.sort(key=lambda finding: _GRAVEST.index(finding.kind))
    low, high = bounds[:, column].tolist()
    nominal = float(space.nominal[column])
    reason = judgements[0].reason if judgements and all(judgement.reason for judgement in judgements) else ""
    agreements = tuple(j.agreement for j in judgements if j.agreement is not None)
    return Row(name, quantity.name, quantity.unit, nominal, low, high, measured, tuple(findings), reason, agreements)
