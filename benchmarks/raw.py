"""The engines alone, in the plainest loop that does the same physics: what training could reach if all else were free.

Same robot, time step, substeps and Variants as training; no sensors, delays, rewards, network or learner. PyBullet runs
one process a core with its API called directly; MuJoCo one threaded `mujoco.rollout` call a control period.
"""

import copy
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import mujoco
import numpy as np
from mujoco import rollout

from randomization import Randomization, Variant, stream
from robots import Robot, load_robot, write_urdf


def bullet_rate(robot_name: str, family: str, worlds: int, cores: int, seconds: float) -> float:
    """Return control steps/s of `worlds` worlds shared by `cores` processes."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(cores), context.Queue()
    jobs = [
        context.Process(target=_bullet_worker, args=(robot_name, family, worlds // cores, k, seconds, start, results))
        for k in range(cores)
    ]
    for job in jobs:
        job.start()
    rate = sum(results.get() for _ in jobs)
    for job in jobs:
        job.join()
    return float(rate)


def _bullet_worker(robot_name: str, family: str, worlds: int, k: int, seconds: float, start, results) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    os.environ["OMP_NUM_THREADS"] = "1"
    import pybullet

    robot = load_robot(robot_name)
    truth = Randomization.load(family, robot).draw(stream(k, "benchmark"), worlds)
    clients = [_bullet_world(pybullet, robot, truth.rows(slice(w, w + 1))) for w in range(worlds)]
    motor = robot.joint_index(robot.actuator_names[0])
    efforts = stream(k, "efforts").uniform(-5.0, 5.0, 4096).tolist()
    joints = list(range(robot.n_joints))
    start.wait()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for client, body in clients:
            effort = efforts[steps % 4096]
            for _ in range(robot.substeps):
                pybullet.setJointMotorControl2(
                    body, motor, pybullet.TORQUE_CONTROL, force=effort, physicsClientId=client
                )
                pybullet.stepSimulation(physicsClientId=client)
            pybullet.getJointStates(body, joints, physicsClientId=client)
            steps += 1
    results.put(steps / (time.perf_counter() - began))


def _bullet_world(pybullet, robot: Robot, variant: Variant) -> tuple[int, int]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    client = pybullet.connect(pybullet.DIRECT)
    pybullet.setPhysicsEngineParameter(fixedTimeStep=robot.control_dt / robot.substeps, physicsClientId=client)
    pybullet.setGravity(0, 0, -9.81, physicsClientId=client)
    with tempfile.TemporaryDirectory() as folder:
        urdf = Path(folder) / "robot.urdf"
        write_urdf(robot.model, urdf)
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE
        body = pybullet.loadURDF(str(urdf), useFixedBase=robot.fixed_base, flags=flags, physicsClientId=client)
    for joint, damping, friction in zip(
        range(robot.n_joints), variant.block("damping")[0], variant.block("friction")[0], strict=True
    ):
        pybullet.changeDynamics(
            body, joint, linearDamping=0, angularDamping=0, jointDamping=damping, physicsClientId=client
        )
        pybullet.setJointMotorControl2(body, joint, pybullet.VELOCITY_CONTROL, force=friction, physicsClientId=client)
    return client, body


def mujoco_rate(robot_name: str, family: str, worlds: int, cores: int, seconds: float) -> float:
    """Return control steps/s of `worlds` worlds stepped by `cores` threads."""
    from sim2real.sim.mujoco import build_spec

    robot = load_robot(robot_name)
    nominal = build_spec(robot).compile()
    truth = Randomization.load(family, robot).draw(stream(0, "benchmark"), worlds)
    models = [copy.copy(nominal) for _ in range(worlds)]
    for model, damping, friction in zip(models, truth.block("damping"), truth.block("friction"), strict=True):
        model.dof_damping[:], model.dof_frictionloss[:] = damping, friction
    full = mujoco.mjtState.mjSTATE_FULLPHYSICS
    state = np.zeros((worlds, mujoco.mj_stateSize(nominal, full)))
    efforts = stream(0, "efforts").uniform(-5.0, 5.0, (64, worlds, robot.substeps, robot.n_actuators))
    data = [mujoco.MjData(nominal) for _ in range(cores)]
    with rollout.Rollout(nthread=cores) as roll:
        began, rounds = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            states, _ = roll.rollout(models, data, state, efforts[rounds % 64])
            state = states[:, -1]
            rounds += 1
        return rounds * worlds / (time.perf_counter() - began)
