"""Values that no engine holds, because the models of motors, sensors and commands are ours: measured by what they do.

A sensor's errors are read off its readings beside those of the same motion without the error; what an end stop is
shifted by, off where the joint comes to rest. A motor's strength and gain show in how much it answers to a step of its
command; its latency in when, the step being issued a physics step later each time until the answer is a period late.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from robots import Robot
from sim2real.audit.cases import Case
from sim2real.audit.motion import holding
from sim2real.audit.trials import Trial
from sim2real.audit.worlds import Worlds
from sim2real.sim.actuators import servo
from sim2real.sim.simulation import Simulation

Array = NDArray[np.float64]

_STEP = 0.2  # of its largest effort, that a motor is asked for to see when it answers


def measured(robot: Robot, trial: Trial) -> float | None:
    """Return a coordinate's value as its effects tell it, in the unit of its quantity; None where they do not."""
    name = trial.case.quantity.name
    if name == "limit_offset":
        return _stop(robot, trial)
    sensor, _, error = name.rpartition("_")
    columns = trial.base.columns_of(sensor, trial.case.member)
    if trial.case.quantity.place != "sensor" or not columns or sensor == "orientation":
        return None
    true, read = trial.base.senses[:, columns], trial.senses[:, columns]
    match error:
        case "bias":
            return float((read - true).mean())
        case "noise":
            return float((read - true).std())
        case "scale":
            return float((true * read).sum() / (true * true).sum()) if true.any() else None
        case "resolution":
            felt = true != 0.0
            if np.ptp(true) < 2 * trial.case.value or felt.mean() < 0.9:  # hardly a step, or hardly a reading
                return None
            return float(np.sqrt(12 * ((read - true)[felt] ** 2).mean()))  # an even spread over one step
        case "dropout":
            return _share_repeated(read, true)
        case "delay":
            return _lag(read, true, robot)
    return None


def _share_repeated(read: Array, true: Array) -> float | None:
    """Return how many readings are those before, of those that should not be."""
    new = (np.diff(true, axis=0) != 0).any(axis=1)
    again = (np.diff(read, axis=0) == 0).all(axis=1)
    return float((again & new).sum() / new.sum()) if new.any() else None


def _lag(read: Array, true: Array, robot: Robot) -> float:
    """Return the whole number of physics steps by which the true readings, joined by lines, fit best [s]."""
    t = np.arange(len(true)) * robot.control_dt
    lags = np.arange(4 * robot.substeps) * robot.control_dt / robot.substeps
    late = slice(4, None)  # what arrives before is the first reading
    errors = [
        sum(float(((np.interp(t - lag, t, x) - y)[late] ** 2).sum()) for x, y in zip(true.T, read.T, strict=True))
        for lag in lags
    ]
    return float(lags[int(np.argmin(errors))])


def _stop(robot: Robot, trial: Trial) -> float:
    """Return how much farther the joint came than in the baseline [rad | m], in its own sense."""
    column = robot.joint_index(trial.case.member)
    sign = np.sign(trial.base.scenario.dq[column])
    now, then = (sign * motion[-1, column] for motion in (trial.motion, trial.base.motion))
    return float(sign * (now - then))


def answered(worlds: Worlds, case: Case) -> float | None:
    """Measure a latency, a strength or a gain by how a motor of the first world answers a step of its command.

    In the unit of the quantity: [s] in whole physics steps, or over what the nominal motor answers; None for others.
    """
    name, member = case.quantity.name, case.member
    if name == "latency":
        return _latency(worlds, case.value)
    modes = dict(zip(worlds.robot.actuator_names, worlds.robot.modes, strict=True))
    if name in ("strength", "kp") and modes[member] != "velocity":  # whose error is gone within a physics step
        motor = worlds.robot.actuator_names.index(member)
        share = _STEP / max(1.0, case.value)  # of the motor's effort, so that it is not asked for more than it has
        nominal, now = (_gain(worlds, motor, changes, share) for changes in ({}, {case.name: case.value}))
        return now / nominal if nominal else None
    return None


def _gain(worlds: Worlds, motor: int, changes: dict[str, float], share: float) -> float:
    """Return how much more effort a motor gives for a step of its command that arrives in a period's last physics step.

    share: of its largest effort, that the step asks a nominal motor for. The step is the only difference of two motions
    that are the same until then.
    """
    robot = worlds.robot
    late = robot.control_dt * (1 - 1 / robot.substeps)
    variant = Variant.of(worlds.engine.space, changes, worlds.n_worlds)
    before, after = (efforts[0] for efforts in _responses(worlds, variant, late, 1, motor, share))
    return after - before


def _latency(worlds: Worlds, value: float) -> float | None:
    """Return the latency of a command under a Variant that has `value` of it [s]; None where no motor ever answers."""
    robot, substeps = worlds.robot, worlds.robot.substeps
    periods = int(np.ceil(value / robot.control_dt)) + 3
    variant = Variant.of(worlds.engine.space, {"latency": value}, worlds.n_worlds)
    seen = []
    for k in range(substeps + 1):  # physics steps from a period's beginning to the command's issue
        before, after = _responses(worlds, variant, k * robot.control_dt / substeps, periods, 0)
        seen.append(next((period for period, (a, b) in enumerate(zip(before, after, strict=True)) if a != b), None))
    if seen[0] is None:
        return None
    later = next((k for k, period in enumerate(seen) if period != seen[0]), None)
    return None if later is None else ((seen[0] + 1) * substeps - later) * robot.control_dt / substeps


def _responses(
    worlds: Worlds, variant: Variant, late: float, periods: int, motor: int, share: float = _STEP
) -> Iterator[list[float]]:
    """Yield the efforts of a motor at the ends of some periods, without and with a step `late` [s] in the first one."""
    robot, all_worlds = worlds.robot, np.arange(worlds.n_worlds)
    q = np.tile(robot.default_q, (worlds.n_worlds, 1))
    hold = np.tile(holding(robot, robot.default_q), (worlds.n_worlds, 1))
    step = hold.copy()
    step[:, motor] += share * robot.actuators[motor].effort / (servo(robot.actuators[motor]).gain or 1.0)
    for command in (hold, step):
        simulation = Simulation(worlds.engine, seed=0)
        simulation.reset(q, np.zeros_like(q), all_worlds, variant)
        efforts = []
        for _ in range(periods):
            simulation.advance(command, late)
            efforts.append(float(simulation.state.tau[0, motor]))
        yield efforts
