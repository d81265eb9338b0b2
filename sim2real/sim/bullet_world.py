"""One PyBullet world: a physics client with one robot in it.

Facts behind the choices, all measured on PyBullet 3.2.7:
- `stepSimulation` with `numSubSteps` gives the same bits as that many single steps with the effort set each time, at
  75 % of the time. A control period is therefore one call, or one for each stretch between two arriving commands. But
  Bullet computes the torque of joint damping only once a call: a world with damping takes as many steps at a time as
  change that torque by no more than a quarter of a percent.
- A world that has seen a NaN falls through its floor even after restoreState: it is reloaded.
- changeDynamics ignores negative and NaN values without a word, so what was set is read back. Given several values at
  once it may take one of them only, such as a link's drag and not its friction: one call each.
- A gear constraint between two joints of one body holds `q_a + ratio q_b = target` to some 1e-6 rad under motion, in
  chains too (each mimic joint is tied to the joint at the end of its chain), also between a hinge and a slide.
- The pivots of a point-to-point constraint are given from the link's centre of mass, along its principal axes. Where a
  linkage is flat but for rounding, Bullet's default of closing 20 % of a gap in each step pumps the linkage along, and
  its 50 iterations leave up to 5 mm open under a walking minitaur; see `LOOPS` for what holds within 0.4 mm.
- Friction of a contact is the product of both bodies' coefficients: with the root of what is wanted on each, robot and
  ground meet with what is wanted, and so do two links of the robot.
"""

import tempfile
from math import ceil, isclose
from pathlib import Path
from typing import Any

import numpy as np

from randomization import VariantSpace
from robots import Robot, write_urdf
from robots.kinematics import sources
from sim2real.errors import EngineError
from sim2real.quiet import quiet
from sim2real.sim.actuators import servo
from sim2real.sim.bodies import apart, loop_points
from sim2real.sim.bullet_bodies import Bodies, damping_span, spans, strongest
from sim2real.sim.engine import GRAVITY, MAX_SPEED, Array
from sim2real.sim.rotations import compose, inverse, rotate

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

_simulate, _set_motor = pybullet.stepSimulation, pybullet.setJointMotorControl2
_set_engine, _TORQUE = pybullet.setPhysicsEngineParameter, pybullet.TORQUE_CONTROL
RIGID = 1e9  # [N or N m] what mimic joints and loops may bear
SERVO_RATE = 1.0  # largest `servo_rate` of one step: half of what is stable, as poses differ
LOOPS = {"erp": 0.05, "numSolverIterations": 100}  # share of a gap that a physics step closes; default 0.2 and 50


def load_worlds(robot: Robot, space: VariantSpace, bodies: Bodies, count: int) -> "list[World]":
    """Load worlds from a URDF that we wrote: PyBullet mangles long lines and finds meshes where it likes."""
    with tempfile.TemporaryDirectory() as folder:
        urdf = Path(folder) / "robot.urdf"
        write_urdf(bodies.description, urdf)
        return [World(robot, space, bodies, urdf) for _ in range(count)]


