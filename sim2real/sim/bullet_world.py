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
- What touches, and how, is set by `sim2real.sim.bullet_contacts`; how a centre of mass is moved says
  `sim2real.sim.bullet_trim`.
"""

import tempfile
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from randomization import VariantSpace
from robots import Robot, write_urdf
from robots.kinematics import sources
from sim2real.errors import EngineError
from sim2real.quiet import quiet
from sim2real.sim.bodies import apart, loop_points
from sim2real.sim.bullet_bodies import Bodies, damping_span, spans, strongest
from sim2real.sim.bullet_contacts import Contacts
from sim2real.sim.bullet_trim import TRIMS, needs_trim, trim_name, trimmed, with_trims
from sim2real.sim.disturbances import pushed_body
from sim2real.sim.engine import MAX_SPEED, Array
from sim2real.sim.rotations import compose, inverse, rotate

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

_simulate, _set_motor = pybullet.stepSimulation, pybullet.setJointMotorControl2
_set_motors = pybullet.setJointMotorControlArray
_set_engine, _change, _TORQUE = pybullet.setPhysicsEngineParameter, pybullet.changeDynamics, pybullet.TORQUE_CONTROL
_NO_STOPS = 1.0, -1.0  # limits that Bullet ignores
MAX_LINKS = 127  # of more, Bullet loads but does not tell the state
RIGID = 1e9  # [N or N m] what mimic joints and loops may bear
# Largest `servo_rate` of one step of the nominal robot: half of what is stable for a position servo, as poses differ;
# and for a velocity servo less, which at 1 would reach its speed in a single step, sooner than its law says.
SERVO_RATES = {"position": 1.0, "velocity": 0.3, "effort": 1.0}
BORNE = 1.6  # times that is what a Variant may have
LOOPS = {"erp": 0.05, "numSolverIterations": 100}  # share of a gap that a physics step closes; default 0.2 and 50


class World:
    """One physics client with one robot in it.

    force: (3,) [N], in the world's axes, on the centre of mass of `pushed_body(robot)`; None where there is none
    finer: steps that Bullet takes in the place of one physics step, when it is asked for one
    span: physics steps that may share one torque of joint damping
    """

    def __init__(self, robot: Robot, bodies: Bodies) -> None:
        self.robot, self.space, self.bodies = robot, bodies.space, bodies
        self.dt = robot.control_dt / robot.substeps
        self.force: list[float] | None = None
        self.finer, self.span = 1, robot.substeps
        self._trims: list[str] = []  # bodies that have trims
        self._columns = _Columns(self.space)
        limits = [joint.limit for joint in robot.model.movable]
        stops = [(a.lower, a.upper) if b else _NO_STOPS for a, b in zip(limits, self._columns.limited, strict=True)]
        self._stops = np.array(stops).reshape(-1, 2).T
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
        self._trims = trims
        self._lay_out_bodies()
        self._root_frame = self._frame_of_root()
        if robot.file.imu:
            self._imu_id = self.link_index[robot.merged.frames[robot.file.imu.link][0]]
        self._pushed = self.link_index[pushed_body(robot)]
        self._applied = np.full(self.space.size, np.nan)
        self._stepping = (0, 0)  # physics steps in a call of Bullet, and its steps in the place of one of ours
        self._prepare()
        self.contacts = Contacts(robot, self.space, self.bodies.grounds, self.client, self.body, self.link_index)

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
        """Set what a Variant (space.size,) says and the world does not have yet: absolute values, never a factor.

        Return whether the robot had to be loaded anew, in the state that it is in.
        """
        changed = values != self._applied
        if not changed.any():
            return False
        columns = self._columns
        loads = self.bodies.loads(values) if changed[columns.loads].any() else None
        missing = [] if loads is None else self._untrimmed(*loads)
        anew = bool(missing) or self.contacts.outgrown(values)
        if anew:
            self._check_room(missing)
            self._reload([*self._trims, *missing])
            loads, changed[:] = self.bodies.loads(values), True
        if loads is not None:
            self._apply_loads(*loads)
        if changed[columns.gravity].any():
            self._call("setGravity", *values[columns.gravity].tolist())
        if changed[columns.joints].any():
            self._apply_joints(values)
        self.contacts.apply(values, changed)
        self._applied = values.copy()
        return anew

    def _check_room(self, missing: list[str]) -> None:
        links = len(self.bodies.description.links) + TRIMS * (len(self._trims) + len(missing))
        if links > MAX_LINKS:
            refused = f"robot '{self.robot.name}': PyBullet bears {MAX_LINKS} links, and moving a centre of mass or"
            which = ", ".join([*self._trims, *missing])
            raise EngineError(
                f"{refused} tilting an inertia costs {TRIMS} more for each body, here {links} in all ({which});"
                " vary com_* or armature of fewer bodies, or take engine mujoco"
            )

    def _lay_out_bodies(self) -> None:
        """Note the rows and links of bodies without and with trims, each of the latter with its trims after it."""
        names = self.bodies.names
        self._plain = [k for k, name in enumerate(names) if name not in self._trims]
        self._trimmed = [k for k, name in enumerate(names) if name in self._trims]
        parts = [(names[k], *(trim_name(names[k], number) for number in range(TRIMS))) for k in self._trimmed]
        plain = [names[k] for k in self._plain]
        self._parts = [self.link_index[name] for name in [*plain, *(name for some in parts for name in some)]]

    def _untrimmed(self, _: Array, shifts: Array, inertias: Array) -> list[str]:
        """Return the bodies that need trims and have none."""
        needing = np.flatnonzero(needs_trim(shifts, inertias)).tolist()
        return [name for k in needing if (name := self.bodies.names[k]) not in self._trims]

    def _apply_loads(self, masses: Array, shifts: Array, inertias: Array) -> None:
        """Set mass, centre of mass and inertia of every body."""
        plain, trims = self._plain, self._trimmed
        sound = (masses > 0) & np.isfinite(inertias).all(axis=(1, 2))
        if not sound.all():  # Bullet would keep what it had, without a word
            name, mass = self.bodies.names[int(np.argmin(sound))], masses[np.argmin(sound)]
            raise EngineError(f"PyBullet would not take mass {mass:g} kg, or the inertia, of body '{name}'")
        weights, moments = masses[plain].tolist(), inertias[plain][:, [0, 1, 2], [0, 1, 2]].tolist()
        if trims:
            shares, parts = trimmed(masses[trims], shifts[trims], inertias[trims])
            weights += shares.ravel().tolist()
            moments += parts.reshape(-1, 3).tolist()
        body, client = self.body, self.client
        for link, mass, moment in zip(self._parts, weights, moments, strict=True):
            _change(body, link, mass=mass, localInertiaDiagonal=moment, physicsClientId=client)

    def _reload(self, trims: list[str]) -> None:
        """Load the robot again with other trims, as it is now."""
        state = [self._call("getJointState", self.body, joint)[:2] for joint in self.joint_ids]
        base = self._call("getBasePositionAndOrientation", self.body), self._call("getBaseVelocity", self.body)
        self.close()
        self._load(trims)
        for joint, (position, velocity) in zip(self.joint_ids, state, strict=True):
            self._call("resetJointState", self.body, joint, position, velocity)
        if not self.robot.fixed_base:
            self._call("resetBasePositionAndOrientation", self.body, *base[0])
            self._call("resetBaseVelocity", self.body, *base[1])

    def _apply_joints(self, values: Array) -> None:
        columns = self._columns
        damping, friction = values[columns.damping], values[columns.friction]
        rubbing = friction != self._applied[columns.friction]
        offset = np.where(columns.limited, values[columns.offset], 0.0)
        moved = (damping != self._applied[columns.damping]) | (values[columns.offset] != self._applied[columns.offset])
        lower, upper = self._stops + offset
        for k, damp, low, high in np.stack([np.arange(len(moved)), damping, lower, upper], axis=1)[moved].tolist():
            joint, limits = self.joint_ids[int(k)], {"jointLowerLimit": low, "jointUpperLimit": high}
            _change(self.body, joint, jointDamping=damp, physicsClientId=self.client, **limits)
        finer = self._fineness(values)
        # Bullet turns a motor's largest effort into an impulse with the time step of this moment, for all to come.
        if finer != self._stepping[1]:
            rubbing[:] = True
        self.finer = finer
        self.set_substeps(1)
        client, at_rest = self.client, pybullet.VELOCITY_CONTROL
        for k, value in zip(np.flatnonzero(rubbing).tolist(), friction[rubbing].tolist(), strict=True):
            # A velocity motor at rest with a bounded effort is Coulomb friction; 0 switches Bullet's default motor off.
            _set_motor(self.body, self.joint_ids[k], at_rest, targetVelocity=0, force=value, physicsClientId=client)
        self.span = damping_span(self.robot, self.space, self.bodies.moved, values)

    def _fineness(self, values: Array) -> int:
        """Return how many steps Bullet must take in the place of one; the same for Variants that are much the same.

        Another step changes a motion more than most quantities do. So it is halved for extreme Variants only.
        """
        rate, bound = self.bodies.servo_rate, min(SERVO_RATES[mode] for mode in (*self.robot.modes, "effort"))
        finer = max(1, ceil(rate / bound))
        while rate * strongest(self.space, values) / finer > BORNE * bound:
            finer *= 2
        return finer

    def reset(self, q: Array, dq: Array, place: Array, turn: Array) -> None:
        """Put the joints into q, dq (n_joints,), the root's frame at rest at place (3,), turn (4,)."""
        if not self.robot.fixed_base:
            offset, quaternion = self._root_frame
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
                self._push(self.force)
            _simulate(physicsClientId=client)

    def set_substeps(self, substeps: int) -> None:
        """Let each call of Bullet take some physics steps, or one of them in `finer` parts."""
        finer = self.finer if substeps == 1 else 1
        if (substeps, finer) != self._stepping:
            time_step = substeps * self.dt / finer
            _set_engine(fixedTimeStep=time_step, numSubSteps=substeps, physicsClientId=self.client)
            self._stepping = substeps, finer

    def tick(self, tau: list[float]) -> None:
        """Simulate one call of Bullet under these efforts."""
        _set_motors(self.body, self.motor_ids, _TORQUE, forces=tau, physicsClientId=self.client)
        if self.force is not None:
            self._push(self.force)
        _simulate(physicsClientId=self.client)

    def _push(self, force: list[float]) -> None:
        link = self._pushed
        if link == -1:
            place = pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self.client)[0]
        else:
            place = pybullet.getLinkState(self.body, link, physicsClientId=self.client)[0]
        pybullet.applyExternalForce(self.body, link, force, place, pybullet.WORLD_FRAME, physicsClientId=self.client)

    def motor_states(self) -> list[tuple[float, float]]:
        """Return (position, velocity) of each motor's joint."""
        return [s[:2] for s in pybullet.getJointStates(self.body, self.motor_ids, physicsClientId=self.client)]

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


class _Columns:
    """Which coordinates of a Variant are set together."""

    def __init__(self, space: VariantSpace) -> None:
        def columns(*quantities: str) -> list[int]:
            return [k for name in quantities for k in range(*space.block(name).indices(space.size))]

        self.loads = columns("mass", "payload", "com_x", "com_y", "com_z", "inertia", "armature")
        self.gravity = columns("gravity_x", "gravity_y", "gravity_z")
        # Gains, strengths and masses decide how finely Bullet must step, and that how friction is set.
        self.joints = [*self.loads, *columns("damping", "friction", "limit_offset", "strength", "kp", "kd")]
        self.damping, self.friction = columns("damping"), columns("friction")
        offsets = dict(zip(space.members[space.block("limit_offset")], columns("limit_offset"), strict=True))
        joints = space.members[space.block("damping")]
        self.limited = np.array([joint in offsets for joint in joints], dtype=bool)
        self.offset = [offsets.get(joint, 0) for joint in joints]  # any column where there are no stops
