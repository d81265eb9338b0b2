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
    per_number = np.concatenate([np.full(width, term.scale) for term, width in zip(task.layout.terms, (n // 2, n // 2, 1), strict=True)])
    size = task.layout.size
    weights = {"obs_mean": np.zeros(size), "obs_std": np.ones(size), "w0": (-gain / per_number)[:, None], "b0": np.zeros(1)}
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
