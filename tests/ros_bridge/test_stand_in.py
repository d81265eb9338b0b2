"""The stand-in robot without ROS: a forwarding controller's manners, real time, trials."""

import numpy as np
import pytest

from randomization import Randomization
from robots import load_robot
from ros_bridge.stand_in import SETUP_S, StandIn, faster, fitting_task
from sim2real.errors import ConfigError
from sim2real.sim import make_engine
from sim2real.sim.rotations import rotate
from sim2real.tasks import load_task

DT = 0.01


@pytest.fixture
def stand_in(request):
    robot = load_robot("cartpole")
    options = getattr(request, "param", {})
    family = Randomization.load(options.pop("family", "none"), robot)
    made = StandIn(robot, load_task("balance", robot), family, seed=4, **options)
    yield made
    made.close()


def run(stand_in, seconds, now=0.0, command=None):
    for _ in range(round(seconds / DT)):
        now += DT
        senses = stand_in.step(now)
        if command is not None:
            stand_in.command(command, now + 0.001)
    return senses, now


def test_it_runs_at_twice_the_control_rate():
    assert faster(load_robot("cartpole")).control_dt == DT


def test_it_is_held_until_the_first_command(stand_in):
    first = stand_in.step(0.0)
    senses, now = run(stand_in, 1.0)
    np.testing.assert_array_equal(senses.q, first.q)
    assert (senses.dq == 0).all()
    stand_in.command([0.0], now)
    assert (run(stand_in, 0.5, now)[0].q != first.q).any()


def test_it_holds_the_last_command_for_ever(stand_in):
    stand_in.command([5.0], 0.0)
    senses, now = run(stand_in, 0.3)
    assert run(stand_in, 0.3, now)[0].dq[0, 0] > senses.dq[0, 0] > 0.5


def test_a_command_acts_from_the_moment_it_arrives(stand_in):
    """The same as a bare engine that is told the command's delay within the period."""
    engine = make_engine("mujoco", stand_in.robot)
    engine.reset(stand_in.step(0.0).q, np.zeros((1, 2)), np.arange(1))
    stand_in.command([0.0], 0.0)
    stand_in.step(DT)
    stand_in.command([8.0], DT + 0.004)
    senses = stand_in.step(2 * DT)
    for command, delay in ((0.0, 0.0), (8.0, 0.004)):
        engine.step(np.array([[command]]), np.array([delay]))
    np.testing.assert_allclose(senses.q, engine.state.q, atol=1e-12)
    np.testing.assert_allclose(senses.dq, engine.state.dq, atol=1e-12)
    engine.close()


def test_what_is_not_finite_is_dropped_and_the_last_command_stands(stand_in):
    stand_in.command([5.0], 0.0)
    run(stand_in, 0.1)
    assert "dropped" in stand_in.command([float("nan")], 0.1)
    assert stand_in.counts.dropped_not_finite == 1
    assert not stand_in.controller_error
    assert run(stand_in, 0.1, 0.1)[0].dq[0, 0] > 0


def test_a_wrong_length_deactivates_the_controller(stand_in):
    stand_in.command([5.0], 0.0)
    _, now = run(stand_in, 0.2)
    assert "deactivated" in stand_in.command([1.0, 2.0], now)
    before = run(stand_in, 0.02, now)[0].dq[0, 0]
    stand_in.command([20.0], now + 0.02)
    assert abs(run(stand_in, 0.1, now + 0.02)[0].dq[0, 0] - before) < 1.0, "no effort any more"
    assert stand_in.report()["controller_error"]


def test_lost_time_is_counted_and_not_caught_up(stand_in):
    stand_in.command([5.0], 0.0)
    senses, now = run(stand_in, 0.1)
    after = stand_in.step(now + 1.0)
    assert stand_in.counts.lost_s == pytest.approx(1.0 - DT)
    assert after.q[0, 0] - senses.q[0, 0] < 2 * DT * after.dq[0, 0]


@pytest.mark.parametrize("stand_in", [{"trials": 2, "trial_s": 0.2, "family": "cartpole"}], indirect=True)
def test_trials_end_in_success_each_in_a_world_of_its_own(stand_in):
    _, now = run(stand_in, 0.21, command=[0.0])
    assert [trial.success for trial in stand_in.done] == [True]
    held, now = run(stand_in, SETUP_S - 0.02, now, command=[0.0])
    assert (held.dq[0] != held.q[0]).all()
    assert not stand_in.finished
    run(stand_in, 0.3, now, command=[0.0])
    assert stand_in.finished
    first, second = stand_in.done
    assert second.upright_s == pytest.approx(0.2)
    assert first.variant != second.variant
    assert stand_in.report()["success"] == 2


@pytest.mark.parametrize("stand_in", [{"trials": 1, "trial_s": 10.0}], indirect=True)
def test_a_trial_ends_when_the_robot_falls(stand_in):
    run(stand_in, 4.0, command=[0.0])
    assert stand_in.finished
    (trial,) = stand_in.done
    assert not trial.success
    assert 0.2 < trial.upright_s < 4.0


def test_an_endless_run_counts_as_one_trial(stand_in):
    assert stand_in.report()["each"] == []
    run(stand_in, 0.2, command=[0.0])
    assert stand_in.report()["success"] == 1
    run(stand_in, 5.0, 0.2, command=[0.0])
    (trial,) = stand_in.report()["each"]
    assert not trial["success"]
    assert trial["upright_s"] < 5.0


@pytest.mark.parametrize(("robot", "task"), [("cartpole", "balance"), ("kuka_iiwa", "reach"), ("a1", "walk")])
def test_the_task_that_fits_a_robot(robot, task):
    assert fitting_task(load_robot(robot)).name == task


def test_a_robot_that_no_task_fits():
    with pytest.raises(ConfigError, match="task: none of balance, reach, walk fits robot 'r2d2'"):
        fitting_task(load_robot("r2d2"))


def test_odometry_moves_as_it_says():
    """Dropped a little by its legs, a robot goes down as far as its vertical speed says."""
    robot = load_robot("a1")
    made = StandIn(robot, fitting_task(robot), Randomization.none(robot))
    first = made.odometry()
    assert (*first.position[:2], *first.velocity, *first.spin) == (0.0,) * 8
    made.command(np.zeros(robot.n_actuators).tolist(), 0.0)
    heights, fallen = [float(first.position[2])], 0.0
    for k in range(1, 40):
        made.step(k * DT)
        position, quaternion, velocity, _ = made.odometry()
        assert np.linalg.norm(quaternion) == pytest.approx(1.0)
        heights.append(float(position[2]))
        fallen += DT * float(rotate(quaternion, velocity)[2])
    assert abs(heights[-1] - heights[0]) > 0.05
    assert heights[-1] - heights[0] == pytest.approx(fallen, abs=0.01)
    made.close()


def test_the_same_seed_hides_the_same_robots():
    robot = load_robot("cartpole")
    family = Randomization.load("cartpole", robot)
    a, b, c = (StandIn(robot, load_task("balance", robot), family, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.variant.values, b.variant.values)
    np.testing.assert_array_equal(a.step(0.0).q, b.step(0.0).q)
    assert (a.variant.values != c.variant.values).any()
    for made in (a, b, c):
        made.close()
