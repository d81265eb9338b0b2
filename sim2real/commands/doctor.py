"""`sim2real doctor`: one table of what this machine has, with a remedy in each line that is not well; for bug reports.

Every library is looked at in a process of its own: one that crashes, hangs or prints on import costs its line, no more.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from sim2real import __version__

Status = Literal["ok", "warn", "fail"]

TIMEOUT = 120.0  # [s]; TensorFlow's first import from a slow disk takes most of a minute
GIB = 2**30
MIB = 2**20
DOMAINS = range(233)  # REP and DDS port arithmetic: 0 to 232, of which Linux keeps 0 to 101 clear of ephemeral ports
SAFE_DOMAINS = range(102)
DISCOVERY_RANGES = ("LOCALHOST", "SUBNET", "OFF", "SYSTEM_DEFAULT")
STYLES: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True)
class Check:
    """One line of the table: what was looked at, how it is, what was found, and what to do where it is not well."""

    name: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Probe:
    """A library seen from a process of its own: `code` prints one JSON object, `judge` turns it into a Check's rest."""

    name: str
    code: str
    judge: Callable[[dict[str, Any]], tuple[Status, str, str]]
    remedy: str  # where the code fails

    def check(self) -> Check:
        """Run the probe."""
        seen, error = run_probe(self.code)
        if seen is None:
            return Check(self.name, "fail", error, self.remedy)
        return Check(self.name, *self.judge(seen))


def diagnose() -> list[Check]:
    """Look at everything; takes as long as importing TensorFlow does."""
    checks: Sequence[Callable[[], Check]] = [
        python,
        package,
        *(probe.check for probe in PROBES),
        discovery,
        cores,
        memory,
        disk,
        shared_memory,
    ]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda check: check(), checks))


def exit_status(checks: Sequence[Check]) -> int:
    """Return 0 if nothing fails, else 1."""
    return int(any(check.status == "fail" for check in checks))


def as_data(checks: Sequence[Check]) -> list[dict[str, str]]:
    """Return plain data for `--json`."""
    return [asdict(check) for check in checks]


def render(checks: Sequence[Check]) -> Table:
    """Return the table to print; a remedy stands under what was found."""
    table = Table("", "what", "found", title="sim2real doctor", title_justify="left")
    for check in checks:
        remedy = [("\n" + check.remedy, "bold")] if check.remedy else []
        table.add_row(Text(check.status, STYLES[check.status]), check.name, Text.assemble(check.found, *remedy))
    return table