class World:
    """One physics client with one robot in it."""

    def __init__(self, robot: Robot, space: VariantSpace, bodies: Bodies, urdf: Path) -> None:
        self.robot, self.space, self.bodies = robot, space, bodies
        self.dt = robot.control_dt / robot.substeps
        self._load(urdf)
        self._substeps = 0
        info = [self._call("getJointInfo", self.body, j) for j in range(self._call("getNumJoints", self.body))]
        self._joint_index = {i[1].decode(): i[0] for i in info}
        self._link_index = {i[12].decode(): i[0] for i in info} | {robot.model.root.name: -1}
        self.joint_ids = [self._joint_index[name] for name in robot.joint_names]
        self.motor_ids = [self._joint_index[name] for name in robot.actuator_names]
        self.laws = [servo(actuator) for actuator in robot.actuators]
        self.open_loop = all(actuator.mode == "effort" for actuator in robot.actuators)
        self._root_frame = self._frame_of_root()
        if robot.file.imu:
            self._imu_id = self._link_index[robot.merged.frames[robot.file.imu.link][0]]
        self.efforts = robot.effort_limits.tolist()
        self.strength = [1.0] * robot.n_actuators
        self._prepare()
        self.apply(space.nominal)

    def _load(self, urdf: Path) -> None:
        robot = self.robot
        with quiet(1):
            self.client: int = pybullet.connect(pybullet.DIRECT)
            if self.client < 0:
                raise EngineError("PyBullet: no more physics clients (1,023 at most a process); use more workers")
            flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER
            if robot.file.self_collision:
                flags |= pybullet.URDF_USE_SELF_COLLISION
            try:
                self.body: int = self._call("loadURDF", str(urdf), useFixedBase=robot.fixed_base, flags=flags)
            except pybullet.error as error:
                raise EngineError(f"PyBullet refused robot '{robot.name}': {error}") from None
        self._call("setGravity", 0, 0, GRAVITY)
        self._call("setPhysicsEngineParameter", deterministicOverlappingPairs=1, enableFileCaching=0)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(pybullet, name)(*arguments, physicsClientId=self.client, **options)

    def _frame_of_root(self) -> tuple[Array, Array]:
        """Return place (3,) and quaternion (4,) of the root's centre of mass in its frame."""
        info = self._call("getDynamicsInfo", self.body, -1)
        return np.array(info[3]), np.array(info[4])

    def _prepare(self) -> None:
        """Set what no Variant changes: drag, friction, floor, what may touch, mimic joints and loops."""
        grip = float(np.sqrt(self.robot.file.ground_friction))
        for link in self._link_index.values():
            # Bullet's default drag of 0.04 is no part of a URDF; sleeping worlds would ignore small commands.
            for options in (
                {"linearDamping": 0},
                {"angularDamping": 0},
                {"jointDamping": 0},
                {"lateralFriction": grip},
            ):
                self._call("changeDynamics", self.body, link, **options)
            self._call("changeDynamics", self.body, link, maxJointVelocity=MAX_SPEED)
        if not self.robot.fixed_base:
            floor = self._call("createMultiBody", 0, self._call("createCollisionShape", pybullet.GEOM_PLANE))
            self._call("changeDynamics", floor, -1, lateralFriction=grip)
        if self.robot.file.self_collision:
            for a, b in apart(self.robot):
                ends = self._link_index[a], self._link_index[b]
                self._call("setCollisionFilterPair", self.body, self.body, *ends, 0)
        self._add_mimics()
        self._add_loops()

    def _add_mimics(self) -> None:
        for name, mimic in sources(self.robot.model).items():
            ends = self._joint_index[name], self._joint_index[mimic.joint]
            gear = self._tie(pybullet.JOINT_GEAR, *ends, np.zeros(3), np.zeros(3))
            ratio = {"gearRatio": -mimic.multiplier, "relativePositionTarget": mimic.offset, "erp": 0.2}
            self._call("changeConstraint", gear, maxForce=RIGID, **ratio)

    def _add_loops(self) -> None:
        for ends in loop_points(self.robot):
            ids, pivots = [], []
            for body, point in ends:
                centre, axes = self.bodies.frames[body]
                ids.append(self._link_index[body])
                pivots.append(axes.T @ (point - centre))
            self._call("changeConstraint", self._tie(pybullet.JOINT_POINT2POINT, *ids, *pivots), maxForce=RIGID)
            self._call("setPhysicsEngineParameter", **LOOPS)

    def _tie(self, kind: int, parent: int, child: int, pivot: Array, other: Array) -> int:
        ends = (self.body, parent, self.body, child)
        constraint: int = self._call("createConstraint", *ends, kind, [1, 0, 0], pivot.tolist(), other.tolist())
        return constraint

    def apply(self, values: Array) -> None:
        """Set everything that a Variant says: values (space.size,)."""
        block, bodies = self.space.block, self.bodies
        mass_scale, inertia_scale = values[block("mass")], values[block("inertia")]
        masses = bodies.mass * mass_scale + bodies.rotor_mass
        inertias = bodies.inertia * (mass_scale * inertia_scale)[:, None] + bodies.rotor_inertia
        for name, mass, inertia in zip(bodies.names, masses.tolist(), inertias.tolist(), strict=True):
            link = self._link_index[name]
            if link == -1 and self.robot.fixed_base:
                continue
            self._call("changeDynamics", self.body, link, mass=mass, localInertiaDiagonal=inertia)
            self._confirm(name, link, mass, inertia)
        self.finer = max(1, ceil(bodies.servo_rate * strongest(self.space, values) / SERVO_RATE))
        # Bullet turns a motor's largest effort into an impulse with the time step of this moment, for all to come.
        self._set_substeps(1, self.finer)
        for joint, damping, friction in zip(
            self.joint_ids, values[block("damping")].tolist(), values[block("friction")].tolist(), strict=True
        ):
            self._call("changeDynamics", self.body, joint, jointDamping=damping)
            # A velocity motor at rest with a bounded effort is Coulomb friction; 0 switches Bullet's default motor off.
            self._call(
                "setJointMotorControl2", self.body, joint, pybullet.VELOCITY_CONTROL, targetVelocity=0, force=friction
            )
        self.span = damping_span(self.robot, self.space, bodies.moved, values)
        self.strength = values[block("strength")].tolist()

    def _confirm(self, name: str, link: int, mass: float, inertia: list[float]) -> None:
        info = self._call("getDynamicsInfo", self.body, link)
        taken = all(isclose(a, b, rel_tol=1e-6) for a, b in zip((info[0], *info[2]), (mass, *inertia), strict=True))
        if not taken:
            raise EngineError(f"PyBullet did not take mass {mass:g} kg and inertia {inertia} for body '{name}'")

    def reset(self, q: Array, dq: Array) -> None:
        """Put the joints into q, dq (n_joints,), the base at rest at its height."""
        if not self.robot.fixed_base:
            position, quaternion = self._root_frame
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
        if self.open_loop:
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
        self._set_substeps(1, self.finer)
        motors = list(zip(self.laws, self.strength, self.efforts, strict=True))
        tau: list[float] = []
        for command, substeps in stretches:
            for _ in range(substeps * self.finer):
                states = pybullet.getJointStates(self.body, self.motor_ids, physicsClientId=self.client)
                tau = [
                    s * min(max(a * x + b * state[0] + c * state[1], -e), e)
                    for x, ((a, b, c), s, e), state in zip(command, motors, states, strict=True)
                ]
                for joint, effort in zip(self.motor_ids, tau, strict=True):
                    _set_motor(self.body, joint, _TORQUE, force=effort, physicsClientId=self.client)
                _simulate(physicsClientId=self.client)
        return tau

    def _set_substeps(self, substeps: int, finer: int = 1) -> None:
        time_step = substeps * self.dt / finer
        _set_engine(fixedTimeStep=time_step, numSubSteps=substeps, physicsClientId=self.client)
        self._substeps = substeps

    def joints(self) -> list[tuple[float, float]]:
        """Return (position, velocity) of each joint."""
        if not self.joint_ids:  # PyBullet takes an empty list for a mistake
            return []
        return [s[:2] for s in pybullet.getJointStates(self.body, self.joint_ids, physicsClientId=self.client)]

    def base(self) -> tuple[Array, Array, Array, Array]:
        """Return pose and velocity of the root link's frame; PyBullet speaks of its centre of mass."""
        position, quaternion = self._call("getBasePositionAndOrientation", self.body)
        linear, angular = (np.array(v) for v in self._call("getBaseVelocity", self.body))
        base_quaternion = compose(np.array(quaternion), inverse(self._root_frame[1]))
        offset = rotate(base_quaternion, self._root_frame[0])
        return np.array(position) - offset, base_quaternion, linear - np.cross(angular, offset), angular

    def imu(self) -> tuple[Any, Any]:
        """Return quaternion (4,) and angular velocity (3,) in the world of the body that bears the IMU."""
        if self._imu_id == -1:
            return self.base()[1::2]
        link = self._call("getLinkState", self.body, self._imu_id, computeLinkVelocity=1, computeForwardKinematics=1)
        return link[5], link[7]

    def close(self) -> None:
        """Leave the physics client. Safe to call twice."""
        if self.client >= 0:
            self._call("disconnect")
            self.client = -1
