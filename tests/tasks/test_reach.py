"""Reach: goals that the arm can be at, actions that change commands, and limits that end an episode."""

import numpy as np
import pytest

from randomization import Randomization
from robots import Robot, load_robot
from robots.kinematics import link_poses
from sim2real.env import RobotVectorEnv
from sim2real.errors import ConfigError, RobotError
from sim2real.sim.engine import WorldState
from sim2real.tasks import load_task
from sim2real.tasks.reach import Reach

ARMS = ("kuka_iiwa", "franka_panda", "xarm6")


def reach(robot: Robot, **options: object) -> Reach:
    task = load_task("reach", robot, options)
    assert isinstance(task, Reach)
    return task


def state(robot: Robot, q: np.ndarray) -> WorldState:
    made = WorldState.zeros(robot, len(q))
    made.q[:] = q
    return made


@pytest.mark.parametrize("name", ARMS)
def test_goals_are_places_of_poses_inside_the_limits_above_the_floor_and_beside_the_base(name):
    robot = load_robot(name)
    task, rng = reach(robot), np.random.default_rng(0)
    q, dq = task.start(rng, 50)
    lower, upper = robot.q_limits
    assert (q[:, robot.actuated] >= lower).all()
    assert (q[:, robot.actuated] <= upper).all()
    assert not dq.any()
    goals = np.array([task.command(rng) for _ in range(50)])
    assert (goals[:, 2] >= 0.05).all()
    assert (np.hypot(goals[:, 0], goals[:, 1]) >= 0.2).all()
    assert np.ptp(goals, axis=0).min() > 0.4  # not all in one place


def test_distance_is_that_of_the_end_effector_from_the_goal():
    robot = load_robot("kuka_iiwa")
    task = reach(robot)
    q, _ = task.start(np.random.default_rng(3), 4)
    places = np.array([link_poses(robot.model, row)["lbr_iiwa_link_7"][:3, 3] for row in q])
    off = np.array([[0.03, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.3, 0.4], [0.0, 0.0, -0.01]])
    deviation = task.deviation(state(robot, q), places + off)["distance [m]"]
    np.testing.assert_allclose(deviation, [0.03, 0.0, 0.5, 0.01], atol=1e-12)


def test_what_is_seen_is_the_way_to_the_goal_and_towards_it_pays():
    robot = load_robot("kuka_iiwa")
    terms = [{"name": "end_effector_error"}, {"name": "end_effector_step"}]
    envs = RobotVectorEnv(4, robot, "reach", "mujoco", options={"terms": terms}, seed=0)
    seen, _ = envs.reset(seed=0)
    goal = np.concatenate([envs.task.command(np.random.default_rng(0))[None]] * 4)
    towards, away = (state(robot, envs.simulation.state.q) for _ in range(2))
    towards.dq[:], away.dq[:] = 0.1 * seen[:, 3:], -0.1 * seen[:, 3:]
    goal = seen[:, :3] + np.array(
        [link_poses(robot.model, q)["lbr_iiwa_link_7"][:3, 3] for q in envs.simulation.state.q]
    )
    np.testing.assert_allclose(goal, envs._worlds.command, atol=1e-6)
    still = np.zeros((4, robot.n_actuators))
    pays, costs = (
        envs.task.reward(moving, still, still, goal, np.zeros((1, 0)))["approach"] for moving in (towards, away)
    )
    assert (pays > 0).all()
    np.testing.assert_allclose(pays, -costs)
    envs.close()


def test_actions_change_the_last_command_and_leave_what_does_not_reach_alone():
    task = reach(load_robot("franka_panda"))
    last = np.array([[0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785, 0.02]])
    nothing, everything = np.zeros_like(last), np.ones_like(last)
    command = task.action_map.command
    np.testing.assert_array_equal(command(nothing, last, np.zeros(1), np.zeros((1, 3))), last)
    moved = command(everything, last, np.zeros(1), np.zeros((1, 3))) - last
    np.testing.assert_allclose(moved[0, :4], 0.5 * 2.175 * 0.02)
    assert (moved[0, 6:] == 0).all()  # the last joint turns the hand on the spot, and the finger grips


def test_actions_never_lead_out_of_the_limits():
    robot = load_robot("xarm6")
    task, rng = reach(robot), np.random.default_rng(0)
    command = task.start(rng, 20)[0]
    lower, upper = robot.q_limits
    edge = 0.02 * (upper - lower)
    for period in range(300):
        if period % 100 == 0:
            action = np.sign(rng.uniform(-1, 1, (20, 6)))
        command = task.action_map.command(action, command, np.zeros(20), np.zeros((20, 3)))
        assert (command >= lower + edge - 1e-12).all()
        assert (command <= upper - edge + 1e-12).all()


def test_a_joint_beyond_its_limits_and_a_motor_beyond_its_effort_fail():
    robot = load_robot("kuka_iiwa")
    task = reach(robot)
    there = state(robot, np.tile(robot.default_q, (4, 1)))
    there.q[1, 3] = 2.2
    there.dq[2, 0] = -10.1
    there.tau[3, 5] = 40.5
    assert task.failed(there).tolist() == [False, True, True, True]


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_going_the_way_that_is_seen_reaches_the_goal_in_both_engines(engine):
    robot = load_robot("kuka_iiwa").at(500)
    options = {"terms": [{"name": "end_effector_step"}], "command_s": 3.0, "episode_s": 3.5}
    envs = RobotVectorEnv(3, robot, "reach", engine, "arm_ordinary", options=options, seed=0)
    seen, _ = envs.reset(seed=0)
    for _ in range(148):
        action = np.clip(0.5 * seen, -1.0, 1.0).astype(np.float32)
        seen, _, terminated, _, _ = envs.step(action)
        assert not terminated.any()
    distance = envs.task.deviation(envs.simulation.state, envs._worlds.command)["distance [m]"]
    assert (distance < 0.01).all()
    envs.close()


@pytest.mark.parametrize("family", ["arm", "arm_ordinary"])
@pytest.mark.parametrize("name", ARMS)
def test_the_families_fit_every_arm(name, family):
    robot = load_robot(name)
    drawn = Randomization.load(family, robot, 8.0)
    assert robot.file.end_effector is not None
    body = robot.merged.frames[robot.file.end_effector][0]
    low, high = drawn.bounds()
    payloads = [n for n, a, b in zip(drawn.space.names, low, high, strict=True) if n.startswith("payload") and b > a]
    assert payloads == [f"payload/{body}"]


def test_a_robot_that_cannot_reach_is_refused():
    for name in ("a1", "cartpole"):
        with pytest.raises(RobotError, match="task 'reach' needs a fixed base, an end_effector and motors in mode"):
            load_task("reach", load_robot(name))
    with pytest.raises(RobotError, match="no pose near the default one"):
        reach(load_robot("xarm6"), floor=3.0)
    with pytest.raises(ConfigError, match="toleranc"):
        reach(load_robot("xarm6"), tolerances=0.1)