def run_probe(code: str, timeout: float = TIMEOUT) -> tuple[dict[str, Any] | None, str]:
    """Run `code` in a new Python; return the JSON object that it prints last, or None and what went wrong."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    try:
        process = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, errors="replace",
            timeout=timeout, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"no answer in {timeout:g} s"
    if process.returncode != 0:
        lines = process.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"exit status {process.returncode}"
    answer = next(line for line in reversed(process.stdout.splitlines()) if line.startswith("{"))
    return json.loads(answer), ""


def python() -> Check:
    """Version and place of the Python that runs this."""
    return Check("Python", "ok", f"{platform.python_version()}, {sys.executable}, {platform.platform()}")


def package() -> Check:
    """Version and place of sim2real itself."""
    found = f"{__version__}, {Path(__file__).parents[1]}"
    if __version__ == "0+unknown":
        return Check("sim2real", "warn", found, "run from a checkout that is not installed: make setup")
    return Check("sim2real", "ok", found)


def _tensorflow(seen: dict[str, Any]) -> tuple[Status, str, str]:
    return "ok", f"{seen['version']}, devices {', '.join(seen['devices'])}", ""


def _pybullet(seen: dict[str, Any]) -> tuple[Status, str, str]:
    if seen["numpy"]:
        return "ok", f"{seen['version']}, built with numpy", ""
    remedy = (
        "camera images take many times as long; build it where numpy is there: "
        "pip install --no-build-isolation --force-reinstall --no-deps --no-binary pybullet pybullet"
    )
    return "warn", f"{seen['version']}, built without numpy", remedy


def _version(seen: dict[str, Any]) -> tuple[Status, str, str]:
    return "ok", seen["version"], ""


def _rclpy(seen: dict[str, Any]) -> tuple[Status, str, str]:
    distro, place = seen["distro"] or "unnamed", Path(seen["place"])
    if place.is_relative_to(sys.prefix):
        return "ok", f"{seen['version']}, from wheels in {sys.prefix}", ""
    found = f"{seen['version']}, from the sourced ROS 2 {distro} in {place}"
    if seen["wheels"]:
        remedy = (
            "the rclpy wheels are installed too, and the libraries of the two do not mix: run make setup in this shell"
        )
        return "warn", found, remedy
    return "ok", found, ""


def _rmw(seen: dict[str, Any]) -> tuple[Status, str, str]:
    return "ok", f"{seen['name']}, loads", ""


PROBES = (
    Probe(
        "TensorFlow",
        "import json, tensorflow as tf; print(json.dumps("
        "dict(version=tf.__version__, devices=[d.name for d in tf.config.list_physical_devices()])))",
        _tensorflow,
        "needed to train: make setup; to deploy a policy it is not needed",
    ),
    Probe(
        "PyBullet",
        "import json, pybullet, importlib.metadata as m; print(json.dumps("
        "dict(version=m.version('pybullet'), numpy=pybullet.isNumpyEnabled())))",
        _pybullet,
        "make setup; from Python 3.12 on it needs a C++ compiler: apt install g++ python3-dev",
    ),
    Probe(
        "MuJoCo",
        "import json, mujoco; print(json.dumps(dict(version=mujoco.mj_versionString())))",
        _version,
        "make setup",
    ),
    Probe(
        "Gymnasium",
        "import json, gymnasium; print(json.dumps(dict(version=gymnasium.__version__)))",
        _version,
        "make setup",
    ),
    Probe(
        "rclpy",
        "import json, os, rclpy, importlib.metadata as m, importlib.util as u\n"
        "wheels = u.find_spec('ros_wheels_bootstrapper') is not None\n"
        "place = os.path.dirname(rclpy.__file__)\n"
        "names = {d.metadata['Name']: d.version for d in m.distributions()}\n"
        "version = names.get('rclpy') or names.get('ros-rclpy') or 'of unknown version'\n"
        "print(json.dumps(dict(version=version, place=place, distro=os.environ.get('ROS_DISTRO'), wheels=wheels)))",
        _rclpy,
        "source a ROS 2 made for this Python (. /opt/ros/<distro>/setup.sh) and run make setup again; "
        "or, on Linux x86-64, run make setup in a shell where no ROS 2 is sourced",
    ),
    Probe(
        "RMW",
        "import json, rclpy; rclpy.init(args=[]); print(); print(json.dumps("
        "dict(name=rclpy.get_rmw_implementation_identifier()))); rclpy.shutdown()",
        _rmw,
        "unset RMW_IMPLEMENTATION, or install the one it names (apt install ros-<distro>-rmw-fastrtps-cpp)",
    ),
)


def discovery() -> Check:
    """How far ROS 2 looks for other nodes, and in which domain."""
    name = "ROS 2 discovery"
    given = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    found = f"{given or 'LOCALHOST (default of sim2real)'}, domain {domain}"
    if given and given.upper() not in DISCOVERY_RANGES:
        remedy = f"ROS_AUTOMATIC_DISCOVERY_RANGE is one of {', '.join(DISCOVERY_RANGES)}"
        return Check(name, "fail", found, remedy)
    if not re.fullmatch(r"\d{1,3}", domain) or int(domain) not in DOMAINS:
        return Check(name, "fail", found, f"ROS_DOMAIN_ID is a whole number from 0 to {DOMAINS[-1]}")
    if int(domain) not in SAFE_DOMAINS:
        remedy = f"its ports may be taken by other programs; keep ROS_DOMAIN_ID within 0 to {SAFE_DOMAINS[-1]}"
        return Check(name, "warn", found, remedy)
    if given and given.upper() == "OFF":
        return Check(name, "warn", found, "no node finds another; unset ROS_AUTOMATIC_DISCOVERY_RANGE")
    if given and given.upper() != "LOCALHOST":
        remedy = "anyone on this network can command the robot; unless it must: unset ROS_AUTOMATIC_DISCOVERY_RANGE"
        return Check(name, "warn", found, remedy)
    return Check(name, "ok", found)


def cores() -> Check:
    """Cores that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if usable < 2:
        return Check("cores", "warn", f"{usable}", "robot, policy and twin share it and miss deadlines; use 2 or more")
    return Check("cores", "ok", f"{usable}")


def memory(meminfo: Path = Path("/proc/meminfo")) -> Check:
    """Memory that can be had without swapping."""
    try:
        kib = dict(re.findall(r"^(\w+):\s+(\d+) kB", meminfo.read_text(), re.MULTILINE))
        available, total = int(kib["MemAvailable"]) * 1024, int(kib["MemTotal"]) * 1024
    except (OSError, KeyError):
        return Check("memory", "ok", "unknown on this system")
    found = f"{available / GIB:.1f} of {total / GIB:.1f} GiB available"
    if available < 2 * GIB:
        return Check("memory", "warn", found, "training takes about 2 GiB; end other programs or use fewer worlds")
    return Check("memory", "ok", found)


def disk(folder: Path | None = None) -> Check:
    """Room for runs in the current folder."""
    folder = folder or Path.cwd()
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.1f} GiB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Check("disk", "fail", f"{folder} cannot be written to", "work in another folder; runs/ goes there")
    if free < GIB:
        status: Status = "fail" if free < 100 * MIB else "warn"
        return Check("disk", status, found, "make room: checkpoints, bags and reports go to runs/ there")
    return Check("disk", "ok", found)


def shared_memory(folder: Path = Path("/dev/shm")) -> Check:  # noqa: S108 - where Fast DDS keeps its segments
    """Room for Fast DDS, which passes messages between processes through shared memory."""
    if not folder.is_dir():
        return Check("shared memory", "ok", f"no {folder} on this system")
    free = shutil.disk_usage(folder).free
    segments = len(list(folder.glob("*fastrtps_*")))
    found = f"{free / MIB:.0f} MiB free in {folder}, {segments} Fast DDS files"
    if free < 32 * MIB:
        remedy = "remove *fastrtps_* there when no ROS 2 node runs; in a container raise --shm-size"
        return Check("shared memory", "warn", found, remedy)
    return Check("shared memory", "ok", found)
