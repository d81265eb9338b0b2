"""Robots made on the spot, and engines that are closed after each test."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from robots import Robot, load_robot
from sim2real.sim import Engine, make_engine

MakeRobot = Callable[..., Robot]
Build = Callable[..., Engine]
MakeEngine = Callable[..., Engine]
Run = Callable[..., np.ndarray]

URDFS = {
    # A cart on a long rail along x.
    "slider": """
<link name="base"/>
<link name="cart"><inertial><mass value="1.5"/>
<inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="rail" type="prismatic"><parent link="base"/><child link="cart"/><axis xyz="1 0 0"/>
<limit lower="-50" upper="50" effort="1000" velocity="100"/></joint>
""",
    # A box whose centre of mass is not where its frame is, with an off-centre wheel on it.
    "box": """
<link name="base"><inertial><origin xyz="0.05 -0.02 0.03" rpy="0.1 0.2 0.3"/><mass value="2"/>
<inertia ixx="0.02" iyy="0.03" izz="0.04" ixy="0" ixz="0" iyz="0"/></inertial>
<collision><geometry><box size="0.2 0.2 0.2"/></geometry></collision></link>
<link name="wheel"><inertial><origin xyz="0 0.01 0.1"/><mass value="0.3"/>
<inertia ixx="0.002" iyy="0.002" izz="0.002" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="axle" type="continuous"><parent link="base"/><child link="wheel"/><origin xyz="0 0 0.1"/></joint>
""",
}


@pytest.fixture(params=["bullet", "mujoco"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """The name of each engine in turn."""
    return str(request.param)


@pytest.fixture
def make_robot(tmp_path: Path) -> MakeRobot:
    """A function that makes a robot of a URDF (a name above, or its contents) and a motor; keyword: robot.yaml key."""

    def _make(urdf: str, motor: dict[str, Any], **changes: Any) -> Robot:
        folder = tmp_path / f"robot{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "robot.urdf").write_text(f'<robot name="r">{URDFS.get(urdf, urdf)}</robot>')
        file = {
            "name": "made",
            "urdf": "robot.urdf",
            "source": "test",
            "licence": "Apache-2.0",
            "control_hz": 50,
            "physics_hz": 1000,
            "actuators": [{"mode": "effort", "effort": 1000} | motor],
            "fallback": "zero",
        }
        (folder / "robot.yaml").write_text(yaml.safe_dump(file | changes))
        return load_robot(folder)

    return _make


@pytest.fixture
def build() -> Iterator[Build]:
    """`make_engine`, with the engines closed after the test."""
    engines: list[Engine] = []

    def _build(name: str, robot: Robot, n_worlds: int = 1, workers: int = 0) -> Engine:
        engines.append(make_engine(name, robot, n_worlds, workers))
        return engines[-1]

    yield _build
    for engine in engines:
        engine.close()


@pytest.fixture
def make(engine_name: str, build: Build) -> MakeEngine:
    """A function that builds the engine in turn: make(robot, n_worlds)."""
    return partial(build, engine_name)


@pytest.fixture
def run() -> Run:
    """A function that steps an engine and records what it does."""

    def _run(engine: Engine, commands: np.ndarray, delays: float | np.ndarray = 0.0) -> np.ndarray:
        """Return q, dq and tau under commands (n_steps, n_worlds, n_actuators): (n_steps, n_worlds, n_numbers)."""
        rows = []
        for command, delay in zip(commands, np.broadcast_to(delays, commands.shape[:2]), strict=True):
            engine.step(command, delay)
            rows.append(np.concatenate([engine.state.q, engine.state.dq, engine.state.tau], axis=1))
        return np.array(rows)

    return _run
