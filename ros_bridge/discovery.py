"""Who hears whom over DDS, decided before rclpy is loaded; whatever the environment says for itself is left alone.

**This machine only, by default.** Jazzy's own default is SUBNET: anyone on the network could command the robot.

**No shared memory.** Once a process is killed (-9), Fast DDS's shared memory can make its peers wait for up to a
second, again and again, in whatever call comes next, reads included (measured: 6 of 80 kills). That is a control loop
that stands still just when it should stop the robot. It also leaves files in /dev/shm until that is full. Messages of
some hundred bytes gain nothing from it. But rmw_fastrtps 8.4 insists on shared memory where the range is LOCALHOST,
against FASTDDS_BUILTIN_TRANSPORTS and against any profile, so that LOCALHOST becomes SYSTEM_DEFAULT with a profile of
our own (loopback.xml) that binds to 127.0.0.1 alone. Nodes with LOCALHOST or SUBNET on this machine find it all the
same.
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
