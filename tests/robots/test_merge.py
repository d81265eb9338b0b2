"""Merging fixed joints moves nothing: link poses, mass, centre of mass and inertia are the same before and after."""

from pathlib import Path

import numpy as np
import pybullet_data
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robots.kinematics import (
    composite_inertia,
    follow,
    gravity_torques,
    link_poses,
    mass_matrix,
    pose_of,
    rotation,
    rpy_of,
    sources,
    transform,
)
from robots.merge import merge_fixed
from robots.model import Box, Inertial, Joint, JointType, Link, Mimic, Pose, RobotModel, Shape
from robots.urdf.reader import read_urdf

EXACT = 1e-12

metres = st.floats(-0.5, 0.5)
angles = st.floats(-np.pi, np.pi) | st.sampled_from([0.0, np.pi / 2, -np.pi / 2, np.pi])
poses = st.builds(Pose, st.tuples(metres, metres, metres), st.tuples(angles, angles, angles))
moments = st.tuples(*[st.floats(0.001, 0.1)] * 3).map(lambda p: (p[1] + p[2], 0.0, 0.0, p[0] + p[2], 0.0, p[0] + p[1]))
inertials = st.builds(Inertial, st.floats(0.01, 20), moments, poses)
kinds: st.SearchStrategy[JointType] = st.sampled_from(("fixed", "fixed", "fixed", "continuous", "prismatic"))
axes = st.sampled_from([(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.6, 0.0, 0.8)])


@st.composite
def models(draw: st.DrawFn) -> RobotModel:
    """A tree of 2 to 9 links in depth-first order, over half of the joints fixed."""
    n = draw(st.integers(2, 9))
    parents: list[int] = []
    path = [0]
    for k in range(1, n):  # a child of the last link or of one of its ancestors keeps the order depth first
        path = path[: draw(st.integers(1, len(path)))]
        parents.append(path[-1])
        path.append(k)
    joints = [
        Joint(f"j{k}", kind, f"l{parent}", f"l{k}", draw(poses), draw(axes))
        for k, parent in enumerate(parents, 1)
        for kind in [draw(kinds)]
    ]
    moving = {j.child for j in joints if j.type != "fixed"}
    links = []
    for k in range(n):
        inertial = draw(inertials if f"l{k}" in moving or k == 1 else st.none() | inertials)
        shapes = tuple(Shape(Box((0.1, 0.2, 0.3)), pose) for pose in draw(st.lists(poses, max_size=2)))
        links.append(Link(f"l{k}", inertial, shapes, shapes))
    return RobotModel("tree", tuple(links), tuple(joints))


def assert_nothing_moved(model: RobotModel, seed: int) -> None:
    merged = merge_fixed(model)
    q = np.random.default_rng(seed).uniform(-3, 3, len(model.movable))
    assert merged.model.joint_names == model.joint_names
    assert all(joint.type != "fixed" for joint in merged.model.joints)
    before, after = link_poses(model, q), link_poses(merged.model, q)
    assert set(merged.frames) == set(model.link_names)
    for name, (body, pose) in merged.frames.items():
        np.testing.assert_allclose(after[body] @ transform(pose), before[name], atol=EXACT)
    for top in merged.model.links:
        group = [link for link in model.links if merged.frames[link.name][0] == top.name]
        moved = [after[top.name] @ transform(s.origin) for s in (*top.visuals, *top.collisions)]
        at_rest = [before[li.name] @ transform(s.origin) for li in group for s in li.visuals]
        at_rest += [before[li.name] @ transform(s.origin) for li in group for s in li.collisions]
        assert len(moved) == len(at_rest)
        np.testing.assert_allclose(np.reshape(moved, (-1, 16)), np.reshape(at_rest, (-1, 16)), atol=EXACT)
    mass, centre, inertia = composite_inertia(model, q)
    mass_after, centre_after, inertia_after = composite_inertia(merged.model, q)
    assert mass_after == pytest.approx(mass, rel=EXACT)
    np.testing.assert_allclose(centre_after, centre, atol=EXACT)
    np.testing.assert_allclose(inertia_after, inertia, atol=EXACT * max(1.0, float(inertia.max())))
    np.testing.assert_allclose(gravity_torques(merged.model, q), gravity_torques(model, q), atol=1e-10)
    np.testing.assert_allclose(mass_matrix(merged.model, q, True), mass_matrix(model, q, True), atol=1e-10)


@given(models(), st.integers(0, 2**32 - 1))
def test_nothing_moves(model, seed):
    assert_nothing_moved(model, seed)


DATA = Path(pybullet_data.getDataPath())


@pytest.mark.parametrize("urdf", ["a1/a1.urdf", "kuka_iiwa/model.urdf", "aliengo/aliengo.urdf", "cartpole.urdf"])
def test_nothing_moves_in_real_robots(urdf):
    model = read_urdf(DATA / urdf, roots=(DATA,))
    for seed in range(5):
        assert_nothing_moved(model, seed)


def test_a_robot_without_fixed_joints_is_left_as_it_is():
    model = read_urdf(DATA / "cartpole.urdf", roots=(DATA,))
    merged = merge_fixed(model)
    assert merged.model == model
    assert merged.frames == {name: (name, Pose()) for name in model.link_names}


