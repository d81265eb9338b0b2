"""MuJoCo worlds: a model per world, all stepped by one threaded `mujoco.rollout` call a control period.

`sim2real.sim.mujoco_model` builds the model of one world.
"""

import copy

import mujoco
import numpy as np
from mujoco import rollout

from randomization import Variant, VariantSpace
from robots import Robot
from robots.kinematics import follow
from sim2real.errors import EngineError
from sim2real.sim.actuators import DelayLine, holding_command
from sim2real.sim.engine import Array, Index, WorldState
from sim2real.sim.mujoco_model import body_name, build_spec
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate

# Its own handler writes MUJOCO_LOG.TXT into the working folder. A diverged world is seen, counted and reported by us.
mujoco.set_mju_user_warning(lambda _: None)

_FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS


class MujocoEngine:
    """N MuJoCo worlds. See `sim2real.sim.engine.Engine`."""

    def __init__(self, robot: Robot, n_worlds: int = 1, threads: int = 0) -> None:
        self.robot, self.n_worlds = robot, n_worlds
        self.space = VariantSpace(robot)
        self.state = WorldState.zeros(robot, n_worlds)
        self.rebuilt = 0
        try:
            self._nominal = build_spec(robot).compile()
        except ValueError as error:
            raise EngineError(f"MuJoCo refused robot '{robot.name}': {str(error).splitlines()[0]}") from None
        self._models = [copy.copy(self._nominal) for _ in range(n_worlds)]
        self._data = [mujoco.MjData(self._nominal) for _ in range(max(1, threads))]
        self._rollout = rollout.Rollout(nthread=threads)
        self._delays = DelayLine(robot, n_worlds)
        self._index(robot)
        self._physics = np.zeros((n_worlds, mujoco.mj_stateSize(self._nominal, _FULL)))
        self.reset(self.state.q.copy(), self.state.dq.copy(), np.arange(n_worlds))

    def _index(self, robot: Robot) -> None:
        """Remember where each joint, motor and body lies in MuJoCo's arrays."""
        model = self._nominal
        joints = [model.joint(name) for name in robot.joint_names]
        self._qpos = 1 + np.array([j.qposadr[0] for j in joints], dtype=np.intp)  # after the time
        self._qvel = 1 + model.nq + np.array([j.dofadr[0] for j in joints], dtype=np.intp)
        self._dofs = self._qvel - 1 - model.nq
        self._bodies = np.array([model.body(body_name(name)).id for name in robot.merged.model.bodies], dtype=np.intp)
        if robot.file.imu:
            body, pose = robot.merged.frames[robot.file.imu.link]
            self._imu_body, self._imu_turn = model.body(body_name(body)).id, from_rpy(np.array(pose.rpy))

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        block = self.space.block
        mass = self._nominal.body_mass[self._bodies] * variant.values[:, block("mass")]
        ratio = variant.values[:, block("mass")] * variant.values[:, block("inertia")]
        strength = variant.values[:, block("strength")]
        for row, world in enumerate(worlds):
            model = self._models[world]
            model.body_mass[self._bodies] = mass[row]
            model.body_inertia[self._bodies] = self._nominal.body_inertia[self._bodies] * ratio[row, :, None]
            model.dof_damping[self._dofs] = variant.values[row, block("damping")]
            model.dof_frictionloss[self._dofs] = variant.values[row, block("friction")]
            model.actuator_gainprm[:, 0] = self._nominal.actuator_gainprm[:, 0] * strength[row]
            model.actuator_biasprm[:] = self._nominal.actuator_biasprm * strength[row, :, None]
            model.actuator_forcerange[:] = self._nominal.actuator_forcerange * strength[row, :, None]
            mujoco.mj_setConst(model, self._data[0])  # else what derives from masses keeps its nominal value

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """See `Engine.reset`."""
        q, dq = follow(self.robot.model, q, dq)
        if not keep_commands:
            self._delays.reset(holding_command(self.robot, q), worlds)
        self.rebuilt += int((~self.state.healthy[worlds]).sum())  # the state is the whole world: writing it rebuilds it
        self.state.healthy[worlds] = True
        physics = np.zeros((len(worlds), self._physics.shape[1]))
        physics[:, 1 : 1 + self._nominal.nq] = self._nominal.qpos0
        physics[:, self._qpos], physics[:, self._qvel] = q, dq
        self._physics[worlds] = physics
        self.state.tau[worlds] = 0.0
        self._read(worlds)

    def step(self, command: Array, delay: Array) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        slots, acting = self._delays.issue(command, delay)
        control = slots[np.arange(self.n_worlds)[:, None], acting]
        worlds = np.flatnonzero(self.state.healthy)
        models = self._models if len(worlds) == self.n_worlds else [self._models[w] for w in worlds]
        if not models:
            return
        states, sensors = self._rollout.rollout(models, self._data, self._physics[worlds], control[worlds])
        self._physics[worlds] = states[:, -1]
        self.state.tau[worlds] = sensors[:, -1, : self.robot.n_actuators]
        self._read(worlds)

    def close(self) -> None:
        """See `Engine.close`."""
        self._rollout.close()

    def _read(self, worlds: Index) -> None:
        state, physics = self.state, self._physics[worlds]
        state.q[worlds], state.dq[worlds] = physics[:, self._qpos], physics[:, self._qvel]
        if not self.robot.fixed_base:
            velocity = physics[:, 1 + self._nominal.nq :]
            state.base_position[worlds] = physics[:, 1:4]
            state.base_quaternion[worlds] = physics[:, [5, 6, 7, 4]]  # w, x, y, z in MuJoCo
            state.base_velocity[worlds] = velocity[:, :3]
            state.base_angular_velocity[worlds] = rotate(state.base_quaternion[worlds], velocity[:, 3:6])
        if self.robot.file.imu and len(worlds):
            turns, speeds = zip(*(self._imu(world) for world in worlds.tolist()), strict=True)
            quaternion = compose(np.array(turns)[:, [1, 2, 3, 0]], self._imu_turn)
            state.imu_quaternion[worlds] = quaternion
            state.imu_angular_velocity[worlds] = rotate(inverse(quaternion), np.array(speeds))
        state.quarantine(self.robot)

    def _imu(self, world: int) -> tuple[Array, Array]:
        """Return orientation (w, x, y, z) and angular velocity in the world of the body that bears the IMU.

        Sensors of a rollout would be one physics step old.
        """
        model, data = self._models[world], self._data[0]
        mujoco.mj_setState(model, data, self._physics[world], _FULL)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        return data.xquat[self._imu_body].copy(), data.cvel[self._imu_body, :3].copy()
