"""What is written reads back equal, both engines load it, and a digest knows a robot by its content."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import mujoco
import numpy as np
import pybullet
import pybullet_data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robots.catalog import CATALOG
from robots.model import Box, Cylinder, Inertial, Joint, JointType, Limit, Link, Mesh, Pose, RobotModel, Shape, Sphere
from robots.urdf.reader import digest, read_urdf, urdf_text, write_urdf
from sim2real.errors import RobotError

FURUTA = CATALOG / "furuta" / "furuta.urdf"
PYBULLET = Path(pybullet_data.getDataPath())

Write = Callable[[str | bytes], Path]
InertialOf = Callable[[RobotModel, str], Inertial]

number = st.floats(-1e6, 1e6)
length = st.floats(1e-3, 1e3)
vector = st.tuples(number, number, number)
pose = st.builds(Pose, vector, vector)
unit = st.floats(0, 1)
name = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="%"), min_size=1, max_size=12)
geometry = st.one_of(
    st.builds(Box, st.tuples(length, length, length)),
    st.builds(Cylinder, length, length),
    st.builds(Sphere, length),
    st.builds(Mesh, st.just(CATALOG / "furuta" / "meshes" / "arm.stl"), st.tuples(length, length, length)),
)
visual = st.builds(Shape, geometry, pose, st.none() | st.tuples(unit, unit, unit, unit))
inertial = st.builds(
    lambda mass, size, at: Inertial(mass, Box(size).inertia(mass), at), length, st.tuples(length, length, length), pose
)
axis = vector.filter(lambda v: np.linalg.norm(v) > 1e-3).map(
    lambda v: tuple((np.array(v) / np.linalg.norm(v)).tolist())
)


@st.composite
def models(draw: st.DrawFn) -> RobotModel:
    """A random small tree in canonical order."""
    names = iter(draw(st.lists(name, min_size=13, max_size=13, unique=True)))
    links: list[Link] = []
    joints: list[Joint] = []

    def grow(depth: int, parent: str | None) -> None:
        shapes = (draw(st.lists(visual, max_size=2)), draw(st.lists(st.builds(Shape, geometry, pose), max_size=2)))
        link = Link(next(names), draw(inertial), *map(tuple, shapes))
        links.append(link)
        if parent:
            kind: JointType = draw(st.sampled_from(get_args(JointType)))
            joint = Joint(next(names), kind, parent, link.name, draw(pose))
            if kind != "fixed":
                low, high = sorted(draw(st.tuples(number, number))) if kind != "continuous" else (-np.inf, np.inf)
                open_end = st.just(np.inf) if kind == "continuous" else st.nothing()
                limit = Limit(low, high, draw(length | open_end), draw(length | open_end))
                joint = Joint(
                    joint.name, kind, parent, link.name, joint.origin, draw(axis), limit, draw(length), draw(length)
                )
            joints.append(joint)
        for _ in range(draw(st.integers(0, 2)) if depth < 2 else 0):
            grow(depth + 1, link.name)

    grow(0, None)
    return RobotModel(draw(name), tuple(links), tuple(joints))


@given(models())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_written_reads_back_equal(tmp_path: Path, model: RobotModel) -> None:
    path = tmp_path / "written.urdf"
    write_urdf(model, path)
    again = read_urdf(path, roots=[CATALOG])
    assert again == model
    assert urdf_text(again) == urdf_text(model)
    assert digest(again) == digest(model)


@pytest.mark.parametrize("path", [FURUTA, PYBULLET / "a1" / "a1.urdf", PYBULLET / "kuka_iiwa" / "model.urdf"])
def test_real_robots_read_back_equal(tmp_path: Path, path: Path) -> None:
    model = read_urdf(path)
    write_urdf(model, tmp_path / "again.urdf")
    assert read_urdf(tmp_path / "again.urdf", roots=[path.parent]) == model


def test_written_text_has_short_lines_and_says_that_frames_have_no_mass(sound: str, write: Write) -> None:
    text = urdf_text(read_urdf(write(sound)))
    assert max(map(len, text.splitlines())) < 8191
    assert text.count('<mass value="0.0"/>') == 2
    assert text.count("<inertial>") == 3


def test_joint_that_engines_cannot_bound_is_not_written(tmp_path: Path) -> None:
    joint = Joint("j", "revolute", "a", "b", limit=Limit(-np.inf, np.inf, 1.0, 1.0))
    model = RobotModel("open", (Link("a"), Link("b")), (joint,))
    with pytest.raises(RobotError, match="joint 'j': a revolute joint needs finite limits"):
        urdf_text(model)
    with pytest.raises(RobotError, match="cannot be written"):
        write_urdf(RobotModel("one", (Link("a"),), ()), tmp_path / "absent" / "x.urdf")


def test_both_engines_load_what_is_written(inertial_of: InertialOf, tmp_path: Path) -> None:
    model = read_urdf(FURUTA)
    path = tmp_path / "written.urdf"
    write_urdf(model, path)
    mass = {link: inertial_of(model, link).mass for link in model.link_names}

    mj = mujoco.MjModel.from_xml_path(str(path))
    assert mj.body("arm_link").mass == pytest.approx(mass["arm_link"])
    assert mj.body("pendulum_link").mass == pytest.approx(mass["pendulum_link"] + mass["imu_link"])

    client = pybullet.connect(pybullet.DIRECT)
    try:
        body = pybullet.loadURDF(
            str(path), useFixedBase=True, flags=pybullet.URDF_USE_INERTIA_FROM_FILE, physicsClientId=client
        )
        for index, joint in enumerate(model.joints):
            info = pybullet.getJointInfo(body, index, physicsClientId=client)
            dynamics = pybullet.getDynamicsInfo(body, index, physicsClientId=client)
            assert info[1].decode() == joint.name
            assert dynamics[0] == mass[joint.child]
            assert dynamics[2] == pytest.approx(np.array(inertial_of(model, joint.child).inertia)[[0, 3, 5]])
    finally:
        pybullet.disconnect(client)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The furuta's folder, copied elsewhere."""
    return Path(shutil.copytree(FURUTA.parent, tmp_path / "elsewhere"))


def test_digest_is_of_the_content_not_of_the_place(copy: Path) -> None:
    original = digest(read_urdf(FURUTA))
    assert digest(read_urdf(copy / "furuta.urdf")) == original
    (copy / "meshes").rename(copy / "m")
    text = (copy / "furuta.urdf").read_text().replace('"meshes/', '"m/').replace("  ", "\n\n")
    (copy / "furuta.urdf").write_text(text)
    assert digest(read_urdf(copy / "furuta.urdf")) == original


def test_digest_changes_with_a_mass_and_with_one_byte_of_a_mesh(copy: Path) -> None:
    original = digest(read_urdf(FURUTA))
    text = (copy / "furuta.urdf").read_text()
    (copy / "furuta.urdf").write_text(text.replace('mass value="0.110"', 'mass value="0.1100001"'))
    assert digest(read_urdf(copy / "furuta.urdf")) != original
    (copy / "furuta.urdf").write_text(text)
    mesh = copy / "meshes" / "arm.stl"
    data = bytearray(mesh.read_bytes())
    data[0] ^= 1
    mesh.write_bytes(data)
    assert digest(read_urdf(copy / "furuta.urdf")) != original


def test_digest_of_a_mesh_that_went_missing_is_an_error(copy: Path) -> None:
    model = read_urdf(copy / "furuta.urdf")
    (copy / "meshes" / "arm.stl").unlink()
    with pytest.raises(RobotError, match=r"arm\.stl: cannot be read"):
        digest(model)
