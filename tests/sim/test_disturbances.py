"""Pushes give exactly their impulse when they should, wind drags by its law, patches grip where they lie."""

from math import cos, inf, pi, sin

import numpy as np
import pytest

from randomization import Variant, VariantSpace
from robots import load_robot
from sim2real.sim.disturbances import Disturbances, pushed_body
from sim2real.sim.engine import WorldState
from sim2real.sim.simulation import Simulation

MOTOR = {"joint": "axle"}


@pytest.fixture
def box(make_robot):
    """A free box 5 m up, at 50 Hz."""
    return make_robot("box", MOTOR, fixed_base=False, base_height=5.0)


def prepared(robot, changes, n=1):
    """Disturbances under the same or n different Variants, and the state of their worlds."""
    made = Disturbances(robot, n)
    made.take(Variant.of(VariantSpace(robot), changes, n), np.arange(n))
    return made, WorldState.zeros(robot, n)


def record(made, state, periods):
    """The forces of so many periods: (periods, n_worlds, 3)."""
    forces = [made.forces(state) for _ in range(periods)]
    return np.array([np.zeros_like(state.base_position) if force is None else force for force in forces])


def test_who_is_pushed():
    for robot, body in (
        ("a1", "trunk"),
        ("husky", "base_footprint"),
        ("kuka_iiwa", "lbr_iiwa_link_7"),
        ("cartpole", "pole"),
    ):
        assert pushed_body(load_robot(robot)) == body


def test_nothing_acts_until_told(box):
    made, state = Disturbances(box, 2), WorldState.zeros(box, 2)
    assert made.forces(state) is None
    assert made.ground_factor(state) is None
    made, state = prepared(box, {}, 2)
    assert all(made.forces(state) is None for _ in range(300))


@pytest.mark.parametrize(("duration", "periods"), [(0.0, 1), (0.02, 1), (0.029, 1), (0.05, 2), (0.1, 5)])
def test_a_push_lasts_whole_periods_and_gives_its_impulse(box, duration, periods):
    angle = 2.0
    push = {"push_impulse": 3.0, "push_duration": duration, "push_interval": 0.5, "push_direction": angle}
    made, state = prepared(box, push)
    forces = record(made, state, 49)[:, 0]
    assert np.flatnonzero(forces.any(axis=1)).tolist() == list(range(25, 25 + periods))
    np.testing.assert_allclose(forces.sum(axis=0) * box.control_dt, [3 * cos(angle), 3 * sin(angle), 0.0], rtol=1e-14)
    assert len(np.unique(forces[25 : 25 + periods], axis=0)) == 1


def test_pushes_come_every_interval_and_one_after_the_other(box):
    made, state = prepared(box, {"push_impulse": 1.0, "push_interval": [0.2, 0.06, inf], "push_duration": 0.1}, 3)
    acts = record(made, state, 40).any(axis=2)
    first = np.arange(40) >= 10
    np.testing.assert_array_equal(acts[:, 0], first & (np.arange(40) % 10 < 5))
    np.testing.assert_array_equal(acts[:, 1], np.arange(40) >= 3)  # shorter than a push: no pause between them
    assert not acts[:, 2].any()


def test_a_new_episode_begins_its_own_count(box):
    made, state = prepared(box, {"push_impulse": 1.0, "push_interval": 0.2, "push_duration": 0.1}, 2)
    record(made, state, 12)
    made.restart(np.array([1]))
    acts = record(made, state, 12).any(axis=2)
    assert np.flatnonzero(acts[:, 0]).tolist() == [0, 1, 2, 8, 9, 10, 11]
    assert np.flatnonzero(acts[:, 1]).tolist() == [10, 11]


