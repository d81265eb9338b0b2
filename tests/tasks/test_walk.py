"""Walking: the gait that a robot's geometry gives, what is commanded and rewarded, and that the trot alone carries."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from robots import load_robot
from robots.legs import foot_place, legs
from sim2real.env import RobotVectorEnv
from sim2real.errors import ConfigError, RobotError
from sim2real.sim.engine import WorldState
from sim2real.tasks import load_task
from sim2real.tasks.walk import COMMANDS, trot

NAMES = ("a1", "laikago", "mini_cheetah")
ROBOTS = {name: load_robot(name) for name in NAMES}
each_robot = pytest.mark.parametrize("robot", ROBOTS.values(), ids=NAMES)
HZ, LIFT = 2.5, 0.25


def feet(robot, gait, turn, velocity=(0.0, 0.0, 0.0)):
    """Places of the feet in the base's frame at some turn of the gait: (4, 3) [m]."""
    offset = gait.offset(np.array([turn / gait.hz]), np.array([velocity]))[0]
    q = robot.default_q.copy()
    q[robot.actuated] += offset
    return np.array([foot_place(robot, leg.foot, q) for leg in legs(robot)])


@each_robot
def test_diagonal_pairs_of_feet_rise_in_turn(robot):
    gait, stand = trot(robot, HZ, LIFT, 1.0), np.array([leg.place for leg in legs(robot)])
    mids = [feet(robot, gait, turn) - stand for turn in (0.25, 0.75)]
    heights = -LIFT * stand[:, 2]
    for rise, up in zip(mids, ([False, True, True, False], [True, False, False, True]), strict=True):
        ups = np.array(up) if gait.phase[0] else ~np.array(up)  # FR and RL, or FL and RR
        np.testing.assert_allclose(rise, np.outer(ups * heights, [0, 0, 1]), atol=2e-4)
    for turn in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(feet(robot, gait, turn), stand, atol=1e-6)


@each_robot
@pytest.mark.parametrize("velocity", [(0.5, 0, 0), (0, 0.3, 0), (0, 0, 0.8), (-0.3, 0.2, -0.5)], ids=str)
def test_feet_that_stand_move_as_the_commanded_velocity_asks(robot, velocity):
    """A point at r that rests on the ground moves by -(v + w x r) in the frame of a base of velocity v and spin w."""
    gait, step = trot(robot, HZ, LIFT, 1.0), 0.01
    stand, v, w = np.array([leg.place for leg in legs(robot)]), np.array([*velocity[:2], 0.0]), [0.0, 0.0, velocity[2]]
    expected = -(v + np.cross(w, stand))
    for turn in (0.25, 0.75):  # mid-stance of one pair, then of the other
        ends = [feet(robot, gait, turn + sign * step, velocity) for sign in (-0.5, 0.5)]
        speed = (ends[1] - ends[0]) * gait.hz / step
        standing = (turn + np.array(gait.phase[::3])) % 1.0 > 0.5
        assert standing.sum() == 2
        np.testing.assert_allclose(speed[standing], expected[standing], atol=0.02)


@each_robot
def test_half_of_the_sweep_is_half_of_the_step(robot):
    whole, half = (np.array(trot(robot, HZ, LIFT, share).sweep) for share in (1.0, 0.5))
    np.testing.assert_allclose(half, whole / 2)
    assert np.abs(whole).max() > 0.05


def envs_of(engine: str, forward: float, **options: Any) -> RobotVectorEnv:
    """One A1 that is always asked for the same speed, in the nominal world."""
    asked = {"forward": (forward, forward), "left": (0, 0), "turn": (0, 0), "stand": 0}
    return RobotVectorEnv(1, robot="a1", task="walk", engine=engine, physics_hz=500, options=asked | options, seed=0)


@pytest.mark.parametrize("engine", ["mujoco", "bullet"])
def test_the_trot_alone_stays_up_and_goes_where_it_is_asked_to(engine):
    travelled = []
    for forward in (0.0, 0.5):
        envs = envs_of(engine, forward)
        envs.reset(seed=0)
        for _ in range(250):
            _, _, terminated, _, _ = envs.step(np.zeros((1, 12), np.float32))
            assert not terminated.any()
        travelled.append(envs.simulation.state.base_position[0, 0])
        envs.close()
    assert abs(travelled[0]) < 0.75, "it drifts, by itself, by no more than 15 cm/s"
    assert travelled[1] > travelled[0] + 1.25, "5 s at 0.5 m/s: at least half of it"


def task(**options: Any) -> Any:
    return load_task("walk", ROBOTS["a1"], options)


def test_commands_are_within_their_ranges_and_some_are_to_stand():
    made, rng = task(forward=(0.1, 0.8), left=(-0.3, -0.1), turn=(0.2, 0.9), stand=0.25), np.random.default_rng(0)
    asked = np.array([made.command(rng) for _ in range(2000)])
    stands = (asked == 0).all(axis=1)
    assert stands.mean() == pytest.approx(0.25, abs=0.04)
    low, high = asked[~stands].min(axis=0), asked[~stands].max(axis=0)
    assert low == pytest.approx([0.1, -0.3, 0.2], abs=0.01)
    assert high == pytest.approx([0.8, -0.1, 0.9], abs=0.01)


