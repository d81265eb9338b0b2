"""Masses, centres of mass, rotors and end stops of a Variant, beside the same robot described so, in both engines."""

import re

import numpy as np
import pytest

from randomization import Variant

ONE = np.arange(1)
ARM = """
<link name="base"/>
<link name="upper"><inertial><origin xyz="0.2 0.01 0" rpy="0.1 0.2 0.3"/><mass value="2"/>
<inertia ixx="0.01" iyy="0.03" izz="0.035" ixy="0" ixz="0" iyz="0"/></inertial></link>
<link name="lower"><inertial><origin xyz="0.15 0 0.02"/><mass value="1"/>
<inertia ixx="0.004" iyy="0.01" izz="0.012" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="shoulder" type="revolute"><parent link="base"/><child link="upper"/><axis xyz="0 1 0"/>
<limit lower="-2" upper="2" effort="50" velocity="50"/></joint>
<joint name="elbow" type="revolute"><parent link="upper"/><child link="lower"/><origin xyz="0.4 0 0"/>
<axis xyz="1 0 0"/><limit lower="-2" upper="2" effort="50" velocity="50"/></joint>
"""


def swing(make, robot, changes=None, periods=25):
    """Where the joints are while the robot swings freely: (periods, 2)."""
    engine = make(robot)
    engine.apply(Variant.of(engine.space, changes or {}), ONE)
    engine.reset(np.array([[0.3, -0.2]]), np.array([[1.0, 2.0]]), ONE)
    rows = []
    for _ in range(periods):
        engine.step(np.zeros((1, 1)), np.zeros(1))
        rows.append(engine.state.q[0].copy())
    return np.array(rows)


@pytest.fixture
def arm(make_robot):
    """A function that makes the arm, its description changed by `replaced` (old, new)."""

    def _arm(*replaced, **motor):
        urdf = ARM
        for old, new in replaced:
            assert urdf.count(old) == 1
            urdf = urdf.replace(old, new)
        return make_robot(urdf, {"joint": "shoulder", "effort": 50} | motor)

    return _arm


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        (
            {"com_x/upper": 0.03, "com_y/upper": -0.05, "com_z/upper": 0.1},
            ('xyz="0.2 0.01 0"', 'xyz="0.23 -0.04 0.1"'),
        ),
        ({"com_x/lower": -0.15, "com_z/lower": 0.02}, ('xyz="0.15 0 0.02"', 'xyz="0 0 0.04"')),
        ({"payload/lower": 0.5}, ('<mass value="1"/>', '<mass value="1.5"/>')),
        ({"payload/lower": -0.5}, ('<mass value="1"/>', '<mass value="0.5"/>')),
        (
            {"inertia/lower": 2.0},
            ('ixx="0.004" iyy="0.01" izz="0.012"', 'ixx="0.008" iyy="0.02" izz="0.024"'),
        ),
        (
            {"mass/lower": 2.0},
            (
                '<mass value="1"/>\n<inertia ixx="0.004" iyy="0.01" izz="0.012"',
                '<mass value="2"/>\n<inertia ixx="0.008" iyy="0.02" izz="0.024"',
            ),
        ),
    ],
)
def test_bodies_are_as_if_described_so(make, arm, changes, replaced):
    np.testing.assert_allclose(swing(make, arm(), changes), swing(make, arm(replaced)), atol=1e-6)
    assert np.abs(swing(make, arm(), changes) - swing(make, arm())).max() > 1e-3


def test_everything_about_a_body_at_once(make, arm):
    """Mass x 1.5, 0.2 kg more, another centre of mass: the sum of all, not one at the cost of another."""
    changes = {"mass/lower": 1.5, "payload/lower": 0.2, "inertia/lower": 2.0, "com_y/lower": 0.05}
    described = re.compile(r'xyz="0.15 0 0.02"/><mass value="1"/>\n<inertia ixx="0.004" iyy="0.01" izz="0.012"')
    (old,) = described.findall(ARM)
    new = 'xyz="0.15 0.05 0.02"/><mass value="1.7"/>\n<inertia ixx="0.012" iyy="0.03" izz="0.036"'
    np.testing.assert_allclose(swing(make, arm(), changes), swing(make, arm((old, new))), atol=1e-6)


def test_a_rotor_is_armature(make, arm):
    """Of the first joint, whose parent stands still: exact in both engines."""
    expected = swing(make, arm(armature=0.1))
    np.testing.assert_allclose(swing(make, arm(), {"armature/shoulder": 0.1}), expected, atol=1e-6)
    np.testing.assert_allclose(swing(make, arm(armature=0.3), {"armature/shoulder": 0.1}), expected, atol=1e-6)
    assert np.abs(expected - swing(make, arm())).max() > 1e-2


@pytest.mark.parametrize("offset", [-0.5, 0.5])
def test_end_stops_move_together(make, arm, offset):
    """Pushed with all its might against either stop, the shoulder stands there."""
    engine = make(arm())
    engine.apply(Variant.of(engine.space, {"limit_offset/shoulder": offset}), ONE)
    for side in (-1, 1):
        engine.reset(np.zeros((1, 2)), np.zeros((1, 2)), ONE)
        for _ in range(100):
            engine.step(np.full((1, 1), 40.0 * side), np.zeros(1))
        assert engine.state.q[0, 0] == pytest.approx(2.0 * side + offset, abs=0.03)


def test_gravity_of_any_direction(make, make_robot):
    robot = make_robot("slider", {"joint": "rail"})
    engine = make(robot)
    engine.apply(Variant.of(engine.space, {"gravity_x": 2.0, "gravity_z": -3.0}), ONE)
    engine.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE)
    for _ in range(10):
        engine.step(np.zeros((1, 1)), np.zeros(1))
    assert engine.state.dq[0, 0] == pytest.approx(0.4, rel=1e-9)


def test_a_change_within_an_episode_keeps_the_motion(make, arm):
    """PyBullet loads the body anew for its first shift of a centre of mass: the motion goes on from where it is."""
    engine = make(arm())
    engine.reset(np.array([[0.3, -0.2]]), np.array([[1.0, 2.0]]), ONE)
    engine.step(np.zeros((1, 1)), np.zeros(1))
    q, dq = engine.state.q.copy(), engine.state.dq.copy()
    engine.apply(Variant.of(engine.space, {"com_x/lower": 1e-9}), ONE)
    engine.step(np.zeros((1, 1)), np.zeros(1))
    np.testing.assert_allclose(engine.state.q, q + 0.02 * dq, atol=0.01)
    reference = make(arm())
    reference.reset(np.array([[0.3, -0.2]]), np.array([[1.0, 2.0]]), ONE)
    for _ in range(2):
        reference.step(np.zeros((1, 1)), np.zeros(1))
    np.testing.assert_allclose(engine.state.q, reference.state.q, atol=1e-7)
