"""Ideal sensors in both engines against closed forms: the same frames, signs, points of reference and tolerances."""

from functools import partial
from typing import Any

import mujoco
import numpy as np
import pybullet
import pytest

from benchmarks.closed_form import DT, ONE, G, box, joint, link, make_robot, start
from randomization import Variant, VariantSpace
from robots import Robot, load_robot
from sim2real.sim import Engine, WorldState, make_engine
from sim2real.sim.bullet_bodies import Bodies
from sim2real.sim.bullet_instruments import BulletInstruments
from sim2real.sim.bullet_reading import Reading as BulletReading
from sim2real.sim.bullet_world import World
from sim2real.sim.channels import available
from sim2real.sim.engine import state_reading
from sim2real.sim.mujoco_instruments import MujocoInstruments, add_instruments
from sim2real.sim.mujoco_model import build_spec
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate
from sim2real.sim.sensors import Sensors

MOUNT = (0.3, -0.2, 0.5)  # [rad] how the IMU of the robots here is turned
R, MASS = 0.4, 1.5  # [m] from an arm's joint to its IMU and its centre of mass; [kg]
FLOOR = 5.0  # [m] height of the floating robots' root over the floor

Reading = dict[str, np.ndarray]


def fixed(name: str, parent: str, child: str, xyz: str, rpy: str = "0 0 0") -> str:
    """Return a fixed joint."""
    origin = f'<origin xyz="{xyz}" rpy="{rpy}"/>'
    return f'<joint name="{name}" type="fixed"><parent link="{parent}"/><child link="{child}"/>{origin}</joint>'


def imu_on(parent: str, xyz: str) -> str:
    """Return a link without mass that bears a tilted IMU."""
    return '<link name="imu"/>' + fixed("bolt", parent, "imu", xyz, " ".join(map(str, MOUNT)))


def arm(axis: str, moment: float = 0.02, kind: str = "continuous", **changes: Any) -> Robot:
    """A bolted base and one arm, its mass and its IMU `R` ahead of the joint."""
    urdf = '<link name="base"/>' + link("arm", MASS, moment, f"{R} 0 0") + imu_on("arm", f"{R} 0 0")
    urdf += joint("hinge", kind, "base", "arm", axis)
    return make_robot(urdf, {"joint": "hinge"}, **{"imu": {"link": "imu"}, "force_torque": ["hinge"]} | changes)


def floating(**changes: Any) -> Robot:
    """A free body whose centre of mass is not in its frame, with a wheel, an IMU off its centre, rangefinders."""
    urdf = link("base", 2.0, 0.02, "0.05 -0.02 0.03", box("0.2 0.2 0.2")) + link("wheel", 0.3, 0.002, "0 0.01 0.1")
    urdf += joint("axle", "continuous", "base", "wheel", "1 0 0", "0 0 0.1") + imu_on("base", "0.1 0.2 -0.05")
    finders = {
        "down": {"link": "base", "xyz": [0.02, 0.0, 0.05], "rpy": [0.0, np.pi / 2, 0.0], "max_range": 20.0},
        "ahead": {"link": "imu", "max_range": 20.0},
        "up": {"link": "base", "rpy": [0.0, -1.0, 0.0], "max_range": 7.0},
    }
    changes = {"fixed_base": False, "base_height": FLOOR, "imu": {"link": "imu"}, "rangefinders": finders} | changes
    return make_robot(urdf, {"joint": "axle"}, **changes)


def read(engine: Engine) -> Reading:
    """Return what the sensors of an engine's one world read."""
    return {channel: reading[0].copy() for channel, reading in engine.readings.items()}


@pytest.fixture
def sensed(engine_name):
    """A function that builds the engine in turn for a robot, with all of its sensors."""
    engines = []

    def _build(robot: Robot) -> Engine:
        engines.append(make_engine(engine_name, robot, channels=available(robot)))
        return engines[-1]

    yield _build
    for engine in engines:
        engine.close()


@pytest.fixture
def placed(engine_name):
    """A function that returns what the sensors of a free robot read in a state that is put into the engine in turn."""
    return partial({"bullet": _placed_in_bullet, "mujoco": _placed_in_mujoco}[engine_name])


