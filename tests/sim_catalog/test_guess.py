"""A robot guessed from nothing but its description loads, and holds its guessed pose, in both engines."""

from collections.abc import Callable
from pathlib import Path

import pybullet_data
import pytest

from robots import load_robot
from robots.guess.guesser import Known, guess_robot, write_robot
from robots.urdf.reader import read_urdf
from sim2real.sim import ENGINES

Unsteady = Callable[..., dict[str, float]]

DATA = Path(pybullet_data.getDataPath())

TWO_LINKS = """<robot name="Two links">
<link name="stand"><collision><geometry><box size="0.3 0.3 0.1"/></geometry></collision></link>
<link name="upper"><inertial><origin xyz="0 0 0.2"/><mass value="2"/>
<inertia ixx="0.03" iyy="0.03" izz="0.002" ixy="0" ixz="0" iyz="0"/></inertial></link>
<link name="lower"><inertial><origin xyz="0.15 0 0"/><mass value="1"/>
<inertia ixx="0.001" iyy="0.008" izz="0.008" ixy="0" ixz="0" iyz="0"/></inertial></link>
<link name="tool"/>
<joint name="shoulder" type="continuous"><parent link="stand"/><child link="upper"/><axis xyz="0 1 0"/></joint>
<joint name="elbow" type="revolute"><parent link="upper"/><child link="lower"/><origin xyz="0 0 0.4"/>
<axis xyz="0 1 0"/><limit lower="0.2" upper="2" effort="30" velocity="5"/></joint>
<joint name="flange" type="fixed"><parent link="lower"/><child link="tool"/><origin xyz="0.3 0 0"/></joint>
</robot>
"""

ROBOTS = {
    "a1": ("a1/a1.urdf", ()),
    "laikago": ("laikago/laikago_toes_zup.urdf", ("size",)),
    "kuka_iiwa": ("kuka_iiwa/model.urdf", ()),
    "franka_panda": ("franka_panda/panda.urdf", ()),
    "husky": ("husky/husky.urdf", ("number",)),
    "vision60": ("quadruped/vision60.urdf", ()),
    "two_links": ("", ()),
}


@pytest.mark.parametrize("engine_name", list(ENGINES))
@pytest.mark.parametrize(("urdf", "repair"), ROBOTS.values(), ids=ROBOTS)
def test_guessed_robot_holds_its_pose(
    tmp_path: Path, unsteady: Unsteady, urdf: str, repair: tuple[str, ...], engine_name: str
) -> None:
    path = DATA / urdf
    if not urdf:
        path = tmp_path / "two_links.urdf"
        path.write_text(TWO_LINKS)
    guess = guess_robot(read_urdf(path, repair=repair), path.name, Known(repair=repair))
    robot = load_robot(write_robot(tmp_path / "new", guess, path))
    assert unsteady(robot, engine_name, seconds=2.5) == {}
