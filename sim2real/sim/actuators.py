"""What lies between a command and a joint: the time it takes to arrive, how fast it may change, and the motor's law."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from randomization import VariantSpace
from robots import Actuator, Robot

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Rows = Index | slice

_LONG_AGO = -(2**30)  # [physics steps]


class DelayLine:
    """Commands on their way to the motors, resolved to one physics step.

    Each control period issues one command with its own delay. A motor acts on the newest command that has arrived; a
    command never overtakes an older one.
    """

    def __init__(self, robot: Robot, n_worlds: int) -> None:
        self.substeps = robot.substeps
        self.physics_dt = robot.control_dt / robot.substeps
        self._steps = np.arange(self.substeps)
        self._worlds = np.arange(n_worlds)[:, None]
        self._command = np.zeros((2, n_worlds, robot.n_actuators))  # oldest first
        self._arrival = np.full((2, n_worlds), _LONG_AGO)  # in physics steps from now

    def reset(self, hold: Array, worlds: Index) -> None:
        """Forget what is on its way; `hold` (len(worlds), n_actuators) acts until the next command arrives."""
        self._command[:, worlds] = hold
        self._arrival[:, worlds] = _LONG_AGO

    def issue(self, command: Array, delay: Array) -> Array:
        """Issue one command a world and return what acts in each physics step of this period: (n, substeps, n_act).

        command: (n_worlds, n_actuators); delay: (n_worlds,) [s], rounded up to a physics step; inf: it never arrives
        """
        # A delay of exactly k physics steps is k, whatever rounding has made of it.
        arrival = np.ceil(delay / self.physics_dt - 1e-6)
        lost = np.isinf(arrival)
        if lossy := bool(lost.any()):
            arrival[lost] = 0.0
        self._make_room(int(arrival.max(initial=0.0)))
        self._command[:-1] = self._command[1:]
        self._command[-1] = command
        self._arrival[:-1] = self._arrival[1:]
        np.maximum(arrival, self._arrival[-2], out=self._arrival[-1], casting="unsafe")
        if lossy:  # the one before stands in its place
            self._command[-1, lost], self._arrival[-1, lost] = self._command[-2, lost], self._arrival[-2, lost]
        acting = (self._arrival[:, :, None] <= self._steps).sum(axis=0) - 1
        self._arrival -= self.substeps
        np.maximum(self._arrival, _LONG_AGO, out=self._arrival)
        np.maximum(acting, 0, out=acting)
        n_slots, n_worlds, n_actuators = self._command.shape
        slots = acting * n_worlds + self._worlds
        acts: Array = self._command.reshape(n_slots * n_worlds, n_actuators).take(slots, axis=0)
        return acts

    def _make_room(self, longest: int) -> None:
        """Keep as many slots as commands can be on their way, and one that acts."""
        missing = longest // self.substeps + 2 - len(self._command)
        if missing > 0:
            self._command = np.concatenate([np.repeat(self._command[:1], missing, axis=0), self._command])
            self._arrival = np.concatenate([np.repeat(self._arrival[:1], missing, axis=0), self._arrival])


class Law(NamedTuple):
    """A motor's law: effort = clip(gain command + stiffness q + damping dq, within its limits)."""

    gain: float
    stiffness: float
    damping: float


def servo(actuator: Actuator) -> Law:
    """Return the nominal law of a motor."""
    laws = {
        "effort": Law(1.0, 0.0, 0.0),
        "velocity": Law(actuator.kd, 0.0, -actuator.kd),
        "position": Law(actuator.kp, -actuator.kp, -actuator.kd),
    }
    return laws[actuator.mode]


_OF_MOTORS = (
    "kp",
    "kd",
    "strength",
    "no_load_speed",
    "dead_zone",
    "backlash",
    "zero_offset",
    "rate_limit",
    "gain",  # what a command is multiplied by: no quantity, but kp or kd, as the mode has it
)
_PARTS = (*_OF_MOTORS, "stiffness", "damping", "half_play", "servo_zero")  # and what follows from them


