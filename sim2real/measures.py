"""What is measured of episodes beside success: how well commands are followed, and how smoothly and at what cost."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from robots.feet import Feet
from robots.sensing import foot_sensors
from sim2real.sim.engine import WorldState
from sim2real.sim.rotations import inverse, rotate
from sim2real.tasks import Task
from sim2real.worlds import Worlds

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

CHATTER_HZ = 8.0  # motion above this is no motion that a gearbox likes


class Tracking:
    """How far each of n worlds is from what is asked, once it has had `settle_s` to get there.

    The error of a command is the size of its mean deviation, so that the swing of a gait is none; errors of the
    commands of an episode are averaged, each as far as it was followed.
    """

    def __init__(self, task: Task, worlds: Worlds, n: int, dt: float) -> None:
        self._task, self._worlds, self._dt = task, worlds, dt
        self._sums: dict[str, Array] = {}
        self._errors: dict[str, Array] = {}
        self._steps, self._commands = np.zeros(n), np.zeros(n)

    def observe(self, state: WorldState, running: Bools) -> None:
        """Take in the state at the end of a control period, before the worlds' clocks move on."""
        settled = running & (self._worlds.since + self._dt / 2 >= self._task.settle_s)
        self._steps += settled
        for name, value in self._task.deviation(state, self._worlds.command).items():
            self._sums[name] = self._sums.get(name, np.zeros(len(value))) + np.where(settled, value, 0.0)
        last = self._worlds.since + 1.5 * self._dt > self._task.command_s
        if last.any():
            self._close(last)

    def _close(self, worlds: Bools) -> None:
        counts = worlds & (self._steps > 0)
        for name, total in self._sums.items():
            error = np.abs(total) / np.maximum(self._steps, 1.0)
            self._errors[name] = self._errors.get(name, np.zeros(len(error))) + np.where(counts, error, 0.0)
            total[worlds] = 0.0
        self._commands += counts
        self._steps[worlds] = 0.0

    def errors(self) -> dict[str, Array]:
        """Return the mean error of each world by name with its unit: (n,); NaN where nothing was ever settled."""
        self._close(np.ones(len(self._steps), bool))
        count = np.where(self._commands > 0, self._commands, np.nan)
        return {name: total / count for name, total in self._errors.items()}


class Slip:
    """How fast the feet of n robots slide over the floor on which they stand.

    A foot stands where the normal force on it is not 0; its speed is that of the part of it which is nearest to the
    floor, along the floor's plane.
    """

    def __init__(self, robot: Robot, n: int) -> None:
        self._feet, self._total, self._stood = Feet(robot), np.zeros(n), np.zeros(n)

    def observe(self, state: WorldState, force: Array, running: Bools) -> None:
        """Take in the state at the end of a control period and the normal forces on the feet then: (n, n_feet) [N]."""
        back = inverse(state.base_quaternion)
        up, velocity, spin = (rotate(back, v) for v in (state.floor, state.base_velocity, state.base_angular_velocity))
        moved = self._feet.velocities(state.q, state.dq, velocity, spin, -up)
        along = moved - (moved * up[:, None]).sum(axis=2, keepdims=True) * up[:, None]
        stands = (force > 0.0) & running[:, None]
        self._total += np.where(stands, np.linalg.norm(along, axis=2), 0.0).sum(axis=1)
        self._stood += stands.sum(axis=1)

    @property
    def mean(self) -> Array:
        """Mean over the feet that stood and the periods in which they did: (n,) [m/s]; NaN where none ever did."""
        return np.where(self._stood > 0, self._total / np.maximum(self._stood, 1.0), np.nan)


class Motion:
    """Power and smoothness of n worlds, while they run; of robots that stand on feet also how far these slip."""

    def __init__(self, robot: Robot, n: int) -> None:
        self._robot, self._power, self._steps = robot, np.zeros(n), np.zeros(n)
        self._slip = Slip(robot, n) if foot_sensors(robot) else None
        self._actions: list[Array] = []
        self._running: list[Bools] = []

    def observe(self, state: WorldState, action: Array, running: Bools, readings: Mapping[str, Array]) -> None:
        """Take in the state at the end of a control period and the action (n, n_actuators) that led to it.

        readings: of ideal sensors then; of a robot with feet those of `contact` at least, see `sim2real.sim.channels`
        """
        if self._slip is not None:
            self._slip.observe(state, readings["contact"], running)
        power = np.abs(state.tau * state.dq[:, self._robot.actuated]).sum(axis=1)
        self._power += np.where(running, power, 0.0)
        self._steps += running
        self._actions.append(action.copy())
        self._running.append(running.copy())

    def figures(self) -> dict[str, Array]:
        """Return, by name with unit, (n,) each: mean power of the joints, jerk of the actions, and their slow share.

        Jerk is the root mean square of an action's third difference a period; the slow share is that of the power of
        its changing part below 8 Hz. NaN where an episode was too short to tell. Then, where there are feet, the mean
        speed at which those slide that stand; see `Slip`.
        """
        actions, running = np.array(self._actions), np.array(self._running)
        jerk, slow = np.full(actions.shape[1], np.nan), np.full(actions.shape[1], np.nan)
        for world in range(actions.shape[1]):
            lived = actions[running[:, world], world]
            if len(lived) < 16:
                continue
            jerk[world] = np.sqrt((np.diff(lived, n=3, axis=0) ** 2).mean())
            spectrum = np.abs(np.fft.rfft(lived - lived.mean(axis=0), axis=0)) ** 2
            below = np.fft.rfftfreq(len(lived), self._robot.control_dt) < CHATTER_HZ
            total = spectrum.sum()
            slow[world] = spectrum[below].sum() / total if total > 0 else 1.0
        figures = {
            "joint power [W]": self._power / np.maximum(self._steps, 1.0),
            "action jerk [1]": jerk,
            "slow share [1]": slow,
        }
        return figures if self._slip is None else figures | {"foot slip [m/s]": self._slip.mean}
