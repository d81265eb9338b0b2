"""The ROS 2 side: the policy on a robot, the stand-in robot, the twin, the recorder. The only place that imports rclpy.

`policy_node` starts in well under a second and imports neither TensorFlow nor an engine, so that it runs as it is on a
robot's computer. Every node is a process of its own with one thread; `python -m ros_bridge.<node> --help` says how.
"""

from ros_bridge.discovery import confine
from sim2real.errors import BridgeError

confine()  # DDS reads it from the environment, some of it as early as rclpy is loaded

try:
    import rclpy  # noqa: F401 - to fail here, with the remedy, instead of somewhere below
except ImportError as error:
    raise BridgeError(
        f"ROS 2's Python library rclpy cannot be imported ({error}): `make setup` installs it from wheels, "
        "or source a ROS 2 made for this Python before you start"
    ) from error
