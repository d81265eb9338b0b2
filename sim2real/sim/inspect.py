"""What an engine itself says of the robot that it built: to compare engines with each other, and with a third opinion.

The robot is built by the code that simulates it, without motors, its root bolted to the world at the origin.
"""

from contextlib import closing
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Protocol

import mujoco
import numpy as np

from randomization import VariantSpace
from robots import Robot
from robots.kinematics import transform
from robots.model import Mimic, RobotModel, Sphere
from sim2real.errors import EngineError, nearest
from sim2real.quiet import quiet
from sim2real.sim.bullet_bodies import Bodies
from sim2real.sim.bullet_world import World
from sim2real.sim.engine import GRAVITY, Array
from sim2real.sim.mujoco_model import body_name, build_spec
from sim2real.sim.probe import bare_robot

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

# MuJoCo's inverse dynamics would count what springs, dampers, friction and constraints already give.
_OFF = mujoco.mjtDisableBit.mjDSBL_CONSTRAINT | mujoco.mjtDisableBit.mjDSBL_SPRING | mujoco.mjtDisableBit.mjDSBL_DAMPER


@dataclass(frozen=True, eq=False)
class Inspection:
    """A robot with a bolted root, at n configurations. Joint arrays are in the order of `joint_names`.

    joint_names: movable joints in the engine's order; those that mimic others are taken as free, and are in `mimics`
    limits: (2, n_joints) lower and upper [rad or m], infinite where there is none
    masses: body, named after the topmost link of what fixed joints hold together -> [kg]
    link_poses: every link of the model -> (n, 4, 4) homogeneous, in the root's frame
    centre_of_mass: (n, 3) [m], in the root's frame
    mass_matrix: (n, n_joints, n_joints) joint-space inertia [kg m^2, kg m or kg]
    gravity_torques: (n, n_joints) what holds the robot still [N m or N]
    inverse_dynamics: (n, n_joints) what moves it with (q, dq, ddq) [N m or N], without joint damping and friction
    """

    joint_names: tuple[str, ...]
    limits: Array
    mimics: dict[str, Mimic]
    masses: dict[str, float]
    link_poses: dict[str, Array]
    centre_of_mass: Array
    mass_matrix: Array
    gravity_torques: Array
    inverse_dynamics: Array

    @property
    def mass(self) -> float:
        """Mass of the whole robot [kg]."""
        return sum(self.masses.values())


def inspect(model: RobotModel, engine: str, q: Array, dq: Array, ddq: Array) -> Inspection:
    """Build `model` in an engine ("bullet" or "mujoco") and ask it; raise EngineError if it refuses, or has no name.

    q, dq, ddq: (n, n_joints) [rad or m, and per s and s^2], in the model's canonical order
    """
    if engine not in _ENGINES:
        raise EngineError(f"engine: no engine '{engine}'{nearest(engine, _ENGINES)}; there are {', '.join(_ENGINES)}")
    robot = bare_robot(model)
    with closing(_ENGINES[engine](robot)) as built:
        order = [robot.joint_names.index(name) for name in built.joint_names]
        q, dq, ddq = (np.asarray(array, dtype=np.float64)[:, order] for array in (q, dq, ddq))
        n, joints, still = len(q), len(order), np.zeros(len(order))
        places, matrices = [], []
        for row in q:
            places.append(built.place(row))
            matrices.append(built.mass_matrix())
        return Inspection(
            joint_names=built.joint_names,
            limits=built.limits,
            mimics=built.mimics,
            masses=built.masses,
            link_poses={
                link: np.array([place.frames[body] @ transform(pose) for place in places])
                for link, (body, pose) in robot.merged.frames.items()
            },
            centre_of_mass=np.array([_centre(built.masses, place.centres) for place in places]),
            mass_matrix=np.array(matrices).reshape(n, joints, joints),
            gravity_torques=np.array([built.torques(row, still, still) for row in q]).reshape(n, joints),
            inverse_dynamics=np.array([built.torques(*row) for row in zip(q, dq, ddq, strict=True)]).reshape(n, joints),
        )


@dataclass(frozen=True)
class _Place:
    """Where an engine has put its bodies: frames (4, 4) and centres of mass (3,) [m], in the world."""

    frames: dict[str, Array]
    centres: dict[str, Array]


def _centre(masses: dict[str, float], centres: dict[str, Array]) -> Array:
    moment: Array = sum((mass * centres[body] for body, mass in masses.items()), np.zeros(3))
    return moment / (sum(masses.values()) or 1.0)


class _Built(Protocol):
    """A robot in an engine; joint arrays (n_joints,) are in the engine's order."""

    joint_names: tuple[str, ...]
    limits: Array
    mimics: dict[str, Mimic]
    masses: dict[str, float]

    def place(self, q: Array) -> _Place: ...

    def mass_matrix(self) -> Array:
        """Return it as of the last `place`."""

    def torques(self, q: Array, dq: Array, ddq: Array) -> Array: ...

    def close(self) -> None: ...


