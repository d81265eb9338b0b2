"""Control: one control period, from measured states through policy, Guard and CommandFilter to a command. No ROS in it.

Everything that may go wrong between two messages is here, so that it can be tested a million times in a minute.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ros_bridge.asked import Asked
from ros_bridge.command_filter import CommandFilter
from ros_bridge.guard import MOVING, STOPPING, Guard, GuardLimits, Mode
from sim2real.policy import Contract, Policy

Array = NDArray[np.float64]

JOINTS, IMU = "joint_states", "imu/data"
IMU_TERMS = ("angular_velocity", "gravity_direction")


def streams_of(contract: Contract) -> tuple[str, ...]:
    """Return the topics of measured state that a policy needs."""
    needs_imu = any(term.name in IMU_TERMS for term in contract.observation.terms)
    return (JOINTS, IMU) if needs_imu else (JOINTS,)


class Control:
    """A policy at work on one robot. Times are monotonic seconds that the caller passes in."""

    def __init__(
        self,
        policy: Policy,
        limits: GuardLimits,
        clock: Callable[[], float] = time.monotonic,
        command_timeout_s: float = 0.5,
    ) -> None:
        """`clock` only times the policy's own computing; `command_timeout_s`: see `ros_bridge.asked.Asked`.

        Raise BridgeError or ConfigError where nothing could tell the policy what to do.
        """
        contract = self.contract = policy.contract
        self.guard = Guard(limits, streams_of(contract))
        self.filter = CommandFilter(contract.action)
        self.asked = Asked(contract, command_timeout_s)
        self.failure = ""  # what the policy raised last
        self._clock = clock
        self._runner = policy.runner()
        self._motors = [contract.robot.joints.index(name) for name in contract.action.actuators]
        n_joints = len(contract.robot.joints)
        self._q, self._dq = np.full(n_joints, np.nan), np.full(n_joints, np.nan)
        self._quaternion, self._angular_velocity = np.full(4, np.nan), np.full(3, np.nan)
        self._mode = Mode.IDLE  # of the last period
        self._pose = self._measured()  # of the motors, as the last start or stop began

    @property
    def counts(self) -> dict[str, int]:
        """Every intervention so far, by name."""
        return {**self.guard.counts, **self.filter.counts, **self.asked.counts}

    def joints(self, arrived: float, q: Array, dq: Array) -> None:
        """Take in measured joint positions and velocities, (n_joints,) each, in the contract's order."""
        self._q, self._dq = q, dq
        self.guard.state(arrived, stream=JOINTS)

    def imu(self, arrived: float, quaternion: Array, angular_velocity: Array) -> None:
        """Take in an IMU's orientation (4,) x, y, z, w and angular velocity (3,) [rad/s]."""
        self._quaternion, self._angular_velocity = quaternion, angular_velocity
        self.guard.state(arrived, stream=IMU)

    def period(self, now: float) -> Array | None:
        """Live through one control period; return the command to publish, (n_actuators,), or None for silence."""
        command = None
        self.asked.tick(now)
        if self.guard.tick(now) in MOVING:
            command = self._move(now)
        if self.guard.mode in STOPPING:
            command = self._stop()
        self._mode = self.guard.mode
        return command

    def _move(self, now: float) -> Array | None:
        """Return the policy's command, (n_actuators,); None, and the Guard knows, where it gives none."""
        if self._mode not in MOVING:
            self._pose = self._measured()
            self._runner.restart()
            self._break_silence()
            self.asked.start(self._q)
        began = self._clock()
        wanted = self._wanted(now)
        command = None if wanted is None else self.filter.apply(wanted)
        self.guard.output(command is not None, self._clock() - began)
        if command is not None:
            self._runner.command = command[None]  # the next step starts from what was sent, not from what was wanted
        return command

    def _wanted(self, now: float) -> Array | None:
        """Return what the policy wants, faded in by the ramp: (n_actuators,); None where it fails."""
        senses = (self._q, self._dq, self._quaternion, self._angular_velocity, self.asked.values)
        try:
            command: Array = self._runner.step(*(array[None] for array in senses))[0]
        except Exception as error:  # whatever a policy does, the robot gets its fallback
            self.failure = repr(error)
            return None
        share = self.guard.blend(now)
        return command if share >= 1.0 else share * command + (1.0 - share) * self.contract.action.at_rest(self._pose)

    def _stop(self) -> Array | None:
        """Return the fallback, (n_actuators,); None where a pose shall be held and none has been measured yet.

        Through a forwarding controller every `contract.fallback` comes down to one thing a mode: positions hold the
        pose measured as the stop began, velocities and efforts are zero (the wheel stops, the joint is let go).
        """
        if self._mode not in STOPPING or not np.isfinite(self._pose).all():
            self._pose = self._measured()
            self._break_silence()
        rest = self.contract.action.at_rest(self._pose)
        return self.filter.apply(rest) if np.isfinite(rest).all() else None

    def _break_silence(self) -> None:
        """Let the step limit start from where the robot is, unless commands of ours are what it follows."""
        if self._mode not in MOVING | STOPPING or not np.isfinite(self.filter.last).all():
            self.filter.restart(self._measured())

    def _measured(self) -> Array:
        """Newest measured positions of the motors' joints: (n_actuators,) [rad | m]; NaN before the first state."""
        return self._q[self._motors]
