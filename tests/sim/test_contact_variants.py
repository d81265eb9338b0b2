"""How a ball and a block meet the floor, against closed forms, in both engines."""

import numpy as np
import pytest

from randomization import Variant

ONE = np.arange(1)
G, MASS, RADIUS, INERTIA = 9.81, 2.0, 0.1, 0.008
SHAPES = {"ball": '<sphere radius="0.1"/>', "block": '<box size="0.2 0.2 0.2"/>'}


@pytest.fixture
def thrown(make, make_robot):
    """A function that lets a ball or block of a Variant move on the floor; returns the engine after some periods."""

    def _thrown(shape, changes, periods, height=RADIUS, force=None, torque=0.0):
        urdf = f"""
        <link name="body"><inertial><mass value="{MASS}"/>
        <inertia ixx="{INERTIA}" iyy="{INERTIA}" izz="{INERTIA}" ixy="0" ixz="0" iyz="0"/></inertial>
        <collision><geometry>{SHAPES[shape]}</geometry></collision></link>
        <link name="rotor"><inertial><mass value="1e-3"/>
        <inertia ixx="5e-4" iyy="5e-4" izz="1e-3" ixy="0" ixz="0" iyz="0"/></inertial></link>
        <joint name="spin" type="continuous"><parent link="body"/><child link="rotor"/><axis xyz="0 0 1"/></joint>"""
        robot = make_robot(urdf, {"joint": "spin"}, fixed_base=False, base_height=height, control_hz=100)
        engine = make(robot)
        engine.apply(Variant.of(engine.space, changes), ONE)
        engine.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE)
        rows = []
        for k in range(periods):
            pull = None if force is None else np.array([force(k)])
            engine.step(np.full((1, 1), torque), np.zeros(1), pull)
            state = engine.state
            rows.append([*state.base_position[0], *state.base_velocity[0], *state.base_angular_velocity[0]])
        return np.array(rows)

    return _thrown


def shove(newtons):
    """A force ahead for 0.2 s."""
    return lambda k: [newtons if k < 20 else 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("own", "ground"), [(0.2, 1.0), (0.2, 2.0), (0.5, 1.0), (0.5, 0.5)])
def test_a_block_slows_down_by_friction_of_body_times_floor(thrown, own, ground):
    """Over half a second: in MuJoCo a sliding block lifts now and then, and only the mean is right."""
    speed = thrown("block", {"sliding_friction/body": own, "ground_friction": ground}, 75, force=shove(60.0))[:, 3]
    assert (speed[22] - speed[72]) / 0.5 == pytest.approx(own * ground * G, rel=0.06)


@pytest.mark.parametrize("friction", [0.002, 0.005])
def test_a_ball_is_slowed_down_by_rolling_friction(thrown, friction):
    """The moment r N stops a rolling ball as the force r N / R would stop m + I / R^2."""
    speed = thrown("ball", {"rolling_friction/body": friction}, 80, force=shove(30.0))[:, 3]
    total = MASS + 1e-3
    expected = friction * total * G / RADIUS / (total + (INERTIA + 5e-4) / RADIUS**2)
    assert (speed[25] - speed[75]) / 0.5 == pytest.approx(expected, rel=0.02)
    free = thrown("ball", {}, 80, force=shove(30.0))[:, 3]
    assert free[25] - free[75] == pytest.approx(0.0, abs=2e-3)


def test_spinning_friction_holds_the_rotor_s_reaction(thrown):
    """A motor that spins up its rotor turns the ball the other way, unless the floor holds it: a moment up to s N."""
    held, limit = 0.1, 0.1 / ((MASS + 1e-3) * G)
    for share, turns in ((0.5, True), (2.0, False)):
        spun = thrown("ball", {"spinning_friction/body": share * limit}, 40, torque=held)
        expected = -held * (1 - share) / INERTIA * 0.4 if turns else 0.0
        assert spun[-1, 8] == pytest.approx(expected, rel=0.05, abs=0.02)


@pytest.mark.parametrize("restitution", [0.3, 0.5, 0.8])
def test_a_ball_bounces_by_its_restitution(thrown, restitution):
    speed = thrown("ball", {"restitution/body": restitution}, 100, height=0.6)[:, 5]
    assert speed.max() / np.sqrt(2 * G * 0.5) == pytest.approx(restitution, abs=0.05)


def test_a_ball_without_restitution_stays_down(thrown):
    """MuJoCo's contact is a spring and damper: what it throws back of an impact is known, and no restitution."""
    speed = thrown("ball", {}, 100, height=0.6)[:, 5]
    assert speed.max() / np.sqrt(2 * G * 0.5) < 0.14


@pytest.mark.parametrize("stiffness", [5e3, 2e4, 1e5])
def test_a_contact_of_finite_stiffness_sags(thrown, stiffness):
    height = thrown("ball", {"contact_stiffness/body": stiffness, "contact_damping/body": 200.0}, 200)[-1, 2]
    assert RADIUS - height == pytest.approx((MASS + 1e-3) * G / stiffness, abs=2e-5)


def test_a_contact_swings_with_the_frequency_of_its_spring(thrown):
    """Released at the floor's height, a ball on 2 kN/m sinks and comes up again in one period of its oscillation."""
    stiffness = 2e3
    changes = {"contact_stiffness/body": stiffness, "contact_damping/body": 1.0}
    height = thrown("ball", changes, 60)[:, 2]
    period = 2 * np.pi * np.sqrt(MASS / stiffness)
    assert np.argmin(height[:20]) == pytest.approx(period / 2 / 0.01 - 1, abs=1)
    assert height.min() == pytest.approx(RADIUS - 2 * MASS * G / stiffness, rel=0.03)


def test_rigid_again_after_having_been_soft(make, thrown, make_robot):
    """Bullet cannot take a stiffness back: the world is loaded anew, to the same bits as one that was never soft."""
    robot = make_robot("box", {"joint": "axle"}, fixed_base=False, base_height=0.105)
    engine, fresh = make(robot), make(robot)
    engine.apply(Variant.of(engine.space, {"contact_stiffness/base": 1e4}), ONE)
    engine.apply(Variant.nominal(engine.space), ONE)
    for each in (engine, fresh):
        each.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE)
        for _ in range(20):
            each.step(np.ones((1, 1)), np.zeros(1))
    np.testing.assert_array_equal(engine.state.base_position, fresh.state.base_position)
    np.testing.assert_array_equal(engine.state.q, fresh.state.q)
