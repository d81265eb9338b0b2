"""MuJoCo worlds: a model per world, all stepped by one threaded `mujoco.rollout` call a control period.

`sim2real.sim.mujoco_model` builds the model of one world, `sim2real.sim.mujoco_variant` sets a Variant in it. Motors
that are more than a clipped linear law (play, dead zone, efforts that fall with speed) are worked out before each
physics step, by a rollout of one step; what they become is still a law that MuJoCo treats implicitly.

The readings of a rollout are those of the state before each step. So sensors are read by one step more, from the state
that is to be read; its outcome is dropped.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from robots import Robot
from robots.kinematics import follow, sources
from sim2real.errors import EngineError
from sim2real.sim.actuators import DelayLine, Motors, holding_command
from sim2real.sim.channels import CHANNELS, check_channels
from sim2real.sim.disturbances import pushed_body
from sim2real.sim.engine import MAX_SPEED, Array, Index, WorldState, blank_readings, calm_readings
from sim2real.sim.mujoco_instruments import MujocoInstruments, add_instruments
from sim2real.sim.mujoco_model import body_name, build_spec
from sim2real.sim.mujoco_rollout import ALL, Rollouts, Rows
from sim2real.sim.mujoco_states import PLACE, TURN, StateLayout
from sim2real.sim.mujoco_variant import MujocoVariant
from sim2real.sim.rotations import rotate
from sim2real.sim.terrain import Grounds

# Its own handler writes MUJOCO_LOG.TXT into the working folder. A diverged world is seen, counted and reported by us.
mujoco.set_mju_user_warning(lambda _: None)


class MujocoEngine:
    """N MuJoCo worlds. See `sim2real.sim.engine.Engine`."""

    def __init__(self, robot: Robot, n_worlds: int = 1, threads: int = 0, channels: Sequence[str] = ()) -> None:
        self.robot, self.n_worlds = robot, n_worlds
        self.space = VariantSpace(robot)
        self.state = WorldState.zeros(robot, n_worlds)
        self.rebuilt = 0
        self.channels = check_channels(robot, channels)
        self.readings = blank_readings(robot, n_worlds, self.channels)
        self._threads = threads
        self._delays = DelayLine(robot, n_worlds)
        self._motors = Motors(robot, self.space, n_worlds)
        self._grounds = Grounds(robot, self.space)
        self._variant = np.tile(self.space.nominal, (n_worlds, 1))
        self._flat, self._level = self._variant[:, self._grounds.columns], True  # the floor of every world
        self._all_moved = np.array_equal(robot.actuated, np.arange(robot.n_joints))  # by motors, in this order
        self._mimics = bool(sources(robot.model))
        self._build(uneven=False)
        self._physics = np.tile(self._layout.at_rest, (n_worlds, 1))
        self._control = np.zeros((n_worlds, robot.n_actuators))
        self._push: Array | None = None
        self.listen({})
        self.reset(self.state.q.copy(), self.state.dq.copy(), np.arange(n_worlds))

    def _build(self, uneven: bool) -> None:
        """Build the models of all worlds, nominal; `uneven`: with a height field, which costs nothing while unused."""
        self._nominal = self._compile(uneven)
        self.models = [copy.copy(self._nominal) for _ in range(self.n_worlds)]
        pushed = self._nominal.body(body_name(pushed_body(self.robot))).id
        self._rollouts = Rollouts(self.models, self._threads, self.robot.substeps, pushed)
        self._truth = MujocoVariant(self._nominal, self.robot, self.space, self._grounds, self.n_worlds)
        self._layout = StateLayout(self._nominal, self.robot)

    def _compile(self, uneven: bool) -> Any:
        """Compile the nominal model, with sensors for what the state does not tell."""
        robot, bodies = self.robot, self.robot.merged.model
        told = {"position", "velocity", "base_velocity"}
        if robot.file.imu is None or robot.merged.frames[robot.file.imu.link][0] == bodies.root.name:
            told |= {"orientation", "gyro"}
        asked = {*self.channels, *(("orientation", "gyro") if robot.file.imu else ())} - told
        self._sensed = check_channels(robot, tuple(asked))
        try:
            spec = build_spec(robot, uneven)
            add_instruments(spec, robot, self._sensed)
            model = spec.compile()
        except ValueError as error:
            raise EngineError(f"MuJoCo refused robot '{robot.name}': {str(error).splitlines()[0]}") from None
        self._instruments = MujocoInstruments(model, robot, self._sensed)
        return model

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        values = variant.values
        changed = values != self._variant[worlds]
        self._variant[worlds] = values
        if (ground := changed[:, self._grounds.columns]).any():
            self._level = np.array_equal(self._variant[:, self._grounds.columns], self._flat)
            if any(not self._truth.fits(row) for row in values[ground.any(axis=1)]):
                self.close()
                self._build(uneven=True)
                worlds, values = np.arange(self.n_worlds), self._variant
                changed = values != self.space.nominal
        for row, world in enumerate(worlds.tolist()):
            self._truth.apply(self.models[world], world, self._rollouts.data[0], values[row], changed[row])
        self._motors.take(values, worlds)
        self._set_laws(worlds)

    def _set_laws(self, worlds: Index) -> None:
        motors = self._motors
        strength = motors.strength[worlds]
        gain, stiffness = strength * motors.gain[worlds], strength * motors.stiffness[worlds]
        damping, limit = strength * motors.damping[worlds], strength * motors.limits[worlds]
        for row, world in enumerate(worlds.tolist()):
            model = self.models[world]
            law, effort_range = model.actuator_biasprm, model.actuator_forcerange
            model.actuator_gainprm[:, 0], law[:, 1], law[:, 2] = gain[row], stiffness[row], damping[row]
            effort_range[:, 0], effort_range[:, 1] = -limit[row], limit[row]

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """See `Engine.reset`."""
        if self._mimics:
            q, dq = follow(self.robot.model, q, dq)
        if not keep_commands:
            hold = holding_command(self.robot, q)
            self._delays.reset(hold, worlds)
            self._motors.reset(hold, worlds)
            self._control[worlds] = hold
        self.rebuilt += int((~self.state.healthy[worlds]).sum())  # the state is the whole world: writing it rebuilds it
        self.state.healthy[worlds] = True
        physics = np.empty((len(worlds), len(self._layout.at_rest)))
        physics[:] = self._layout.at_rest
        if not self._level:
            physics[:, PLACE], turn = self._grounds.start(self._variant[worlds])
            physics[:, TURN] = turn
        physics[:, self._layout.positions], physics[:, self._layout.velocities] = q, dq
        self._physics[worlds] = physics
        self.state.tau[worlds] = 0.0
        self._push = None
        self._read(worlds)
        self._sense(worlds, self.channels)
        self._shift_encoders(worlds)

    def step(self, command: Array, delay: Array, force: Array | None = None) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        control = self._motors.limit_rate(self._delays.issue(command, delay))
        self._push = force
        healthy, early = _rows(self.state.healthy), list[tuple[str, Rows, Array]]()
        for worlds, stepwise in self._ways(healthy):
            states = (self._run_stepwise if stepwise else self._run)(worlds, control[worlds], force)
            self._physics[worlds] = states[:, -1]
            if self._taps:
                early += self._sense_early(worlds, states, control[worlds])
        if self._sensed:
            self._control[:] = control[:, -1]
        self._read(healthy)
        self._sense(healthy, self._at_end)
        for channel, worlds, reading in early:
            self.readings[channel][worlds] = reading
        self._shift_encoders(healthy)
        calm_readings(self.readings, self.state)

    def _ways(self, healthy: Rows) -> Iterator[tuple[Rows, bool]]:
        """Yield which worlds to step together, and whether their motors must be asked before each physics step."""
        if isinstance(healthy, slice) and self._motors.all_affine:
            yield ALL, False
            return
        sound, affine = self.state.healthy, self._motors.affine
        for some, stepwise in ((sound & affine, False), (sound & ~affine, True)):
            if some.any():
                yield _rows(some), stepwise

    def listen(self, taps: Mapping[str, Index]) -> None:
        """See `Engine.listen`."""
        at_end = self.robot.substeps
        self._taps = {
            channel: tap for channel, tap in taps.items() if channel in self.channels and (tap < at_end).any()
        }
        # What a state tells is told of the right one for all worlds at once.
        self._at_end = [channel for channel in self.channels if channel in self._sensed or channel not in self._taps]

    def close(self) -> None:
        """See `Engine.close`."""
        self._rollouts.close()

    def _run(self, worlds: Rows, control: Array, force: Array | None) -> Array:
        """Advance worlds by one period under `control` (k, substeps, n_actuators); return the state after each step."""
        control = self._motors.seen_from_joint(control, worlds)
        states, sensors = self._rollouts.period(worlds, self._physics[worlds], control, force)
        self.state.tau[worlds] = sensors[:, -1, : self.robot.n_actuators]
        return states

    def _run_stepwise(self, worlds: Rows, control: Array, force: Array | None) -> Array:
        """The same for motors that must be asked before each physics step."""
        motors, dt = self._motors, self.robot.control_dt / self.robot.substeps
        ranges = [model.actuator_forcerange for model in self._rollouts.of(worlds)]
        physics, states = self._physics[worlds], np.empty((*control.shape[:2], self._physics.shape[1]))
        for k in range(control.shape[1]):
            q, dq = physics[:, self._layout.motor_qpos], physics[:, self._layout.motor_qvel]
            command, effort_range = motors.servo_input(control[:, k], q, dq, dt, worlds)
            for one, row in zip(ranges, effort_range, strict=True):
                one[:] = row
            states[:, k : k + 1], sensors = self._rollouts.steps(worlds, physics, command[:, None], force)
            physics = states[:, k]
        self.state.tau[worlds] = sensors[:, -1, : self.robot.n_actuators]
        return states

    def _read(self, worlds: Rows) -> None:
        """Bring the state up to date."""
        state, physics = self.state, self._physics[worlds]
        self._felt = self._feel(worlds, physics, self._control[worlds])
        state.q[worlds], state.dq[worlds] = physics[:, self._layout.positions], physics[:, self._layout.velocities]
        if not self.robot.fixed_base:
            twist = physics[:, self._layout.twist]
            state.base_position[worlds], state.base_velocity[worlds] = physics[:, PLACE], twist[:, :3]
            state.base_quaternion[worlds] = turn = physics[:, TURN]
            state.base_angular_velocity[worlds] = rotate(turn, twist[:, 3:])
        if self.robot.file.imu:
            for channel, field in (("orientation", state.imu_quaternion), ("gyro", state.imu_angular_velocity)):
                field[worlds] = self._felt[channel] if channel in self._sensed else self._layout.told(channel, physics)
        # Where no number of a state is large, none that is made of them is too large.
        if not (np.abs(physics[:, 1:]).max(initial=0.0) < MAX_SPEED / 2 and np.isfinite(state.tau).all()):
            state.quarantine(self.robot)

    def _feel(self, worlds: Rows, physics: Array, control: Array) -> dict[str, Array]:
        """Return what the other channels read in states (k, state size) of some worlds, under control (k, n_act)."""
        if not (self._sensed and len(physics)):
            return {channel: np.zeros((0, CHANNELS[channel].width(self.robot))) for channel in self._sensed}
        control = self._motors.seen_from_joint(control[:, None], worlds)
        return self._instruments.readings(self._rollouts.steps(worlds, physics, control, self._push)[1][:, 0])

    def _sense(self, worlds: Rows, channels: Sequence[str]) -> None:
        """Let sensors read the state that has just been read, where they are to read it and not one before."""
        state = self.state
        told = {"position": state.q, "velocity": state.dq}
        told |= {"orientation": state.imu_quaternion, "gyro": state.imu_angular_velocity}
        for channel in channels:
            if channel in self._sensed:
                reading = self._felt[channel]
            elif channel in told:
                reading = told[channel][worlds]
            else:
                reading = self._layout.told(channel, self._physics[worlds])
            self.readings[channel][worlds] = reading

    def _sense_early(self, worlds: Rows, states: Array, control: Array) -> Iterator[tuple[str, Rows, Array]]:
        """Yield what channels read before the end of a period, and where, from the states after each physics step."""
        rows = np.arange(len(states))
        for channel, taps in self._taps.items():
            k = taps[worlds] - 1
            if channel in self._sensed:
                some = np.flatnonzero(k < self.robot.substeps - 1)
                here = np.arange(self.n_worlds)[worlds][some]
                if len(here):
                    felt = self._feel(here, states[some, k[some]], control[some, k[some]])
                    yield channel, here, felt[channel]
            else:
                yield channel, worlds, self._layout.told(channel, states[rows, k])

    def _shift_encoders(self, worlds: Rows) -> None:
        """Add what the motors' encoders are off by; the part of the play is that of the period's end."""
        if self._motors.is_off and "position" in self.channels:
            offset = self._motors.encoder_offset()[worlds]
            if self._all_moved:
                self.readings["position"][worlds] += offset
            else:
                self.readings["position"][np.ix_(np.arange(self.n_worlds)[worlds], self.robot.actuated)] += offset


def _rows(some: NDArray[np.bool_]) -> Rows:
    """Return the numbers of some worlds, or all of them at once: what that picks out is not copied."""
    return ALL if some.all() else np.flatnonzero(some)