STILL = (np.zeros((1, 3)), np.zeros((1, 3)))  # the command, and the steady-state errors


def state(**changes: Any) -> WorldState:
    made = WorldState.zeros(ROBOTS["a1"], 1)
    for name, value in changes.items():
        getattr(made, name)[:] = value
    return made


def test_motion_counts_in_the_frame_of_the_base():
    """Facing to the left, a base that moves along the world's y moves forward."""
    facing = Rotation.from_euler("z", 90, degrees=True).as_quat()
    moving = state(base_quaternion=facing, base_velocity=[-0.2, 0.5, 0.1], base_angular_velocity=[0, 0, 0.4])
    deviation = task().deviation(moving, np.array([[0.3, 0.0, 1.0]]))
    assert tuple(deviation) == COMMANDS
    assert [float(v[0]) for v in deviation.values()] == pytest.approx([0.2, 0.2, -0.6])
    seen = task().privileged(moving, np.zeros((1, 3)), np.array([[0.01, -0.02, 0.03]]))[0]
    assert seen == pytest.approx([1.0, 0.4, 0.2, 0.0, 0.0, 0.2, 0.0, 0.1, -0.2, 0.3], abs=1e-9)


def test_reward_by_hand():
    """Each weight is 1, so that each term is what it says it multiplies."""
    names = type(task().config.weights).model_fields
    made, command = task(weights=dict.fromkeys(names, 1.0)), np.array([[0.5, 0.0, 0.2]])
    moving = state(base_velocity=[0.2, 0.1, -0.3], base_angular_velocity=[0.3, -0.4, 0.5], tau=2.0)
    moving.base_position[:, 2] += 0.05
    terms = made.reward(moving, np.full((1, 12), 0.5), np.full((1, 12), 0.25), command, np.array([[0.06, 0.08, -0.2]]))
    expected = {
        "steady": np.exp(-1.0),  # 0.06^2 + 0.08^2 = 0.01
        "steady_turn": np.exp(-2.0),
        "lag": 0.1,  # 0.3^2 + 0.1^2
        "turn_lag": 0.09,
        "heave": 0.09,
        "sway": 0.25,
        "tilt": 0.0,
        "height": 0.0025,
        "effort": 48.0,
        "smooth": 12 * 0.0625,
        "fall": 0.0,
    }
    found = {name: float(value[0]) for name, value in terms.items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert set(found) == set(names) == {"velocity", "turn", *expected}
    assert 0.0 < found["velocity"] < found["turn"] < 1.0
    met = made.reward(moving, np.zeros((1, 12)), np.zeros((1, 12)), np.array([[0.2, 0.1, 0.5]]), np.zeros((1, 3)))
    assert (met["velocity"], met["turn"]) == (pytest.approx([1.0]), pytest.approx([1.0]))


def test_a_tilt_counts_by_how_far_gravity_leans():
    leaning = state(base_quaternion=Rotation.from_euler("xyz", [30, 0, 77], degrees=True).as_quat())
    terms = task(weights={"tilt": 1.0}).reward(leaning, np.zeros((1, 12)), np.zeros((1, 12)), *STILL)
    assert terms["tilt"] == pytest.approx([0.25])


@pytest.mark.parametrize(
    ("roll", "height", "fallen"),
    [(0, 1.0, False), (50, 1.0, False), (56, 1.0, True), (0, 0.51, False), (0, 0.49, True)],
)
def test_a_robot_on_its_side_or_belly_has_fallen(roll, height, fallen):
    lies = state(base_quaternion=Rotation.from_euler("x", roll, degrees=True).as_quat())
    lies.base_position[:, 2] *= height
    assert task().failed(lies).tolist() == [fallen]  # beyond 0.93 rad, 53.3 degrees, or below half the height
    nothing = np.zeros((1, 12))
    assert task(weights={"fall": -3.0}).reward(lies, nothing, nothing, *STILL)["fall"] == -3.0 * fallen


def test_first_states_are_near_the_default_pose():
    q, dq = task().start(np.random.default_rng(0), 50)
    off = np.abs(q - ROBOTS["a1"].default_q)
    assert 0.04 < off.max() <= 0.05
    assert not dq.any()


@pytest.mark.parametrize("name", ["cartpole", "kuka_iiwa", "humanoid"])
def test_a_robot_that_is_no_quadruped_is_refused(name):
    with pytest.raises(RobotError, match=r"robot\.yaml: task 'walk' needs a free base, four feet and an imu"):
        load_task("walk", load_robot(name))


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigError, match=r"task\.options: gait_hertz: unknown key \(did you mean 'gait_hz'"):
        task(gait_hertz=2.0)
