"""The ROS 2 side: the policy on a robot, the stand-in robot, the twin, the recorder. The only place that imports rclpy.

`policy_node` starts in well under a second and imports neither TensorFlow nor an engine, so that it runs as it is on a
robot's computer. Every node is a process of its own with one thread; `python -m ros_bridge.<node> --help` says how.
"""

import os

from sim2real.errors import BridgeError

# Jazzy's own default is SUBNET: anyone on the network could command the robot. Whoever opens it says so beforehand.
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
# Fast DDS's shared memory leaves files in /dev/shm whenever a process is killed, until it is full or another user's
# processes are locked out. Messages of some hundred bytes gain nothing from it.
os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")

try:
    import rclpy  # noqa: F401 - to fail here, with the remedy, instead of somewhere below
except ImportError as error:
    raise BridgeError(
        f"ROS 2's Python library rclpy cannot be imported ({error}): `make setup` installs it from wheels, "
        "or source a ROS 2 made for this Python before you start"
    ) from error
