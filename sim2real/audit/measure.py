"""Values that no engine holds, because the models of motors, sensors and commands are ours: measured by what they do.

A sensor's errors are read off its readings beside those of the same motion without the error; what an end stop is
shifted by, off where the joint comes to rest; a motor's strength, off the efforts that it gave beside those of its law;
a latency, by a step of the command, issued a physics step later each time until the motor answers a period later.
"""

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from robots import Robot
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
    if name == "strength":
        return _strength(robot, trial)
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
            return _spacing(read)
        case "dropout":
            return _share_repeated(read, true)
        case "delay":
            return _lag(read, true, robot)
    return None


def _spacing(read: Array) -> float | None:
    """Return the step of which all readings are multiples, nearly: the least difference between two of them."""
    gaps = np.diff(np.unique(read.round(9)))
    return float(gaps[gaps > 1e-8].min()) if (gaps > 1e-8).any() else None


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


def _strength(robot: Robot, trial: Trial) -> float | None:
    """Return how much stronger a motor was than in the baseline, of what its law asked for each time."""
    motor = robot.actuator_names.index(trial.case.member)
    actuator, column = robot.actuators[motor], robot.actuated[motor]
    law, command = servo(actuator), trial.base.scenario.commands[:, motor]
    ratios = []
    for motion, speed, effort in (
        (trial.base.motion, trial.base.speed, trial.base.effort),
        (trial.motion, trial.speed, trial.effort),
    ):
        asked = law.gain * command + law.stiffness * motion[:, column] + law.damping * speed[:, column]
        asked = np.clip(asked, -actuator.effort, actuator.effort)
        ratios.append(float((asked * effort[:, motor]).sum() / ((asked * asked).sum() or np.nan)))
    return ratios[1] / ratios[0] if ratios[0] else None


def _stop(robot: Robot, trial: Trial) -> float:
    """Return how much farther the joint came than in the baseline [rad | m], in its own sense."""
    column = robot.joint_index(trial.case.member)
    sign = np.sign(trial.base.scenario.dq[column])
    now, then = (sign * motion[-1, column] for motion in (trial.motion, trial.base.motion))
    return float(sign * (now - then))


def latency(worlds: Worlds, value: float) -> float | None:
    """Measure the latency of a command in the first world under a Variant that has `value` of it [s].

    Return a whole number of physics steps [s]; None where the motor never answers.
    """
    robot, engine = worlds.robot, worlds.engine
    substeps = robot.substeps
    periods = int(np.ceil(value / robot.control_dt)) + 3
    variant = Variant.of(engine.space, {"latency": value}, worlds.n_worlds)
    seen = [_answers(worlds, variant, k * robot.control_dt / substeps, periods) for k in range(substeps + 1)]
    if seen[0] is None:
        return None
    later = next((k for k, period in enumerate(seen) if period != seen[0]), None)
    return None if later is None else ((seen[0] + 1) * substeps - later) * robot.control_dt / substeps


def _answers(worlds: Worlds, variant: Variant, late: float, periods: int) -> int | None:
    """Return the first control period at whose end a motor has answered a step that was issued `late` [s] in the first."""
    robot, all_worlds = worlds.robot, np.arange(worlds.n_worlds)
    hold = np.tile(holding(robot, robot.default_q), (worlds.n_worlds, 1))
    actuator, step = robot.actuators[0], hold.copy()
    step[:, 0] += _STEP * actuator.effort / (servo(actuator).gain or 1.0)
    efforts = []
    for command in (hold, step):
        simulation = Simulation(worlds.engine, seed=0)
        q = np.tile(robot.default_q, (worlds.n_worlds, 1))
        simulation.reset(q, np.zeros_like(q), all_worlds, variant)
        rows = []
        for _ in range(periods):
            simulation.advance(command, late)
            rows.append(simulation.state.tau[0, 0])
        efforts.append(rows)
    return next((k for k, (a, b) in enumerate(zip(*efforts, strict=True)) if a != b), None)
