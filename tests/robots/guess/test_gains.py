"""What joints move, and the gains that follow."""

import numpy as np
import pytest

from robots import load_robot
from robots.guess.gains import critical_damping, joint_inertias, stiffness, two_digits
from robots.kinematics import mass_matrix


@pytest.mark.parametrize("floating", [False, True])
def test_a_joint_moves_less_where_others_give_way(floating: bool) -> None:
    robot = load_robot("a1")
    held, free = joint_inertias(robot.model, robot.default_q, floating)
    matrix = mass_matrix(robot.model, robot.default_q)
    assert held == pytest.approx(np.diag(matrix))
    assert (free > 0).all()
    assert (free < held).all()
    if not floating:
        assert free == pytest.approx(1.0 / np.diag(np.linalg.inv(matrix)))


def test_a_mimic_joint_loads_the_one_it_follows() -> None:
    robot = load_robot("franka_panda")
    held, free = joint_inertias(robot.model, robot.default_q, floating=False)
    first, second = (robot.joint_index(f"panda_finger_joint{k}") for k in (1, 2))
    assert held[first] == pytest.approx(0.2)  # two fingers of 100 g
    assert held[second] == free[second] == 0.0


def test_stiffness_follows_frequency_load_and_effort() -> None:
    assert stiffness(2.0, 0.0, 1e6, 1.0) == pytest.approx(2.0 * (2 * np.pi) ** 2)
    assert stiffness(2.0, 30.0, 1e6, 1.0) == pytest.approx(30.0 / 0.03)
    assert stiffness(2.0, 30.0, 50.0, 1.0) == pytest.approx(500.0)
    assert critical_damping(8.0, 2.0) == pytest.approx(8.0)


@pytest.mark.parametrize(("value", "written"), [(1234.5, 1200.0), (0.0567, 0.057), (3.0, 3.0)])
def test_gains_are_written_as_a_person_would(value: float, written: float) -> None:
    assert two_digits(value) == written
