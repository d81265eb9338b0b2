"""A policy for all tests, and for each test its processes in a DDS domain of its own."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ros_bridge  # noqa: F401 - sets what DDS reads from the environment, before a context is made
from sim2real.policy import Policy
from tests.policies import standing_policy
from tests.ros_bridge.harness import Probe, Processes
from tests.ros_bridge.lqr import balancing_policy, constant_policy, reaching_policy

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
DOMAINS = itertools.count(os.getppid() * 7 + WORKER * 31)


@pytest.fixture(scope="session")
def policy() -> Policy:
    return balancing_policy()


@pytest.fixture(scope="session")
def policy_folder(policy: Policy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("policy") / "balance"
    policy.save(folder)
    return folder


@pytest.fixture(scope="session")
def furuta_policy() -> Policy:
    """A policy that keeps asking for the far end, sees the IMU, and commands positions."""
    terms = ("joint_position", "gravity_direction", "angular_velocity")
    return constant_policy("furuta", [{"name": name} for name in terms])


@pytest.fixture(scope="session")
def walking_policy() -> Policy:
    """A policy that adds nothing to a quadruped's open-loop trot, as one that has learned nothing."""
    return standing_policy("a1")


@pytest.fixture(scope="session")
def arm_policy() -> Policy:
    return reaching_policy("kuka_iiwa")


@pytest.fixture
def domain() -> int:
    """A domain of this test alone: no test hears another one's robot."""
    return 1 + next(DOMAINS) % 100


@pytest.fixture
def processes(domain: int, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(domain, tmp_path)
    yield made
    made.kill_all()


@pytest.fixture
def probe(domain: int) -> Iterator[Probe]:
    made = Probe(domain)
    yield made
    made.close()
