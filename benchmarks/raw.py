"""The engines alone, in the leanest loop that does the same physics: what training could reach if all else were free.

Same robot, time step, substeps and Variants as training; no sensors, delays, rewards, network or learner. PyBullet runs
one process a core with its API called directly, as many physics steps in a call as joint damping allows, which is the
fastest way known; `plain` takes them one by one, as most code does. MuJoCo runs one threaded `mujoco.rollout` call a
control period.
"""

import copy
import multiprocessing
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

from randomization import Randomization, Variant, stream
from robots import Robot, load_robot, write_urdf
from sim2real.quiet import quiet
from sim2real.sim.bodies import engine_model, joint_inertia
from sim2real.sim.bullet_bodies import damping_span, spans
from sim2real.sim.mujoco_model import build_spec

with quiet(1), quiet(2):
    import pybullet


@dataclass(frozen=True)
class Load:
    """What is stepped: worlds of a robot, their Variants drawn from a shipped family."""

    robot: str
    family: str
    worlds: int
    cores: int
    seconds: float


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
    robot = load_robot(load.robot)
    n = load.worlds // load.cores
    truth = Randomization.load(load.family, robot).draw(stream(k, "benchmark"), n)
    worlds = [_bullet_world(robot, truth.rows(slice(w, w + 1)), plain) for w in range(n)]
    motor, joints = robot.joint_index(robot.actuator_names[0]), list(range(robot.n_joints))
    efforts = stream(k, "efforts").uniform(-5.0, 5.0, 4096).tolist()
    dt = robot.control_dt / robot.substeps
    start.wait()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < load.seconds:
        for client, body, parts in worlds:
            for span in parts:
                if len(parts) > 1 and not plain and parts[0] != parts[-1]:
                    pybullet.setPhysicsEngineParameter(
                        fixedTimeStep=span * dt, numSubSteps=span, physicsClientId=client
                    )
                pybullet.setJointMotorControl2(
                    body, motor, pybullet.TORQUE_CONTROL, force=efforts[steps % 4096], physicsClientId=client
                )
                pybullet.stepSimulation(physicsClientId=client)
            pybullet.getJointStates(body, joints, physicsClientId=client)
            steps += 1
    results.put(steps / (time.perf_counter() - began))


def _bullet_world(robot: Robot, variant: Variant, plain: bool) -> tuple[int, int, tuple[int, ...]]:
    client = pybullet.connect(pybullet.DIRECT)
    pybullet.setGravity(0, 0, -9.81, physicsClientId=client)
    with tempfile.TemporaryDirectory() as folder:
        urdf = Path(folder) / "robot.urdf"
        write_urdf(engine_model(robot), urdf)
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE
        body = pybullet.loadURDF(str(urdf), useFixedBase=robot.fixed_base, flags=flags, physicsClientId=client)
    damping, friction = variant.block("damping")[0].tolist(), variant.block("friction")[0].tolist()
    dt = robot.control_dt / robot.substeps
    pybullet.setPhysicsEngineParameter(fixedTimeStep=dt, numSubSteps=1, physicsClientId=client)
    for joint in range(robot.n_joints):
        options = {"linearDamping": 0, "angularDamping": 0, "jointDamping": damping[joint]}
        pybullet.changeDynamics(body, joint, physicsClientId=client, **options)
        pybullet.setJointMotorControl2(
            body, joint, pybullet.VELOCITY_CONTROL, force=friction[joint], physicsClientId=client
        )
    longest = 1 if plain else damping_span(robot, variant.space, joint_inertia(robot), variant.values[0])
    parts = spans(robot.substeps, longest)
    pybullet.setPhysicsEngineParameter(fixedTimeStep=parts[0] * dt, numSubSteps=parts[0], physicsClientId=client)
    return client, body, parts


def mujoco_rate(load: Load) -> float:
    """Return control steps/s on all cores together."""
    robot = load_robot(load.robot)
    nominal = build_spec(robot).compile()
    truth = Randomization.load(load.family, robot).draw(stream(0, "benchmark"), load.worlds)
    models = [copy.copy(nominal) for _ in range(load.worlds)]
    for model, damping, friction in zip(models, truth.block("damping"), truth.block("friction"), strict=True):
        model.dof_damping[:], model.dof_frictionloss[:] = damping, friction
    size = mujoco.mj_stateSize(nominal, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    state = np.zeros((load.worlds, size))
    efforts = stream(0, "efforts").uniform(-5.0, 5.0, (64, load.worlds, robot.substeps, robot.n_actuators))
    data = [mujoco.MjData(nominal) for _ in range(load.cores)]
    with rollout.Rollout(nthread=load.cores) as roll:
        began, rounds = time.perf_counter(), 0
        while time.perf_counter() - began < load.seconds:
            states, _ = roll.rollout(models, data, state, efforts[rounds % 64])
            state = states[:, -1]
            rounds += 1
        return rounds * load.worlds / (time.perf_counter() - began)
