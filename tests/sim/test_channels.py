"""The table of sensor channels: which robot has which, and how wrong names and mounts are refused."""

import pytest

from benchmarks.closed_form import joint, link, make_robot
from randomization import VariantSpace
from robots import load_robot, robot_names
from sim2real.errors import EngineError, RobotError
from sim2real.sim.channels import CHANNELS, available, check_channels

WIDTHS = {"orientation": 4, "gyro": 3, "accelerometer": 3, "base_velocity": 3}


def test_a_robot_has_the_channels_of_its_sensors():
    assert available(load_robot("cartpole")) == ("position", "velocity")
    imu = ("position", "velocity", "orientation", "gyro", "accelerometer")
    assert available(load_robot("a1")) == (*imu, "contact", "base_velocity")
    assert available(load_robot("kuka_iiwa")) == (*imu, "wrench")
    assert available(load_robot("husky")) == (*imu, "contact", "base_velocity", "range")


@pytest.mark.parametrize("name", robot_names())
def test_widths_fit_the_robot(name):
    robot = load_robot(name)
    sizes = {
        "position": robot.n_joints,
        "velocity": robot.n_joints,
        "contact": len(robot.file.feet),
        "wrench": 6 * len(robot.file.force_torque),
        "range": len(robot.file.rangefinders),
    } | WIDTHS
    for channel in available(robot):
        assert CHANNELS[channel].width(robot) == sizes[channel] > 0


@pytest.mark.parametrize("name", robot_names())
def test_each_channel_has_errors_of_its_own_width(name):
    robot = load_robot(name)
    space = VariantSpace(robot)
    for channel in available(robot):
        width, prefix = CHANNELS[channel].width(robot), CHANNELS[channel].errors
        errors = {e: space.block(f"{prefix}_{e}") for e in ("noise", "bias", "drift", "resolution", "delay", "rate")}
        sizes = {error: block.stop - block.start for error, block in errors.items()}
        each = 3 if channel == "orientation" else width
        assert sizes == {"noise": each, "bias": each, "drift": each, "resolution": each, "delay": 1, "rate": 1}


def test_a_robot_without_a_sensor_has_none_of_its_errors():
    names = VariantSpace(load_robot("cartpole")).names
    assert not [n for n in names if n.startswith(("gyro", "imu", "contact", "wrench", "range", "base_velocity"))]


def test_channels_are_taken_once_and_in_the_order_of_the_table():
    assert check_channels(load_robot("a1"), ["gyro", "position", "gyro"]) == ("position", "gyro")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gyroscope", r"no channel 'gyroscope' \(did you mean 'gyro'\?\)"),
        ("wrench", "a1/robot.yaml: channels: .*no sensor for 'wrench'.*name joints in force_torque.*it has position"),
    ],
)
def test_a_wrong_channel_is_refused(name, message):
    with pytest.raises(EngineError, match=message):
        check_channels(load_robot("a1"), ["position", name])


URDF = (
    link("base", 1.0, 0.01)
    + link("arm", 1.0, 0.01)
    + link("tool", 1.0, 0.01)
    + joint("hinge", "continuous", "base", "arm", "0 0 1")
    + joint("flange", "fixed", "arm", "tool", "0 0 1")
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"force_torque": ["hing"]}, r"force_torque.0: no movable joint 'hing' \(did you mean 'hinge'\?\)"),
        ({"force_torque": ["flange"]}, "force_torque.0: 'flange' is fixed, and what it holds is one body"),
        ({"force_torque": ["hinge", "hinge"]}, "force_torque.1: 'hinge' is listed twice"),
        (
            {"rangefinders": {"front": {"link": "tol", "max_range": 3.0}}},
            r"rangefinders.front.link: no link 'tol' \(did you mean 'tool'\?\)",
        ),
    ],
)
def test_a_mount_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(RobotError, match=message):
        make_robot(URDF, {"joint": "hinge"}, **changes)
