"""PyBullet worlds: one physics client a world, randomized without loading the URDF again.

Facts behind the choices, all measured on PyBullet 3.2.7:
- `stepSimulation` with `numSubSteps` gives the same bits as that many single steps with the effort set each time, at
  75 % of the time. A control period is therefore one call, or one for each stretch between two arriving commands. But
  Bullet computes the torque of joint damping only once a call: a world with damping takes as many steps at a time as
  change that torque by no more than a quarter of a percent.
- A world that has seen a NaN falls through its floor even after restoreState: it is reloaded.
- changeDynamics ignores negative and NaN values without a word, so what was set is read back.
"""

import tempfile
from functools import cache
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from robots import Robot, write_urdf
from sim2real.errors import EngineError
from sim2real.quiet import quiet
from sim2real.sim.actuators import DelayLine, holding_command
from sim2real.sim.engine import GRAVITY, MAX_SPEED, Array, Index, WorldState
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

_simulate, _set_motor = pybullet.stepSimulation, pybullet.setJointMotorControl2
_set_engine, _TORQUE = pybullet.setPhysicsEngineParameter, pybullet.TORQUE_CONTROL
DAMPING_ERROR = 0.0025  # share of a damping torque that may be lost for speed


class BulletEngine:
    """N PyBullet worlds in this process. See `sim2real.sim.engine.Engine`."""

    def __init__(self, robot: Robot, n_worlds: int = 1) -> None:
        self.robot, self.n_worlds = robot, n_worlds
        self.space = VariantSpace(robot)
        self.state = WorldState.zeros(robot, n_worlds)
        self.rebuilt = 0
        self._variant = np.tile(self.space.nominal, (n_worlds, 1))
        self._delays = DelayLine(robot, n_worlds)
        self._worlds = self._load(n_worlds)
        self.reset(self.state.q.copy(), self.state.dq.copy(), np.arange(n_worlds))

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        self._variant[worlds] = variant.values
        for world in worlds:
            if self.state.healthy[world]:
                self._worlds[world].apply(self._variant[world])

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """See `Engine.reset`."""
        if not keep_commands:
            self._delays.reset(holding_command(self.robot, q), worlds)
        for row, world in enumerate(worlds):
            if not self.state.healthy[world]:
                self._rebuild(world)
            self._worlds[world].reset(q[row], dq[row])
        self._read(worlds)
        self.state.tau[worlds] = 0.0

    def step(self, command: Array, delay: Array) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        slots, acting = self._delays.issue(command, delay)
        stretches = _stretches(slots, acting)
        healthy = np.flatnonzero(self.state.healthy)
        self.state.tau[healthy] = [self._worlds[world].step(stretches[world]) for world in healthy.tolist()]
        self._read(healthy)
        self.state.quarantine(self.robot)

    def close(self) -> None:
        """See `Engine.close`."""
        for world in self._worlds:
            world.close()
        self._worlds = []

    def _load(self, n_worlds: int) -> "list[_World]":
        """Load from a URDF that we wrote: PyBullet mangles long lines and finds meshes where it likes."""
        with tempfile.TemporaryDirectory() as folder:
            urdf = Path(folder) / "robot.urdf"
            write_urdf(self.robot.model, urdf)
            return [_World(self.robot, self.space, urdf) for _ in range(n_worlds)]

    def _read(self, worlds: Index) -> None:
        state, chosen = self.state, [self._worlds[world] for world in worlds.tolist()]
        joints = np.array([w.joints() for w in chosen]).reshape(-1, self.robot.n_joints, 2)
        state.q[worlds], state.dq[worlds] = joints[:, :, 0], joints[:, :, 1]
        for world, w in zip(worlds, chosen, strict=True):
            if not self.robot.fixed_base:
                position, quaternion, velocity, angular_velocity = w.base()
                state.base_position[world], state.base_quaternion[world] = position, quaternion
                state.base_velocity[world], state.base_angular_velocity[world] = velocity, angular_velocity
            if self.robot.file.imu:
                state.imu_quaternion[world], state.imu_angular_velocity[world] = w.imu()

    def _rebuild(self, world: int) -> None:
        self._worlds[world].close()
        (self._worlds[world],) = self._load(1)
        self._worlds[world].apply(self._variant[world])
        self.state.healthy[world] = True
        self.rebuilt += 1


