"""The engines alone, in the leanest loop that does the same physics: what training could reach if all else were free.

Same robot, time step, substeps and Variants as training; no sensors, delays, rewards, network or learner. What a step
takes depends on what touches what: robots of a task that has a gait get that gait's commands, as in training (an A1
that trots costs MuJoCo a fifth to a third more than one that twitches). PyBullet runs one process a core with its API
called directly. Effort motors are given random efforts, as many physics steps in a call as joint damping allows, which
is the fastest way known; `plain` takes them one by one, as most code does. Position servos are given targets, random
ones around the default pose where there is no gait, and their efforts are worked out before each step of Bullet, in
plain numbers and one world after the other, which is faster than in arrays and step by step (`bullet_servo` has the
figures). MuJoCo, which has servos of its own, runs one threaded `mujoco.rollout` call a control period.
"""

import copy
import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout
from numpy.typing import NDArray

from randomization import Randomization, Variant, VariantSpace, stream
from robots import Robot, load_robot, write_urdf
from sim2real.quiet import quiet
from sim2real.sim import make_engine
from sim2real.sim.actuators import servo
from sim2real.sim.bodies import engine_model, joint_inertia
from sim2real.sim.bullet_bodies import damping_span, spans
from sim2real.sim.bullet_rate import ServoRate
from sim2real.sim.mujoco_model import build_spec
from sim2real.tasks import Task, load_task

with quiet(1), quiet(2):
    import pybullet

SWING = 0.3  # [rad or m] position targets are drawn this far around the default pose
EFFORT = 5.0  # [N m or N] efforts are drawn up to this
DRAWN = 60  # control periods until commands repeat, three turns of a gait of 2.5 Hz
NOISE = 0.03  # deviation of the actions that are added to a gait


@dataclass(frozen=True)
class Load:
    """What is stepped: worlds of a robot, their Variants drawn from a shipped family, nominal if None.

    physics_hz: in the place of the robot.yaml's; task: whose gait moves the robots, if it has one
    """

    robot: str
    family: str | None
    worlds: int
    cores: int
    seconds: float
    physics_hz: float | None = None
    task: str | None = None

    def build(self) -> Robot:
        """Return the robot."""
        return load_robot(self.robot).at(self.physics_hz)

    def truth(self, robot: Robot, key: int, n: int) -> Variant:
        """Draw n Variants."""
        if self.family is None:
            return Variant.nominal(VariantSpace(robot), n)
        return Randomization.load(self.family, robot).draw(stream(key, "benchmark"), n)


def bullet_rate(load: Load, plain: bool = False) -> float:
    """Return control steps/s on all cores together."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(load.cores), context.Queue()
    jobs = [context.Process(target=_bullet_worker, args=(load, plain, k, start, results)) for k in range(load.cores)]
    for job in jobs:
        job.start()
    rate = sum(results.get() for _ in jobs)
    for job in jobs:
        job.join()
    return float(rate)


def _bullet_worker(load: Load, plain: bool, k: int, start: Any, results: Any) -> None:
    robot, n = load.build(), load.worlds // load.cores
    truth = load.truth(robot, k, n)
    worlds = [BulletWorld(robot, truth.rows(slice(w, w + 1)), plain) for w in range(n)]
    commands = _commands(load, robot, n, k).tolist()
    start.wait()
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < load.seconds:
        for world, command in zip(worlds, commands[rounds % DRAWN], strict=True):
            world.advance(command)
            world.read()
        rounds += 1
    results.put(rounds * n / (time.perf_counter() - began))


def _commands(load: Load, robot: Robot, n: int, key: int) -> NDArray[np.float64]:
    """Return commands: (DRAWN, n, n_actuators)."""
    rng, shape = stream(key, "commands"), (DRAWN, n, robot.n_actuators)
    if load.task is not None:
        return _gait(load_task(load.task, robot), robot, rng.normal(0.0, NOISE, shape), rng)
    position = np.array([mode == "position" for mode in robot.modes])
    centre, spread = np.where(position, robot.default_q[robot.actuated], 0.0), np.where(position, SWING, EFFORT)
    return centre + spread * rng.uniform(-1.0, 1.0, shape)


def _gait(task: Task, robot: Robot, actions: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return what a task's action map makes of actions (DRAWN, n, n_actuators), with a command for each robot."""
    n, asked = actions.shape[1], np.stack([task.command(rng) for _ in range(actions.shape[1])])
    commands, last = np.empty_like(actions), np.tile(robot.default_q[robot.actuated], (n, 1))
    for k, action in enumerate(actions):
        commands[k] = last = task.action_map.command(action, last, np.full(n, k * robot.control_dt), asked)
    return commands


