"""RobotLink: the robot's topics and what is asked of it, as the policy node sees them; how the two are introduced."""

import os
import time
from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from rclpy.subscription import Subscription
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String

from ros_bridge import messages, parity
from ros_bridge.asked import CMD_VEL, TARGET_POSE
from ros_bridge.control import IMU, JOINTS, Array, Control, streams_of
from ros_bridge.discovery import described
from ros_bridge.managed_node import LATCHED, RELIABLE, SENSOR, ManagedNode
from sim2real.errors import BridgeError

DESCRIPTION = "robot_description"
LOOK_S = 0.001  # [s] between two looks into the queues while waiting
RATE_S = 0.25  # [s] over which the rate of joint_states is measured
GRACE_S = 0.5  # [s] for a publisher of robot_description to be discovered: many robots have none


class RobotLink:
    """Subscribes what the policy needs to know of the robot and of its task, and hands it to a Control."""

    def __init__(self, node: ManagedNode[Any], control: Control, stamped: bool = False, target_frame: str = "") -> None:
        """`stamped`: cmd_vel is a TwistStamped; `target_frame`: an arm's root link, "" takes robot_description's."""
        self._node, self._control, self._contract = node, control, control.contract
        self._reader = messages.JointReader(self._contract.robot.joints)
        self._names: list[str] = []  # as the robot has sent them last
        self._arrivals: list[float] = []  # of joint_states until `meet` is over, usable or not [s]
        self._imu_heard = False
        self._met = False  # until then, what does not fit is said by `meet`
        self._description: str | None = None
        self._frame = target_frame
        self._inputs = {JOINTS: node.subscribe(JointState, JOINTS, self._on_joints, SENSOR)}
        if IMU in streams_of(self._contract):
            self._inputs[IMU] = node.subscribe(Imu, IMU, self._on_imu, SENSOR)
        if control.asked.topic == CMD_VEL:
            kind = TwistStamped if stamped else Twist
            self._inputs[CMD_VEL] = node.subscribe(kind, CMD_VEL, self._on_velocity, RELIABLE)
        elif control.asked.topic == TARGET_POSE:
            self._inputs[TARGET_POSE] = node.subscribe(PoseStamped, TARGET_POSE, self._on_target, RELIABLE)
        self._describer = node.subscribe(String, DESCRIPTION, self._on_description, LATCHED)
        self._looked = dict.fromkeys(self._inputs, time.monotonic())  # into the queue of each topic [s]

    def take_newest(self) -> None:
        """Take what waits in the queues now, whenever the executor would get round to it."""
        for topic, subscription in self._inputs.items():
            _take(subscription)
            self._looked[topic] = time.monotonic()

    def meet(self, timeout_s: float, listeners: Callable[[], int], command_topic: str) -> str:
        """Wait for the robot and compare it with the contract; return a warning, or "".

        `listeners` counts the subscribers of `command_topic`. Raise BridgeError on what is missing or differs.
        """
        end = time.monotonic() + timeout_s
        self._wait(lambda: bool(self._names), end, lambda: self._silent(JOINTS, timeout_s))
        parity.check_joints(self._contract, self._names)
        if IMU in self._inputs:
            self._wait(lambda: self._imu_heard, end, lambda: self._silent(IMU, timeout_s))
        deaf = f"no controller listens on '{command_topic}': load and activate it, or name another controller"
        self._wait(lambda: listeners() > 0, end, lambda: deaf)
        warning = self._meet_description(end)
        trouble = self._rate_trouble
        self._wait(lambda: not trouble(), end, trouble)
        self._met = True
        return warning

    def _meet_description(self, end: float) -> str:
        """Compare the robot_description, if there is one."""
        grace = time.monotonic() + GRACE_S

        def decided() -> bool:
            _take(self._describer)
            absent = time.monotonic() > grace and self._node.count_publishers(DESCRIPTION) == 0
            return self._description is not None or absent

        missing = f"nobody publishes '{DESCRIPTION}': limits were not compared"
        self._wait(decided, end, lambda: missing)
        if self._description is None:
            return missing
        self._frame = self._frame or parity.root_link(self._description)
        return parity.check_description(self._contract, self._description)

    def _wait(self, met: Callable[[], bool], end: float, otherwise: Callable[[], str]) -> None:
        """Look into the queues until a condition is met; without the executor, which may be what called us."""
        while not met():
            if time.monotonic() > end or self._node.interrupted():
                raise BridgeError(otherwise())
            self.take_newest()
            time.sleep(LOOK_S)

    def _silent(self, topic: str, timeout_s: float) -> str:
        name, publishers = self._node.resolve_topic_name(topic), self._node.count_publishers(topic)
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        where = f"ROS_DOMAIN_ID {domain}, discovery: {described()}, {publishers} publishers"
        return f"no message on '{name}' within {timeout_s:g} s ({where}): start the robot, or remap the topic"

    def _rate_trouble(self) -> str:
        """Return what is wrong with the rate of joint_states of late; "" if it is high enough."""
        if len(self._arrivals) < 2 or self._arrivals[-1] - self._arrivals[0] < RATE_S:
            return "joint_states stopped coming"
        recent = [t for t in self._arrivals if t >= self._arrivals[-1] - 2 * RATE_S]
        return parity.rate_trouble(self._contract, (len(recent) - 1) / (recent[-1] - recent[0]))

    def _arrival(self, topic: str, information: dict[str, Any]) -> float:
        """Return when a message of a topic arrived [s, monotonic].

        That is now, unless this process has just stood still: then it may have waited for as long as that, and its
        sender's stamp tells. Another host's clock, or a wall clock that jumps, can thus do no more harm than a stall.
        """
        now = time.monotonic()
        idle, self._looked[topic] = now - self._looked[topic], now
        if idle < 1.5 / self._contract.rate_hz:
            return now
        waited: float = 1e-9 * (time.time_ns() - information["source_timestamp"])
        return now - min(max(waited, 0.0), idle)

    def _on_joints(self, message: JointState, information: dict[str, Any]) -> None:
        arrived = self._arrival(JOINTS, information)
        self._names = message.name
        if not self._met:
            self._arrivals.append(arrived)
        try:
            self._control.joints(arrived, *self._reader.read(message))
        except messages.MessageError as error:
            self._refuse(JOINTS, arrived, error)

    def _on_imu(self, message: Imu, information: dict[str, Any]) -> None:
        arrived, self._imu_heard = self._arrival(IMU, information), True
        try:
            self._control.imu(arrived, *messages.read_imu(message))
        except messages.MessageError as error:
            self._refuse(IMU, arrived, error)

    def _on_velocity(self, message: Twist | TwistStamped, information: dict[str, Any]) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        self._ask(self._arrival(CMD_VEL, information), messages.read_velocity(twist))

    def _on_target(self, message: PoseStamped, information: dict[str, Any]) -> None:
        arrived = self._arrival(TARGET_POSE, information)
        try:
            place = messages.read_target(message, self._frame)
        except messages.MessageError as error:
            self._control.asked.refuse()
            self._warn(str(error))
        else:
            self._ask(arrived, place)

    def _ask(self, arrived: float, values: Array) -> None:
        try:
            self._control.asked.take(arrived, values)
        except BridgeError as error:
            self._warn(str(error))

    def _refuse(self, topic: str, arrived: float, error: messages.MessageError) -> None:
        self._control.guard.state(arrived, usable=False, stream=topic)
        if self._met:
            self._warn(str(error))

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=1.0)

    def _on_description(self, message: String, _: dict[str, Any]) -> None:
        self._description = message.data


def _take(subscription: Subscription) -> None:
    """Take the newest message, if there is one, and hand it to the subscription's callback, as an executor would."""
    with subscription.handle:
        taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    if taken is not None:
        subscription.callback(*taken)
