"""Joints by name, in whatever order; what cannot be used is refused with a reason."""

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, Twist
from hypothesis import given
from hypothesis import strategies as st
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from ros_bridge import messages
from ros_bridge.messages import JointReader, MessageError

JOINTS = ("a", "b", "c", "d")
NOW = Time(seconds=5)


def state(names, q, dq):
    return messages.joint_state(names, np.array(q, float), np.array(dq, float), NOW)


@given(st.lists(st.permutations(range(4)), min_size=1, max_size=5))
def test_the_order_of_the_joints_does_not_matter(orders):
    reader, q, dq = JointReader(JOINTS), np.arange(4.0), np.arange(4.0) + 10
    for order in orders:  # one reader: the order may change from one message to the next
        message = state([JOINTS[k] for k in order], q[list(order)], dq[list(order)])
        np.testing.assert_array_equal(reader.read(message), [q, dq])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (state("abc", [0] * 3, [0] * 3), "missing 'd'"),
        (state("abcdx", [0] * 5, [0] * 5), "unknown 'x'"),
        (state("abcc", [0] * 4, [0] * 4), "missing 'd'; double 'c'"),
        (state([], [], []), "missing 'a', 'b', 'c', 'd'"),
        (state(["a", "b", "c", "ä" * 500], [0] * 4, [0] * 4), "missing 'd'; unknown 'äää"),
        (state([f"joint{k}" for k in range(10_000)], [0] * 10_000, [0] * 10_000), "and 9992 more"),
        (state("abcd", [0] * 3, [0] * 4), "3 numbers in 'position' for 4 joints"),
        (state("abcd", [0] * 4, []), "0 numbers in 'velocity' for 4 joints"),
        (state("abcd", [0, np.nan, 0, 0], [0] * 4), "position of 'b' is not finite"),
        (state("dcba", [0] * 4, [0, 0, 0, np.inf]), "velocity of 'a' is not finite"),
        (state("abcd", [0, 0, -1e308, 0], [0] * 4), "position of 'c' is not finite, or absurd"),
    ],
)
def test_what_is_not_this_robot_is_refused_with_the_reason(message, words):
    with pytest.raises(MessageError) as error:
        JointReader(JOINTS).read(message)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


def test_a_good_message_is_read_after_a_bad_one():
    reader = JointReader(JOINTS)
    reader.read(state("abcd", range(4), range(4)))
    with pytest.raises(MessageError):
        reader.read(state("abcx", range(4), range(4)))
    np.testing.assert_array_equal(reader.read(state("dcba", range(4), range(4)))[0], [3, 2, 1, 0])


def test_an_imu_goes_out_and_comes_back():
    quaternion, angular_velocity = np.array([0.5, -0.5, 0.5, 0.5]), np.array([1.0, -2.0, 3.0])
    message = messages.imu("imu_link", quaternion, angular_velocity, NOW)
    assert message.header.frame_id == "imu_link"
    assert message.linear_acceleration_covariance[0] == -1.0
    np.testing.assert_allclose(np.concatenate(messages.read_imu(message)), [*quaternion, *angular_velocity])


@pytest.mark.parametrize(
    ("quaternion", "rate"), [([0, 0, 0, 0], [0, 0, 0]), ([0, 0, 0, np.nan], [0, 0, 0]), ([0, 0, 0, 1], [0, np.inf, 0])]
)
def test_an_imu_that_knows_nothing_is_refused(quaternion, rate):
    with pytest.raises(MessageError, match="imu/data"):
        messages.read_imu(messages.imu("", np.array(quaternion, float), np.array(rate, float), NOW))


def test_commands():
    np.testing.assert_array_equal(messages.read_command(messages.command(np.array([1.0, 2.0])), 2), [1.0, 2.0])
    for data in ([1.0], [1.0, np.nan], []):
        with pytest.raises(MessageError):
            messages.read_command(Float64MultiArray(data=data), 2)


def test_a_velocity_is_forward_left_and_turn():
    message = Twist()
    message.linear.x, message.linear.y, message.linear.z, message.angular.z = 1.0, 2.0, 9.0, 3.0
    np.testing.assert_array_equal(messages.read_velocity(message), [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("given", "frame", "words"),
    [
        ("", "base", ""),
        ("", "", ""),
        ("base", "base", ""),
        ("map", "base", "it is in frame 'map', the arm's root link is 'base'"),
        ("map", "", "it is in frame 'map', and nothing says how the arm's root link is called"),
    ],
)
def test_a_target_must_be_in_the_frame_of_the_root_link(given, frame, words):
    message = PoseStamped()
    message.header.frame_id, message.pose.position.x, message.pose.position.z = given, 0.5, 0.25
    if not words:
        np.testing.assert_array_equal(messages.read_target(message, frame), [0.5, 0.0, 0.25])
        return
    with pytest.raises(MessageError, match=words):
        messages.read_target(message, frame)


def test_odometry_puts_each_number_in_its_place():
    place, quaternion, velocity, spin = np.split(np.arange(13.0), [3, 7, 10])
    message = messages.odometry("trunk", place, quaternion, velocity, spin, NOW)
    assert (message.header.frame_id, message.child_frame_id, message.header.stamp.sec) == ("odom", "trunk", 5)
    p, o = message.pose.pose.position, message.pose.pose.orientation
    v, w = message.twist.twist.linear, message.twist.twist.angular
    assert [p.x, p.y, p.z, o.x, o.y, o.z, o.w, v.x, v.y, v.z, w.x, w.y, w.z] == list(range(13))


def test_messages_are_what_ros_expects():
    assert isinstance(state("ab", [1, 2], [3, 4]), JointState)
    status = messages.diagnostic(b"\x02", "sim2real: policy", "cartpole", "hold", {"age": 0.123456789, "n": 3}, NOW)
    assert [(v.key, v.value) for v in status.status[0].values] == [("age", "0.123457"), ("n", "3")]
