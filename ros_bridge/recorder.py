"""Records a run as a rosbag2 folder in MCAP storage that other tools open, without needing rosbag2 itself.

    python -m ros_bridge.recorder runs/demo/bag --policy runs/demo/policy

Messages are stored as they came over the wire, with the time at which they arrived here. The bag's custom data says
which policy ran: `policy_manifest_sha256`, the SHA-256 of its manifest.yaml.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from nav_msgs.msg import Odometry
from pydantic import Field
from rclpy.context import Context
from rclpy.qos import QoSProfile
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32, Float64, Float64MultiArray, String

from ros_bridge.managed_node import EVERY, EVERY_SENSOR, LATCHED, ManagedNode
from ros_bridge.process import main_of, run_node
from sim2real.config import Strict
from sim2real.errors import BridgeError
from sim2real.policy.shipped import policy_folder

TOPICS: dict[str, tuple[Any, str, QoSProfile]] = {
    "joint_states": (JointState, "sensor_msgs/msg/JointState", EVERY_SENSOR),
    "imu/data": (Imu, "sensor_msgs/msg/Imu", EVERY_SENSOR),
    "forward_position_controller/commands": (Float64MultiArray, "std_msgs/msg/Float64MultiArray", EVERY),
    "forward_velocity_controller/commands": (Float64MultiArray, "std_msgs/msg/Float64MultiArray", EVERY),
    "forward_effort_controller/commands": (Float64MultiArray, "std_msgs/msg/Float64MultiArray", EVERY),
    "cmd_vel": (Twist, "geometry_msgs/msg/Twist", EVERY),
    "target_pose": (PoseStamped, "geometry_msgs/msg/PoseStamped", EVERY),
    "odom": (Odometry, "nav_msgs/msg/Odometry", EVERY_SENSOR),
    "robot_description": (String, "std_msgs/msg/String", LATCHED),
    "diagnostics": (DiagnosticArray, "diagnostic_msgs/msg/DiagnosticArray", EVERY),
    "twin/joint_states": (JointState, "sensor_msgs/msg/JointState", EVERY_SENSOR),
    "twin/joint_error": (JointState, "sensor_msgs/msg/JointState", EVERY_SENSOR),
    "twin/gap": (Float64, "std_msgs/msg/Float64", EVERY_SENSOR),
    "early_warning": (Float32, "std_msgs/msg/Float32", EVERY_SENSOR),
}
"""Topic -> its message class, the name of that type, and how to subscribe."""

STAMPED = {"cmd_vel": (TwistStamped, "geometry_msgs/msg/TwistStamped", EVERY)}
"""The same where velocities come with a stamp: a process can hear one type a topic."""


class RecorderOptions(Strict):
    """Parameters of the node."""

    folder: str = Field(default="", description="rosbag2 folder to write; must not exist yet")
    policy: str = Field(default="", description="Policy folder whose digest the bag shall hold; empty: none")
    stamped: bool = Field(default=False, description="Whether cmd_vel is a TwistStamped")


class Recorder(ManagedNode[RecorderOptions]):
    """Writes every message of a run to a bag; the bag is complete when the node has ended."""

    def __init__(self, context: Context | None = None, **parameters: Any) -> None:
        super().__init__("recorder", RecorderOptions, context, **parameters)

    def configure(self) -> None:
        """Open the bag and subscribe; what comes before activate is recorded too."""
        if not self.options.folder:
            raise BridgeError("recorder: folder: missing; name the folder of the bag to write")
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._connections: dict[str, Any] = {}
        try:
            self._bag = Writer(Path(self.options.folder), version=9, storage_plugin=StoragePlugin.MCAP)
            if self.options.policy:
                manifest = (policy_folder(Path(self.options.policy)) / "manifest.yaml").read_bytes()
                self._bag.set_custom_data("policy_manifest_sha256", sha256(manifest).hexdigest())
            self._bag.open()
        except (WriterError, OSError) as error:
            raise BridgeError(f"recorder: {error}") from None
        topics = TOPICS | STAMPED if self.options.stamped else TOPICS
        for topic, (kind, type_name, qos) in topics.items():
            self.subscribe(kind, topic, self._writer(topic, type_name), qos, raw=True)

    def release(self) -> None:
        """Complete the bag: index and metadata."""
        self._bag.close()

    def _writer(self, topic: str, type_name: str) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            self._bag.write(self._connection(topic, type_name), time.time_ns(), data)

        return write

    def _connection(self, topic: str, type_name: str) -> Any:
        """Return the bag's entry of a topic, made with its first message: a bag lists what it holds."""
        if topic not in self._connections:
            name = self.resolve_topic_name(topic)
            self._connections[topic] = self._bag.add_connection(name, type_name, typestore=self._types)
        return self._connections[topic]


def run(folder: str | Path, *, seconds: float | None = None, ros_args: Sequence[str] = (), **parameters: Any) -> int:
    """Record into `folder` until a signal or `seconds`; `parameters` are RecorderOptions' fields. Raise BridgeError."""
    return run_node(lambda context: Recorder(context, folder=str(folder), **parameters), seconds, ros_args)


def main(args: Sequence[str] | None = None) -> int:
    """Command line of this node."""
    parser = argparse.ArgumentParser(prog="python -m ros_bridge.recorder", description=Recorder.__doc__)
    parser.add_argument("folder")
    parser.add_argument("--policy", default="")
    return main_of(run, parser, args)


if __name__ == "__main__":
    sys.exit(main())
