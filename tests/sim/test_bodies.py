"""What both engines are given: merged bodies, their inertia along its own axes, convex shapes; sensors stay put."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.closed_form import joint, link, make_robot, record, start
from robots import load_robot, robot_names
from robots.kinematics import composite_inertia, inertia_matrix
from robots.model import Inertial, Mesh, Pose
from sim2real.sim.bodies import engine_model, principal
from sim2real.sim.rotations import from_rpy, inverse, rotate

moments = st.tuples(*[st.floats(1e-6, 10.0)] * 3)
angles = st.floats(-3.0, 3.0)


@given(moments, st.tuples(angles, angles, angles), st.tuples(angles, angles, angles))
def test_principal_axes_keep_the_inertia(radii, rpy, other):
    a, b, c = radii
    turned = inertia_matrix(Inertial(1.0, (b + c, 0.0, 0.0, a + c, 0.0, a + b), Pose(rpy=rpy)))
    xx, xy, xz, yy, yz, zz = turned[[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]].tolist()
    given = Inertial(2.0, (xx, xy, xz, yy, yz, zz), Pose((0.1, 0.2, 0.3), other))
    found = principal(given)
    assert (found.mass, found.origin.xyz) == (given.mass, given.origin.xyz)
    assert found.inertia[1] == found.inertia[2] == found.inertia[4] == 0.0
    np.testing.assert_allclose(inertia_matrix(found), inertia_matrix(given), atol=1e-13 * max(1.0, *radii))


@pytest.mark.parametrize("name", ["a1", "franka_panda", "furuta", "minitaur"])
def test_the_robot_is_what_it_was(name):
    assert name in robot_names()
    robot = load_robot(name)
    model = engine_model(robot)
    assert model.joint_names == robot.joint_names
    mass, centre, inertia = composite_inertia(robot.model, robot.default_q)
    mass_after, centre_after, inertia_after = composite_inertia(model, robot.default_q)
    assert mass_after == pytest.approx(mass, rel=1e-12)
    np.testing.assert_allclose(centre_after, centre, atol=1e-12)
    np.testing.assert_allclose(inertia_after, inertia, atol=1e-12 * max(1.0, float(inertia.max())))
    for body in model.links:
        assert not body.visuals
        for shape in body.collisions:
            assert not isinstance(shape.geometry, Mesh) or shape.geometry.path.suffix == ".stl"
    touching = {robot.merged.frames[part.name][0] for part in robot.model.links if part.collisions}
    assert {body.name for body in model.links if body.collisions} == touching


def test_an_imu_on_a_bolted_link_reads_in_its_own_frame(make):
    """The IMU's link is bolted to a wheel that turns at a known speed, and is itself turned."""
    rpy = (0.4, -0.7, 1.9)
    urdf = '<link name="base"/>' + link("wheel", 1.0, 0.02) + '<link name="imu"/>'
    urdf += joint("axle", "continuous", "base", "wheel", "0 0 1")
    urdf += '<joint name="weld" type="fixed"><parent link="wheel"/><child link="imu"/>'
    urdf += f'<origin xyz="0.1 0.2 0.3" rpy="{rpy[0]} {rpy[1]} {rpy[2]}"/></joint>'
    engine = make(make_robot(urdf, {"joint": "axle"}, imu={"link": "imu"}))
    start(engine, [0.0], [2.0])
    np.testing.assert_allclose(engine.state.imu_quaternion[0], from_rpy(np.array(rpy)), atol=1e-7)
    record(engine, 0.5)
    quaternion, speed = engine.state.imu_quaternion[0], engine.state.imu_angular_velocity[0]
    yawed = from_rpy(np.array([rpy[0], rpy[1], rpy[2] + 1.0]))  # fixed axes: yaw comes last
    assert abs(quaternion @ yawed) == pytest.approx(1.0, abs=1e-7)
    np.testing.assert_allclose(speed, rotate(inverse(yawed), np.array([0.0, 0.0, 2.0])), atol=1e-6)


def test_variants_name_the_merged_bodies(make):
    urdf = '<link name="base"/>' + link("arm", 1.0, 0.02) + link("tool", 0.5, 0.01)
    urdf += joint("axle", "continuous", "base", "arm", "0 0 1")
    urdf += '<joint name="weld" type="fixed"><parent link="arm"/><child link="tool"/></joint>'
    engine = make(make_robot(urdf, {"joint": "axle"}))
    assert [name for name in engine.space.names if name.startswith("mass/")] == ["mass/arm"]


def test_a_link_may_be_called_world(make):
    """MuJoCo's own root has that name."""
    urdf = '<link name="world"/>' + link("arm", 1.0, 0.02) + joint("axle", "continuous", "world", "arm", "0 0 1")
    engine = make(make_robot(urdf, {"joint": "axle"}, self_collision=True, imu={"link": "world"}))
    _, _, dq = record(engine, 0.1, 0.2)
    assert dq[-1, 0] == pytest.approx(0.2 / 0.02 * 0.1, rel=1e-9)
    np.testing.assert_allclose(engine.state.imu_quaternion[0], [0, 0, 0, 1])
