"""Who hears whom over DDS, decided before rclpy is loaded; what the environment says otherwise is left alone.

**This machine only, by default.** Jazzy's own default is SUBNET: anyone on the network could command the robot.

**No shared memory.** Once a process is killed (-9), Fast DDS's shared memory can block its peers for a second at a
time, in any call, reads included: seen after 7 of 90 kills, and after none of 60 without it. A control loop would stand
still just when it should stop the robot. It also leaves files in /dev/shm until that is full, and messages of some
hundred bytes gain nothing from it. But rmw_fastrtps 8.4 insists on it where the range is LOCALHOST, whatever
FASTDDS_BUILTIN_TRANSPORTS or a profile says. So LOCALHOST becomes SYSTEM_DEFAULT with a profile of our own,
loopback.xml, that binds to 127.0.0.1. Nodes with LOCALHOST or SUBNET on the same machine and it find each other.
"""

import os
from pathlib import Path

PROFILE = str(Path(__file__).with_name("loopback.xml"))
PROFILES_FILE = "FASTRTPS_DEFAULT_PROFILES_FILE"
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def confine() -> None:
    """Set the environment for this process, and for those that it starts."""
    local = os.environ.setdefault(RANGE, "LOCALHOST") == "LOCALHOST"
    fast_dds = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp").startswith("rmw_fastrtps")
    own_profile = os.environ.get(PROFILES_FILE, PROFILE) != PROFILE
    if local and fast_dds and not own_profile and not os.environ.get("ROS_STATIC_PEERS"):
        os.environ[RANGE], os.environ[PROFILES_FILE] = "SYSTEM_DEFAULT", PROFILE
    os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")


def described() -> str:
    """Say in words who is heard, for error messages."""
    found = os.environ.get(RANGE, "SUBNET")
    return "this machine only" if found == "LOCALHOST" or os.environ.get(PROFILES_FILE) == PROFILE else found
