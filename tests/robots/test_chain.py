"""The chain to an end effector: it agrees with the kinematics of the whole robot, row by row to the last bit."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from robots import Robot, load_robot
from robots.chain import Chain
from robots.kinematics import link_poses
from sim2real.errors import RobotError

ARMS = ("kuka_iiwa", "franka_panda", "xarm6")
SLIDER = """<robot name="slider">
<link name="base"/><link name="sled"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial></link>
<link name="arm"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial></link><link name="tip"/>
<joint name="slide" type="prismatic"><parent link="base"/><child link="sled"/><axis xyz="0 1 0"/>
<origin xyz="0 0 0.2" rpy="0.3 0 0.4"/><limit lower="-1" upper="1" effort="9" velocity="1"/></joint>
<joint name="turn" type="continuous"><parent link="sled"/><child link="arm"/><axis xyz="0 0 1"/>
<origin xyz="0.1 0 0" rpy="0 0.5 0"/></joint>
<joint name="end" type="fixed"><parent link="arm"/><child link="tip"/><origin xyz="0.3 0 0"/></joint>
</robot>
"""


def slider(folder: Path) -> Robot:
    file = {"name": "slider", "urdf": "slider.urdf", "source": "test", "licence": "Apache-2.0", "control_hz": 50}
    file |= {"physics_hz": 500, "fallback": "hold", "end_effector": "tip"}
    file["actuators"] = [{"joint": "slide", "effort": 5, "kp": 10}]
    (folder / "slider.urdf").write_text(SLIDER)
    (folder / "robot.yaml").write_text(yaml.safe_dump(file))
    return load_robot(folder)


def end_of(robot: Robot) -> str:
    """The link that reaches."""
    assert robot.file.end_effector is not None
    return robot.file.end_effector


def poses(robot: Robot, chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Joint positions of the whole robot, and of the chain alone."""
    q = np.random.default_rng(0).uniform(-1.5, 1.5, (20, robot.n_joints))
    return q, q[:, [robot.joint_index(name) for name in chain.names]]


@pytest.mark.parametrize("name", [*ARMS, "slider"])
def test_place_is_that_of_the_whole_robots_kinematics(name, tmp_path):
    robot = slider(tmp_path) if name == "slider" else load_robot(name)
    chain = Chain.of(robot, end_of(robot))
    whole, own = poses(robot, chain)
    expected = [link_poses(robot.model, q)[end_of(robot)][:3, 3] for q in whole]
    np.testing.assert_allclose(chain.place(own), expected, atol=1e-12)


@pytest.mark.parametrize("name", [*ARMS, "slider"])
def test_jacobian_is_the_places_derivative(name, tmp_path):
    robot = slider(tmp_path) if name == "slider" else load_robot(name)
    chain = Chain.of(robot, end_of(robot))
    _, q = poses(robot, chain)
    for k in range(len(chain.names)):
        step = np.zeros(len(chain.names))
        step[k] = 1e-6
        difference = (chain.place(q + step) - chain.place(q - step)) / 2e-6
        np.testing.assert_allclose(chain.jacobian(q)[:, :, k], difference, atol=1e-8)


def test_a_row_is_the_same_to_the_last_bit_alone_or_among_others():
    robot = load_robot("kuka_iiwa")
    chain = Chain.of(robot, "lbr_iiwa_link_7")
    _, q = poses(robot, chain)
    goal = chain.place(q[::-1])
    for k in range(len(q)):
        one = slice(k, k + 1)
        np.testing.assert_array_equal(chain.place(q[one]), chain.place(q)[one])
        np.testing.assert_array_equal(chain.towards(q[one], goal[one]), chain.towards(q, goal)[one])


@pytest.mark.parametrize("name", ARMS)
def test_small_steps_towards_a_goal_get_there(name):
    robot = load_robot(name)
    chain = Chain.of(robot, end_of(robot))
    q = np.tile(robot.default_q[[robot.joint_index(n) for n in chain.names]], (8, 1))
    goal = chain.place(q + np.random.default_rng(1).uniform(-0.4, 0.4, q.shape))
    for _ in range(400):
        q = q + 0.02 * chain.towards(q, goal)
    np.testing.assert_allclose(chain.place(q), goal, atol=1e-3)


def test_it_survives_a_file():
    chain = Chain.of(load_robot("xarm6"), "link6")
    assert Chain.model_validate(chain.model_dump(mode="json")) == chain


def test_a_link_that_is_not_there_or_that_nothing_moves_is_refused():
    robot = load_robot("kuka_iiwa")
    with pytest.raises(RobotError, match=r"no link 'lbr_iiwa_link_8' .did you mean 'lbr_iiwa_link_7'"):
        Chain.of(robot, "lbr_iiwa_link_8")
    with pytest.raises(RobotError, match="no joint moves link 'lbr_iiwa_link_0'"):
        Chain.of(robot, "lbr_iiwa_link_0")
