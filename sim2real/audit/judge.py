"""Verdicts: what the numbers of a case mean, each bound with its reason."""

from collections.abc import Mapping
from math import isfinite

import numpy as np

from robots import Robot
from sim2real.audit.cases import Case
from sim2real.audit.compare import agreement
from sim2real.audit.mechanics import idle
from sim2real.audit.trials import Trial
from sim2real.audit.verdict import Finding

LEAST = 1e-9  # [rad | m | unit of a sensor] RMS change that is an effect: engines are deterministic, so no effect is 0
IDLE = 1e-6  # [rad | m] RMS change allowed where mechanics knows of none: what two solvers' rounding comes to
TAKEN = 1e-3  # share by which a value read back may be off: what PyBullet tells in single precision or is measured
SINKS = 0.03  # [m] into the floor at rest: 50 kg on four contacts of 1e4 N/m sink by 0.012
FLOATS = 0.15  # [m] above the floor at the end: half as much again as the robot is dropped from
RATIO = 2.0  # between the sizes of both engines' effects; see `compare`
CONTACT_RATIO = 5.0  # the same for contacts, whose softness the engines model by different laws
OPPOSED = -0.2  # cosine between both effects below which they have different signs


def judge_case(robot: Robot, case: Case, trials: Mapping[str, Trial]) -> tuple[list[Finding], str]:
    """Return what is wrong with a case, gravest first, and why it may do nothing ("" where it must act)."""
    findings, reason = [], idle(robot, next(iter(trials.values())))
    for engine, trial in trials.items():
        findings += _alone(robot, engine, case, trial, reason)
    if len(trials) == 2 and not findings and not reason and case.quantity.place != "sensor":
        findings += _together(robot, case, trials)
    return findings, reason


def _alone(robot: Robot, engine: str, case: Case, trial: Trial, reason: str) -> list[Finding]:
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
    if (text := _support(robot, trial)) is not None:
        found.append(Finding("collisions lost", engine, f"{at} {text}"))
    return found


def _effect(engine: str, case: Case, trial: Trial, reason: str, at: str) -> list[Finding]:
    found = []
    value = trial.read_back
    if value is not None and not _near(value, case.value, case.nominal):
        kind = "no effect" if _near(value, case.nominal, case.value) and trial.effect <= LEAST else "wrong value"
        found.append(Finding(kind, engine, f"{at} the engine has {value:g}"))  # type: ignore[arg-type]
    elif not reason and trial.effect <= LEAST:
        found.append(Finding("no effect", engine, f"{at} nothing moves otherwise in '{trial.base.scenario.name}'"))
    elif reason and trial.effect > IDLE:
        found.append(Finding("acts elsewhere", engine, f"{at} it moves the robot by {trial.effect:.2g}, but {reason}"))
    return found


def _near(value: float, wanted: float, other: float) -> bool:
    """Whether a value is the wanted one, within a share of it and of its distance from the other end of the change."""
    if value == wanted:
        return True
    away = abs(wanted - other) if isfinite(wanted - other) else abs(wanted)
    return isfinite(value - wanted) and abs(value - wanted) <= TAKEN * away + 1e-12


def _support(robot: Robot, trial: Trial) -> str | None:
    if robot.fixed_base:
        return None
    if trial.under > SINKS:
        return f"the robot ends {trial.under:.3g} m under the floor"
    if trial.over > FLOATS:
        return f"the robot ends {trial.over:.3g} m above the floor"
    return None


def _together(robot: Robot, case: Case, trials: Mapping[str, Trial]) -> list[Finding]:
    (first, one), (second, other) = trials.items()
    agreed = agreement(one, other, robot.control_dt)
    if agreed is None:
        return []
    at = f"at {case.value:g} {case.quantity.unit}"
    if agreed.cosine < OPPOSED:
        return [
            Finding("engines disagree", "", f"{at} they move it in opposite directions (cosine {agreed.cosine:.2f})")
        ]
    bound = CONTACT_RATIO if case.quantity.per == "touching body" else RATIO
    if not 1 / bound <= agreed.ratio <= bound:
        return [Finding("engines disagree", "", f"{at} {first} moves it {agreed.ratio:.2g} times as far as {second}")]
    return []
