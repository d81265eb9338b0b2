"""Policies for tests of what judges policies: a hand-made controller that says it was trained on some Randomization."""

from typing import Any

from randomization import Randomization
from robots import load_robot
from sim2real.policy import Policy
from tests.ros_bridge.lqr import balancing_policy


def trained_on(quantities: dict[str, Any], episode_s: float = 3.0) -> Policy:
    """Return the balancing policy with a contract that names these laws, and episodes short enough for a test."""
    policy = balancing_policy()
    family = Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, load_robot("cartpole"))
    options = policy.contract.task_options | {"episode_s": episode_s}
    contract = policy.contract.model_copy(update={"randomization": family.to_dict(), "task_options": options})
    return Policy(contract, policy._weights, policy.golden)
