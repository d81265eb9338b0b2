"""Verdicts: what the numbers of a case mean, each bound with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from robots import Robot
from sim2real.audit.cases import Case
from sim2real.audit.compare import Agreement, agreement
from sim2real.audit.mechanics import Idle, idle
from sim2real.audit.pictures import Shots
from sim2real.audit.trials import Trial
from sim2real.audit.verdict import Finding

LEAST = 1e-9  # [rad | m | unit of a sensor] RMS change that is an effect: engines are deterministic, so no effect is 0
IDLE = 1e-6  # [rad | m] RMS change allowed where mechanics knows of none: what two solvers' rounding comes to
TAKEN = 1e-3  # share by which a value read back may be off: what PyBullet tells in single precision or is measured
INFERRED = 0.6  # share of a change by which a measured value may be off: three deviations of a noise's 20 samples
SINKS = 0.05  # [m] into a level floor: 50 kg on four contacts of 1e4 N/m sink by 0.012, what falls through by 1 m
FLOATS = 0.15  # [m] above the floor at the end: half as much again as the robot is dropped from
RATIO = 2.0  # between the sizes of both engines' effects; see `compare`
CONTACT_RATIO = 5.0  # the same for contacts, whose softness the engines model by different laws
BOUNDS = {"armature": 4.0}  # PyBullet has none: its rotors turn with their parents too, where these have the same axis
OPPOSED = -0.2  # cosine between both effects below which they have different signs


@dataclass(frozen=True)
class Judgement:
    """What is wrong with a case; why it does nothing in which engine; how both agree, None if not compared."""

    findings: tuple[Finding, ...]
    reasons: Mapping[str, str]
    agreement: Agreement | None


def judge_case(
    robot: Robot, case: Case, trials: Mapping[str, Trial], inferred: Mapping[str, float | None]
) -> Judgement:
    """Judge one case by its trials in one or two engines, and the values that were inferred from its effects."""
    findings: list[Finding] = []
    reasons: dict[str, str] = {}
    for engine, trial in trials.items():
        reason = idle(robot, trial)
        findings += _alone(robot, engine, case, trial, reason)
        findings += _inferred(engine, case, inferred[engine])
        if reason is not None and trial.effect <= LEAST:
            reasons[engine] = reason.why
    agreed = None
    if len(trials) == 2 and not findings and not reasons and case.quantity.place != "sensor":
        first, second = trials.values()
        agreed = agreement(first, second, robot.control_dt)
        findings += _together(case, tuple(trials), agreed)
    return Judgement(tuple(findings), reasons, agreed)


def judge_shots(case: Case, shots: Mapping[str, Shots]) -> Judgement:
    """Judge one case of a camera by its pictures from one or two renderers."""
    found: list[Finding] = []
    reasons: dict[str, str] = {}
    for engine, taken in shots.items():
        reason = "" if taken.anything else "no camera sees anything here"
        if case.quantity.per == "body in sight" and case.member not in taken.in_sight:
            reason = "no camera sees this body"
        if case.quantity.name == "light_azimuth" and not taken.in_sight:
            reason = "only a level floor is in sight"
        if taken.acts_elsewhere:
            reason = "what is in sight gets as much light from there as nominally; not so from a quarter turn further"
        if taken.change > LEAST:
            continue
        if reason:
            reasons[engine] = reason
        else:
            at = f"at {case.value:g} {case.quantity.unit}"
            found.append(Finding("no effect", engine, f"{at} no pixel changes"))
    return Judgement(tuple(found), reasons, None)


def _alone(robot: Robot, engine: str, case: Case, trial: Trial, reason: Idle | None) -> list[Finding]:
    at = f"at {case.value:g} {case.quantity.unit}"
    if not trial.healthy or not np.isfinite(trial.motion).all():
        return [Finding("physics cannot bear it", engine, f"{at} the world diverges")]
    found = []
    if not np.isfinite(trial.effect):
        found.append(Finding("physics cannot bear it", engine, f"{at} a sensor reads what is not a number"))
    if trial.strays:
        more = f" and {len(trial.strays) - 3} more" if len(trial.strays) > 3 else ""
        found.append(Finding("acts elsewhere", engine, f"{at} it changes {', '.join(trial.strays[:3])}{more}"))
    if case.quantity.place == "sensor" and trial.moved.any():
        found.append(Finding("acts elsewhere", engine, f"{at} it changes the true motion"))
    found += _effect(engine, case, trial, reason, at)
    return found + _support(robot, engine, trial, at)


def _effect(engine: str, case: Case, trial: Trial, reason: Idle | None, at: str) -> list[Finding]:
    found = []
    value = trial.read_back
    if value is not None and not _near(value, case.value, case.nominal):
        kind = "no effect" if _near(value, case.nominal, case.value) and trial.effect <= LEAST else "wrong value"
        found.append(Finding(kind, engine, f"{at} the engine has {value:g}"))  # type: ignore[arg-type]
    elif reason is None and trial.effect <= LEAST:
        found.append(Finding("no effect", engine, f"{at} nothing moves otherwise in '{trial.base.scenario.name}'"))
    elif reason is not None and reason.surely and trial.effect > IDLE:
        found.append(
            Finding("acts elsewhere", engine, f"{at} something changes by {trial.effect:.2g}, but {reason.why}")
        )
    return found


def _inferred(engine: str, case: Case, value: float | None) -> list[Finding]:
    """Compare a value that was measured: by few samples where the quantity is random, so that only a factor shows."""
    if value is None or case.quantity.unit == "probability":
        return []
    if isfinite(value) and abs(value - case.value) <= INFERRED * abs(case.value - case.nominal):
        return []
    at = f"at {case.value:g} {case.quantity.unit}"
    return [Finding("wrong value", engine, f"{at} its effects are those of {value:.3g}")]


def _near(value: float, wanted: float, other: float) -> bool:
    """Whether a value is the wanted one, within a share of it and of its distance from the other end of the change."""
    if value == wanted:
        return True
    away = abs(wanted - other) if isfinite(wanted - other) else abs(wanted)
    return isfinite(value - wanted) and abs(value - wanted) <= TAKEN * away + 1e-12


def _support(robot: Robot, engine: str, trial: Trial, at: str) -> list[Finding]:
    if robot.fixed_base:
        return []
    level = trial.case.quantity.per != "floor"
    if trial.under > (SINKS if level else 2 * SINKS):  # who slides down lies on meshes, whose convex parts are thinner
        return [Finding("collisions lost", engine, f"{at} the robot ends {trial.under:.3g} m under the floor")]
    if trial.over > FLOATS:
        return [Finding("physics cannot bear it", engine, f"{at} the robot ends {trial.over:.3g} m above the floor")]
    return []


def _together(case: Case, engines: tuple[str, ...], agreed: Agreement | None) -> list[Finding]:
    if agreed is None:
        return []
    at = f"at {case.value:g} {case.quantity.unit}"
    if agreed.cosine is not None and agreed.cosine < OPPOSED:
        text = f"{at} they move it in opposite directions (cosine {agreed.cosine:.2f})"
        return [Finding("engines disagree", "", text)]
    usual = CONTACT_RATIO if case.quantity.per in ("touching body", "floor") else RATIO
    bound = BOUNDS.get(case.quantity.name, usual)
    if not 1 / bound <= agreed.ratio <= bound:
        first, second = engines
        text = f"{at} {first} moves it {agreed.ratio:.2g} times as far as {second}"
        return [Finding("engines disagree", "", text)]
    return []