class BulletWorld:
    """A PyBullet client with one robot, and the floor where its base is free; steps: Bullet's in a control period."""

    def __init__(self, robot: Robot, variant: Variant, plain: bool) -> None:
        values, block = variant.values[0], variant.block
        self.client = pybullet.connect(pybullet.DIRECT)
        self._servos = any(mode != "effort" for mode in robot.modes)
        self._free, self._plain, self._dt = not robot.fixed_base, plain, robot.control_dt / robot.substeps
        pybullet.setGravity(0, 0, -9.81, physicsClientId=self.client)
        self._load(robot)
        joints = [pybullet.getJointInfo(self.body, j, physicsClientId=self.client)[1].decode() for j in self._all()]
        self.joints = [joints.index(name) for name in robot.joint_names]
        self.motors = [joints.index(name) for name in robot.actuator_names]
        longest = 1 if plain else damping_span(robot, variant.space, joint_inertia(robot), values)
        self._parts = spans(robot.substeps, longest)
        self.steps = robot.substeps * ServoRate(robot, variant.space).fineness(values)
        laws = [servo(actuator) for actuator in robot.actuators]
        self._laws = [(*law, limit) for law, limit in zip(laws, robot.effort_limits.tolist(), strict=True)]
        self._settle(robot, block("damping")[0].tolist(), block("friction")[0].tolist())

    def _all(self) -> range:
        return range(pybullet.getNumJoints(self.body, physicsClientId=self.client))

    def _load(self, robot: Robot) -> None:
        with tempfile.TemporaryDirectory() as folder, quiet(1):
            urdf = Path(folder) / "robot.urdf"
            write_urdf(engine_model(robot), urdf)
            height = robot.file.base_height if self._free else 0.0
            self.body = pybullet.loadURDF(
                str(urdf),
                basePosition=(0, 0, height),
                useFixedBase=robot.fixed_base,
                flags=pybullet.URDF_USE_INERTIA_FROM_FILE,
                physicsClientId=self.client,
            )
        if self._free:
            plane = pybullet.createCollisionShape(pybullet.GEOM_PLANE, physicsClientId=self.client)
            floor = pybullet.createMultiBody(0, plane, physicsClientId=self.client)
            grip = float(np.sqrt(robot.file.ground_friction))  # the friction of a pair is the product of both
            for body, link in ((floor, -1), (self.body, -1), *((self.body, link) for link in self._all())):
                pybullet.changeDynamics(body, link, lateralFriction=grip, physicsClientId=self.client)

    def _settle(self, robot: Robot, damping: list[float], friction: list[float]) -> None:
        """Set what a Variant says of the joints, Bullet's step, and the default pose."""
        client = self.client
        span = self._parts[0]
        dt, substeps = (robot.control_dt / self.steps, 1) if self._servos else (span * self._dt, span)
        pybullet.setPhysicsEngineParameter(fixedTimeStep=dt, numSubSteps=substeps, physicsClientId=client)
        for link in (-1, *self._all()):
            options = {"linearDamping": 0, "angularDamping": 0, "jointDamping": 0}
            pybullet.changeDynamics(self.body, link, physicsClientId=client, **options)
        for joint, q, damp, rub in zip(self.joints, robot.default_q.tolist(), damping, friction, strict=True):
            pybullet.changeDynamics(self.body, joint, jointDamping=damp, physicsClientId=client)
            pybullet.setJointMotorControl2(
                self.body, joint, pybullet.VELOCITY_CONTROL, force=rub, physicsClientId=client
            )
            pybullet.resetJointState(self.body, joint, q, physicsClientId=client)

    def advance(self, command: list[float]) -> None:
        """Simulate one control period under a command (n_actuators,)."""
        if self._servos:
            self._serve(command)
        else:
            self._drive(command)

    def _drive(self, command: list[float]) -> None:
        body, client, uneven = self.body, self.client, self._parts[0] != self._parts[-1]
        for span in self._parts:
            if uneven and not self._plain:
                pybullet.setPhysicsEngineParameter(
                    fixedTimeStep=span * self._dt, numSubSteps=span, physicsClientId=client
                )
            for motor, effort in zip(self.motors, command, strict=True):
                pybullet.setJointMotorControl2(
                    body, motor, pybullet.TORQUE_CONTROL, force=effort, physicsClientId=client
                )
            pybullet.stepSimulation(physicsClientId=client)

    def _serve(self, command: list[float]) -> None:
        body, client, motors, mode = self.body, self.client, self.motors, pybullet.TORQUE_CONTROL
        read, give, step = pybullet.getJointStates, pybullet.setJointMotorControlArray, pybullet.stepSimulation
        laws = [(gain * c, *law) for c, (gain, *law) in zip(command, self._laws, strict=True)]
        for _ in range(self.steps):
            states = read(body, motors, physicsClientId=client)
            efforts = [
                -limit if (tau := fed + stiffness * q + damping * dq) < -limit else limit if tau > limit else tau
                for (q, dq, _, _), (fed, stiffness, damping, limit) in zip(states, laws, strict=True)
            ]
            give(body, motors, mode, forces=efforts, physicsClientId=client)
            step(physicsClientId=client)

    def read(self) -> tuple[list[float], list[float]]:
        """Return q and dq of the joints; the base is read too, as whoever controls the robot must."""
        states = pybullet.getJointStates(self.body, self.joints, physicsClientId=self.client)
        if self._free:
            pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self.client)
            pybullet.getBaseVelocity(self.body, physicsClientId=self.client)
        return [state[0] for state in states], [state[1] for state in states]


