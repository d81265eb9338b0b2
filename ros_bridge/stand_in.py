"""StandIn: the robot behind the ROS interface, as pure code: physics, sensors, motors, and a forwarding controller.

It is what the policy must be afraid of in the real one: other physics than it was trained in, a Variant that nobody
tells, and a controller that holds its last command for ever.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, Variant, stream
from randomization.draws import Draws
from robots import Robot
from sim2real.errors import ConfigError, RobotError
from sim2real.sim import make_engine
from sim2real.sim.actuators import holding_command
from sim2real.sim.rotations import inverse, rotate
from sim2real.sim.simulation import Senses, Simulation
from sim2real.tasks import TASKS, Task, load_task

Array = NDArray[np.float64]

SETUP_S = 0.5  # [s] the robot is held after being set up again


@dataclass
class Trial:
    """One trial: whether the robot was still up at its end, how long it was, and the truth it ran in."""

    success: bool
    upright_s: float
    variant: dict[str, float]


@dataclass
class Counts:
    """What came in from the command topic, and what real time cost."""

    commands: int = 0
    dropped_not_finite: int = 0
    wrong_length: int = 0
    lost_s: float = 0.0  # [s] of real time that was not simulated, since this process had stalled


class Odometry(NamedTuple):
    """Where a free base truly is, as nav_msgs/Odometry has it.

    position (3,) [m] and quaternion (4,) x, y, z, w, base to world; velocity (3,) [m/s] and spin (3,) [rad/s] in the
    base's own frame
    """

    position: Array
    quaternion: Array
    velocity: Array
    spin: Array


class StandIn:
    """One robot in one world, stepped in real time. Times are monotonic seconds that the caller passes in.

    The robot is held in its start pose, as by a hand, until the first command arrives. A trial begins there; it ends in
    success after `trial_s`, in failure when the task says so; then the robot is set up with the next Variant. Without
    trials it goes on for ever.
    """

    def __init__(
        self,
        robot: Robot,
        task: Task,
        randomization: Randomization,
        engine: str = "mujoco",
        seed: int = 0,
        trials: int = 0,
        trial_s: float = 10.0,
    ) -> None:
        """`seed` decides about the Variants, the starts and the noise, in streams that training never draws from."""
        self.robot, self.task, self.randomization = faster(robot), task, randomization
        self.engine, self.seed, self.trials, self.trial_s = engine, seed, trials, trial_s
        self.dt = self.robot.control_dt
        self.done: list[Trial] = []
        self.counts = Counts()
        self.controller_error = ""
        self._rng = stream(seed, "stand-in")
        # A seed of its own: neither training nor evaluation draws from these streams.
        hidden = int(stream(seed, "stand-in-world").integers(2**62))
        self._draws = Draws(randomization, hidden, 1)
        self._simulation = Simulation(make_engine(engine, self.robot), hidden)
        self._last_step: float | None = None
        self._held, self._release = True, 0.0  # by a hand, which lets go of it with the first command after `_release`
        self._failed, self._upright_s = False, 0.0  # of the trial that runs
        self._set_up(0.0)

    @property
    def variant(self) -> Variant:
        """The truth of this moment: one world."""
        return self._simulation.variant

    @property
    def finished(self) -> bool:
        """Whether all trials are over, or no more can be run."""
        return self.trials > 0 and (len(self.done) >= self.trials or bool(self.controller_error))

    def command(self, values: Sequence[float], now: float) -> str:
        """Take a message as ros2_controllers' forward_command_controller does; return what is wrong with it, or "".

        What is not finite is dropped. A wrong length is an error in the controller's update, which deactivates it: from
        then on the motors hold, or have no effort, and no message is heard any more.
        """
        if self.controller_error:
            return self.controller_error
        command = np.array(values, dtype=np.float64)
        self.counts.commands += 1
        if len(command) != self.robot.n_actuators:
            self.counts.wrong_length += 1
            self.controller_error = (
                f"{len(command)} numbers for {self.robot.n_actuators} motors: the controller is deactivated"
            )
            self._command = holding_command(self.robot, self._simulation.state.q)[0]
            return self.controller_error
        if not np.isfinite(command).all():
            self.counts.dropped_not_finite += 1
            return "not finite: dropped"
        self._command, self._arrived = command, now
        if self._held and now >= self._release:
            self._held = False
        return ""

    def step(self, now: float) -> Senses:
        """Advance by one period of `dt`, the one that ends now, and return what the sensors read: one world.

        It is simulated when it is over, so that a command acts from the moment when it arrived.
        """
        began = now - self.dt if self._last_step is None else self._last_step
        if now - began > 1.5 * self.dt:
            self.counts.lost_s += now - began - self.dt  # gone: a leap to catch up would be no robot's motion
        self._last_step = now
        if not self._held:
            if redrawn := self._draws.tick(self.dt):
                self._simulation.redraw(*redrawn)
            late = min(max(self._arrived - began, 0.0), self.dt)
            self._simulation.advance(self._command[None], late)
            self._judge(now)
        return self._simulation.sense()

    def odometry(self) -> Odometry:
        """Return where the base is, and how it moves."""
        state = self._simulation.state
        quaternion = state.base_quaternion[0]
        back = inverse(quaternion)
        velocity, spin = (rotate(back, v[0]) for v in (state.base_velocity, state.base_angular_velocity))
        return Odometry(state.base_position[0], quaternion, velocity, spin)

    def report(self) -> dict[str, Any]:
        """Return plain data: the trials, and what was counted."""
        head = {
            "robot": self.robot.name,
            "task": self.task.name,
            "engine": self.engine,
            "seed": self.seed,
            "trial_s": self.trial_s,
        }
        done = self.done if self.trials or self._held else [self._trial()]  # an endless run is one trial
        success = sum(trial.success for trial in done)
        result = {"trials": len(done), "success": success, "controller_error": self.controller_error or None}
        return head | result | asdict(self.counts) | {"each": [asdict(trial) for trial in done]}

    def close(self) -> None:
        """Release the engine."""
        self._simulation.close()

    def _judge(self, now: float) -> None:
        """End the trial where the task or the time says so."""
        state = self._simulation.state
        healthy = bool(state.healthy[0])
        self._failed |= not healthy or bool(self.task.failed(state)[0])
        self._upright_s += 0.0 if self._failed else self.dt
        over = self.trials > 0 and (self._failed or self._upright_s >= self.trial_s - 1e-9)
        if over:
            self.done.append(self._trial())
        if self.finished:
            self._held, self._release = True, float("inf")  # where it is, until the node has ended
        elif over or not healthy:
            self._set_up(now + SETUP_S)

    def _trial(self) -> Trial:
        return Trial(not self._failed, round(self._upright_s, 6), self.variant.as_dict())

    def _set_up(self, release: float) -> None:
        """Put the robot into a new start pose in its next world, and hold it there until `release` and a command."""
        variant = self._draws.begin(np.arange(1))
        q, dq = self.task.start(self._rng, 1)
        self._simulation.reset(q, np.zeros_like(dq), np.arange(1), variant)
        self._command, self._arrived = holding_command(self.robot, q)[0], float("-inf")
        self._held, self._release = True, release
        self._failed, self._upright_s = False, 0.0


def fitting_task(robot: Robot) -> Task:
    """Return the first task that a robot has everything for; raise ConfigError where there is none."""
    for name in TASKS:
        try:
            return load_task(name, robot)
        except (ConfigError, RobotError):
            continue
    raise ConfigError(f"task: none of {', '.join(TASKS)} fits robot '{robot.name}'; give 'module:Class'")


def faster(robot: Robot) -> Robot:
    """Return the robot updated twice a control period, if its physics allow: a controller_manager outpaces a policy."""
    if robot.substeps % 2:
        return robot
    return replace(robot, file=robot.file.model_copy(update={"control_hz": 2 * robot.file.control_hz}))