def _placed_in_bullet(
    robot: Robot, position: np.ndarray, turn: np.ndarray, linear: np.ndarray, angular: np.ndarray
) -> Reading:
    world = World(robot, Bodies(robot, VariantSpace(robot)))
    try:
        place, axes = pybullet.getDynamicsInfo(world.body, -1, physicsClientId=world.client)[3:5]
        centre, quaternion = position + rotate(turn, np.array(place)), compose(turn, np.array(axes))
        velocity = linear + np.cross(angular, centre - position)
        pybullet.resetBasePositionAndOrientation(
            world.body, centre.tolist(), quaternion.tolist(), physicsClientId=world.client
        )
        pybullet.resetBaseVelocity(world.body, velocity.tolist(), angular.tolist(), physicsClientId=world.client)
        state, instruments = WorldState.zeros(robot, 1), BulletInstruments(world, available(robot))
        BulletReading(robot, world.root_frame).fill(state, ONE, [world.snapshot()])
        told = {channel: state_reading(state, channel, ONE) for channel in available(robot)}
        return {
            channel: np.array(instruments.read(channel)) if reading is None else reading[0]
            for channel, reading in told.items()
        }
    finally:
        world.close()


def _placed_in_mujoco(
    robot: Robot, position: np.ndarray, turn: np.ndarray, linear: np.ndarray, angular: np.ndarray
) -> Reading:
    spec = build_spec(robot)
    add_instruments(spec, robot, available(robot))
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:3], data.qpos[3:7] = position, turn[[3, 0, 1, 2]]
    data.qvel[:3], data.qvel[3:6] = linear, rotate(inverse(turn), angular)
    mujoco.mj_forward(model, data)
    readings = MujocoInstruments(model, robot, available(robot)).readings(data.sensordata[None])
    return {channel: reading[0] for channel, reading in readings.items()}


def test_free_fall_is_weightless(sensed):
    engine = sensed(floating())
    for _ in range(100):
        engine.step(np.zeros((1, 1)), np.zeros(1))
        np.testing.assert_allclose(read(engine)["accelerometer"], 0.0, atol=1e-6)
    np.testing.assert_allclose(read(engine)["gyro"], 0.0, atol=1e-9)
    np.testing.assert_allclose(read(engine)["base_velocity"], [0, 0, -G * 100 * DT], atol=1e-6)


def test_at_rest_the_accelerometer_reads_gravity_upwards_in_the_frame_of_a_tilted_imu(sensed):
    engine = sensed(arm("0 0 1"))
    mount, q = from_rpy(np.array(MOUNT)), 0.7
    start(engine, [q])
    turn = compose(from_rpy(np.array([0.0, 0.0, q])), mount)
    for _ in range(3):
        readings = read(engine)
        np.testing.assert_allclose(readings["accelerometer"], rotate(inverse(turn), np.array([0, 0, G])), atol=1e-6)
        np.testing.assert_allclose(readings["orientation"], turn, atol=1e-7)
        np.testing.assert_allclose(readings["gyro"], 0.0, atol=1e-9)
        np.testing.assert_allclose(readings["position"], [q], atol=1e-12)
        engine.step(np.zeros((1, 1)), np.zeros(1))


@pytest.mark.parametrize("tau", [0.0, 3.0])
def test_an_arm_that_turns_feels_centripetal_and_tangential_acceleration(sensed, tau):
    engine = sensed(arm("0 0 1"))
    start(engine, [0.2], [5.0])
    alpha = tau / (0.02 + MASS * R**2)
    for k in range(1, 40):
        engine.step(np.full((1, 1), tau), np.zeros(1))
        readings = read(engine)
        speed = 5.0 + alpha * k * DT
        at_arm = rotate(from_rpy(np.array(MOUNT)), readings["accelerometer"])
        np.testing.assert_allclose(at_arm, [-R * speed**2, R * alpha, G], rtol=2e-3, atol=1e-2)
        np.testing.assert_allclose(rotate(from_rpy(np.array(MOUNT)), readings["gyro"]), [0, 0, speed], atol=1e-6)
        np.testing.assert_allclose(readings["velocity"], [speed], atol=1e-6)


