"""A small robot with a free base, for audits that take a second."""

from pathlib import Path

import pytest
import yaml

from robots import Robot, load_robot

URDF = """<robot name="tumbler">
<link name="base"><inertial><origin xyz="0.01 -0.02 0.01"/><mass value="4"/>
<inertia ixx="0.05" iyy="0.06" izz="0.07" ixy="0" ixz="0" iyz="0"/></inertial>
<collision><geometry><box size="0.4 0.3 0.1"/></geometry></collision></link>
<link name="arm"><inertial><origin xyz="0 0 0.1"/><mass value="0.8"/>
<inertia ixx="0.004" iyy="0.004" izz="0.001" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="shoulder" type="revolute"><parent link="base"/><child link="arm"/>
<origin xyz="0 0 0.05"/><axis xyz="0 1 0"/>
<limit lower="-1.2" upper="1.2" effort="20" velocity="20"/><dynamics damping="0.05" friction="0.02"/></joint>
</robot>"""


@pytest.fixture
def tumbler(tmp_path: Path) -> Robot:
    """A box on the floor with a servoed arm on top."""
    folder = tmp_path / "tumbler"
    folder.mkdir()
    (folder / "robot.urdf").write_text(URDF)
    file = {
        "name": "tumbler",
        "urdf": "robot.urdf",
        "source": "test",
        "licence": "Apache-2.0",
        "fixed_base": False,
        "base_height": 0.05,
        "control_hz": 50,
        "physics_hz": 1000,
        "actuators": [{"joint": "shoulder", "mode": "position", "effort": 8, "kp": 20, "kd": 0.8}],
        "fallback": "hold",
    }
    (folder / "robot.yaml").write_text(yaml.safe_dump(file))
    return load_robot(folder)
