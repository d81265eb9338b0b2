"""Who hears whom: this machine only unless told otherwise, and never by shared memory."""

import os

import pytest

from ros_bridge.discovery import PROFILE, PROFILES_FILE, RANGE, confine, described


@pytest.fixture
def environment(monkeypatch):
    for name in (RANGE, PROFILES_FILE, "ROS_STATIC_PEERS", "RMW_IMPLEMENTATION", "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("given", "found", "words"),
    [
        ({}, ("SYSTEM_DEFAULT", PROFILE), "this machine only"),
        ({RANGE: "LOCALHOST"}, ("SYSTEM_DEFAULT", PROFILE), "this machine only"),
        ({RANGE: "SUBNET"}, ("SUBNET", None), "SUBNET"),
        ({RANGE: "LOCALHOST", PROFILES_FILE: "mine.xml"}, ("LOCALHOST", "mine.xml"), "this machine only"),
        ({"ROS_STATIC_PEERS": "robot.local"}, ("LOCALHOST", None), "this machine only"),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, ("LOCALHOST", None), "this machine only"),
    ],
)
def test_what_the_environment_says_is_left_alone(environment, given, found, words):
    for name, value in given.items():
        environment.setenv(name, value)
    for _ in range(2):  # a process that is started by one of ours finds what that one has set
        confine()
        assert (os.environ[RANGE], os.environ.get(PROFILES_FILE)) == found
        assert os.environ["FASTDDS_BUILTIN_TRANSPORTS"] == "UDPv4"
        assert described() == words
