"""What lies between a command and a joint: the time it takes to arrive, and the motor's own servo."""

import numpy as np
from numpy.typing import NDArray

from robots import Actuator, Robot

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class DelayLine:
    """Commands on their way to the motors, resolved to one physics step.

    Each control period issues one command with its own delay. A motor acts on the newest command that has arrived; a
    command never overtakes an older one.
    """

    def __init__(self, robot: Robot, n_worlds: int) -> None:
        self.substeps = robot.substeps
        self.physics_dt = robot.control_dt / robot.substeps
        self._steps = np.arange(self.substeps)
        self._command = np.zeros((n_worlds, 2, robot.n_actuators))  # oldest first
        self._arrival = np.full((n_worlds, 2), -(2**30))  # in physics steps from now

    def reset(self, hold: Array, worlds: Index) -> None:
        """Forget what is on its way; `hold` (len(worlds), n_actuators) acts until the next command arrives."""
        self._command[worlds] = hold[:, None]
        self._arrival[worlds] = -(2**30)

    def issue(self, command: Array, delay: Array) -> tuple[Array, NDArray[np.intp]]:
        """Issue one command a world and return what acts during this control period.

        command: (n_worlds, n_actuators); delay: (n_worlds,) [s]
        Returns slots (n_worlds, n_slots, n_actuators) and the slot that acts in each physics step (n_worlds, substeps).
        """
        arrival = np.rint(delay / self.physics_dt).astype(np.int64)
        self._make_room(int(arrival.max(initial=0)))
        self._command[:, :-1] = self._command[:, 1:]
        self._command[:, -1] = command
        self._arrival[:, :-1] = self._arrival[:, 1:]
        self._arrival[:, -1] = np.maximum(arrival, self._arrival[:, -2])
        acting = (self._arrival[:, :, None] <= self._steps).sum(axis=1) - 1
        self._arrival -= self.substeps
        return self._command, np.maximum(acting, 0)

    def _make_room(self, longest: int) -> None:
        """Keep as many slots as commands can be on their way, and one that acts."""
        missing = longest // self.substeps + 2 - self._command.shape[1]
        if missing > 0:
            self._command = np.concatenate([np.repeat(self._command[:, :1], missing, axis=1), self._command], axis=1)
            self._arrival = np.concatenate([np.repeat(self._arrival[:, :1], missing, axis=1), self._arrival], axis=1)


def servo(actuator: Actuator) -> tuple[float, float, float]:
    """Return a motor's law as three numbers a, b, c: tau = clip(a command + b q + c dq, +-effort)."""
    laws = {
        "effort": (1.0, 0.0, 0.0),
        "velocity": (actuator.kd, 0.0, -actuator.kd),
        "position": (actuator.kp, -actuator.kp, -actuator.kd),
    }
    return laws[actuator.mode]


def holding_command(robot: Robot, q: Array) -> Array:
    """Return the command that keeps a robot where it is: (n, n_actuators) from q (n, n_joints)."""
    position = np.array([actuator.mode == "position" for actuator in robot.actuators])
    return np.where(position, q[:, robot.actuated], 0.0)
