"""The nodes as they are used: real processes, real DDS, one domain a test."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool, Trigger

from robots import load_robot
from tests.ros_bridge.harness import COMMANDS, ROOT, START, START_S

# Where the question is how well it goes and not when it stops: a virtual machine's CPU may stop for longer than 0.2 s.
PATIENT = (*START, "-p", "latch_age:=1.0")
PERIOD = 0.02
ENDS_S = 4.0  # 2 s on a machine that has nothing else to do


def moving(commands):
    """Whether the newest of (time, message) is a command that moves."""
    return bool(commands) and commands[-1][1].data[0] != 0.0


def modes(diagnostics):
    return [{v.key: v.value for v in m.status[0].values} | {"message": m.status[0].message} for _, m in diagnostics]


@pytest.fixture
def deployed(processes, probe, policy_folder):
    """A stand-in robot that a policy balances: (stand-in, policy node, commands, diagnostics)."""
    commands = probe.listen(Float64MultiArray, COMMANDS)
    diagnostics = probe.listen(DiagnosticArray, "diagnostics")
    stand_in = processes.start("stand_in_node")
    node = processes.start("policy_node", policy_folder, *START)
    probe.until(lambda: moving(commands), what="the policy moves the robot")
    probe.spin(0.5)
    return stand_in, node, commands, diagnostics


def test_importing_the_policy_node_imports_no_learner_and_no_engine():
    names = "tensorflow", "pybullet", "mujoco", "gymnasium", "scipy"
    code = f"import ros_bridge.policy_node, sys; print(*[n for n in {names!r} if n in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.split() == []


@pytest.mark.slow
def test_robot_policy_twin_and_recorder_together(processes, policy_folder, tmp_path):
    report, log, bag = tmp_path / "report.yaml", tmp_path / "twin.npz", tmp_path / "bag"
    recorder = processes.start("recorder", bag, "--policy", policy_folder)
    twin = processes.start("twin_node", "--log", log)
    stand_in = processes.start("stand_in_node", "--trials", 1, "--trial-s", 8, "--report", report)
    node = processes.start("policy_node", policy_folder, *PATIENT)
    assert stand_in.wait(90) == 0, processes.errors(stand_in)
    for process in (node, twin, recorder):
        assert processes.end(process) < ENDS_S
        assert process.returncode == 0, processes.errors(process)

    (trial,) = yaml.safe_load(report.read_text())["each"]
    assert trial["success"]
    assert trial["upright_s"] == 8.0

    with np.load(log, allow_pickle=False) as series:
        assert len(series["time"]) > 200
        assert series["q"].shape == series["twin_dq"].shape == (len(series["time"]), 2)
        ends = series["gap"][series["anchored"] & np.isfinite(series["gap"])]
        assert len(ends) > 5
        assert np.median(ends) < 0.02

    with AnyReader([bag]) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
        expected = {f"/{COMMANDS}": 300, "/joint_states": 600}
        expected |= dict.fromkeys(("/twin/gap", "/twin/joint_error", "/twin/joint_states"), 200)
        assert all(counts[topic] > n for topic, n in expected.items()), counts
        messages: list[tuple[str, Any]] = [
            (c.topic, reader.deserialize(raw, c.msgtype)) for c, _, raw in reader.messages()
        ]
    efforts = np.array([m.data for topic, m in messages if topic == f"/{COMMANDS}"])
    assert np.abs(efforts).max() <= 20.0  # and not NaN
    states = [m for topic, m in messages if topic == "/joint_states"]
    assert states[0].name == list(load_robot("cartpole").joint_names[::-1]), "in an order of its own"
    assert any("<robot name=" in m.data for topic, m in messages if topic == "/robot_description")
    assert any(m.status[0].name == "sim2real: policy" for topic, m in messages if topic == "/diagnostics")
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert metadata["storage_identifier"] == "mcap"
    assert len(metadata["custom_data"]["policy_manifest_sha256"]) == 64


@pytest.mark.slow
def test_a_robot_written_from_the_interface_table_alone(processes, policy_folder):
    robot = processes.start(Path(__file__).with_name("third_party_robot.py"), 5)
    node = processes.start("policy_node", policy_folder, *PATIENT)
    assert robot.wait(90) == 0, processes.errors(robot)
    result = json.loads(robot.stdout.read())
    assert result["largest"] < 0.3
    assert "nobody publishes 'robot_description'" in processes.errors(node)


def test_a_robot_that_dies_leaves_the_fallback_within_100_ms_and_a_latched_hold(deployed, processes, probe):
    stand_in, node, commands, diagnostics = deployed
    assert moving(commands)
    stand_in.kill()
    killed = time.monotonic()
    probe.spin(1.0)
    after = [(t - killed, m.data[0]) for t, m in commands if t > killed]
    stopped = next(t for t, effort in after if effort == 0.0)
    assert stopped < 0.1 + probe.paused_since(killed)
    assert all(effort == 0.0 for t, effort in after if t >= stopped)
    assert len(after) > 30, "the fallback is streamed, not sent once"
    last = modes(diagnostics)[-1]
    assert (last["mode"], last["latched"]) == ("hold", "True")
    assert "joint_states" in last["message"]
    assert not probe.call(SetBool, "policy/enable", data=True).success
    assert node.poll() is None


def test_no_node_shares_memory(deployed):
    """A peer that is killed could block it: see ros_bridge.discovery."""
    for process in deployed[:2]:
        assert "/dev/shm/fastrtps" not in Path(f"/proc/{process.pid}/maps").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_streams_the_fallback_for_a_second(deployed, processes, probe, number):
    _, node, commands, _ = deployed
    node.send_signal(number)
    asked = time.monotonic()
    probe.until(lambda: node.poll() is not None, what="the node ends")
    assert time.monotonic() - asked < ENDS_S
    assert node.returncode == 0, processes.errors(node)
    fallback = [t for t, m in commands if t > asked and m.data[0] == 0.0]
    assert fallback[0] - asked < 0.1 + probe.paused_since(asked)
    assert fallback[-1] - fallback[0] > 0.9
    assert len(fallback) > 30
    assert not moving(commands)


def test_an_estop_is_latched(deployed, probe):
    _, _, commands, _ = deployed
    assert probe.call(Trigger, "policy/estop").success
    stopped = time.monotonic()
    probe.spin(0.3)
    allowed = 2 * PERIOD + probe.paused_since(stopped)
    assert all(m.data[0] == 0.0 for t, m in commands if t > stopped + allowed)
    assert not moving(commands)
    refused = probe.call(SetBool, "policy/enable", data=True)
    assert (refused.success, refused.message) == (False, "e-stop: call clear_estop first")
    assert probe.call(Trigger, "policy/clear_estop").success
    probe.spin(0.1)
    count = len(commands)
    probe.spin(0.2)
    assert len(commands) == count, "ready is silent"
    assert probe.call(SetBool, "policy/enable", data=True).success
    probe.until(lambda: moving(commands), 1.0, "it moves again")


def test_a_second_commander_is_named_and_stops_the_policy(deployed, probe):
    _, _, commands, diagnostics = deployed
    probe.node.create_publisher(Float64MultiArray, COMMANDS, 1)
    added = time.monotonic()
    probe.until(lambda: not moving(commands), 2.0, "it holds")
    assert time.monotonic() - added < 1.0 + probe.paused_since(added)
    probe.spin(0.3)
    assert "/probe also publishes on /forward_effort_controller/commands" in modes(diagnostics)[-1]["message"]
    assert "/probe also publishes" in probe.call(SetBool, "policy/enable", data=True).message


@pytest.mark.slow
def test_a_lifecycle_manager_can_stop_it_and_start_it_anew(deployed, probe):
    _, node, commands, _ = deployed

    def change(transition):
        assert probe.call(ChangeState, "policy/change_state", transition=Transition(id=transition)).success

    change(Transition.TRANSITION_DEACTIVATE)
    fallback = [t for t, m in commands if m.data[0] == 0.0]
    assert fallback[-1] - fallback[0] > 0.9
    assert not moving(commands)
    for transition in ("CLEANUP", "CONFIGURE", "ACTIVATE"):
        change(getattr(Transition, f"TRANSITION_{transition}"))
    probe.until(lambda: moving(commands), what="it has started by itself, as the parameter says")
    assert node.poll() is None


def test_an_end_while_waiting_for_the_robot_is_no_error(processes, probe, policy_folder):
    node = processes.start("policy_node", policy_folder, "--ros-args", "-p", "wait_s:=60", "-r", "__node:=patient")
    probe.until(lambda: "patient" in probe.node.get_node_names(), what="it waits")
    assert processes.end(node, signal.SIGTERM) < ENDS_S
    assert node.returncode == 0, processes.errors(node)


def test_wild_states_never_make_a_wild_command(processes, probe, policy_folder):
    """The test plays the robot: joints in changing order, numbers and names of every wrong kind among right ones."""
    rng = np.random.default_rng(3)
    commands = probe.listen(Float64MultiArray, COMMANDS)
    publisher = probe.node.create_publisher(JointState, "joint_states", 1)
    names = list(load_robot("cartpole").joint_names)

    def publish(wild):
        order = rng.permutation(2)
        q, dq = rng.normal(0, 0.1, 2), rng.normal(0, 0.5, 2)
        message = JointState(name=[names[k] for k in order])
        if wild:
            (q, dq)[rng.integers(2)][rng.integers(2)] = rng.choice([np.nan, np.inf, -np.inf, 1e308, 5e-324])
        if wild and rng.random() < 0.3:
            message.name = [["x", names[0]], names + ["y"], names[:1] * 2, []][rng.integers(4)]
        message.position, message.velocity = q[order].tolist(), dq[order].tolist()
        publisher.publish(message)

    node = processes.start("policy_node", policy_folder, *START)
    end, wild = time.monotonic() + START_S, False
    while time.monotonic() < end:
        publish(wild and rng.random() < 0.5)
        probe.spin(0.002)
        if not wild and moving(commands):
            wild, end = True, time.monotonic() + 3.0
        assert node.poll() is None, processes.errors(node)
    efforts = np.array([list(m.data) for _, m in commands])
    assert len(efforts) > 100
    assert efforts.shape[1:] == (1,)
    assert np.abs(efforts).max() <= 20.0  # and not NaN


def test_a_command_of_a_wrong_length_ends_the_stand_in_with_status_1(processes, probe, tmp_path):
    report = tmp_path / "report.yaml"
    stand_in = processes.start("stand_in_node", "--trials", 1, "--report", report)
    states = probe.listen(JointState, "joint_states")
    publisher = probe.node.create_publisher(Float64MultiArray, COMMANDS, 1)
    probe.until(lambda: states and publisher.get_subscription_count(), what="the robot is there")
    publisher.publish(Float64MultiArray(data=[float("nan")]))
    probe.spin(0.1)
    publisher.publish(Float64MultiArray(data=[1.0, 2.0]))
    assert stand_in.wait(30) == 1
    written = yaml.safe_load(report.read_text())
    assert written["dropped_not_finite"] == 1
    assert "2 numbers for 1 motors" in written["controller_error"]
    assert "the controller is deactivated" in processes.errors(stand_in)


@pytest.mark.parametrize(("options", "status"), [(START, 0), ((), 1)])
def test_a_run_of_given_length_says_whether_the_policy_was_still_running(
    processes, probe, policy_folder, options, status
):
    probe.listen(Float64MultiArray, COMMANDS)
    probe.play_robot(["cart_to_pole", "slider_to_cart"])
    node = processes.start("policy_node", policy_folder, "--seconds", 0.5, *options)
    probe.until(lambda: node.poll() is not None, what="it ends")
    assert node.returncode == status, processes.errors(node)
