"""MuJoCo worlds: a model per world, all stepped by one threaded `mujoco.rollout` call a control period.

`sim2real.sim.mujoco_model` builds the model of one world, `sim2real.sim.mujoco_variant` sets a Variant in it. Motors
that are more than a clipped linear law (play, dead zone, efforts that fall with speed) are worked out before each
physics step, by a rollout of one step; what they become is still a law that MuJoCo treats implicitly.

The readings of a rollout are those of the state before each step. So sensors are read by one step more, from the state
that is to be read; its outcome is dropped.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

from randomization import Variant, VariantSpace
from robots import Robot
from robots.kinematics import follow
from sim2real.errors import EngineError
from sim2real.sim.actuators import DelayLine, Motors, holding_command
from sim2real.sim.channels import CHANNELS, check_channels
from sim2real.sim.disturbances import pushed_body
from sim2real.sim.engine import Array, Index, WorldState, blank_readings, calm_readings
from sim2real.sim.mujoco_instruments import MujocoInstruments, add_instruments
from sim2real.sim.mujoco_model import body_name, build_spec
from sim2real.sim.mujoco_variant import MujocoVariant
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate
from sim2real.sim.terrain import Grounds

# Its own handler writes MUJOCO_LOG.TXT into the working folder. A diverged world is seen, counted and reported by us.
mujoco.set_mju_user_warning(lambda _: None)

_FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS
_CTRL, _XFRC = mujoco.mjtState.mjSTATE_CTRL, mujoco.mjtState.mjSTATE_XFRC_APPLIED


class MujocoEngine:
    """N MuJoCo worlds. See `sim2real.sim.engine.Engine`."""

    def __init__(self, robot: Robot, n_worlds: int = 1, threads: int = 0, channels: Sequence[str] = ()) -> None:
        self.robot, self.n_worlds = robot, n_worlds
        self.space = VariantSpace(robot)
        self.state = WorldState.zeros(robot, n_worlds)
        self.rebuilt = 0
        self.channels = check_channels(robot, channels)
        self.readings = blank_readings(robot, n_worlds, self.channels)
        self._threads = max(1, threads)
        self._rollout = rollout.Rollout(nthread=threads)
        self._delays = DelayLine(robot, n_worlds)
        self._motors = Motors(robot, self.space, n_worlds)
        self._grounds = Grounds(robot, self.space)
        self._variant = np.tile(self.space.nominal, (n_worlds, 1))
        self._build(uneven=False)
        self._physics = np.zeros((n_worlds, mujoco.mj_stateSize(self._nominal, _FULL)))
        self._control = np.zeros((n_worlds, robot.n_actuators))
        self._push: Array | None = None
        self.listen({})
        self.reset(self.state.q.copy(), self.state.dq.copy(), np.arange(n_worlds))

    def _build(self, uneven: bool) -> None:
        """Build the models of all worlds, nominal; `uneven`: with a height field, which costs nothing while unused."""
        self._nominal = self._compile(uneven)
        self.models = [copy.copy(self._nominal) for _ in range(self.n_worlds)]
        self._data = [mujoco.MjData(self._nominal) for _ in range(self._threads)]
        self._truth = MujocoVariant(self._nominal, self.robot, self.space, self._grounds, self.n_worlds)
        self._index(self.robot)

    def _compile(self, uneven: bool) -> Any:
        """Compile the nominal model, with sensors for what the state does not tell."""
        robot, bodies = self.robot, self.robot.merged.model
        told = {"position", "velocity", "base_velocity"}
        self._imu_on_root = robot.file.imu is None or robot.merged.frames[robot.file.imu.link][0] == bodies.root.name
        if self._imu_on_root:
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

    def _index(self, robot: Robot) -> None:
        """Remember where each joint, motor and body lies in MuJoCo's arrays."""
        model = self._nominal
        joints = [model.joint(name) for name in robot.joint_names]
        self._qpos = 1 + np.array([j.qposadr[0] for j in joints], dtype=np.intp)  # after the time
        self._qvel = 1 + model.nq + np.array([j.dofadr[0] for j in joints], dtype=np.intp)
        self._motor_qpos, self._motor_qvel = self._qpos[robot.actuated], self._qvel[robot.actuated]
        pushed = model.body(body_name(pushed_body(robot))).id
        self._force = slice(model.nu + 6 * pushed, model.nu + 6 * pushed + 3)  # in a control with external forces
        if robot.file.imu:
            self._imu_turn = from_rpy(np.array(robot.merged.frames[robot.file.imu.link][1].rpy))

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        changed = variant.values != self._variant[worlds]
        self._variant[worlds] = variant.values
        ground = changed[:, self._grounds.columns].any(axis=1)
        if any(not self._truth.fits(row) for row in variant.values[ground]):
            self._build(uneven=True)
            worlds = np.arange(self.n_worlds)
            changed = self._variant != self.space.nominal
        for row, world in enumerate(worlds.tolist()):
            if changed[row].any():
                self._truth.apply(self.models[world], world, self._data[0], self._variant[world], changed[row])
        self._motors.take(self._variant[worlds], worlds)
        self._set_laws(worlds)

    def _set_laws(self, worlds: Index) -> None:
        motors = self._motors
        gain, stiffness, damping = (motors.strength * law for law in (motors.gain, motors.stiffness, motors.damping))
        limit = motors.strength * motors.limits
        for world in worlds.tolist():
            model = self.models[world]
            model.actuator_gainprm[:, 0] = gain[world]
            model.actuator_biasprm[:, 1], model.actuator_biasprm[:, 2] = stiffness[world], damping[world]
            model.actuator_forcerange[:, 0], model.actuator_forcerange[:, 1] = -limit[world], limit[world]

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """See `Engine.reset`."""
        q, dq = follow(self.robot.model, q, dq)
        if not keep_commands:
            hold = holding_command(self.robot, q)
            self._delays.reset(hold, worlds)
            self._motors.reset(hold, worlds)
            self._control[worlds] = hold
        self.rebuilt += int((~self.state.healthy[worlds]).sum())  # the state is the whole world: writing it rebuilds it
        self.state.healthy[worlds] = True
        physics = np.zeros((len(worlds), self._physics.shape[1]))
        physics[:, 1 : 1 + self._nominal.nq] = self._nominal.qpos0
        if not self.robot.fixed_base:
            physics[:, 1:4], turn = self._grounds.start(self._variant[worlds])
            physics[:, 4:8] = turn[:, [3, 0, 1, 2]]
        physics[:, self._qpos], physics[:, self._qvel] = q, dq
        self._physics[worlds] = physics
        self.state.tau[worlds] = 0.0
        self._push = None
        self._read(worlds)
        for channel in self.channels:
            reading = self._felt[channel] if channel in self._sensed else self._told(channel, physics)
            self.readings[channel][worlds] = reading
        self._shift_encoders(worlds)

    def step(self, command: Array, delay: Array, force: Array | None = None) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        control = self._motors.limit_rate(self._delays.issue(command, delay))
        self._push = force
        healthy, affine = self.state.healthy, self._motors.affine
        for some, advance in ((healthy & affine, self._run), (healthy & ~affine, self._run_stepwise)):
            worlds = np.flatnonzero(some)
            if len(worlds):
                states = advance(worlds, control[worlds], force)
                self._physics[worlds] = states[:, -1]
                self._sense_early(worlds, states, control[worlds])
        self._control[:] = control[:, -1]
        read = np.flatnonzero(healthy)
        self._read(read)
        self._sense_at_end(read)
        calm_readings(self.readings, self.state)

    def listen(self, taps: Mapping[str, Index]) -> None:
        """See `Engine.listen`."""
        all_at_end = np.full(self.n_worlds, self.robot.substeps)
        self._taps = {channel: taps.get(channel, all_at_end) for channel in self.channels}
        self._early = [channel for channel, tap in self._taps.items() if (tap < self.robot.substeps).any()]

    def close(self) -> None:
        """See `Engine.close`."""
        self._rollout.close()

    def _run(self, worlds: Index, control: Array, force: Array | None) -> Array:
        """Advance worlds by one period under `control` (k, substeps, n_actuators); return the state after each step."""
        return self._roll(worlds, self._physics[worlds], self._motors.seen_from_joint(control, worlds), force)

    def _run_stepwise(self, worlds: Index, control: Array, force: Array | None) -> Array:
        """The same for motors that must be asked before each physics step."""
        motors, dt = self._motors, self.robot.control_dt / self.robot.substeps
        ranges = [self.models[world].actuator_forcerange for world in worlds.tolist()]
        physics, states = self._physics[worlds], np.empty((*control.shape[:2], self._physics.shape[1]))
        for k in range(control.shape[1]):
            q, dq = physics[:, self._motor_qpos], physics[:, self._motor_qvel]
            command, effort_range = motors.servo_input(control[:, k], q, dq, dt, worlds)
            for one, row in zip(ranges, effort_range, strict=True):
                one[:] = row
            states[:, k : k + 1] = self._roll(worlds, physics, command[:, None], force)
            physics = states[:, k]
        return states

    def _roll(self, worlds: Index, physics: Array, control: Array, force: Array | None) -> Array:
        """Take one physics step for each of `control` (k, steps, n_actuators); note the efforts of the last one."""
        states, sensors = self._steps(worlds, physics, control, force)
        self.state.tau[worlds] = sensors[:, -1, : self.robot.n_actuators]
        return states

    def _steps(self, worlds: Index, physics: Array, control: Array, force: Array | None) -> tuple[Array, Array]:
        """Return the states after each step and what sensors read before it: (k, steps, size) each."""
        k, steps = control.shape[:2]
        spec = _CTRL
        if force is not None:
            wide = np.zeros((k, steps, self._nominal.nu + 6 * self._nominal.nbody))
            wide[:, :, : self._nominal.nu], wide[:, :, self._force] = control, force[worlds, None]
            control, spec = wide, _CTRL | _XFRC
        states, sensors = np.empty((k, steps, physics.shape[1])), np.empty((k, steps, self._nominal.nsensordata))
        # Shapes are ours and right; checking them takes as long as a physics step.
        self._rollout.rollout(
            self._of(worlds),
            self._data,
            np.ascontiguousarray(physics),
            np.ascontiguousarray(control),
            control_spec=spec,
            nstep=steps,
            state=states,
            sensordata=sensors,
            skip_checks=True,
        )
        return states, sensors

    def _of(self, worlds: Index) -> list[Any]:
        return self.models if len(worlds) == self.n_worlds else [self.models[w] for w in worlds.tolist()]

    def _read(self, worlds: Index) -> None:
        """Bring the state up to date."""
        state, physics, root = self.state, self._physics[worlds], not self.robot.fixed_base
        self._felt = self._feel(worlds, physics, self._control[worlds])
        state.q[worlds], state.dq[worlds] = physics[:, self._qpos], physics[:, self._qvel]
        if root:
            velocity = physics[:, 1 + self._nominal.nq :]
            state.base_position[worlds] = physics[:, 1:4]
            state.base_quaternion[worlds] = physics[:, [5, 6, 7, 4]]  # w, x, y, z in MuJoCo
            state.base_velocity[worlds] = velocity[:, :3]
            state.base_angular_velocity[worlds] = rotate(state.base_quaternion[worlds], velocity[:, 3:6])
        if self.robot.file.imu:
            for channel, field in (("orientation", state.imu_quaternion), ("gyro", state.imu_angular_velocity)):
                field[worlds] = self._felt[channel] if channel in self._sensed else self._told(channel, physics)
        state.quarantine(self.robot)

    def _told(self, channel: str, physics: Array) -> Array:
        """Return what a channel reads, for those that the states (k, state size) tell by themselves."""
        if channel == "position":
            return physics[:, self._qpos]
        if channel == "velocity":
            return physics[:, self._qvel]
        if self.robot.fixed_base:  # an IMU on a bolted root
            turn = np.broadcast_to(self._imu_turn, (len(physics), 4))
            return turn if channel == "orientation" else np.zeros((len(physics), 3))
        base, velocity = physics[:, [5, 6, 7, 4]], physics[:, 1 + self._nominal.nq :]
        if channel == "base_velocity":
            return rotate(inverse(base), velocity[:, :3])
        turn = np.broadcast_to(self._imu_turn, (len(physics), 4))
        return compose(base, turn) if channel == "orientation" else rotate(inverse(turn), velocity[:, 3:6])

    def _feel(self, worlds: Index, physics: Array, control: Array) -> dict[str, Array]:
        """Return what the other channels read in states (k, state size) of some worlds, under control (k, n_act)."""
        if not (self._sensed and len(worlds)):
            return {channel: np.zeros((0, CHANNELS[channel].width(self.robot))) for channel in self._sensed}
        control = self._motors.seen_from_joint(control[:, None], worlds)
        return self._instruments.readings(self._steps(worlds, physics, control, self._push)[1][:, 0])

    def _sense_early(self, worlds: Index, states: Array, control: Array) -> None:
        """Read the channels that are read before the end of a period, from the states after each physics step."""
        for channel in self._early:
            rows = np.flatnonzero(self._taps[channel][worlds] < self.robot.substeps)
            here = worlds[rows]
            k = self._taps[channel][here] - 1
            if channel in self._sensed:
                self.readings[channel][here] = self._feel(here, states[rows, k], control[rows, k])[channel]
            else:
                self.readings[channel][here] = self._told(channel, states[rows, k])

    def _sense_at_end(self, read: Index) -> None:
        """Read the channels that are read at the end of a period, in the worlds that have just been `read`."""
        for channel, tap in self._taps.items():
            last = tap[read] == self.robot.substeps
            if not last.any():
                continue
            here = read[last]
            self.readings[channel][here] = (
                self._felt[channel][last] if channel in self._sensed else self._told(channel, self._physics[here])
            )
        self._shift_encoders(read)

    def _shift_encoders(self, worlds: Index) -> None:
        """Add what the motors' encoders are off by; the part of the play is that of the period's end."""
        if self._motors.is_off and "position" in self.channels:
            offset = self._motors.encoder_offset()[worlds]
            self.readings["position"][np.ix_(worlds, self.robot.actuated)] += offset
