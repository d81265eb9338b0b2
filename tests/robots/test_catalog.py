"""Every robot of the catalog keeps the contract; a robot.yaml that does not fit its URDF is refused by key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from robots.catalog import CATALOG, load_robot, robot_names
from robots.model import Inertial, Mesh, RobotModel
from robots.urdf.reader import read_urdf, write_urdf
from sim2real.errors import ConfigError, RobotError

Changes = dict[str, Any]
MakeFolder = Callable[..., Path]
InertialOf = Callable[[RobotModel, str], Inertial]

URDF = """<robot name="two">
<link name="base"/>
<link name="upper"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial></link>
<link name="lower"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial></link>
<joint name="hip" type="revolute"><parent link="base"/><child link="upper"/>
<limit lower="-1" upper="1" effort="9" velocity="5"/></joint>
<joint name="knee" type="prismatic"><parent link="upper"/><child link="lower"/>
<limit lower="0.5" upper="2" effort="9" velocity="4"/></joint>
</robot>
"""


@pytest.fixture
def folder(tmp_path: Path) -> MakeFolder:
    """A function that writes a robot's folder, its robot.yaml with some keys changed, and returns it."""

    def _folder(**changes: Any) -> Path:
        file: Changes = {
            "name": "two",
            "urdf": "two.urdf",
            "source": "test",
            "licence": "Apache-2.0",
            "control_hz": 50,
            "physics_hz": 500,
            "default_pose": {"knee": 1.0},
            "actuators": [
                {"joint": "hip", "effort": 3, "kp": 10, "kd": 1, "lower": -0.5},
                {"joint": "knee", "effort": 4, "kp": 10},
            ],
            "imu": {"link": "upper"},
            "fallback": "hold",
            "roles": {"foot": "lower"},
        } | changes
        (tmp_path / "two.urdf").write_text(URDF)
        (tmp_path / "robot.yaml").write_text(yaml.safe_dump(file))
        return tmp_path

    return _folder


def motor(**changes: Any) -> Changes:
    return {"joint": "hip", "effort": 3, "kp": 10} | changes


@pytest.mark.parametrize("name", robot_names())
class TestCatalog:
    """The contract that each robot of the catalog keeps."""

    def test_loads_with_its_own_name_and_a_licence(self, name: str) -> None:
        robot = load_robot(name)
        assert robot.name == robot.model.name == name
        assert robot.file.source
        assert robot.file.licence

    def test_arrays_fit_and_lie_in_order(self, name: str) -> None:
        robot = load_robot(name)
        assert robot.default_q.shape == (robot.n_joints,)
        assert robot.q_limits.shape == (2, robot.n_actuators)
        position = np.array(robot.modes) == "position"
        assert np.isfinite(robot.q_limits[:, position]).all()
        assert (robot.q_limits[0] <= robot.default_q[robot.actuated]).all()
        assert (robot.default_q[robot.actuated] <= robot.q_limits[1]).all()
        assert (robot.dq_limits > 0).all()
        assert (robot.effort_limits > 0).all()
        assert robot.substeps * robot.file.control_hz == robot.file.physics_hz

    def test_survives_writing_and_reading(self, name: str, tmp_path: Path) -> None:
        robot = load_robot(name)
        write_urdf(robot.model, tmp_path / "robot.urdf")
        shapes = [shape.geometry for link in robot.model.links for shape in (*link.visuals, *link.collisions)]
        roots = [shape.path.parent for shape in shapes if isinstance(shape, Mesh)]
        assert read_urdf(tmp_path / "robot.urdf", roots, not robot.fixed_base) == robot.model

    def test_is_the_same_robot_each_time(self, name: str) -> None:
        assert load_robot(name).digest == load_robot(CATALOG / name / "robot.yaml").digest


def test_robots_of_the_catalog_differ() -> None:
    assert len({load_robot(name).digest for name in robot_names()}) == len(robot_names()) >= 2


def test_cartpole_swings_as_its_boxes_do(inertial_of: InertialOf) -> None:
    """pybullet_data gives the 0.1 kg, 1 m pole 1 kg m^2; a rod of that mass has m l^2 / 12."""
    inertia = inertial_of(load_robot("cartpole").model, "pole").inertia
    assert inertia[0] == pytest.approx(0.1 * (1.0**2 + 0.05**2) / 12)