def _stretches(slots: Array, acting: NDArray[np.intp]) -> list[list[tuple[list[float], int]]]:
    """Return, for each world, (command, physics steps) in turn; arguments as `DelayLine.issue` returns them."""
    commands, substeps = slots.tolist(), acting.shape[1]
    if substeps == 1:
        return [[(commands[world][slot], 1)] for world, (slot,) in enumerate(acting.tolist())]
    changed = acting[:, 1:] != acting[:, :-1]
    changes = changed.sum(axis=1).tolist()
    first, last, at = acting[:, 0].tolist(), acting[:, -1].tolist(), (changed.argmax(axis=1) + 1).tolist()
    stretches = []
    for world, n in enumerate(changes):
        if n == 0:
            stretches.append([(commands[world][first[world]], substeps)])
        elif n == 1:
            k = at[world]
            stretches.append([(commands[world][first[world]], k), (commands[world][last[world]], substeps - k)])
        else:
            bounds = [0, *(np.flatnonzero(changed[world]) + 1).tolist(), substeps]
            stretches.append([(commands[world][acting[world, a]], b - a) for a, b in pairwise(bounds)])
    return stretches


def joint_inertia(robot: Robot) -> Array:
    """Return what each joint moves at least, its own link: (n_joints,) [kg m^2 | kg]; 0 where that link has no mass."""
    moved = np.zeros(robot.n_joints)
    for k, joint in enumerate(robot.model.movable):
        inertial = robot.model.link(joint.child).inertial
        if inertial is None:
            continue
        if joint.type == "prismatic":
            moved[k] = inertial.mass
            continue
        axis, centre = np.array(joint.axis), np.array(inertial.origin.xyz)
        in_frame = rotate(inverse(from_rpy(np.array(inertial.origin.rpy))), axis)
        ixx, ixy, ixz, iyy, iyz, izz = inertial.inertia
        tensor = np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]])
        arm = centre - (centre @ axis) * axis
        moved[k] = in_frame @ tensor @ in_frame + inertial.mass * (arm @ arm)
    return moved


def damping_span(robot: Robot, space: VariantSpace, inertia: Array, values: Array) -> int:
    """Return how many physics steps may share one damping torque, which decays with damping / inertia in between.

    inertia: what `joint_inertia` returns; values: (space.size,), one world's Variant
    """
    damping = values[space.block("damping")]
    if not damping.any():
        return robot.substeps
    lightest = values[space.block("mass")].min(initial=1.0) * min(1.0, values[space.block("inertia")].min(initial=1.0))
    with np.errstate(divide="ignore"):
        rate = (damping[damping > 0] / (inertia[damping > 0] * lightest)).max()
    return int(np.clip(2 * DAMPING_ERROR / (rate * robot.control_dt / robot.substeps), 1, robot.substeps))


