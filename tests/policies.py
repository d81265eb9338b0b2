"""Policies for tests of what judges policies: a hand-made controller that says it was trained on some Randomization."""

from typing import Any

import numpy as np

from randomization import Randomization
from robots import load_robot
from sim2real.policy import NetworkContract, Policy
from sim2real.tasks import load_task
from sim2real.training.export import make_policy
from tests.ros_bridge.lqr import balancing_policy


def trained_on(quantities: dict[str, Any], episode_s: float = 3.0) -> Policy:
    """Return the balancing policy with a contract that names these laws, and episodes short enough for a test."""
    policy = balancing_policy()
    family = Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, load_robot("cartpole"))
    options = policy.contract.task_options | {"episode_s": episode_s}
    contract = policy.contract.model_copy(update={"randomization": family.to_dict(), "task_options": options})
    return Policy(contract, policy._weights, policy.golden)


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
