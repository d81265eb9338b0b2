"""A sound robot to plant faults in, and how to read what is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from robots.model import Inertial, RobotModel
from robots.urdf.reader import read_urdf
from sim2real.errors import RobotError

SOUND = """<?xml version="1.0"?>
<robot name="sound">
  <material name="red"><color rgba="1 0 0 1"/></material>
  <link name="base"/>
  <link name="arm">
    <inertial>
      <origin xyz="0 0 0.1" rpy="0 0 0"/>
      <mass value="1.5"/>
      <inertia ixx="0.02" ixy="0" ixz="0" iyy="0.02" iyz="0" izz="0.01"/>
    </inertial>
    <visual><geometry><box size="1 2 3"/></geometry><material name="red"/></visual>
    <collision><geometry><cylinder radius="0.1" length="0.5"/></geometry></collision>
  </link>
  <link name="tool"/>
  <joint name="shoulder" type="revolute">
    <origin xyz="0 0 1"/>
    <parent link="base"/>
    <child link="arm"/>
    <axis xyz="0 0 2"/>
    <limit lower="-1" upper="1" effort="10" velocity="3"/>
    <dynamics damping="0.1" friction="0.2"/>
  </joint>
  <joint name="flange" type="fixed">
    <parent link="arm"/>
    <child link="tool"/>
  </joint>
</robot>
"""


@pytest.fixture
def sound() -> str:
    """A URDF without a fault; no two of its attributes and elements that tests replace are alike."""
    return SOUND


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A function that writes a URDF to planted.urdf and returns its path."""

    def _write(text: str | bytes) -> Path:
        path = tmp_path / "planted.urdf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


@pytest.fixture
def refusal() -> Callable[..., str]:
    """A function that returns the message with which a URDF is refused: one line that starts with the file."""

    def _refusal(path: Path, roots: Sequence[Path] = (), floating_base: bool = False) -> str:
        with pytest.raises(RobotError) as error:
            read_urdf(path, roots, floating_base)
        message = str(error.value)
        assert message.startswith(f"{path}:")
        assert "\n" not in message
        return message

    return _refusal


@pytest.fixture
def inertial_of() -> Callable[[RobotModel, str], Inertial]:
    """A function that returns the inertial of a link that has one."""

    def _inertial_of(model: RobotModel, link: str) -> Inertial:
        found = model.link(link).inertial
        assert found is not None
        return found

    return _inertial_of
