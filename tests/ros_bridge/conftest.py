"""Real nodes in real processes, each test in a DDS domain of its own, and a policy that needs no learner."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from scipy.linalg import solve_discrete_are

from randomization import Randomization
from robots import load_robot
from sim2real.export import make_policy
from sim2real.policy import NetworkContract, Policy
from sim2real.sim import make_engine
from sim2real.tasks import load_task

ROOT = Path(__file__).parents[2]
GRACE_S = 5.0  # between SIGTERM and SIGKILL: rclpy processes that hang ignore the former

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
DOMAINS = itertools.count(os.getppid() * 7 + WORKER * 31)


def linearize(robot, task, eps=1e-4):
    """A, B of one control period around the default pose, by differences in the nominal MuJoCo world."""
    engine = make_engine("mujoco", robot)
    n = 2 * robot.n_joints

    def after(x, u):
        engine.reset((robot.default_q + x[: n // 2])[None], x[None, n // 2 :], np.arange(1))
        engine.step(np.array([[u]]), np.zeros(1))
        return np.concatenate([engine.state.q[0] - robot.default_q, engine.state.dq[0]])

    scale = task.action_map.scale[0]
    a = np.array([(after(eps * e, 0.0) - after(-eps * e, 0.0)) / (2 * eps) for e in np.eye(n)]).T
    b = (after(np.zeros(n), eps * scale) - after(np.zeros(n), -eps * scale)) / (2 * eps)
    engine.close()
    return a, b[:, None]


def balancing_policy(robot_name="cartpole", effort_cost=3.0):
    """An LQR for a plant that acts one period late (what ROS adds), as a network of one layer."""
    robot = load_robot(robot_name)
    task = load_task("balance", robot)
    a, b = linearize(robot, task)
    n = len(a)
    late_a, late_b = np.zeros((n + 1, n + 1)), np.zeros((n + 1, 1))
    late_a[:n, :n], late_a[:n, n:], late_b[n] = a, b, 1.0
    cost = np.diag([*np.ones(n // 2), *np.full(n // 2, 0.1), 0.0])
    p = solve_discrete_are(late_a, late_b, cost, np.array([[effort_cost]]))
    gain = np.linalg.solve(effort_cost + late_b.T @ p @ late_b, late_b.T @ p @ late_a)[0]
    per_number = np.concatenate(
        [np.full(width, term.scale) for term, width in zip(task.layout.terms, (n // 2, n // 2, 1), strict=True)]
    )
    size = task.layout.size
    weights = {
        "obs_mean": np.zeros(size),
        "obs_std": np.ones(size),
        "w0": (-gain / per_number)[:, None],
        "b0": np.zeros(1),
    }
    network = NetworkContract(sizes=(size, 1), activation="tanh")
    return make_policy(robot, task, Randomization.none(robot), network, weights, {"made_by": "tests"})


@pytest.fixture(scope="session")
def policy() -> Policy:
    return balancing_policy()


@pytest.fixture(scope="session")
def policy_folder(policy, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("policy") / "balance"
    policy.save(folder)
    return folder


@pytest.fixture(scope="session")
def furuta_policy() -> Policy:
    """A policy that keeps asking for the far end, sees the IMU, and commands positions."""
    robot = load_robot("furuta")
    terms = [{"name": "joint_position"}, {"name": "gravity_direction"}, {"name": "angular_velocity"}]
    task = load_task("balance", robot, {"terms": terms})
    size = task.layout.size
    weights = {"obs_mean": np.zeros(size), "obs_std": np.ones(size), "w0": np.zeros((size, 1)), "b0": np.ones(1)}
    network = NetworkContract(sizes=(size, 1), activation="tanh")
    return make_policy(robot, task, Randomization.none(robot), network, weights, {"made_by": "tests"})


class Processes:
    """Starts nodes in one DDS domain and ends exactly these, by their own pid."""

    def __init__(self, domain: int, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self.running: list[subprocess.Popen] = []

    def start(self, *command: str) -> subprocess.Popen:
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

    def errors(self, process: subprocess.Popen) -> str:
        return (self.folder / f"{self.running.index(process)}.err").read_text()

    def end(self, process: subprocess.Popen, number: int = signal.SIGINT) -> float:
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
            process.stdout.close()


class Probe:
    """A node in the test's own process: listens, calls services, plays robot. `heard` has (time, message) by topic."""

    def __init__(self, domain: int) -> None:
        self.context = Context()
        rclpy.init(args=[], context=self.context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("probe", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard: dict[str, list] = {}
        self._pauses: list[tuple[float, float]] = []

    def listen(self, kind, topic, qos=10) -> list:
        """Return the growing list of (monotonic time, message) of a topic."""
        heard = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, lambda m: heard.append((time.monotonic(), m)), qos)
        return heard

    def until(self, condition, timeout=10.0, what="") -> None:
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

    def call(self, kind, name, **request):
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


@pytest.fixture
def domain() -> int:
    """A domain of this test alone: no test hears another one's robot."""
    return 1 + next(DOMAINS) % 100


@pytest.fixture
def processes(domain, tmp_path):
    made = Processes(domain, tmp_path)
    yield made
    made.kill_all()


@pytest.fixture
def probe(domain):
    made = Probe(domain)
    yield made
    made.close()
