"""What a node will not work with ends in one line, exit status 2, and no command sent."""

import re
import shutil

import numpy as np
import pytest
from std_msgs.msg import Float64MultiArray

from ros_bridge import policy_node, stand_in_node
from sim2real.errors import BridgeError, ConfigError
from sim2real.policy import Policy
from sim2real.policy.policy import record_golden
from tests.policies import pixel_policy
from tests.ros_bridge.harness import COMMANDS, START


def refused(processes, probe, *command):
    """Run a node that must refuse and send nothing; return the lines it says."""
    commands = probe.listen(Float64MultiArray, COMMANDS)
    process = processes.start("policy_node", *command)
    probe.until(lambda: process.poll() is not None, what="it refuses")
    assert process.returncode == 2, processes.errors(process)
    assert commands == []
    return processes.errors(process).splitlines()


def test_another_robot_is_refused_with_a_table(processes, probe, policy_folder):
    probe.play_robot(["pendulum_joint", "arm_joint"])
    line, *table = refused(processes, probe, policy_folder, *START)
    assert line.startswith("this is not robot 'cartpole': joint_states has other joints: missing 'cart_to_pole'")
    names = ["joint", "slider_to_cart", "cart_to_pole", "pendulum_joint", "arm_joint"]
    assert [row.split()[0] for row in table] == names


def test_a_slow_robot_is_refused(processes, probe, policy_folder):
    probe.listen(Float64MultiArray, COMMANDS)
    probe.play_robot(["slider_to_cart", "cart_to_pole"], hz=20.0)
    (line,) = refused(processes, probe, policy_folder, "--ros-args", "-p", "wait_s:=2")
    assert re.match(r"joint_states come at [12]?\d\.\d Hz; the policy runs at 50 Hz and needs 40", line)


def test_a_changed_byte_is_refused_in_one_line(processes, probe, policy_folder, tmp_path):
    folder = tmp_path / "changed"
    shutil.copytree(policy_folder, folder)
    weights = bytearray((folder / "weights.npz").read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / "weights.npz").write_bytes(weights)
    (line,) = refused(processes, probe, folder)
    assert "weights.npz: its SHA-256 is not the manifest's" in line


def test_no_robot_is_refused_naming_topic_and_domain(processes, probe, policy_folder, domain):
    arguments = ("--ros-args", "-p", "wait_s:=1", "-r", "joint_states:=arm/states")  # 1, where a float is declared
    (line,) = refused(processes, probe, policy_folder, *arguments)
    assert "no message on '/arm/states' within 1 s" in line
    assert f"ROS_DOMAIN_ID {domain}" in line


def test_a_robot_without_the_controller_is_refused(processes, probe, policy_folder):
    probe.play_robot(["slider_to_cart", "cart_to_pole"])
    (line,) = refused(processes, probe, policy_folder, "--ros-args", "-p", "wait_s:=2", "-p", "controller:=other")
    assert "no controller listens on '/other/commands'" in line


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"ramp_s": 99.0}, "ramp_s: must be less than or equal to 10"),
        ({"ramp": 1.0}, "ramp: unknown key (did you mean 'ramp_s'?)"),
        ({"autostart": "maybe"}, "autostart"),
    ],
)
def test_parameters_are_checked(policy_folder, parameters, words):
    with pytest.raises(ConfigError) as error:
        policy_node.run(policy_folder, **parameters)
    assert words in str(error.value)


def test_commands_that_no_topic_says_are_refused(policy, tmp_path):
    layout = policy.contract.observation.model_copy(update={"commands": ("height [m]",)})
    asking = Policy(policy.contract.model_copy(update={"observation": layout}), policy._weights)
    golden = policy.golden
    states = [golden.q, golden.dq, golden.imu_quaternion, golden.imu_angular_velocity, np.zeros((len(golden.q), 1))]
    rows = [tuple(array[k : k + 1] for array in states) for k in range(len(golden.q))]
    record_golden(asking, rows).save(tmp_path / "asking")
    with pytest.raises(BridgeError) as error:
        policy_node.run(tmp_path / "asking")
    assert "no topic says height [m]: 'cmd_vel' has forward [m/s], left [m/s], turn [rad/s]" in str(error.value)


def test_a_policy_that_sees_pictures_is_refused(tmp_path):
    pixel_policy().save(tmp_path / "seeing")
    with pytest.raises(BridgeError, match="sees the pictures of camera 'side', which this node does not read"):
        policy_node.run(tmp_path / "seeing")


def test_bad_options_of_the_stand_in():
    with pytest.raises(ConfigError, match="trials"):
        stand_in_node.run(trials=-1)
    with pytest.raises(ConfigError, match=r"report: /none/report\.yaml: its folder does not exist"):
        stand_in_node.run(report="/none/report.yaml")