def test_a_joint_that_holds_an_arm_level_carries_its_weight_and_moment(sensed):
    engine = sensed(arm("0 1 0"))
    start(engine, [0.0])
    for _ in range(3):
        engine.step(np.full((1, 1), -MASS * G * R), np.zeros(1))
    np.testing.assert_allclose(read(engine)["wrench"], [0, 0, MASS * G, 0, -MASS * G * R, 0], atol=1e-6)


def test_the_wrench_is_in_the_frame_of_the_child_that_turns_with_the_joint(sensed):
    engine, q = sensed(arm("0 1 0")), 0.6
    start(engine, [q])
    engine.step(np.full((1, 1), -MASS * G * R * np.cos(q)), np.zeros(1))
    force = MASS * G * np.array([-np.sin(q), 0, np.cos(q)])
    expected = [*force, 0, -MASS * G * R * np.cos(q), 0]
    np.testing.assert_allclose(read(engine)["wrench"], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["continuous", "prismatic"])
def test_friction_that_holds_a_joint_is_part_of_the_wrench(sensed, kind):
    """A hinge whose arm is level, or a slide that hangs: the motor does nothing, the joint's friction holds."""
    engine = sensed(arm("0 1 0" if kind == "continuous" else "0 0 1", kind=kind))
    engine.apply(Variant.of(engine.space, {"friction/hinge": 50.0}), ONE)
    start(engine, [0.0])
    for _ in range(20):
        engine.step(np.zeros((1, 1)), np.zeros(1))
    np.testing.assert_allclose(read(engine)["wrench"], [0, 0, MASS * G, 0, -MASS * G * R, 0], rtol=1e-3, atol=1e-3)


def test_an_arm_that_is_let_go_pulls_less_and_a_fast_one_more(sensed):
    engine, moment = sensed(arm("0 1 0")), 0.02
    start(engine, [0.0])
    engine.step(np.zeros((1, 1)), np.zeros(1))
    alpha = MASS * G * R / (moment + MASS * R**2)
    np.testing.assert_allclose(read(engine)["wrench"], [0, 0, MASS * (G - alpha * R), 0, 0, 0], atol=2e-3)
    start(engine, [np.pi / 2], [6.0])  # through the lowest point
    engine.step(np.zeros((1, 1)), np.zeros(1))
    force = MASS * (G + 36.0 * R)
    np.testing.assert_allclose(read(engine)["wrench"], [-force, 0, 0, 0, 0, 0], rtol=1e-3, atol=0.1)


def test_a_wrench_carries_all_that_hangs_on_the_joint(sensed):
    urdf = '<link name="base"/>' + link("upper", 1.0, 0.01, "0 0 -0.1") + link("lower", 2.0, 0.01, "0 0 -0.1")
    urdf += joint("a", "continuous", "base", "upper", "0 1 0", "0 0 2") + joint(
        "b", "continuous", "upper", "lower", "0 1 0", "0 0 -0.3"
    )
    engine = sensed(make_robot(urdf, {"joint": "a"}, force_torque=["b", "a"]))
    engine.step(np.zeros((1, 1)), np.zeros(1))
    expected = [0, 0, 2 * G, 0, 0, 0, 0, 0, 3 * G, 0, 0, 0]
    np.testing.assert_allclose(read(engine)["wrench"], expected, atol=1e-6)


