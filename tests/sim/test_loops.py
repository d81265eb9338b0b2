"""Closed chains: the loops of a robot.yaml hold in both engines, and the linkage moves as mechanics says."""

import numpy as np
import pytest

from benchmarks.closed_form import G, joint, link, make_robot, record, start
from robots import Robot, load_robot
from robots.kinematics import link_poses
from sim2real.errors import EngineError
from sim2real.sim.actuators import holding_command
from sim2real.sim.bodies import loop_points

CRANK, COUPLER = {"m": 0.5, "l": 0.2, "i": 0.004}, {"m": 0.8, "i": 0.01}
LENGTH, WIDTH = 0.4, 0.6  # [m] of a crank, of the coupler between them


def parallelogram(**changes: object) -> Robot:
    """Two cranks that hang side by side, and a coupler from one's end to the other's: it swings and does not turn.

    The right crank ends in a tip on a fixed joint, whose frame is turned: loops are given in the frame of any link.
    """
    cranks = [link(name, CRANK["m"], CRANK["i"], f"0 0 {-CRANK['l']}") for name in ("left", "right")]
    urdf = '<link name="base"/>' + "".join(cranks) + link("coupler", COUPLER["m"], COUPLER["i"], f"{WIDTH / 2} 0 0")
    urdf += '<link name="tip"/>' + joint("first", "continuous", "base", "left", "0 1 0")
    urdf += joint("second", "continuous", "base", "right", "0 1 0", f"{WIDTH} 0 0")
    urdf += joint("third", "continuous", "left", "coupler", "0 1 0", f"0 0 {-LENGTH}")
    urdf += '<joint name="weld" type="fixed"><parent link="right"/><child link="tip"/>'
    urdf += f'<origin xyz="0 0 {-LENGTH + 0.1}" rpy="0 1.5707963267948966 0"/></joint>'
    loop = {"links": ["coupler", "tip"], "points": [[WIDTH, 0.0, 0.0], [0.1, 0.0, 0.0]]}
    return make_robot(urdf, {"joint": "first"}, **({"loops": [loop]} | changes))


def gaps(robot: Robot, q: np.ndarray) -> np.ndarray:
    """How far the ends of each loop are apart, [m]."""
    poses = link_poses(robot.merged.model, q)
    ends = [[poses[body] @ [*point, 1.0] for body, point in pair] for pair in loop_points(robot)]
    return np.array([np.linalg.norm(a - b) for a, b in ends])


def test_a_linkage_swings_as_on_paper(make):
    """Small swings of the parallelogram: T = 2 pi sqrt((2 J + m L^2) / (g (2 m_crank l + m L)))."""
    robot = parallelogram()
    engine = make(robot)
    q = np.zeros(robot.n_joints)
    for name, angle in (("first", 0.1), ("second", 0.1), ("third", -0.1)):
        q[robot.joint_index(name)] = angle
    assert gaps(robot, q).max() < 1e-12
    start(engine, q.tolist())
    t, q, _ = record(engine, 8.0)
    swing = q[:, robot.joint_index("first")]
    k = np.flatnonzero((swing[:-1] < 0) & (swing[1:] >= 0))
    crossings = t[k] - swing[k] * (t[k + 1] - t[k]) / (swing[k + 1] - swing[k])
    moment = 2 * (CRANK["i"] + CRANK["m"] * CRANK["l"] ** 2) + COUPLER["m"] * LENGTH**2
    weight = G * (2 * CRANK["m"] * CRANK["l"] + COUPLER["m"] * LENGTH)
    expected = 2 * np.pi * np.sqrt(moment / weight) * (1 + 0.1**2 / 16)
    assert np.diff(crossings).mean() == pytest.approx(expected, rel=1e-4)
    assert np.abs(swing[-1000:]).max() == pytest.approx(0.1, rel=0.02), "a loop does not brake"
    assert max(gaps(robot, row).max() for row in q[::20]) < 1e-5


def test_a_loop_holds_under_load(make):
    robot = parallelogram()
    engine = make(robot)
    _, q, _ = record(engine, 2.0, 2.0)
    assert np.ptp(q[:, 0]) > 0.3
    assert max(gaps(robot, row).max() for row in q[::20]) < 1e-4


def test_without_its_loop_the_chain_falls_apart(make):
    robot = parallelogram(loops=[])
    _, q, _ = record(make(robot), 1.0, 2.0)
    assert max(gaps(parallelogram(), row).max() for row in q[::20]) > 0.1


def test_a_loop_that_is_open_in_the_default_pose_is_refused(make):
    robot = parallelogram(default_pose={"first": 0.3})
    with pytest.raises(EngineError, match=r"robot\.yaml: loops\.0: its points are \d+.* mm apart in the default pose"):
        make(robot)


def test_a_loop_that_is_closed_but_for_rounding_is_taken_as_closed():
    loop = {"links": ["coupler", "tip"], "points": [[WIDTH, 1e-5, 0.0], [0.1, 0.0, 0.0]]}
    robot = parallelogram(loops=[loop])
    assert gaps(robot, robot.default_q).max() < 1e-15


def test_minitaur_walks_on_the_spot(make):
    """Four legs of two motors each, their shins joined: PyBullet's own robot."""
    robot = load_robot("minitaur")
    engine = make(robot)
    hold, worst = holding_command(robot, engine.state.q), 0.0
    for k in range(100):
        wave = 0.2 * np.sin(2 * np.pi * 1.5 * k * robot.control_dt + np.arange(robot.n_actuators))
        engine.step(hold + wave, np.zeros(1))
        worst = max(worst, gaps(robot, engine.state.q[0]).max())
    assert engine.state.healthy.all()
    assert engine.state.base_position[0, 2] > 0.1
    assert worst < 1e-3
