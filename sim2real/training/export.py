"""From a learner to a Policy: the contract, the weights, and golden pairs recorded in the nominal world."""

from typing import Any

import numpy as np

from randomization import Randomization, stream
from robots import Robot
from sim2real.policy import Contract, NetworkContract, Policy, RobotContract
from sim2real.policy.policy import record_golden
from sim2real.sim import make_engine
from sim2real.sim.simulation import Simulation
from sim2real.tasks import Task

GOLDEN_STEPS, GOLDEN_PICTURES = 32, 8


def robot_contract(robot: Robot) -> RobotContract:
    """Return what a robot must be to take a policy made for `robot`."""
    limits = [j.limit for j in robot.model.movable]
    return RobotContract(
        name=robot.name,
        digest=robot.digest,
        joints=robot.joint_names,
        lower=tuple(_finite(limit.lower) for limit in limits),
        upper=tuple(_finite(limit.upper) for limit in limits),
        velocity=tuple(_finite(limit.velocity) for limit in limits),
        imu_link=robot.file.imu.link if robot.file.imu else None,
    )


def _finite(bound: float) -> float | None:
    return bound if np.isfinite(bound) else None


def make_policy(
    robot: Robot,
    task: Task,
    randomization: Randomization,
    network: NetworkContract,
    weights: dict[str, Any],
    training: dict[str, Any],
) -> Policy:
    """Build a policy with golden pairs; `weights` as `sim2real.policy.Policy` takes them."""
    contract = Contract(
        robot=robot_contract(robot),
        task=task.name,
        task_options=task.config.model_dump(mode="json"),
        rate_hz=robot.file.control_hz,
        observation=task.layout,
        action=task.action_map,
        network=network,
        fallback=robot.file.fallback,
        randomization=randomization.to_dict(),
        training=training,
    )
    return with_golden(Policy(contract, weights), robot, task)


def with_golden(policy: Policy, robot: Robot, task: Task) -> Policy:
    """Return the policy with golden pairs from a run in one nominal world."""
    pixels = task.layout.pixels
    simulation = Simulation(make_engine("mujoco", robot), 0, pixels=pixels)
    try:
        rng = stream(0, "golden")
        q, dq = task.start(rng, 1)
        asked = task.command(rng)[None]
        simulation.reset(q, dq, np.arange(1))
        runner = policy.runner()
        states = []
        for _ in range(GOLDEN_STEPS if pixels is None else GOLDEN_PICTURES):
            image = simulation.look()
            state = (*simulation.sense(), asked) if image is None else (*simulation.sense(), asked, image)
            states.append(state)
            simulation.advance(runner.step(*state))
    finally:
        simulation.close()
    return record_golden(policy, states)
