"""Train robot controllers in randomized simulation and deploy them over ROS 2.

The package imports nothing heavy by itself: TensorFlow lives in `sim2real.a2c`, the physics engines in `sim2real.sim`,
rclpy in `ros_bridge`.
"""

from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from wrapt import register_post_import_hook

try:
    __version__ = version("sim2real")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

ENVIRONMENTS = {"sim2real/Balance-v0": {"task": "balance", "robot": "cartpole"}}


def _register(gymnasium: ModuleType) -> None:
    for env_id, defaults in ENVIRONMENTS.items():
        entry = {"entry_point": "sim2real.env:RobotEnv", "vector_entry_point": "sim2real.env:RobotVectorEnv"}
        gymnasium.register(env_id, **entry, kwargs=defaults)


# `import sim2real` makes the ids known to Gymnasium, in whichever order the two are imported, and does not import it:
# a robot's computer has no use for Gymnasium.
register_post_import_hook(_register, "gymnasium")