def test_furuta_stands_upright_in_its_zero_pose(inertial_of: InertialOf) -> None:
    robot = load_robot("furuta")
    assert robot.joint_names == ("arm_joint", "pendulum_joint")
    assert robot.model.joint("pendulum_joint").axis == (1.0, 0.0, 0.0)
    assert inertial_of(robot.model, "pendulum_link").origin.xyz[2] > 0.2
    assert robot.model.joint("imu_joint").origin.xyz[2] == pytest.approx(0.3, abs=0.01)
    assert sum(inertial_of(robot.model, link).mass for link in robot.model.link_names) < 1.0
    assert robot.role("pole") == "pendulum_joint"


def test_folder_and_file_load_the_same_robot(folder: MakeFolder) -> None:
    path = folder()
    robot = load_robot(path)
    assert robot == load_robot(str(path / "robot.yaml"))
    assert robot.joint_names == robot.actuator_names == ("hip", "knee")
    assert robot.joint_range("hip") == (-0.5, 1.0)
    assert robot.q_limits.tolist() == [[-0.5, 0.5], [1.0, 2.0]]
    assert robot.dq_limits.tolist() == [5.0, 4.0]
    assert robot.effort_limits.tolist() == [3.0, 4.0]
    assert robot.default_q.tolist() == [0.0, 1.0]
    assert (robot.control_dt, robot.substeps, robot.command_mode) == (0.02, 10, "position")


FAULTS = {
    "no such joint": ({"actuators": [motor(joint="hipp")]}, "actuators.0.joint: no movable joint 'hipp'", "'hip'?"),
    "position without kp": ({"actuators": [motor(kp=0)]}, "actuators.0.kp", "does nothing"),
    "velocity without kd": ({"actuators": [motor(mode="velocity")]}, "actuators.0.kd", "does nothing"),
    "soft limit outside": ({"actuators": [motor(upper=1.5)]}, "actuators.0: soft limits [-1.0, 1.5]", "[-1.0, 1.0]"),
    "soft limits reversed": ({"actuators": [motor(lower=0.5, upper=0.2)]}, "actuators.0: soft limits", "in order"),
    "two motors": ({"actuators": [motor(), motor()]}, "actuators: a joint has two motors", ""),
    "pose of no joint": ({"default_pose": {"kne": 1.0}}, "default_pose.kne: no such movable joint", "'knee'?"),
    "pose outside": ({"default_pose": {"knee": 1.0, "hip": -0.7}}, "default_pose.hip: -0.7", "[-0.5, 1.0]"),
    "zero pose outside": ({"default_pose": {}}, "default_pose.knee: 0 must lie", "[0.5, 2.0]"),
    "camera on no link": ({"cameras": {"eye": {"link": "lowr"}}}, "cameras.eye.link: no link 'lowr'", "'lower'?"),
    "foot that is no link": ({"feet": ["lower", "toe"]}, "feet.1: no link 'toe'", ""),
    "hand that is no link": ({"end_effector": "hip"}, "end_effector: no link 'hip'", ""),
    "loop of no link": (
        {"loops": [{"links": ["upper", "lo"], "points": [[0, 0, 0], [0, 0, 0]]}]},
        "loops.0.links: no link 'lo'",
        "",
    ),
    "role of nothing": ({"roles": {"foot": "lowr"}}, "roles.foot: no joint or link 'lowr'", "'lower'?"),
    "imu on no link": ({"imu": {"link": "uper"}}, "imu.link: no link 'uper'", "'upper'?"),
    "rates": ({"physics_hz": 480}, "physics_hz: must be a whole multiple", "480 / 50"),
    "slow physics": ({"physics_hz": 25}, "physics_hz: must be a whole multiple", "25 / 50"),
    "no package": ({"urdf": "no_such_package:a.urdf"}, "urdf: Python package 'no_such_package'", "pip install"),
    "unknown repair": ({"repair": ["axis-lenght"]}, "repair", "did you mean 'axis-length'?"),
    "outside of a package": ({"urdf": "pybullet_data:../../x.urdf"}, "urdf", "no file of the Python package"),
}


@pytest.mark.parametrize(("changes", "key", "reason"), FAULTS.values(), ids=FAULTS)
def test_robot_yaml_that_does_not_fit_is_refused_by_key(
    folder: MakeFolder, changes: Changes, key: str, reason: str
) -> None:
    path = folder(**changes)
    with pytest.raises(RobotError) as error:
        load_robot(path)
    message = str(error.value)
    assert message.startswith(f"{path / 'robot.yaml'}: {key}")
    assert reason in message
    assert "\n" not in message


