"""The audit: each quantity at its extremes alone, in each engine, and what became of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, VariantSpace, stream
from robots import Robot
from sim2real.audit.cases import Case, End, choose, ends, make_cases, varied
from sim2real.audit.judge import Judgement, judge_case, judge_shots
from sim2real.audit.measure import answered, measured
from sim2real.audit.pictures import Shots, Studio
from sim2real.audit.read_back import make_reader
from sim2real.audit.repeat import compounding
from sim2real.audit.scenario import Scenario, Scenarios, by_scenario, dropped
from sim2real.audit.trials import Trial, Trials
from sim2real.audit.verdict import GRAVEST, Audit, Finding, Measured, Row
from sim2real.audit.worlds import MakeEngine, Worlds, build
from sim2real.tasks.task import Task

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

RESETS = 1000
BATCH = 32  # worlds at most; the same in both engines, so that a case meets the same random numbers in both


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
    randomization: audit what it varies, within its ranges, instead of all within those of the table
    per_quantity: audit at most so many members of each quantity
    progress: is told (done, total); make: builds the engines, in this process
    Raise RandomizationError for a pattern without match or where nothing varies, EngineError where an engine refuses
    the robot.
    """
    began, plan = time.monotonic(), _plan(dropped(robot), task, quantities, randomization, per_quantity, resets)
    total, done = len(plan.cases) * len(engines), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    evidence = {engine: _gather(plan, engine, make, advance) for engine in engines}
    general = [
        finding
        for engine, found in evidence.items()
        for finding in (
            *(Finding("acts elsewhere", engine, leak) for leak in found.leaks),
            *(Finding("compounds", engine, text) for quantity, text in found.repeated.items() if not quantity),
        )
    ]
    rows = tuple(_row(plan, column, evidence) for column in plan.columns)
    return Audit(robot.name, tuple(engines), rows, time.monotonic() - began, tuple(general))


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is audited: bounds (2, space.size), the chosen columns, and their cases in their scenarios."""

    robot: Robot
    space: VariantSpace
    bounds: Array
    columns: list[int]
    cases: list[Case]
    scenarios: Scenarios
    resets: int


def _plan(
    robot: Robot,
    task: Task | None,
    quantities: Sequence[str] | None,
    randomization: Randomization | None,
    per_quantity: int | None,
    resets: int,
) -> _Plan:
    space = VariantSpace(robot)
    bounds = ends(space, randomization)
    columns = choose(space, quantities, per_quantity, varied(space, randomization))
    start = None
    if task is not None:
        q, dq = task.start(stream(0, "audit start"), 1)
        start = q[0], dq[0]
    scenarios = Scenarios(robot, space, bounds, start)
    return _Plan(robot, space, bounds, columns, make_cases(space, bounds, columns), scenarios, resets)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What one engine made of a plan; answers: see `answered`; repeated: see `compounding`."""

    trials: Mapping[Case, Trial]
    shots: Mapping[Case, Shots]
    answers: Mapping[Case, float | None]
    repeated: Mapping[str, str]
    leaks: tuple[str, ...]


def _gather(plan: _Plan, engine: str, make: MakeEngine, advance: Callable[[int], None]) -> _Evidence:
    trials: dict[Case, Trial] = {}
    leaks: list[str] = []
    pictured = [case for case in plan.cases if case.quantity.place == "camera"]
    moved = by_scenario((case for case in plan.cases if case.quantity.place != "camera"), plan.scenarios)
    for chosen in _by_length(moved):
        n_worlds = min(BATCH, sum(map(len, chosen.values())) + len(chosen) + 1)  # cases, baselines, and one more
        with closing(Worlds(plan.robot, engine, n_worlds, make)) as worlds:
            run = Trials(worlds, make_reader(worlds.engine, engine))
            trials |= {trial.case: trial for trial in run.run(chosen, advance)}
            leaks += run.leaks
    shots: list[Shots] = []
    if pictured:
        with closing(Studio(plan.robot, engine)) as studio:
            shots = studio.run(pictured)
        advance(len(pictured))
    with closing(Worlds(plan.robot, engine, 1, make)) as worlds:
        reader = make_reader(worlds.engine, engine)
        repeated = compounding(worlds, reader, plan.scenarios.plain, plan.bounds, plan.columns, plan.resets)
        answers = {case: answered(worlds, case) for case in plan.cases if case.quantity.place == "motor"}
    return _Evidence(trials, {taken.case: taken for taken in shots}, answers, repeated, tuple(leaks))


def _by_length(groups: Mapping[Scenario, Sequence[Case]]) -> list[dict[Scenario, Sequence[Case]]]:
    """Return the scenarios of each length."""
    lengths: dict[int, dict[Scenario, Sequence[Case]]] = {}
    for scenario, cases in groups.items():
        lengths.setdefault(len(scenario.commands), {})[scenario] = cases
    return list(lengths.values())


def _row(plan: _Plan, column: int, evidence: Mapping[str, _Evidence]) -> Row:
    name, quantity = plan.space.names[column], plan.space.quantities[column]
    cases = [case for case in plan.cases if case.name == name]
    seen = {
        (engine, case.end): _measured(plan.robot, case, found) for case in cases for engine, found in evidence.items()
    }
    judgements = {case.end: _judge(plan.robot, case, evidence, seen) for case in cases}
    findings = [finding for judgement in judgements.values() for finding in judgement.findings]
    for engine, found in evidence.items():
        if quantity.name in found.repeated:
            findings.append(Finding("compounds", engine, found.repeated[quantity.name]))
    findings.sort(key=lambda finding: GRAVEST.index(finding.kind))
    low, high = plan.bounds[:, column].tolist()
    return Row(
        name,
        quantity.name,
        quantity.unit,
        float(plan.space.nominal[column]),
        low,
        high,
        {key: replace(m, reason=judgements[key[1]].reasons.get(key[0], "")) for key, m in seen.items()},
        tuple(findings),
        {end: judgement.agreement for end, judgement in judgements.items() if judgement.agreement is not None},
    )


def _measured(robot: Robot, case: Case, found: _Evidence) -> Measured:
    if case in found.shots:
        return Measured(None, None, found.shots[case].change)
    trial = found.trials[case]
    inferred = None
    if trial.read_back is None:
        inferred = found.answers.get(case)
        inferred = measured(robot, trial) if inferred is None else inferred
    return Measured(trial.read_back, inferred, trial.effect)


def _judge(
    robot: Robot, case: Case, evidence: Mapping[str, _Evidence], seen: Mapping[tuple[str, End], Measured]
) -> Judgement:
    if case.quantity.place == "camera":
        return judge_shots(case, {engine: found.shots[case] for engine, found in evidence.items()})
    trials = {engine: found.trials[case] for engine, found in evidence.items()}
    return judge_case(robot, case, trials, {engine: seen[engine, case.end].inferred for engine in evidence})
