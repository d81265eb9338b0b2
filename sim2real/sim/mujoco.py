"""MuJoCo worlds: a model per world, all stepped by one threaded `mujoco.rollout` call a control period.

The MuJoCo model is built from the RobotModel, not from the URDF: MuJoCo's own URDF reader fuses the root into the world
and drops visuals, and would be a second opinion of what the file means.
"""

import copy
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from robots import Joint, Link, Robot
from robots.model import Box, Cylinder, Mesh, Pose, Shape, Sphere
from sim2real.errors import EngineError
from sim2real.sim.actuators import DelayLine, holding_command
from sim2real.sim.engine import GRAVITY, Array, Index, WorldState
from sim2real.sim.rotations import from_rpy, inverse, rotate

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
        self._bodies = np.array([model.body(name).id for name in robot.model.bodies], dtype=np.intp)

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
        if self.robot.file.imu:
            for world in worlds:
                state.imu_quaternion[world], state.imu_angular_velocity[world] = self._imu(world)
        state.quarantine(self.robot)

    def _imu(self, world: int) -> tuple[Array, Array]:
        """Orientation and angular velocity of the IMU; sensors of a rollout would be one physics step old."""
        model, data = self._models[world], self._data[0]
        mujoco.mj_setState(model, data, self._physics[world], _FULL)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        body = data.body(self.robot.file.imu.link)  # type: ignore[union-attr]
        quaternion = body.xquat[[1, 2, 3, 0]]
        return quaternion, rotate(inverse(quaternion), body.cvel[:3])


def build_spec(robot: Robot) -> Any:
    """Return the MjSpec of one world: the robot, gravity, and a floor where the base is free."""
    spec = mujoco.MjSpec()
    spec.modelname = robot.name
    spec.option.timestep = robot.control_dt / robot.substeps
    spec.option.gravity = [0, 0, GRAVITY]
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.disableflags = mujoco.mjtDisableBit.mjDSBL_AUTORESET  # a diverged world is ours to see
    spec.compiler.degree = False
    spec.compiler.autolimits = False
    spec.compiler.balanceinertia = False
    root = _add_link(spec, spec.worldbody, robot.model.root, Pose((0.0, 0.0, robot.file.base_height), (0.0, 0.0, 0.0)))
    if not robot.fixed_base:
        root.add_freejoint(name="base")
        spec.worldbody.add_geom(
            name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], contype=0, conaffinity=1
        )
    bodies = {robot.model.root.name: root}
    for joint in robot.model.joints:
        body = _add_link(spec, bodies[joint.parent], robot.model.link(joint.child), joint.origin)
        bodies[joint.child] = body
        if joint.type != "fixed":
            _add_joint(spec, body, joint)
    for actuator in robot.actuators:
        gain, bias = {
            "effort": (1.0, [0, 0, 0]),
            "velocity": (actuator.kd, [0, 0, -actuator.kd]),
            "position": (actuator.kp, [0, -actuator.kp, -actuator.kd]),
        }[actuator.mode]
        motor = spec.add_actuator(name=actuator.joint, target=actuator.joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.gainprm[0], motor.biasprm[:3] = gain, bias
        motor.gaintype, motor.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
        motor.forcelimited, motor.forcerange = True, [-actuator.effort, actuator.effort]
        spec.add_sensor(
            name=f"effort/{actuator.joint}",
            type=mujoco.mjtSensor.mjSENS_ACTUATORFRC,
            objtype=mujoco.mjtObj.mjOBJ_ACTUATOR,
            objname=actuator.joint,
        )
    return spec


def _add_link(spec: Any, parent: Any, link: Link, pose: Pose) -> Any:
    body = parent.add_body(name=link.name, pos=pose.xyz, quat=_wxyz(pose))
    if link.inertial and link.inertial.mass > 0:
        ixx, ixy, ixz, iyy, iyz, izz = link.inertial.inertia
        body.explicitinertial = True
        body.mass, body.ipos = link.inertial.mass, link.inertial.origin.xyz
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, _wxyz(link.inertial.origin))
        matrix = (
            rotation.reshape(3, 3)
            @ np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]])
            @ rotation.reshape(3, 3).T
        )
        body.fullinertia = matrix[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    for number, shape in enumerate(link.collisions):
        _add_collision(spec, body, shape, f"{link.name}/{number}")
    return body


def _add_collision(spec: Any, body: Any, shape: Shape, name: str) -> None:
    """Add a shape that touches the floor and nothing else: like PyBullet, a robot does not collide with itself."""
    match shape.geometry:
        case Box(size):
            options = {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": [s / 2 for s in size]}
        case Cylinder(radius, length):
            options = {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "size": [radius, length / 2, 0]}
        case Sphere(radius):
            options = {"type": mujoco.mjtGeom.mjGEOM_SPHERE, "size": [radius, 0, 0]}
        case Mesh(path, scale):
            spec.add_mesh(name=name, file=str(path), scale=scale, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
            options = {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": name}
    body.add_geom(
        name=name, pos=shape.origin.xyz, quat=_wxyz(shape.origin), mass=0, contype=1, conaffinity=0, **options
    )


def _add_joint(spec: Any, body: Any, joint: Joint) -> None:
    kind = mujoco.mjtJoint.mjJNT_SLIDE if joint.type == "prismatic" else mujoco.mjtJoint.mjJNT_HINGE
    made = body.add_joint(name=joint.name, type=kind, axis=joint.axis)
    made.damping[0], made.frictionloss = joint.damping, joint.friction
    # As stiff as the time step bears: with MuJoCo's defaults a joint under 90 % of its friction creeps 100 times more.
    made.solref_friction, made.solimp_friction = [2 * spec.option.timestep, 1], [0.99, 0.99, 0.001, 0.5, 2]
    if np.isfinite([joint.limit.lower, joint.limit.upper]).all():
        made.limited, made.range = True, [joint.limit.lower, joint.limit.upper]


def _wxyz(pose: Pose) -> NDArray[np.float64]:
    return from_rpy(np.array(pose.rpy))[[3, 0, 1, 2]]
