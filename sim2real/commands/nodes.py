"""Starting the ROS 2 nodes as processes of their own, together in one domain, and ending exactly those."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from sim2real.errors import BridgeError

MODULES = {"policy": "policy_node", "stand_in": "stand_in_node", "twin": "twin_node", "recorder": "recorder"}
Process = subprocess.Popen[bytes]
DOMAINS = range(1, 101)  # above 101 the ports run into those that Linux hands out by itself
GRACE_S = 5.0  # between asking a node to end and ending it


class Nodes:
    """Some nodes in a ROS domain of their own, seen by this machine only; leaving the context ends them, last first."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.domain = Domain()
        self._running: list[tuple[str, Process]] = []

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for _name, process in reversed(self._running):
            end(process)
        self.domain.close()

    def start(self, name: str, *arguments: str) -> Process:
        """Start one node; what it prints goes to <logs>/<name>.log."""
        environment = os.environ | {"ROS_DOMAIN_ID": str(self.domain.id), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        command = [sys.executable, "-m", f"ros_bridge.{MODULES[name]}", *arguments]
        with (self.logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        self._running.append((name, process))
        return process

    def wait(
        self,
        awaited: Process,
        timeout: float,
        progress: Callable[[int, int], Any] = lambda done, total: None,
    ) -> None:
        """Wait for one node to end well; raise BridgeError when any node ends badly before, or after `timeout` [s]."""
        start = time.monotonic()
        while awaited.poll() is None:
            for name, process in self._running:
                if process.poll() not in (None, 0):
                    raise BridgeError(f"node '{name}' ended with status {process.returncode}: {self._last_line(name)}")
            if time.monotonic() - start > timeout:
                raise BridgeError(f"the nodes were not done after {timeout:.0f} s; what they said is in {self.logs}")
            progress(round(time.monotonic() - start), round(timeout))
            time.sleep(0.1)
        if awaited.returncode:
            name = next(n for n, p in self._running if p is awaited)
            raise BridgeError(f"node '{name}' ended with status {awaited.returncode}: {self._last_line(name)}")

    def _last_line(self, name: str) -> str:
        lines = (self.logs / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it said nothing ({self.logs / name}.log)"


def end(process: Process) -> None:
    """Ask a process to end (SIGINT), and end it if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


class Domain:
    """A ROS domain id that no other run on this machine has, as long as this object is open."""

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir())
        first = int.from_bytes(os.urandom(2), "little")
        for number in ((first + k) % len(DOMAINS) for k in range(len(DOMAINS))):
            self.id = DOMAINS[number]
            self._lock = (folder / f"sim2real-ros-domain-{self.id}.lock").open("a")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                self._lock.close()
        raise BridgeError(f"all ROS domains {DOMAINS[0]} to {DOMAINS[-1]} are in use by other runs on this machine")

    def close(self) -> None:
        """Let others have it."""
        self._lock.close()
