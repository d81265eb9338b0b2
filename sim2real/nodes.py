"""Starting the ROS 2 nodes as processes of their own, together in one domain, and ending exactly those."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from sim2real.errors import BridgeError

MODULES = {"policy": "policy_node", "stand_in": "stand_in_node", "twin": "twin_node", "recorder": "recorder"}
Process = subprocess.Popen[bytes]
GRACE_S = 5.0  # between asking a node to end and ending it


class Nodes:
    """Some nodes in a ROS domain of their own, seen by this machine only; leaving the context ends them, last first."""

    def __init__(self, logs: Path, domain: int | None = None) -> None:
        self.logs = logs
        self.domain = free_domain() if domain is None else domain
        self._running: list[tuple[str, Process]] = []

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for _name, process in reversed(self._running):
            end(process)

    def start(self, name: str, *arguments: str) -> Process:
        """Start one node; what it prints goes to <logs>/<name>.log."""
        environment = os.environ | {"ROS_DOMAIN_ID": str(self.domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
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


def free_domain() -> int:
    """Return a ROS domain id in 1..100 that no other run on this machine is likely to be in."""
    return 1 + int.from_bytes(os.urandom(4), "little") % 100