@cache
def spans(substeps: int, longest: int) -> tuple[int, ...]:
    """Divide physics steps into the fewest spans of at most `longest`, as even as can be: changing the length costs."""
    even = -(-substeps // -(-substeps // longest))
    return *((even,) * (substeps // even)), *((substeps % even,) if substeps % even else ())


class _World:
    """One physics client with one robot in it."""

    def __init__(self, robot: Robot, space: VariantSpace, urdf: Path) -> None:
        self.robot, self.space = robot, space
        self.dt = robot.control_dt / robot.substeps
        with quiet(1):
            self.client: int = pybullet.connect(pybullet.DIRECT)
            if self.client < 0:
                raise EngineError("PyBullet: no more physics clients (1,023 at most a process); use more workers")
            flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER
            try:
                self.body: int = self._call("loadURDF", str(urdf), useFixedBase=robot.fixed_base, flags=flags)
            except pybullet.error as error:
                raise EngineError(f"PyBullet refused robot '{robot.name}': {error}") from None
        self._call("setGravity", 0, 0, GRAVITY)
        self._call("setPhysicsEngineParameter", deterministicOverlappingPairs=1, enableFileCaching=0)
        if not robot.fixed_base:
            self._call("createMultiBody", 0, self._call("createCollisionShape", pybullet.GEOM_PLANE))
        self._substeps = 0
        info = [self._call("getJointInfo", self.body, j) for j in range(self._call("getNumJoints", self.body))]
        joint_index = {i[1].decode(): i[0] for i in info}
        link_index = {i[12].decode(): i[0] for i in info} | {robot.model.root.name: -1}
        self.joint_ids = [joint_index[name] for name in robot.joint_names]
        self.motor_ids = [joint_index[name] for name in robot.actuator_names]
        self.body_ids = [link_index[name] for name in robot.model.bodies]
        self.imu_id = link_index[robot.file.imu.link] if robot.file.imu else None
        self.mass, self.inertia = self._nominal_masses()
        self.moved = joint_inertia(robot)
        self._com_pose = self._base_inertial_frame()
        self.efforts = robot.effort_limits.tolist()
        self.strength = [1.0] * robot.n_actuators
        for link in {-1, *joint_index.values()}:
            # Bullet's default drag of 0.04 is no part of a URDF; sleeping worlds would ignore small commands.
            self._call(
                "changeDynamics",
                self.body,
                link,
                linearDamping=0,
                angularDamping=0,
                jointDamping=0,
                maxJointVelocity=MAX_SPEED,
            )
        self.apply(space.nominal)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(pybullet, name)(*arguments, physicsClientId=self.client, **options)

    def _nominal_masses(self) -> tuple[list[float], NDArray[np.float64]]:
        info = [self._call("getDynamicsInfo", self.body, i) for i in self.body_ids]
        return [i[0] for i in info], np.array([i[2] for i in info]).reshape(-1, 3)

    def _base_inertial_frame(self) -> tuple[Array, Array]:
        info = self._call("getDynamicsInfo", self.body, -1)
        return np.array(info[3]), np.array(info[4])

    def apply(self, values: Array) -> None:
        """Set everything that a Variant says: values (space.size,)."""
        block = self.space.block
        mass_scale, inertia_scale = values[block("mass")], values[block("inertia")]
        for k, link in enumerate(self.body_ids):
            mass, inertia = self.mass[k] * mass_scale[k], self.inertia[k] * mass_scale[k] * inertia_scale[k]
            self._call("changeDynamics", self.body, link, mass=mass, localInertiaDiagonal=inertia.tolist())
            self._confirm(self.robot.model.bodies[k], link, mass, inertia)
        # Bullet turns a motor's largest effort into an impulse with the time step of this moment, for all to come.
        self._set_substeps(1)
        for joint, damping, friction in zip(
            self.joint_ids, values[block("damping")].tolist(), values[block("friction")].tolist(), strict=True
        ):
            self._call("changeDynamics", self.body, joint, jointDamping=damping)
            # A velocity motor at rest with a bounded effort is Coulomb friction; 0 switches Bullet's default motor off.
            self._call(
                "setJointMotorControl2", self.body, joint, pybullet.VELOCITY_CONTROL, targetVelocity=0, force=friction
            )
        self.span = damping_span(self.robot, self.space, self.moved, values)
        self.strength = values[block("strength")].tolist()

    def _confirm(self, name: str, link: int, mass: float, inertia: Array) -> None:
        info = self._call("getDynamicsInfo", self.body, link)
        taken = all(isclose(a, b, rel_tol=1e-6) for a, b in zip((info[0], *info[2]), (mass, *inertia), strict=True))
        if not taken and not (link == -1 and self.robot.fixed_base):
            raise EngineError(f"PyBullet did not take mass {mass:g} kg and inertia {inertia} for body '{name}'")

    def reset(self, q: Array, dq: Array) -> None:
        if not self.robot.fixed_base:
            position, quaternion = self._com_pose
            position = position + [0.0, 0.0, self.robot.file.base_height]
            # Out of reach of the floor first: contacts remember their impulses, and so the last episode.
            self._call("resetBasePositionAndOrientation", self.body, [0, 0, 1e4], [0, 0, 0, 1])
            self._call("performCollisionDetection")
            self._call("resetBasePositionAndOrientation", self.body, position.tolist(), quaternion.tolist())
            self._call("resetBaseVelocity", self.body, [0, 0, 0], [0, 0, 0])
        for joint, position, velocity in zip(self.joint_ids, q.tolist(), dq.tolist(), strict=True):
            self._call("resetJointState", self.body, joint, position, velocity)

    def step(self, stretches: list[tuple[list[float], int]]) -> list[float]:
        """Simulate each (command, physics steps) in turn; return the last efforts."""
        if self.robot.command_mode == "effort":
            return self._step_effort(stretches)
        return self._step_servo(stretches)

    def _step_effort(self, stretches: list[tuple[list[float], int]]) -> list[float]:
        """Written out in one loop: at 3 us a physics step, a Python call more is noticed."""
        body, client, limits = self.body, self.client, list(zip(self.strength, self.efforts, strict=True))
        tau: list[float] = []
        for command, substeps in stretches:
            tau = [s * min(max(c, -e), e) for c, (s, e) in zip(command, limits, strict=True)]
            for span in spans(substeps, self.span):
                for joint, effort in zip(self.motor_ids, tau, strict=True):
                    _set_motor(body, joint, _TORQUE, force=effort, physicsClientId=client)
                if span != self._substeps:
                    self._set_substeps(span)
                _simulate(physicsClientId=client)
        return tau

    def _step_servo(self, stretches: list[tuple[list[float], int]]) -> list[float]:
        self._set_substeps(1)
        velocity_mode = self.robot.command_mode == "velocity"
        gains = [(0.0 if velocity_mode else a.kp, a.kd) for a in self.robot.actuators]
        tau: list[float] = []
        for command, substeps in stretches:
            reference = command if velocity_mode else [0.0] * len(command)
            for _ in range(substeps):
                states = pybullet.getJointStates(self.body, self.motor_ids, physicsClientId=self.client)
                tau = [
                    s * min(max(kp * (c - state[0]) + kd * (r - state[1]), -e), e)
                    for c, r, s, e, (kp, kd), state in zip(
                        command, reference, self.strength, self.efforts, gains, states, strict=True
                    )
                ]
                for joint, effort in zip(self.motor_ids, tau, strict=True):
                    _set_motor(self.body, joint, _TORQUE, force=effort, physicsClientId=self.client)
                _simulate(physicsClientId=self.client)
        return tau

    def _set_substeps(self, substeps: int) -> None:
        time_step = substeps * self.dt
        _set_engine(fixedTimeStep=time_step, numSubSteps=substeps, physicsClientId=self.client)
        self._substeps = substeps

    def joints(self) -> list[tuple[float, float]]:
        """Return (position, velocity) of each joint."""
        return [s[:2] for s in pybullet.getJointStates(self.body, self.joint_ids, physicsClientId=self.client)]

    def base(self) -> tuple[Array, Array, Array, Array]:
        """Pose and velocity of the root link's frame; PyBullet speaks of its centre of mass."""
        position, quaternion = self._call("getBasePositionAndOrientation", self.body)
        linear, angular = (np.array(v) for v in self._call("getBaseVelocity", self.body))
        base_quaternion = compose(np.array(quaternion), inverse(self._com_pose[1]))
        offset = rotate(base_quaternion, self._com_pose[0])
        return np.array(position) - offset, base_quaternion, linear - np.cross(angular, offset), angular

    def imu(self) -> tuple[Array, Array]:
        if self.imu_id == -1:
            quaternion, angular = self.base()[1::2]
        else:
            link = self._call("getLinkState", self.body, self.imu_id, computeLinkVelocity=1, computeForwardKinematics=1)
            quaternion, angular = np.array(link[5]), np.array(link[7])
        return quaternion, rotate(inverse(quaternion), angular)

    def close(self) -> None:
        if self.client >= 0:
            self._call("disconnect")
            self.client = -1