def test_a_body_has_the_name_of_its_topmost_link_and_the_mass_of_all():
    inertia = (0.01, 0.0, 0.0, 0.01, 0.0, 0.01)
    links = (
        Link("world"),
        Link("post"),
        Link("arm", Inertial(2.0, inertia)),
        Link("hand", Inertial(1.0, inertia, Pose((0.0, 0.0, 0.3)))),
    )
    joints = (
        Joint("foot", "fixed", "world", "post", Pose((0.0, 0.0, 1.0))),
        Joint("shoulder", "continuous", "post", "arm", Pose((0.5, 0.0, 0.0))),
        Joint("wrist", "fixed", "arm", "hand", Pose((0.0, 0.0, 0.6))),
    )
    merged = merge_fixed(RobotModel("r", links, joints))
    assert merged.model.link_names == ("world", "arm")
    assert merged.model.link("world").inertial is None
    inertial = merged.model.link("arm").inertial
    assert inertial is not None
    assert (inertial.mass, inertial.origin) == (3.0, Pose((0.0, 0.0, 0.3)))
    across = 0.02 + 2 * 0.3**2 + 1 * 0.6**2  # Steiner's law
    np.testing.assert_allclose(inertial.inertia, (across, 0, 0, across, 0, 0.02), atol=1e-15)
    assert merged.model.joint("shoulder").origin == Pose((0.5, 0.0, 1.0))
    assert merged.frames["hand"] == ("arm", Pose((0.0, 0.0, 0.6)))


@given(st.tuples(angles, angles, angles))
def test_roll_pitch_yaw_comes_back_as_the_same_rotation(rpy):
    np.testing.assert_allclose(rotation(rpy_of(rotation(rpy))), rotation(rpy), atol=1e-15)


@given(poses)
def test_a_pose_comes_back_as_the_same_transform(pose):
    np.testing.assert_allclose(transform(pose_of(transform(pose))), transform(pose), atol=1e-15)


def test_gravity_torque_of_a_double_pendulum_and_a_lift():
    """By hand: rods of 1 m with point masses 2 and 3 kg at their ends, then a lift of 5 kg under the second."""
    tiny = (1e-6, 0.0, 0.0, 1e-6, 0.0, 1e-6)
    links = (
        Link("base"),
        Link("upper", Inertial(2.0, tiny, Pose((1.0, 0.0, 0.0)))),
        Link("lower", Inertial(3.0, tiny, Pose((1.0, 0.0, 0.0)))),
        Link("load", Inertial(5.0, tiny)),
    )
    joints = (
        Joint("shoulder", "continuous", "base", "upper", axis=(0.0, -1.0, 0.0)),
        Joint("elbow", "continuous", "upper", "lower", Pose((1.0, 0.0, 0.0)), (0.0, -1.0, 0.0)),
        Joint("lift", "prismatic", "lower", "load", Pose((1.0, 0.0, 0.0)), (0.0, 0.0, 1.0)),
    )
    model = RobotModel("r", links, joints)
    np.testing.assert_allclose(gravity_torques(model, np.zeros(3), 10.0), [180.0, 80.0, 50.0], rtol=1e-14)
    raised = np.array([np.pi / 3, 0.0, 0.0])
    np.testing.assert_allclose(gravity_torques(model, raised, 10.0), [90.0, 40.0, 25.0], rtol=1e-14)


def test_mass_matrix_of_a_double_pendulum_on_a_cart():
    """By hand, upright: a cart of 3 kg, rods of 1 m with 2 and 1 kg at their ends."""
    tiny = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    links = (
        Link("base", Inertial(5.0, tiny)),
        Link("cart", Inertial(3.0, tiny)),
        Link("upper", Inertial(2.0, tiny, Pose((0.0, 0.0, 1.0)))),
        Link("lower", Inertial(1.0, (0.0, 0.0, 0.0, 0.5, 0.0, 0.0), Pose((0.0, 0.0, 1.0)))),
    )
    joints = (
        Joint("rail", "prismatic", "base", "cart", axis=(1.0, 0.0, 0.0)),
        Joint("shoulder", "continuous", "cart", "upper", axis=(0.0, 1.0, 0.0)),
        Joint("elbow", "continuous", "upper", "lower", Pose((0.0, 0.0, 1.0)), (0.0, 1.0, 0.0)),
    )
    model = RobotModel("r", links, joints)
    expected = [[6.0, 4.0, 1.0], [4.0, 6.5, 2.5], [1.0, 2.5, 1.5]]
    np.testing.assert_allclose(mass_matrix(model, np.zeros(3)), expected, rtol=1e-14)
    floating = mass_matrix(model, np.zeros(3), floating=True)
    np.testing.assert_allclose(floating[6:, 6:], expected, rtol=1e-14)
    np.testing.assert_allclose(np.diag(floating)[3:6], 11.0, rtol=1e-14)
    np.testing.assert_allclose(floating[3, 6:], [6.0, 4.0, 1.0], rtol=1e-14)


def test_mimic_joints_follow_the_end_of_their_chain():
    links = tuple(Link(name) for name in "abcd")
    joints = (
        Joint("first", "continuous", "a", "b", mimic=Mimic("second", 2.0, 0.1)),
        Joint("second", "continuous", "b", "c", mimic=Mimic("third", -3.0, 0.2)),
        Joint("third", "continuous", "c", "d"),
    )
    model = RobotModel("r", links, joints)
    assert sources(model) == {"first": Mimic("third", -6.0, 0.5), "second": Mimic("third", -3.0, 0.2)}
    q, dq = follow(model, np.array([[9.0, 9.0, 0.5]]), np.array([[9.0, 9.0, -1.0]]))
    np.testing.assert_allclose(q, [[-2.5, -1.3, 0.5]])
    np.testing.assert_allclose(dq, [[6.0, 3.0, -1.0]])


def test_joints_that_mimic_each_other_are_refused():
    joints = (
        Joint("first", "continuous", "a", "b", mimic=Mimic("second")),
        Joint("second", "continuous", "b", "c", mimic=Mimic("first")),
    )
    model = RobotModel("r", tuple(Link(name) for name in "abc"), joints)
    with pytest.raises(ValueError, match="mimics itself"):
        sources(model)
