"""One PyBullet world: a physics client with one robot in it.

Facts behind the choices, all measured on PyBullet 3.2.7:
- `stepSimulation` with `numSubSteps` gives the same bits as that many single steps with the effort set each time, at
  75 % of the time. A control period is therefore one call, or one for each stretch between two arriving commands. But
  Bullet computes the torque of joint damping only once a call: a world with damping takes as many steps at a time as
  change that torque by no more than a quarter of a percent.
- Bullet ends its solver's iterations once nothing changes any more: 10, 50 or 200 of them give an A1 and a Mini Cheetah
  that stand, kick and slide the same bits at the same price; with 10, a Laikago's legs are off by 0.0006 rad. So the
  default of 50 stays.
- A client takes 30 MB before anything is loaded into it, an A1 with a floor 36 MB.
- A world that has seen a NaN falls through its floor even after restoreState: it is reloaded.
- Of a link's drag and its friction, given in one call, changeDynamics takes one: one call each.
- A gear constraint between two joints of one body holds `q_a + ratio q_b = target` to some 1e-6 rad under motion, in
  chains too (each mimic joint is tied to the joint at the end of its chain), also between a hinge and a slide.
- The pivots of a point-to-point constraint are given from the link's centre of mass, along its principal axes. Where a
  linkage is flat but for rounding, Bullet's default of closing 20 % of a gap in each step pumps the linkage along, and
  its 50 iterations leave up to 5 mm open under a walking minitaur; see `LOOPS` for what holds within 0.4 mm.
- What a Variant says is set by `sim2real.sim.bullet_variant`.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from robots import Robot, write_urdf
from robots.kinematics import sources
from sim2real.errors import EngineError
from sim2real.quiet import quiet
from sim2real.sim.bodies import apart, loop_points
from sim2real.sim.bullet_bodies import Bodies, spans
from sim2real.sim.bullet_reading import root_motion
from sim2real.sim.bullet_trim import with_trims
from sim2real.sim.bullet_variant import BulletVariant
from sim2real.sim.disturbances import pushed_body
from sim2real.sim.engine import MAX_SPEED, Array
from sim2real.sim.rotations import compose, rotate

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

_simulate, _set_motor = pybullet.stepSimulation, pybullet.setJointMotorControl2
_set_engine, _TORQUE = pybullet.setPhysicsEngineParameter, pybullet.TORQUE_CONTROL
RIGID = 1e9  # [N or N m] what mimic joints and loops may bear
LOOPS = {"erp": 0.05, "numSolverIterations": 100}  # share of a gap that a physics step closes; default 0.2 and 50


class World:
    """One physics client with one robot in it.

    force: (3,) [N], in the world's axes, on the centre of mass of `pushed_body(robot)`; None where there is none
    finer: steps that Bullet takes in the place of one physics step, when it is asked for one
    span: physics steps that may share one torque of joint damping
    root_frame: place (3,) and quaternion (4,) of the root's inertial frame, in its frame
    """

    def __init__(self, robot: Robot, bodies: Bodies) -> None:
        self.robot, self.space, self.bodies = robot, bodies.space, bodies
        self.dt = robot.control_dt / robot.substeps
        self.force: list[float] | None = None
        self.finer, self.span = 1, robot.substeps
        self._load([])
        self.apply(self.space.nominal)

    def _load(self, trims: list[str]) -> None:
        """Load the robot from a URDF that we wrote: PyBullet mangles long lines and finds meshes where it likes."""
        robot = self.robot
        with quiet(1):
            self.client: int = pybullet.connect(pybullet.DIRECT)
            if self.client < 0:
                raise EngineError("PyBullet: no more physics clients (1,023 at most a process); use more workers")
            with tempfile.TemporaryDirectory() as folder:
                urdf = Path(folder) / "robot.urdf"
                write_urdf(with_trims(self.bodies.description, self.bodies.frames, trims), urdf)
                self._load_urdf(urdf)
        self._call("setPhysicsEngineParameter", deterministicOverlappingPairs=1, enableFileCaching=0)
        info = [self._call("getJointInfo", self.body, j) for j in range(self._call("getNumJoints", self.body))]
        self._joint_index = {i[1].decode(): i[0] for i in info}
        self.link_index = {i[12].decode(): i[0] for i in info} | {robot.model.root.name: -1}
        self.joint_ids = [self._joint_index[name] for name in robot.joint_names]
        self.motor_ids = [self._joint_index[name] for name in robot.actuator_names]
        self.root_frame = self._frame_of_root()
        imu = self.link_index[robot.merged.frames[robot.file.imu.link][0]] if robot.file.imu else None
        self._tells_root = not robot.fixed_base or imu == -1
        self._imu_link = None if imu == -1 else imu  # where that is not the root
        self._pushed = self.link_index[pushed_body(robot)]
        self._stepping = (0, 0)  # physics steps in a call of Bullet, and its steps in the place of one of ours
        self._prepare()
        self._truth = BulletVariant(self, trims)

    def _load_urdf(self, urdf: Path) -> None:
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER
        if self.robot.file.self_collision:
            flags |= pybullet.URDF_USE_SELF_COLLISION
        try:
            self.body: int = self._call("loadURDF", str(urdf), useFixedBase=self.robot.fixed_base, flags=flags)
        except pybullet.error as error:
            raise EngineError(f"PyBullet refused robot '{self.robot.name}': {error}") from None

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(pybullet, name)(*arguments, physicsClientId=self.client, **options)

    def _frame_of_root(self) -> tuple[Array, Array]:
        """Return place (3,) and quaternion (4,) of the root's centre of mass in its frame."""
        info = self._call("getDynamicsInfo", self.body, -1)
        return np.array(info[3]), np.array(info[4])

    def _prepare(self) -> None:
        """Set what no Variant changes: drag, what may touch, mimic joints and loops."""
        for link in self.link_index.values():
            # Bullet's default drag of 0.04 is no part of a URDF; sleeping worlds would ignore small commands.
            for options in ({"linearDamping": 0}, {"angularDamping": 0}, {"jointDamping": 0}):
                self._call("changeDynamics", self.body, link, **options)
            self._call("changeDynamics", self.body, link, maxJointVelocity=MAX_SPEED)
        if self.robot.file.self_collision:
            for a, b in apart(self.robot):
                ends = self.link_index[a], self.link_index[b]
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
                ids.append(self.link_index[body])
                pivots.append(axes.T @ (point - centre))
            self._call("changeConstraint", self._tie(pybullet.JOINT_POINT2POINT, *ids, *pivots), maxForce=RIGID)
            self._call("setPhysicsEngineParameter", **LOOPS)

    def _tie(self, kind: int, parent: int, child: int, pivot: Array, other: Array) -> int:
        ends = (self.body, parent, self.body, child)
        constraint: int = self._call("createConstraint", *ends, kind, [1, 0, 0], pivot.tolist(), other.tolist())
        return constraint

    def apply(self, values: Array) -> bool:
        """Give the world a Variant (space.size,); see `sim2real.sim.bullet_variant`.

        Return whether the robot had to be loaded anew, in the state that it is in.
        """
        trims = self._truth.trims_for(values)
        if trims is not None:
            self._reload(trims)
        self._truth.apply(values)
        return trims is not None

    def _reload(self, trims: list[str]) -> None:
        """Load the robot again with trims on these bodies, as it is now."""
        state = [self._call("getJointState", self.body, joint)[:2] for joint in self.joint_ids]
        base = self._call("getBasePositionAndOrientation", self.body), self._call("getBaseVelocity", self.body)
        self.close()
        self._load(trims)
        for joint, (position, velocity) in zip(self.joint_ids, state, strict=True):
            self._call("resetJointState", self.body, joint, position, velocity)
        if not self.robot.fixed_base:
            self._call("resetBasePositionAndOrientation", self.body, *base[0])
            self._call("resetBaseVelocity", self.body, *base[1])

    def reset(self, q: Array, dq: Array, place: Array, turn: Array) -> None:
        """Put the joints into q, dq (n_joints,), the root's frame at rest at place (3,), turn (4,)."""
        if not self.robot.fixed_base:
            offset, quaternion = self.root_frame
            position = place + rotate(turn, offset)
            # Out of reach of the floor first: contacts remember their impulses, and so the last episode.
            self._call("resetBasePositionAndOrientation", self.body, [0, 0, 1e4], [0, 0, 0, 1])
            self._call("performCollisionDetection")
            self._call(
                "resetBasePositionAndOrientation", self.body, position.tolist(), compose(turn, quaternion).tolist()
            )
            self._call("resetBaseVelocity", self.body, [0, 0, 0], [0, 0, 0])
        for joint, position, velocity in zip(self.joint_ids, q.tolist(), dq.tolist(), strict=True):
            self._call("resetJointState", self.body, joint, position, velocity)

    def drive(self, tau: list[float], physics_steps: int) -> None:
        """Simulate some physics steps under constant efforts, in as few calls as damping allows.

        For robots without servos, whose physics steps are never divided.
        """
        body, client, motors = self.body, self.client, list(zip(self.motor_ids, tau, strict=True))
        for span in spans(physics_steps, self.span):
            for joint, effort in motors:  # faster than all in one call, for few
                _set_motor(body, joint, _TORQUE, force=effort, physicsClientId=client)
            if span != self._stepping[0]:
                self.set_substeps(span)
            if self.force is not None:
                self.push(self.force)
            _simulate(physicsClientId=client)

    def divide(self, finer: int) -> bool:
        """Let Bullet take `finer` steps in the place of one from now on; return whether that is another number."""
        changed, self.finer = finer != self._stepping[1], finer
        self.set_substeps(1)
        return changed

    def set_substeps(self, substeps: int) -> None:
        """Let each call of Bullet take some physics steps, or one of them in `finer` parts."""
        finer = self.finer if substeps == 1 else 1
        if (substeps, finer) != self._stepping:
            time_step = substeps * self.dt / finer
            _set_engine(fixedTimeStep=time_step, numSubSteps=substeps, physicsClientId=self.client)
            self._stepping = substeps, finer

    def tick(self, tau: list[float]) -> None:
        """Simulate one call of Bullet under these efforts."""
        pybullet.setJointMotorControlArray(self.body, self.motor_ids, _TORQUE, forces=tau, physicsClientId=self.client)
        if self.force is not None:
            self.push(self.force)
        _simulate(physicsClientId=self.client)

    def push(self, force: list[float]) -> None:
        """Let a force (3,) [N] act on the pushed body during the next call of Bullet, in the world's axes."""
        link = self._pushed
        if link == -1:
            place = pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self.client)[0]
        else:
            place = pybullet.getLinkState(self.body, link, physicsClientId=self.client)[0]
        pybullet.applyExternalForce(self.body, link, force, place, pybullet.WORLD_FRAME, physicsClientId=self.client)

    def joints(self) -> list[tuple[float, float]]:
        """Return (position, velocity) of each joint."""
        if not self.joint_ids:  # PyBullet takes an empty list for a mistake
            return []
        return [s[:2] for s in pybullet.getJointStates(self.body, self.joint_ids, physicsClientId=self.client)]

    def base(self) -> tuple[Array, ...]:
        """Return position, quaternion, velocity and angular velocity of the root link's frame, in the world."""
        return tuple(values[0] for values in root_motion(np.array([self._root_told()]), self.root_frame))

    def snapshot(self) -> list[float]:
        """Return the numbers that `sim2real.sim.bullet_reading.Reading` makes a state of."""
        body, client = self.body, self.client
        row: list[float] = []
        if self.joint_ids:
            states = pybullet.getJointStates(body, self.joint_ids, physicsClientId=client)
            row = [state[0] for state in states]
            row += [state[1] for state in states]
        if self._tells_root:
            row += self._root_told()
        if self._imu_link is not None:
            link = pybullet.getLinkState(body, self._imu_link, 1, 1, physicsClientId=client)
            row += link[5] + link[7]
        return row

    def _root_told(self) -> tuple[float, ...]:
        """Return pose and velocity of the root's inertial frame: position, quaternion, velocity, angular velocity."""
        position, quaternion = pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self.client)
        velocity, angular = pybullet.getBaseVelocity(self.body, physicsClientId=self.client)
        return (*position, *quaternion, *velocity, *angular)

    def close(self) -> None:
        """Leave the physics client. Safe to call twice."""
        if self.client >= 0:
            self._call("disconnect")
            self.client = -1