class _Bullet:
    def __init__(self, robot: Robot) -> None:
        self.masses = self._weigh(robot.merged.model)
        self._world = self._load(robot)
        info = [self._call("getJointInfo", index) for index in range(self._call("getNumJoints"))]
        info.sort(key=lambda joint: joint[4])  # by degree of freedom
        self._joints = [joint[0] for joint in info]
        self._bodies = {robot.merged.model.root.name: -1} | {joint[12].decode(): joint[0] for joint in info}
        self.joint_names = tuple(joint[1].decode() for joint in info)
        # Bullet says "no limit" by a lower one above the upper one.
        limits = [joint[8:10] if joint[8] <= joint[9] else (-inf, inf) for joint in info]
        self.limits = np.array(limits, dtype=np.float64).reshape(-1, 2).T
        self.mimics = self._gears(dict(zip(self._joints, self.joint_names, strict=True)))
        # Bullet's inverse dynamics takes gravity along the axes of the root's inertial frame, not of the world.
        turn = np.array(pybullet.getMatrixFromQuaternion(self._call("getDynamicsInfo", -1)[4])).reshape(3, 3)
        pybullet.setGravity(*(GRAVITY * turn[2]).tolist(), physicsClientId=self._world.client)
        self._q: list[float] = []

    def _call(self, name: str, *arguments: Any) -> Any:
        return getattr(pybullet, name)(self._world.body, *arguments, physicsClientId=self._world.client)

    def _load(self, robot: Robot) -> World:
        return World(robot, Bodies(robot, VariantSpace(robot)))

    def _weigh(self, model: RobotModel) -> dict[str, float]:
        """Return the masses of a merged model; Bullet forgets that of a bolted root, so that here a heavy root is free.

        Shapes weigh nothing, and a root that is bolted may have any inertia: neither is taken along.
        """
        links = [replace(link, collisions=()) for link in model.links]
        if inertial := model.root.inertial:
            links[0] = replace(links[0], inertial=replace(inertial, inertia=Sphere(1.0).inertia(inertial.mass)))
        self._world = self._load(bare_robot(replace(model, links=tuple(links)), fixed_base=model.root.inertial is None))
        with closing(self._world):
            names = [self._call("getJointInfo", index)[12].decode() for index in range(self._call("getNumJoints"))]
            masses = [self._call("getDynamicsInfo", index)[0] for index in range(-1, len(names))]
        bodies = zip((model.root.name, *names), masses, strict=True)
        return {body: mass for body, mass in bodies if mass > 0}

    def _gears(self, names: dict[int, str]) -> dict[str, Mimic]:
        client = {"physicsClientId": self._world.client}
        count = pybullet.getNumConstraints(**client)
        info = [pybullet.getConstraintInfo(pybullet.getConstraintUniqueId(k, **client), **client) for k in range(count)]
        return {names[gear[1]]: Mimic(names[gear[3]], -gear[11], gear[13]) for gear in info}

    def place(self, q: Array) -> _Place:
        self._q = q.tolist()
        for joint, position in zip(self._joints, self._q, strict=True):
            self._call("resetJointState", joint, position)
        frames, centres = {}, {}
        for body, index in self._bodies.items():
            if index == -1:
                place, turn = self._world.base()[:2]
                centre = self._call("getBasePositionAndOrientation")[0]
            else:
                # The 1: computed now, not as of the last step.
                centre, _, _, _, place, turn, *_ = self._call("getLinkState", index, 0, 1)
            centres[body], frames[body] = np.array(centre), np.eye(4)
            frames[body][:3, :3] = np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
            frames[body][:3, 3] = place
        return _Place(frames, centres)

    def mass_matrix(self) -> Array:
        return np.array(self._call("calculateMassMatrix", self._q) if self._q else (), dtype=np.float64)

    def torques(self, q: Array, dq: Array, ddq: Array) -> Array:
        motion = [array.tolist() for array in (q, dq, ddq)]
        return np.array(self._call("calculateInverseDynamics", *motion) if self._joints else (), dtype=np.float64)

    def close(self) -> None:
        self._world.close()


class _Mujoco:
    def __init__(self, robot: Robot) -> None:
        try:
            self._model = build_spec(robot).compile()
        except ValueError as error:
            raise EngineError(f"MuJoCo refused robot '{robot.name}': {str(error).splitlines()[0]}") from None
        self._model.opt.disableflags |= _OFF
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(index) for index in range(self._model.njnt)]
        self.joint_names = tuple(joint.name for joint in joints)
        limits = [joint.range if joint.limited else (-inf, inf) for joint in joints]
        self.limits = np.array(limits, dtype=np.float64).reshape(-1, 2).T
        self.mimics = self._equalities()
        self._bodies = {name: self._model.body(body_name(name)).id for name in robot.merged.model.link_names}
        masses = self._model.body_mass.tolist()
        self.masses = {body: masses[index] for body, index in self._bodies.items() if masses[index] > 0}

    def _equalities(self) -> dict[str, Mimic]:
        model = self._model
        return {
            self.joint_names[model.eq_obj1id[k]]: Mimic(
                self.joint_names[model.eq_obj2id[k]], float(model.eq_data[k, 1]), float(model.eq_data[k, 0])
            )
            for k in range(model.neq)
        }

    def place(self, q: Array) -> _Place:
        data = self._data
        data.qpos[:], data.qvel[:] = q, 0.0
        mujoco.mj_forward(self._model, data)
        frames, centres = {}, {}
        for body, index in self._bodies.items():
            frames[body] = np.eye(4)
            frames[body][:3, :3], frames[body][:3, 3] = data.xmat[index].reshape(3, 3), data.xpos[index]
            centres[body] = data.xipos[index].copy()
        return _Place(frames, centres)

    def mass_matrix(self) -> Array:
        columns = np.zeros((self._model.nv, self._model.nv))
        for column, unit in zip(columns, np.eye(self._model.nv), strict=True):
            mujoco.mj_mulM(self._model, self._data, column, unit)
        return columns

    def torques(self, q: Array, dq: Array, ddq: Array) -> Array:
        data = self._data
        data.qpos[:], data.qvel[:], data.qacc[:] = q, dq, ddq
        mujoco.mj_inverse(self._model, data)
        torques: Array = data.qfrc_inverse.copy()
        return torques

    def close(self) -> None:
        """Nothing to release: MuJoCo's memory goes with the last reference."""


_ENGINES: dict[str, type[_Bullet] | type[_Mujoco]] = {"bullet": _Bullet, "mujoco": _Mujoco}
