"""Robots that follow commands over ROS 2, each node in a process of its own: a quadruped walks, an arm reaches."""

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, Twist
from nav_msgs.msg import Odometry
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from robots import load_robot
from ros_bridge.messages import JointReader
from tests.ros_bridge.harness import START, START_S

POSITIONS = "forward_position_controller/commands"
PATIENT = (*START, "-p", "latch_age:=1.0")  # a virtual machine's CPU may stop for longer than 0.2 s
GAIT_S = 0.4  # [s] one turn of the trot
ODOMETRY_HZ = 100


def told(diagnostics):
    """Everything the policy node said about itself, by key, newest last."""
    return [{v.key: v.value for v in message.status[0].values} for _, message in diagnostics]


def running(diagnostics):
    return bool(diagnostics) and told(diagnostics)[-1]["mode"] == "run"


def places(odometry, began, ended=np.inf):
    """Times [s] and x, y [m] of odometry between two times."""
    rows = [(t, m.pose.pose.position.x, m.pose.pose.position.y) for t, m in odometry if began <= t <= ended]
    return np.array(rows)


@pytest.mark.slow
def test_a_quadruped_walks_as_cmd_vel_says_and_stops_in_silence(processes, probe, walking_policy, tmp_path):
    bag = tmp_path / "bag"
    walking_policy.save(tmp_path / "walk")
    commands, odometry = probe.listen(Float64MultiArray, POSITIONS), probe.listen(Odometry, "odom")
    diagnostics = probe.listen(DiagnosticArray, "diagnostics")
    publisher = probe.node.create_publisher(Twist, "cmd_vel", 1)
    recorder = processes.start("recorder", bag)
    stand_in = processes.start("stand_in_node", "--robot", "a1")
    node = processes.start("policy_node", tmp_path / "walk", *PATIENT)
    probe.until(lambda: running(diagnostics), what="the policy runs")

    forward = Twist()
    forward.linear.x = 0.5
    began, count = time.monotonic(), len(odometry)
    while len(odometry) < count + 6 * ODOMETRY_HZ:  # 6 s, and what a busy machine took from the robot's physics
        publisher.publish(forward)
        asked = time.monotonic()
        probe.spin(0.05)
        assert asked < began + START_S, processes.errors(stand_in)
    probe.spin(3.0)
    assert "0.5" in [said["asked forward [m/s]"] for said in told(diagnostics)]
    newest = told(diagnostics)[-1]
    assert newest["asked forward [m/s]"] == "0"
    assert int(newest["asked_silence"]) >= 1

    went = places(odometry, began, asked)
    assert went[-1, 1] - went[0, 1] > 1.0
    # With nothing asked, a pair of legs always stands in the default pose.
    standing = np.array(walking_policy.contract.action.offset).reshape(4, 3)
    off = [(t, np.abs(np.reshape(m.data, (4, 3)) - standing).max(axis=1).min()) for t, m in commands if t > asked]
    late = float(newest["largest_gap_s"]) + probe.paused_since(asked)  # of 20 ms where nothing else runs
    assert max(t for t, angle in off if angle > 1e-6) - asked < 0.53 + late
    stood = places(odometry, asked + 0.55 + GAIT_S + probe.paused_since(asked))
    speed = (stood[-1, 1:] - stood[0, 1:]) / (stood[-1, 0] - stood[0, 0])
    assert np.linalg.norm(speed) < 0.15

    for process in (node, stand_in, recorder):
        processes.end(process)
        assert process.returncode == 0, processes.errors(process)
    with AnyReader([bag]) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
    assert counts["/cmd_vel"] > 60
    assert counts["/odom"] > 300


def test_an_arm_goes_to_its_target_and_stays(processes, probe, arm_policy, tmp_path):
    robot = load_robot("kuka_iiwa")
    arm_policy.save(tmp_path / "reach")
    reader, (chain, columns) = JointReader(robot.joint_names), arm_policy.contract.observation.reach
    states, diagnostics = probe.listen(JointState, "joint_states"), probe.listen(DiagnosticArray, "diagnostics")
    publisher = probe.node.create_publisher(PoseStamped, "target_pose", 1)
    processes.start("stand_in_node", "--robot", "kuka_iiwa")
    node = processes.start("policy_node", tmp_path / "reach", *PATIENT)
    probe.until(lambda: running(diagnostics), what="the policy runs")

    def place():
        return chain.place(reader.read(states[-1][1])[0][None, columns])[0]

    first = place()
    probe.spin(0.5)
    np.testing.assert_allclose(place(), first, atol=0.02, err_msg="nothing is asked: it stays")
    goal = first + [-0.05, -0.15, 0.1]
    message = PoseStamped()
    message.header.frame_id = robot.model.root.name
    message.pose.position.x, message.pose.position.y, message.pose.position.z = goal.tolist()
    publisher.publish(message)
    probe.until(lambda: np.linalg.norm(place() - goal) < 0.01, 5.0, "it is there")
    probe.spin(1.2)
    assert np.linalg.norm(place() - goal) < 0.01, "and stays there, though nobody asks again"
    assert float(told(diagnostics)[-1]["asked y [m]"]) == pytest.approx(goal[1], abs=1e-5)
    assert node.poll() is None, processes.errors(node)
