"""What is asked of the robot, over DDS: topics, types, and messages that have waited."""

import time
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from rclpy.publisher import Publisher

from ros_bridge.control import Control
from ros_bridge.guard import GuardLimits
from ros_bridge.managed_node import ManagedNode
from ros_bridge.robot_link import RobotLink
from sim2real.config import Strict
from tests.ros_bridge.harness import Probe

LIMITS = GuardLimits(period_s=0.02, max_age_s=0.06)


class Linked:
    """A RobotLink whose node is spun by the probe, and a publisher to it."""

    def __init__(self, probe: Probe, control: Control, kind: Any, topic: str, **options: Any) -> None:
        self.probe, self.control = probe, control
        node = ManagedNode("linked", Strict, probe.context)
        self.link = RobotLink(node, control, **options)
        self.publisher: Publisher = probe.node.create_publisher(kind, topic, 1)
        probe.executor.add_node(node)
        probe.until(self.publisher.get_subscription_count, what="it listens")

    def until(self, *values: float) -> None:
        def there() -> bool:
            self.control.asked.tick(time.monotonic())
            return self.control.asked.values.tolist() == list(values)

        self.probe.until(there, 2.0, f"{values} is asked")


def velocity(forward: float, stamped: bool = False) -> Twist | TwistStamped:
    twist = Twist()
    twist.linear.x = forward
    return TwistStamped(twist=twist) if stamped else twist


@pytest.mark.parametrize("stamped", [False, True])
def test_a_velocity_with_and_without_a_stamp(probe, walking_policy, stamped):
    control = Control(walking_policy, LIMITS)
    linked = Linked(probe, control, TwistStamped if stamped else Twist, "cmd_vel", stamped=stamped)
    linked.publisher.publish(velocity(0.5, stamped))
    linked.until(0.5, 0.0, 0.0)
    linked.publisher.publish(velocity(7.0, stamped))
    linked.until(0.8, 0.0, 0.0)
    linked.publisher.publish(velocity(np.nan, stamped))
    probe.until(lambda: control.counts["asked_refused"], 2.0, "it is refused")
    linked.until(0.0, 0.0, 0.0)
    assert [control.counts[f"asked_{name}"] for name in ("refused", "limited", "silence")] == [1, 1, 1]


def test_a_velocity_that_waited_while_this_process_stood_still_is_as_old_as_it_is(probe, walking_policy):
    control = Control(walking_policy, LIMITS)
    linked = Linked(probe, control, Twist, "cmd_vel")
    linked.link.take_newest()
    linked.publisher.publish(velocity(0.5))
    time.sleep(0.7)
    linked.link.take_newest()
    control.asked.tick(time.monotonic())
    assert control.counts["asked_silence"] == 1, "it was heard"
    assert not control.asked.values.any(), "and is over"


def test_a_target_in_another_frame_is_refused(probe, arm_policy):
    control = Control(arm_policy, LIMITS)
    linked = Linked(probe, control, PoseStamped, "target_pose", target_frame="base")
    message = PoseStamped()
    message.pose.position.x, message.header.frame_id = 0.4, "map"
    linked.publisher.publish(message)
    probe.until(lambda: control.counts["asked_refused"], 2.0, "it is refused")
    message.header.frame_id = "base"
    linked.publisher.publish(message)
    linked.until(0.4, 0.0, 0.0)
