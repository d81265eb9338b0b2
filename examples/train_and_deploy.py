"""Train a cart-pole controller in randomized worlds, judge it in the other engine, drive the robot behind the topics.

The robot may be real; here, start one in another terminal: sim2real stand-in cartpole --seed 7
"""

from pathlib import Path

from ros_bridge.policy_node import run
from sim2real.evaluate import evaluate
from sim2real.policy import Policy
from sim2real.train import train
from sim2real.training.config import load_train_config

folder = Path("runs/example")
train(load_train_config("cartpole", {"environment.randomization": "cartpole", "seed": 1}), folder)
policy = Policy.load(folder / "policy")
result = evaluate(policy, engine="mujoco", variants=100)
low, high = result.interval
print(f"stays up in {result.success_rate:.0%} of unseen worlds (95 % interval {low:.0%} to {high:.0%})")
print("breaks first:", result.variants.as_dict(result.worst(1)[0]))
run(folder / "policy", seconds=20, autostart=True)