def mujoco_rate(load: Load) -> float:
    """Return control steps/s on all cores together."""
    robot = load.build()
    nominal = build_spec(robot).compile()
    truth = load.truth(robot, 0, load.worlds)
    models = [copy.copy(nominal) for _ in range(load.worlds)]
    degrees = [nominal.joint(name).dofadr[0] for name in robot.joint_names]
    for model, damping, friction in zip(models, truth.block("damping"), truth.block("friction"), strict=True):
        model.dof_damping[degrees], model.dof_frictionloss[degrees] = damping, friction
    state = np.tile(_first_state(nominal, robot), (load.worlds, 1))
    commands = np.repeat(_commands(load, robot, load.worlds, 0)[:, :, None], robot.substeps, axis=2)
    data = [mujoco.MjData(nominal) for _ in range(load.cores)]
    with rollout.Rollout(nthread=load.cores) as roll:
        began, rounds = time.perf_counter(), 0
        while time.perf_counter() - began < load.seconds:
            states, _ = roll.rollout(models, data, state, commands[rounds % DRAWN])
            state = states[:, -1]
            rounds += 1
        return rounds * load.worlds / (time.perf_counter() - began)


def _first_state(model: Any, robot: Robot) -> NDArray[np.float64]:
    """Return MuJoCo's full state in the default pose, above the floor."""
    data, full = mujoco.MjData(model), mujoco.mjtState.mjSTATE_FULLPHYSICS
    for name, q in zip(robot.joint_names, robot.default_q.tolist(), strict=True):
        data.qpos[model.joint(name).qposadr[0]] = q
    state = np.zeros(mujoco.mj_stateSize(model, full))
    mujoco.mj_getState(model, data, state, full)
    return state


def memory_per_world(engine: str, load: Load) -> float:
    """Return what each of `load.worlds` worlds of this project's own engine takes [MB], with its Variant and sensors.

    Measured as resident memory in a process of its own, beyond what a single world has brought along.
    """
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    job = context.Process(target=_weigh, args=(engine, load, results))
    job.start()
    grown = results.get()
    job.join()
    return float(grown) / load.worlds / 1e6


def _weigh(engine: str, load: Load, results: Any) -> None:
    robot, kept, sizes = load.build(), [], []
    for n in (1, load.worlds):
        worlds = make_engine(engine, robot, n)
        kept.append(worlds)  # or the second would move into the memory of the first
        worlds.apply(load.truth(robot, n, n), np.arange(n))
        for command in _commands(load, robot, n, n)[:3]:
            worlds.step(command, np.zeros(n))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGE_SIZE"))
    results.put(sizes[1] - sizes[0])
    for worlds in kept:
        worlds.close()