def test_a_centre_of_mass_that_is_moved_moves_the_moment(sensed):
    engine, shift = sensed(arm("0 1 0")), 0.05
    engine.apply(Variant.of(engine.space, {"com_x/arm": shift}), ONE)
    start(engine, [0.0])
    moment = MASS * G * (R + shift)
    for _ in range(3):
        engine.step(np.full((1, 1), -moment), np.zeros(1))
    np.testing.assert_allclose(read(engine)["wrench"], [0, 0, MASS * G, 0, -moment, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["a1", "husky"])
def test_the_feet_of_a_robot_that_stands_carry_its_weight(sensed, name):
    robot = load_robot(name)
    engine = sensed(robot)
    hold = robot.default_q[robot.actuated] if robot.command_mode == "position" else np.zeros(robot.n_actuators)
    forces = []
    for _ in range(75):
        engine.step(hold[None], np.zeros(1))
        forces.append(read(engine)["contact"])
    weight = G * sum(part.inertial.mass for part in robot.merged.model.links if part.inertial)
    settled = np.array(forces[50:])
    assert settled.sum(axis=1).mean() == pytest.approx(weight, rel=0.003)
    np.testing.assert_allclose(settled.sum(axis=1), weight, rtol=0.01)
    assert (settled > 0.05 * weight).all()


def test_a_foot_in_the_air_feels_nothing_and_a_push_down_is_felt(sensed):
    urdf = link("base", 2.0, 0.02, shape=box("0.2 0.2 0.2")) + link("wheel", 0.3, 0.002, shape=box("0.1 0.1 0.1"))
    urdf += joint("axle", "continuous", "base", "wheel", "1 0 0", "0 0 0.3")
    engine = sensed(make_robot(urdf, {"joint": "axle"}, fixed_base=False, base_height=0.1, feet=["wheel", "base"]))
    for push in (0.0, 30.0):
        for _ in range(400):
            engine.step(np.zeros((1, 1)), np.zeros(1), np.array([[0.0, 0.0, -push]]))
        np.testing.assert_allclose(read(engine)["contact"], [0.0, 2.3 * G + push], rtol=2e-3, atol=1e-9)


def test_base_velocity_is_in_the_frame_of_the_base(placed):
    """Turned left by 90 degrees, the base looks along the world's y: what moves along x moves to its right."""
    turn = from_rpy(np.array([0.0, 0.0, np.pi / 2]))
    readings = placed(floating(), np.array([3.0, 1.0, FLOOR]), turn, np.array([0.7, 0.0, 0.2]), np.zeros(3))
    np.testing.assert_allclose(readings["base_velocity"], [0.0, -0.7, 0.2], atol=1e-12)


def test_a_spinning_base_in_any_pose_reads_its_velocity_turn_rate_and_orientation(placed):
    rng = np.random.default_rng(2)
    for _ in range(5):
        position, turn = rng.uniform(3, 4, 3), from_rpy(rng.uniform(-1.5, 1.5, 3))
        linear, angular = rng.normal(size=3), rng.normal(size=3)
        readings, imu = placed(floating(), position, turn, linear, angular), compose(turn, from_rpy(np.array(MOUNT)))
        np.testing.assert_allclose(readings["base_velocity"], rotate(inverse(turn), linear), atol=1e-9)
        np.testing.assert_allclose(readings["gyro"], rotate(inverse(imu), angular), atol=1e-9)
        assert abs(readings["orientation"] @ imu) == pytest.approx(1.0, abs=1e-12)


def test_a_ray_ends_at_the_floor_or_at_the_largest_range(placed):
    """The body's own box is in the way of each ray and not seen."""
    robot, turn, place = floating(), from_rpy(np.array([0.2, 0.1, 0.4])), np.array([1.0, 2.0, 3.0])
    readings = placed(robot, place, turn, np.zeros(3), np.zeros(3))
    imu = compose(turn, from_rpy(np.array(MOUNT)))
    rays = {
        "down": (place + rotate(turn, np.array([0.02, 0.0, 0.05])), rotate(turn, np.array([0.0, 0.0, -1.0]))),
        "ahead": (place + rotate(turn, np.array([0.1, 0.2, -0.05])), rotate(imu, np.array([1.0, 0.0, 0.0]))),
    }
    expected = {name: origin[2] / -along[2] for name, (origin, along) in rays.items()} | {"up": 7.0}
    assert 2.5 < expected["down"] < 3.5
    assert expected["ahead"] < 0, "it looks at the sky"
    expected["ahead"] = 20.0
    np.testing.assert_allclose(readings["range"], [expected[name] for name in robot.file.rangefinders], atol=1e-4)


@pytest.mark.parametrize("pitch", [0.2, 0.6, 1.2, np.pi / 2])
def test_a_ray_from_a_height_at_an_angle(placed, pitch):
    finder = {"low": {"link": "base", "xyz": [0.15, 0.0, 0.1], "rpy": [0.0, pitch, 0.0], "max_range": 12.0}}
    robot = floating(rangefinders=finder)
    readings = placed(robot, np.array([0.0, 0.0, 1.4]), np.array([0.0, 0, 0, 1]), np.zeros(3), np.zeros(3))
    np.testing.assert_allclose(readings["range"], [1.5 / np.sin(pitch)], atol=1e-4)


def test_a_ray_sees_the_nearest_of_the_other_bodies_of_the_same_robot(sensed):
    """It starts in a box of its own body, and another one of them is in its way."""
    urdf = link("base", 1.0, 0.1, shape=box("0.2 0.2 0.2") + box("0.1 1 1", "0.5 0 0"))
    for name, place in (("door", "1.5 0 0"), ("wall", "3 0 0")):
        urdf += link(name, 1.0, 0.1, shape=box("0.1 2 2")) + joint(name, "prismatic", "base", name, "1 0 0", place)
    finder = {"ahead": {"link": "base", "max_range": 10.0}}
    engine = sensed(make_robot(urdf, {"joint": "door"}, rangefinders=finder))
    for door, wall, expected in ((0.0, 0.0, 1.45), (0.7, 0.0, 2.15), (2.0, 0.0, 2.95), (20.0, 20.0, 10.0)):
        start(engine, [door, wall])
        assert read(engine)["range"] == pytest.approx(expected, abs=1e-4)


def test_nothing_is_left_of_the_last_episode_after_a_reset(sensed):
    engine = sensed(arm("0 1 0"))
    start(engine, [0.0], [20.0])
    for _ in range(50):
        engine.step(np.zeros((1, 1)), np.zeros(1))
    start(engine, [0.3])
    first = read(engine)
    start(engine, [0.3])
    for channel, reading in read(engine).items():
        np.testing.assert_array_equal(reading, first[channel], channel)
    assert np.abs(first["wrench"][:3]).max() < 2 * MASS * G


@pytest.mark.parametrize("tap", [1, 2, 7, 10])
def test_a_reading_within_a_period_is_that_of_its_physics_step(sensed, tap):
    """An engine that is asked after `tap` of 10 physics steps reads what one reads that is stepped one at a time."""
    tau, coarse = 2.0, sensed(arm("0 1 0", control_hz=100))
    fine = sensed(arm("0 1 0"))
    coarse.listen({channel: np.array([tap]) for channel in coarse.readings})
    for engine in (coarse, fine):
        start(engine, [0.3], [1.0])
    for _ in range(3):
        coarse.step(np.full((1, 1), tau), np.zeros(1))
        for step in range(10):
            fine.step(np.full((1, 1), tau), np.zeros(1))
            if step + 1 == tap:
                expected = read(fine)
        for channel, reading in read(coarse).items():
            np.testing.assert_allclose(reading, expected[channel], rtol=1e-9, atol=1e-9, err_msg=channel)


@pytest.mark.parametrize(("delay", "steps"), [(0.0, 0), (0.007, 4), (0.008, 4), (0.02, 10), (0.047, 24)])
def test_what_is_observed_late_is_exactly_the_state_of_that_physics_step(sensed, delay, steps):
    """At 2 ms of physics and 20 ms of control, 7 ms of delay are ceil(7 / 2) = 4 physics steps."""
    urdf = '<link name="base"/>' + link("cart", 1.0, 0.01) + joint("rail", "prismatic", "base", "cart", "1 0 0")
    engine = sensed(make_robot(urdf, {"joint": "rail"}, physics_hz=500, control_hz=50))
    sensors = Sensors(engine.robot, engine.space, ["position"], 1, seed=0)
    sensors.take(Variant.of(engine.space, {"encoder_delay": delay}), ONE)
    engine.listen(sensors.taps())
    start(engine, [0.0], [1.0])  # 1 m/s: it is 2 mm ahead after each physics step
    sensors.restart(ONE, engine.readings)
    for period in range(1, 8):
        engine.step(np.zeros((1, 1)), np.zeros(1))
        measured = sensors.sense(engine.readings)["position"]
        assert measured == pytest.approx(0.002 * max(0, 10 * period - steps), abs=1e-9)
