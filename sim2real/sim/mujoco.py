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
from sim2real.sim.channels import check_channels
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
        self._models = [copy.copy(self._nominal) for _ in range(self.n_worlds)]
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
        before = self._variant[worlds]
        self._variant[worlds] = variant.values
        if any(not self._truth.fits(row) for row in variant.values):
            self._build(uneven=True)
            worlds, before = np.arange(self.n_worlds), np.tile(self.space.nominal, (self.n_worlds, 1))
        changed = self._variant[worlds] != before
        for row, world in enumerate(worlds.tolist()):
            if changed[row].any():
                self._truth.apply(self._models[world], world, self._data[0], self._variant[world], changed[row])
        self._motors.take(self._variant[worlds], worlds)
        self._set_laws(worlds)

    def _set_laws(self, worlds: Index) -> None:
        motors = self._motors
        gain, stiffness, damping = (
            motors.strength * law for law in (motors.gain, motors.stiffness, motors.damping)
        )
        limit = motors.strength * motors.limits
        for world in worlds.tolist():
            model = self._models[world]
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
            self.readings[channel][worlds] = self._seen[1][channel]
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
        self._read(np.flatnonzero(healthy))
        self._sense_at_end(np.flatnonzero(self.state.healthy))
        calm_readings(self.readings, self.state)

    def listen(self, taps: Mapping[str, Index]) -> None:
        """See `Engine.listen`."""
        all_at_end = np.full(self.n_worlds, self.robot.substeps)
        self._taps = {channel: taps.get(channel, all_at_end) for channel in self.channels}
        moments = np.concatenate([np.zeros(0, dtype=np.intp), *self._taps.values()])
        self._early = [k for k in np.unique(moments).tolist() if k < self.robot.substeps]

    def close(self) -> None:
        """See `Engine.close`."""
        self._rollout.close()

    def _run(self, worlds: Index, control: Array, force: Array | None) -> Array:
        """Advance worlds by one period under `control` (k, substeps, n_actuators); return the state after each step."""
        return self._roll(worlds, self._physics[worlds], self._motors.seen_from_joint(control, worlds), force)

    def _run_stepwise(self, worlds: Index, control: Array, force: Array | None) -> Array:
        """The same for motors that must be asked before each physics step."""
        motors, dt = self._motors, self.robot.control_dt / self.robot.substeps
        physics, states = self._physics[worlds], []
        for k in range(control.shape[1]):
            q, dq = physics[:, self._motor_qpos], physics[:, self._motor_qvel]
            command, low, high = motors.servo_input(control[:, k], q, dq, dt, worlds)
            for row, world in enumerate(worlds.tolist()):
                effort_range = self._models[world].actuator_forcerange
                effort_range[:, 0], effort_range[:, 1] = low[row], high[row]
            states.append(self._roll(worlds, physics, command[:, None], force))
            physics = states[-1][:, 0]
        return np.concatenate(states, axis=1)

    def _roll(self, worlds: Index, physics: Array, control: Array, force: Array | None) -> Array:
        """Take one physics step for each of `control` (k, steps, n_actuators); note the efforts of the last one."""
        states, sensors = self._steps(worlds, physics, control, force)
        self.state.tau[worlds] = sensors[:, -1, : self.robot.n_actuators]
        return states

    def _steps(self, worlds: Index, physics: Array, control: Array, force: Array | None) -> tuple[Array, Array]:
        options = {}
        if force is not None:
            wide = np.zeros((*control.shape[:2], self._nominal.nu + 6 * self._nominal.nbody))
            wide[:, :, : self._nominal.nu], wide[:, :, self._force] = control, force[worlds, None]
            control, options = wide, {"control_spec": _CTRL | _XFRC}
        return self._rollout.rollout(self._of(worlds), self._data, physics, control, **options)  # type: ignore[no-any-return]

    def _of(self, worlds: Index) -> list[Any]:
        return self._models if len(worlds) == self.n_worlds else [self._models[w] for w in worlds.tolist()]

    def _read(self, worlds: Index) -> None:
        """Bring the state up to date."""
        state, seen = self.state, self._see(worlds, self._physics[worlds], self._control[worlds])
        state.q[worlds], state.dq[worlds] = seen["position"], seen["velocity"]
        if not self.robot.fixed_base:
            physics, velocity = self._physics[worlds], self._physics[worlds, 1 + self._nominal.nq :]
            state.base_position[worlds] = physics[:, 1:4]
            state.base_quaternion[worlds] = physics[:, [5, 6, 7, 4]]  # w, x, y, z in MuJoCo
            state.base_velocity[worlds] = velocity[:, :3]
            state.base_angular_velocity[worlds] = rotate(state.base_quaternion[worlds], velocity[:, 3:6])
        if self.robot.file.imu:
            state.imu_quaternion[worlds], state.imu_angular_velocity[worlds] = seen["orientation"], seen["gyro"]
        self._seen = worlds, seen
        state.quarantine(self.robot)

    def _see(self, worlds: Index, physics: Array, control: Array) -> dict[str, Array]:
        """Return what every channel reads in states (k, state size) of some worlds."""
        velocity = physics[:, 1 + self._nominal.nq :]
        seen = {"position": physics[:, self._qpos], "velocity": physics[:, self._qvel]}
        if not self.robot.fixed_base:
            base = physics[:, [5, 6, 7, 4]]
            seen["base_velocity"] = rotate(inverse(base), velocity[:, :3])
        if self.robot.file.imu and self._imu_on_root:
            fixed = self.robot.fixed_base
            turn = np.broadcast_to(self._imu_turn, (len(worlds), 4))
            seen["orientation"] = turn if fixed else compose(base, turn)
            seen["gyro"] = np.zeros((len(worlds), 3)) if fixed else rotate(inverse(turn), velocity[:, 3:6])
        if self._sensed and len(worlds):
            control = self._motors.seen_from_joint(control[:, None], worlds)
            _, sensors = self._steps(worlds, physics, control, self._push)
            seen |= self._instruments.readings(sensors[:, 0])
        return seen

    def _sense_early(self, worlds: Index, states: Array, control: Array) -> None:
        """Read the channels that are read before the end of a period, from the states after each physics step."""
        for k in self._early:
            rows = np.flatnonzero(np.any([tap[worlds] == k for tap in self._taps.values()], axis=0))
            seen = self._see(worlds[rows], states[rows, k - 1], control[rows, k - 1])
            for channel, tap in self._taps.items():
                now = tap[worlds[rows]] == k
                self.readings[channel][worlds[rows][now]] = seen[channel][now]

    def _sense_at_end(self, worlds: Index) -> None:
        """Read the channels that are read at the end of a period: what `_read` has just seen."""
        read, seen = self._seen
        for channel, tap in self._taps.items():
            last = self.state.healthy[read] & (tap[read] == self.robot.substeps)
            self.readings[channel][read[last]] = seen[channel][last]
        self._shift_encoders(worlds)

    def _shift_encoders(self, worlds: Index) -> None:
        """Add what the motors' encoders are off by; the part of the play is that of the period's end."""
        if self._motors.is_off and "position" in self.channels:
            offset = self._motors.encoder_offset()[worlds]
            self.readings["position"][np.ix_(worlds, self.robot.actuated)] += offset