def test_a_variant_that_changes_amid_a_push_leaves_its_impulse_whole(box):
    space = VariantSpace(box)
    push = {"push_impulse": 1.0, "push_interval": 0.2, "push_duration": 0.1}
    made, state = prepared(box, push)
    begun = record(made, state, 12)
    made.take(Variant.of(space, push | {"push_direction": pi / 2, "push_impulse": 2.0}), np.array([0]))
    rest = record(made, state, 15)
    momenta = np.concatenate([begun, rest])[:, 0] * box.control_dt
    np.testing.assert_allclose(momenta[:20].sum(axis=0), [1.0, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(momenta[20:].sum(axis=0), [0.0, 2.0, 0.0], atol=1e-15)
    made.take(Variant.nominal(space), np.array([0]))
    assert not record(made, state, 300).any()


def test_a_world_is_pushed_the_same_alone_and_among_others(box):
    rng, n = np.random.default_rng(0), 64
    push = {
        "push_impulse": rng.uniform(0, 5, n),
        "push_interval": rng.uniform(0.02, 0.5, n),
        "push_direction": rng.uniform(-pi, pi, n),
        "wind_speed": rng.uniform(0, 10, n) * (rng.random(n) < 0.5),
        "wind_direction": rng.uniform(-pi, pi, n),
    }
    made, state = prepared(box, push, n)
    state.base_velocity[:] = rng.normal(size=(n, 3))
    together = record(made, state, 50)
    for world in (0, 1, 40, 63):
        made, alone = prepared(box, {name: values[[world]] for name, values in push.items()})
        alone.base_velocity[:] = state.base_velocity[[world]]
        np.testing.assert_array_equal(record(made, alone, 50)[:, 0], together[:, world])


@pytest.mark.parametrize("velocity", [(0.0, 0.0, 0.0), (1.0, -2.0, 0.5), (0.0, 12.0, 0.0)])
def test_wind_drags_with_the_square_of_the_flow(box, velocity):
    wind = {"wind_speed": 8.0, "wind_direction": pi / 2, "drag_area": 0.3}
    made, state = prepared(box, wind)
    state.base_velocity[0] = velocity
    flow = np.array([0.0, 8.0, 0.0]) - velocity
    expected = 0.5 * 1.2 * 0.3 * np.linalg.norm(flow) * flow
    np.testing.assert_allclose(made.forces(state)[0], expected, rtol=1e-12, atol=1e-12)


def test_still_air_is_part_of_no_robot(box):
    made, state = prepared(box, {"wind_speed": [0.0, 5.0], "drag_area": 0.3}, 2)
    state.base_velocity[:] = [3.0, 0.0, 0.0]
    force = made.forces(state)
    np.testing.assert_array_equal(force[0], 0.0)
    assert force[1, 0] == pytest.approx(0.5 * 1.2 * 0.3 * 4.0)


def test_dark_fields_of_the_checkerboard_lie_under_the_start_and_every_second_after(box):
    places = [(0, 0), (0.24, -0.24), (0.26, 0), (0.5, 0), (0.5, 0.5), (-0.5, 0), (-1.0, 0.49), (1.0, -1.0), (0.0, -0.3)]
    dark = [True, True, False, False, True, False, False, True, False]
    made, state = prepared(box, {"patch_friction": 0.4}, len(places))
    state.base_position[:, :2] = places
    np.testing.assert_array_equal(made.ground_factor(state), np.where(dark, 0.4, 1.0))


def test_a_robot_without_a_floor_has_no_patches():
    robot = load_robot("cartpole")
    made, state = prepared(robot, {"push_impulse": 1.0}, 2)
    assert made.ground_factor(state) is None


def test_an_engine_gives_the_robot_the_momentum_of_a_push(make_robot, make):
    """In free fall: 2.5 kg whose centre of mass is where the push acts."""
    bodies = "".join(
        f'<link name="{name}"><inertial><mass value="{mass}"/>'
        '<inertia ixx="0.02" iyy="0.02" izz="0.02" ixy="0" ixz="0" iyz="0"/></inertial></link>'
        for name, mass in (("base", 2.0), ("wheel", 0.5))
    )
    axle = '<joint name="axle" type="continuous"><parent link="base"/><child link="wheel"/></joint>'
    robot = make_robot(bodies + axle, MOTOR, fixed_base=False, base_height=5.0)
    push = {"push_impulse": [4.0, 2.5], "push_interval": 0.04, "push_duration": [0.06, 0.02], "push_direction": 1.0}
    engine, (made, _) = make(robot, 2), prepared(robot, push, 2)
    for _ in range(5):  # the second world is pushed twice
        engine.step(np.zeros((2, 1)), np.zeros(2), made.forces(engine.state))
    heading = np.array([cos(1.0), sin(1.0)])
    speeds = engine.state.base_velocity[:, :2]
    np.testing.assert_allclose(speeds, [4.0 / 2.5 * heading, 2 * 2.5 / 2.5 * heading], rtol=1e-6)
    np.testing.assert_allclose(engine.state.base_angular_velocity, 0.0, atol=1e-6)


@pytest.mark.parametrize("name", ["kuka_iiwa", "cartpole"])
def test_both_engines_push_the_same_body_of_a_bolted_robot(build, name):
    robot = load_robot(name)
    holding = robot.default_q[robot.actuated] * [mode == "position" for mode in robot.modes]
    moved = []
    for engine in (build("bullet", robot, 2), build("mujoco", robot, 2)):
        for _ in range(10):
            engine.step(np.tile(holding, (2, 1)), np.zeros(2), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
        moved.append(engine.state.q[1] - engine.state.q[0])
    assert np.abs(moved[0]).max() > 1e-3
    np.testing.assert_allclose(moved[0], moved[1], atol=0.03 * np.abs(moved[0]).max())


def test_a_force_of_nothing_is_as_none_to_the_bit(make):
    """A world among others that are pushed gets the one, alone it would get the other."""
    robot = load_robot("a1")
    with_zeros, without = make(robot), make(robot)
    command = robot.default_q[robot.actuated][None] + 0.1
    for _ in range(25):
        with_zeros.step(command, np.zeros(1), np.zeros((1, 3)))
        without.step(command, np.zeros(1), None)
    np.testing.assert_array_equal(with_zeros.state.q, without.state.q)
    np.testing.assert_array_equal(with_zeros.state.base_position, without.state.base_position)


def test_a_robot_on_a_slippery_patch_slides(make_robot, engine_name, build):
    """Leaning gravity moves a slab over its first patch, which does not hold it; the next one stops it."""
    slab = (
        '<link name="base"><inertial><mass value="2"/>'
        '<inertia ixx="0.02" iyy="0.02" izz="0.02" ixy="0" ixz="0" iyz="0"/></inertial>'
        '<collision><geometry><box size="0.2 0.2 0.04"/></geometry></collision></link>'
        '<link name="wheel"><inertial><mass value="0.01"/>'
        '<inertia ixx="1e-5" iyy="1e-5" izz="1e-5" ixy="0" ixz="0" iyz="0"/></inertial></link>'
        '<joint name="axle" type="continuous"><parent link="base"/><child link="wheel"/></joint>'
    )
    robot = make_robot(slab, MOTOR, fixed_base=False, base_height=0.02)
    simulation = Simulation(build(engine_name, robot, 2), 0)
    variant = Variant.of(simulation.engine.space, {"patch_friction": np.array([0.25, 1.0]), "gravity_x": 4.0}, 2)
    simulation.reset(np.zeros((2, 1)), np.zeros((2, 1)), np.arange(2), variant)
    speeds = []
    for _ in range(50):
        simulation.advance(np.zeros((2, 1)))
        speeds.append((simulation.state.base_position[:, 0].copy(), simulation.state.base_velocity[:, 0].copy()))
    places, speeds = np.array(speeds).transpose(1, 0, 2)
    assert places[-1, 1] < 2e-3  # 4 of 0.8 * 9.81: it holds
    pull = 4.0 - 0.25 * 0.8 * 9.81
    over = places[:, 0] < 0.25
    np.testing.assert_allclose(speeds[over, 0][-1], np.sqrt(2 * pull * places[over, 0][-1]), rtol=0.05)
    assert 0.25 < places[-1, 0] < 0.25 + 2 * pull * 0.25 / (2 * (0.8 * 9.81 - 4.0)) * 1.3
    assert abs(speeds[-1, 0]) < 0.01