class Motors:
    """The motors of n worlds. Joint arrays here are those of the motors' joints: (n_worlds, n_actuators).

    In turn: the command, changing no faster than `rate_limit`; the law of the mode, on an encoder whose zero is off by
    `zero_offset`; the play; the limit, which falls with speed and supply voltage as that of a DC motor does; the dead
    zone; the strength.

    Play (`backlash` b): the motor's side is ahead of the joint by at most b/2, and moves the joint only while it rests
    against that end. Without mass of its own, a position servo then does nothing while its error is within +-b/2, an
    effort motor rests at the end that it pushes against, and a velocity servo takes its time to cross the play.
    """

    def __init__(self, robot: Robot, space: VariantSpace, n_worlds: int) -> None:
        self._dt = robot.control_dt / robot.substeps
        shape = (n_worlds, robot.n_actuators)
        self._laws = np.array([servo(actuator) for actuator in robot.actuators]).reshape(shape[1], 3).T
        modes = np.array(robot.modes, dtype=object)
        self._position, self._velocity = modes == "position", modes == "velocity"
        self._all_position, self._servoed = bool(self._position.all()), bool((modes != "effort").any())
        self._effort = robot.effort_limits
        self._columns, self._nominal = self._lay_out(robot, space)
        self._absent = np.nonzero(self._columns < 0)
        self._parts = np.empty((n_worlds, len(_PARTS), shape[1]))  # what the names below are views of
        parts = self._parts.transpose(1, 0, 2)
        _, _, self.strength, self.no_load_speed, self.dead_zone, _, self.zero, self.rate, self.gain = parts[:9]
        self.stiffness, self.damping, self.half_play, self._servo_zero = parts[9:]
        self._voltage = space.index("supply_voltage")
        self.voltage = np.ones((n_worlds, 1))
        self._softness = np.zeros(shape)  # command for each unit of effort
        self.lead = np.zeros(shape)  # how far the motor's side is ahead of the joint, within the play
        self._target = np.zeros(shape)  # of the rate limit
        self._uses = np.zeros((n_worlds, len(_OF_MOTORS)), dtype=bool)
        self._see()
        self.take(np.tile(space.nominal, (n_worlds, 1)), np.arange(n_worlds))

    def _lay_out(self, robot: Robot, space: VariantSpace) -> tuple[Index, Array]:
        """Return the column of each of `_OF_MOTORS` for each motor, -1 where it has none, and the nominal values."""
        columns = np.full((len(_OF_MOTORS), robot.n_actuators), -1)
        for row, quantity in enumerate(_OF_MOTORS[:-1]):
            block = space.block(quantity)
            for column, member in zip(range(*block.indices(space.size)), space.members[block], strict=True):
                columns[row, robot.actuator_names.index(member)] = column
        return columns, np.append(space.nominal, 1.0)[columns]

    def take(self, values: Array, worlds: Index) -> None:
        """Take what Variants (len(worlds), space.size) say of the motors of `worlds`."""
        said = np.empty((len(values), *self._parts.shape[1:]))
        given = said[:, : len(_OF_MOTORS)]
        given[:] = values.take(self._columns, axis=1, mode="wrap")
        if len(self._absent[0]):
            given[:, self._absent[0], self._absent[1]] = 1.0
        uses = (given != self._nominal).any(axis=2)
        kp, kd = said[:, 0], said[:, 1]
        np.multiply(self._laws[0], kp if self._all_position else np.where(self._velocity, kd, kp), out=said[:, 8])
        np.multiply(self._laws[1], kp, out=said[:, 9])
        np.multiply(self._laws[2], kd, out=said[:, 10])
        np.divide(said[:, 5], 2, out=said[:, 11])
        np.multiply(said[:, 6], self._position, out=said[:, 12])
        self._parts[worlds], self.voltage[worlds, 0] = said, values[:, self._voltage]
        if uses[:, 4].any():
            self._softness[worlds] = 1.0 / np.where(said[:, 8] == 0, np.inf, said[:, 8])
        if not np.array_equal(uses, self._uses[worlds]):
            self._uses[worlds] = uses
            self._see()

    def _see(self) -> None:
        """Note which parts of the model the worlds use; what no world uses costs nothing."""
        used = np.any(self._uses, axis=0).tolist()
        self._sagging, self._dead, self._playing, self._shifted, self._limited = map(bool, used[3:8])
        self.steady = ~self._uses[:, 3]  # (n_worlds,) limits that do not fall with speed
        # (n_worlds,) where a clipped linear law is all there is: play changes nothing about effort motors
        self.affine = ~(self._uses[:, 3] | self._uses[:, 4] | (self._uses[:, 5] & self._servoed))
        self.all_affine = bool(self.affine.all())

    def reset(self, hold: Array, worlds: Index) -> None:
        """Begin at rest with the command `hold` (len(worlds), n_actuators), in the middle of the play."""
        self._target[worlds], self.lead[worlds] = hold, 0.0

    def limit_rate(self, control: Array) -> Array:
        """Let commands (n_worlds, substeps, n_actuators), one a physics step, change no faster than motors follow."""
        if not self._limited:
            self._target[:] = control[:, -1]
            return control
        step, target, followed = self.rate * self._dt, self._target, np.empty_like(control)
        for k in range(control.shape[1]):
            np.clip(control[:, k], target - step, target + step, out=target)
            followed[:, k] = target
        return followed

    @property
    def limits(self) -> Array:
        """Largest effort at rest, before strength: (n_worlds, n_actuators)."""
        most: Array = self._effort * np.minimum(self.voltage, 1.0)
        return most

    def range_at(self, dq: Array, worlds: Rows = slice(None)) -> tuple[Array, Array]:
        """Return the least and the largest effort, before strength, at joint speeds dq."""
        effort, voltage = self._effort, self.voltage[worlds]
        if not self._sagging:
            most = effort * np.minimum(voltage, 1.0)
            return -most, most
        loss = dq / self.no_load_speed[worlds]
        most, least = np.minimum(1.0, voltage - loss), np.minimum(1.0, voltage + loss)
        return -effort * np.maximum(least, -1.0), effort * np.maximum(most, -1.0)

    def torque(self, command: Array, q: Array, dq: Array, dt: float | Array, worlds: Rows = slice(None)) -> Array:
        """Return the efforts of some worlds' motors, (k, n_actuators), at this moment; dt [s] to the next such call."""
        command = self.engaged(command, q, dq, dt, worlds)
        low, high = self.range_at(dq, worlds)
        tau = self.gain[worlds] * command + self.stiffness[worlds] * q + self.damping[worlds] * dq
        tau = np.minimum(np.maximum(tau, low), high)
        if self._dead:
            tau -= np.clip(tau, -self.dead_zone[worlds], self.dead_zone[worlds])
        delivered: Array = self.strength[worlds] * tau
        return delivered

    def blind_torque(self, control: Array, worlds: Index) -> Array:
        """Return the efforts of effort motors whose limits are `steady`, from commands alone: (k, substeps, n_act)."""
        tau, limit = self.seen_from_joint(control, worlds), self.limits[worlds][:, None]
        tau = np.minimum(np.maximum(tau, -limit), limit)
        if self._dead:
            dead = self.dead_zone[worlds][:, None]
            tau = tau - np.minimum(np.maximum(tau, -dead), dead)
        blind: Array = self.strength[worlds][:, None] * tau
        return blind

    def engaged(self, command: Array, q: Array, dq: Array, dt: float | Array, worlds: Rows = slice(None)) -> Array:
        """Return the command that the law is to follow, seen from the joint: without zero offset, across the play."""
        if self._shifted:
            command = command - self._servo_zero[worlds]
        if not self._playing:
            return command
        half, lead = self.half_play[worlds], self.lead[worlds]
        if self._all_position:
            error = np.minimum(np.maximum(command - q, -half), half)
            self.lead[worlds] = error
            joint_side: Array = command - error
            return joint_side
        error = np.clip(command - q, -half, half)
        crossing = np.clip(lead + (command - dq) * dt, -half, half)
        pushing = np.where(command == 0, lead, np.copysign(half, command))
        lead = np.where(self._position, error, np.where(self._velocity, crossing, pushing))
        self.lead[worlds] = lead
        # A velocity servo works through the play only while it rests against the end that it drives towards.
        through = lead == np.where(command >= dq, half, -half)
        across = np.where(self._velocity & ~through, dq, command)
        return np.where(self._position, command - error, across)

    def seen_from_joint(self, control: Array, worlds: Rows) -> Array:
        """Return commands (k, substeps, n_actuators) as the bare law takes them, for worlds where that is all."""
        if self._playing:  # of effort motors, which it changes nothing for
            last, half = control[:, -1], self.half_play[worlds]
            resting = self._position | self._velocity | (last == 0)
            self.lead[worlds] = np.where(resting, self.lead[worlds], np.copysign(half, last))
        if not self._shifted:
            return control
        shifted: Array = control - self._servo_zero[worlds][:, None]
        return shifted

    def servo_input(self, command: Array, q: Array, dq: Array, dt: float, worlds: Rows) -> tuple[Array, Array]:
        """Return commands, and least and largest efforts (k, n_actuators, 2), that make the bare law give `torque`.

        For an engine that computes the law itself, implicitly, and knows no more than that.
        """
        command = self.engaged(command, q, dq, dt, worlds)
        low, high = self.range_at(dq, worlds)
        if self._dead:
            dead, gain = self.dead_zone[worlds], self.gain[worlds]
            asked = gain * command + self.stiffness[worlds] * q + self.damping[worlds] * dq
            command = command - np.minimum(np.maximum(asked, -dead), dead) * self._softness[worlds]
            low = low - np.minimum(np.maximum(low, -dead), dead)
            high = high - np.minimum(np.maximum(high, -dead), dead)
        efforts = np.empty((*low.shape, 2))
        np.multiply(self.strength[worlds], low, out=efforts[..., 0])
        np.multiply(self.strength[worlds], high, out=efforts[..., 1])
        return command, efforts

    def encoder_offset(self) -> Array:
        """How much more than the joint's position its encoder reads: (n_worlds, n_actuators) [rad | m]."""
        offset: Array = self.zero + self.lead if self._playing else self.zero
        return offset

    @property
    def is_off(self) -> bool:
        """Whether any encoder reads something else than its joint's position."""
        return self._playing or self._shifted


def holding_command(robot: Robot, q: Array) -> Array:
    """Return the command that keeps a robot where it is: (n, n_actuators) from q (n, n_joints)."""
    held = q[:, robot.actuated]
    for column, actuator in enumerate(robot.actuators):
        if actuator.mode != "position":
            held[:, column] = 0.0
    return held
