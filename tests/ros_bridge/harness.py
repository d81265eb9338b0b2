"""Real nodes in real processes, and a probe that listens to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState

ROOT = Path(__file__).parents[2]
START_S = 40.0  # for a process to start on a machine with much else to do
GRACE_S = 5.0  # between SIGTERM and SIGKILL: rclpy processes that hang ignore the former
Popen = subprocess.Popen[str]

COMMANDS = "forward_effort_controller/commands"
START = ("--ros-args", "-p", "autostart:=true")


class Processes:
    """Starts nodes in one DDS domain and ends exactly these, by their own pid."""

    def __init__(self, domain: int, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self.running: list[Popen] = []

    def start(self, *command: object) -> Popen:
        """Start `python -m ros_bridge.<command>`, or a script; its stderr goes to <folder>/<k>.err."""
        name, *arguments = map(str, command)
        program = [name] if name.endswith(".py") else ["-m", f"ros_bridge.{name}"]
        with (self.folder / f"{len(self.running)}.err").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.running.append(process)
        return process

    def errors(self, process: Popen) -> str:
        return (self.folder / f"{self.running.index(process)}.err").read_text()

    def end(self, process: Popen, number: int = signal.SIGINT) -> float:
        """Ask a process to end, and return how long that took [s]."""
        began = time.monotonic()
        process.send_signal(number)
        process.wait(GRACE_S)
        return time.monotonic() - began

    def kill_all(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


class Probe:
    """A node in the test's own process: listens, calls services, plays robot. `heard` has (time, message) by topic."""

    def __init__(self, domain: int) -> None:
        self.context = Context()
        rclpy.init(args=[], context=self.context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("probe", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard: dict[str, list[tuple[float, Any]]] = {}
        self._pauses: list[tuple[float, float]] = []

    def listen(self, kind: Any, topic: str, qos: int = 10) -> list[tuple[float, Any]]:
        """Return the growing list of (monotonic time, message) of a topic."""
        heard = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, lambda m: heard.append((time.monotonic(), m)), qos)
        return heard

    def play_robot(self, joints: Sequence[str], hz: float = 100.0) -> None:
        """Publish a robot at rest with these joints for as long as the probe spins."""
        publisher = self.node.create_publisher(JointState, "joint_states", 1)
        zeros = [0.0] * len(joints)
        message = JointState(name=list(joints), position=zeros, velocity=zeros)
        self.node.create_timer(1 / hz, lambda: publisher.publish(message))

    def until(self, condition: Callable[[], object], timeout: float = START_S, what: str = "") -> None:
        """Spin until a condition is met; fail after a time."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"not within {timeout} s: {what}"
            self._spin_once()

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._spin_once()

    def _spin_once(self) -> None:
        began = time.monotonic()
        self.executor.spin_once(timeout_sec=0.005)
        took = time.monotonic() - began
        if took > 0.02:
            self._pauses.append((began, took))

    def paused_since(self, when: float) -> float:
        """Seconds that this machine gave nobody, as far as seen here: what is timed on it is no better than that."""
        return sum(took for began, took in self._pauses if began + took > when)

    def call(self, kind: Any, name: str, **request: object) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, what=f"service {name}")
        future = client.call_async(kind.Request(**request))
        self.until(future.done, what=f"answer of {name}")
        return future.result()

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()
