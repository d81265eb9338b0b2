"""Policies for tests of what judges policies: a hand-made controller that says it was trained on some Randomization."""

from typing import Any

import numpy as np

from randomization import Randomization
from robots import load_robot
from sim2real.policy import NetworkContract, Policy
from sim2real.policy.convolution import Convolution
from sim2real.tasks import load_task
from sim2real.training.export import make_policy
from tests.ros_bridge.lqr import balancing_policy

PIXELS: dict[str, Any] = {"pixels": {"camera": "side", "width": 32, "height": 12}, "history": 2, "episode_s": 1.0}


def trained_on(quantities: dict[str, Any], episode_s: float = 3.0) -> Policy:
    """Return the balancing policy with a contract that names these laws, and episodes short enough for a test."""
    policy = balancing_policy()
    family = Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, load_robot("cartpole"))
    options = policy.contract.task_options | {"episode_s": episode_s}
    contract = policy.contract.model_copy(update={"randomization": family.to_dict(), "task_options": options})
    return Policy(contract, policy._weights, policy.golden)


def pixel_policy(seed: int = 0) -> Policy:
    """Return a cart-pole's policy that sees two small pictures, with weights that mean nothing."""
    robot = load_robot("cartpole")
    task = load_task("balance", robot, PIXELS)
    stack, sizes = (Convolution(filters=3, size=4, stride=2), Convolution(filters=2, size=3)), (task.layout.size, 5, 1)
    kernels = [(4 * 4 * 2, 3), (3 * 3 * 3, 2)]  # of pictures 12 x 32 x 2 and 5 x 15 x 3, which leave 3 x 13 x 2
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {"obs_mean": np.zeros(task.layout.size), "obs_std": np.full(task.layout.size, 255.0)}
    for name, bias, shapes in (("c", "d", kernels), ("w", "b", [(3 * 13 * 2, 5), (5, 1)])):
        for k, shape in enumerate(shapes):
            weights[f"{name}{k}"] = rng.normal(size=shape).astype(np.float32)
            weights[f"{bias}{k}"] = rng.normal(size=shape[1]).astype(np.float32)
    network = NetworkContract(sizes=sizes, activation="relu", convolutions=stack)
    return make_policy(robot, task, Randomization.load("none", robot), network, weights, {})


def standing_policy(robot: str = "a1", **options: Any) -> Policy:
    """Return a quadruped's policy that adds nothing to the open-loop gait of its task; options: of the task."""
    body = load_robot(robot)
    task = load_task("walk", body, options)
    n_in, n_out = task.layout.size, body.n_actuators
    weights = {
        "obs_mean": np.zeros(n_in),
        "obs_std": np.ones(n_in),
        "w0": np.zeros((n_in, n_out)),
        "b0": np.zeros(n_out),
    }
    network = NetworkContract(sizes=(n_in, n_out), activation="tanh")
    return make_policy(body, task, Randomization.load("quadruped_ordinary", body), network, weights, {})
