"""Train robot controllers in randomized simulation and deploy them over ROS 2.

The package imports nothing heavy by itself: TensorFlow lives in `sim2real.a2c`, the physics engines in `sim2real.sim`,
rclpy in `ros_bridge`. Gymnasium finds the environments through an entry point (see `sim2real.env.register`).
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sim2real")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