def test_motors_may_be_commanded_in_different_ways(folder: MakeFolder) -> None:
    robot = load_robot(folder(actuators=[motor(mode="effort"), motor(joint="knee")]))
    assert robot.modes == ("effort", "position")
    with pytest.raises(RobotError, match=r"actuators: one mode .* hip: effort, knee: position") as error:
        _ = robot.command_mode
    assert "\n" not in str(error.value)


MIMIC = '<mimic joint="hip" multiplier="-0.5" offset="1"/><limit lower="0.5"'


def test_mimic_joint_stands_where_its_source_puts_it(folder: MakeFolder) -> None:
    path = folder(actuators=[motor()], default_pose={"hip": 0.4})
    (path / "two.urdf").write_text(URDF.replace('<limit lower="0.5"', MIMIC))
    assert load_robot(path).default_q.tolist() == pytest.approx([0.4, 0.8])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"default_pose": {}}, r"actuators\.1\.joint: 'knee' mimics 'hip' and has no motion of its own"),
        ({"actuators": [motor()]}, r"default_pose\.knee: follows 'hip'; leave it out"),
        ({"actuators": [motor()], "default_pose": {"hip": 1.0, "knee": 0.5}}, "default_pose.knee: follows"),
    ],
)
def test_mimic_joint_is_neither_commanded_nor_posed(folder: MakeFolder, changes: Changes, reason: str) -> None:
    path = folder(**changes)
    (path / "two.urdf").write_text(URDF.replace('<limit lower="0.5"', MIMIC))
    with pytest.raises(RobotError, match=reason):
        load_robot(path)


def test_faults_named_in_robot_yaml_are_mended(folder: MakeFolder) -> None:
    path = folder(repair=["limit-order"])
    (path / "two.urdf").write_text(URDF.replace('lower="-1" upper="1"', 'lower="1" upper="-1"'))
    assert load_robot(path).joint_range("hip") == (-0.5, np.inf)  # lower > upper stands for no limit


def test_missing_urdf_is_named(folder: MakeFolder) -> None:
    with pytest.raises(RobotError, match=r"absent\.urdf: no such file"):
        load_robot(folder(urdf="absent.urdf"))


def test_floating_robot_needs_mass_in_its_base(folder: MakeFolder) -> None:
    with pytest.raises(RobotError, match="link 'base': is moved by its floating base"):
        load_robot(folder(fixed_base=False))


def test_meshes_may_lie_anywhere_in_the_robots_folder(folder: MakeFolder) -> None:
    path = folder(urdf="urdf/two.urdf")
    (path / "urdf").mkdir()
    (path / "meshes").mkdir()
    (path / "meshes" / "m.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    mesh = '<visual><geometry><mesh filename="../meshes/m.obj"/></geometry></visual></link>'
    (path / "urdf" / "two.urdf").write_text(URDF.replace("</link>", mesh))
    shape = load_robot(path).model.link("upper").visuals[0].geometry
    assert shape == Mesh((path / "meshes" / "m.obj").resolve())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "Two"}, "name"),
        ({"control_hz": 0}, "control_hz"),
        ({"actuators": []}, "actuators"),
        ({"fallback": "holt"}, "did you mean 'hold'?"),
        ({"actuator": []}, "did you mean 'actuators'?"),
    ],
)
def test_robot_yaml_with_a_wrong_value_is_refused_by_key(folder: MakeFolder, changes: Changes, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_robot(folder(**changes))
    assert reason in str(error.value)


def test_unknown_robot_suggests_the_nearest() -> None:
    with pytest.raises(RobotError, match=r"no robot 'cartpol' \(did you mean 'cartpole'\?\).*furuta"):
        load_robot("cartpol")


def test_role_that_a_task_needs_and_the_robot_lacks_is_named(folder: MakeFolder) -> None:
    robot = load_robot(folder())
    with pytest.raises(RobotError, match=r"roles\.pole: missing; the task needs it \(roles given: foot\)"):
        robot.role("pole")


def test_catalog_files_stand_where_the_readme_says() -> None:
    assert (CATALOG / "furuta" / "README.md").is_file()
    meshes = list((CATALOG / "furuta" / "meshes").glob("*.stl"))
    assert len(meshes) == 3
    assert all(Path(mesh).stat().st_size < 100_000 for mesh in meshes)
