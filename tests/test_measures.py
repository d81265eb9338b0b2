"""How well commands are followed, by hand; what motions look like to the spectrum; how fast feet slip."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from randomization import Variant, VariantSpace
from robots import load_robot
from robots.legs import legs
from sim2real.measures import CHATTER_HZ, Motion, Tracking
from sim2real.sim import make_engine
from sim2real.sim.channels import available
from sim2real.sim.engine import WorldState
from sim2real.sim.simulation import Simulation
from sim2real.tasks import load_task
from sim2real.worlds import Worlds

ROBOT = load_robot("cartpole")
DT = 0.5
NAME = "cart [m]"


class Followed:
    """Worlds and a task for Tracking: a place for the cart is commanded every 2 s, with 1 s to get there."""

    def __init__(self, n: int, settle_s: float = 1.0, command_s: float = 2.0) -> None:
        self.task = load_task("balance", ROBOT)
        self.task.settle_s, self.task.command_s = settle_s, command_s
        self.task.deviation = lambda state, command: {NAME: state.q[:, 0] - command[:, 0]}  # type: ignore[method-assign]
        truth = Variant.nominal(VariantSpace(ROBOT), n)
        self.worlds = Worlds(self.task, truth, 0, n)
        self.worlds.command = np.zeros((n, 1))
        self.state = WorldState.zeros(ROBOT, n)
        self.tracking = Tracking(self.task, self.worlds, n, DT)

    def run(self, places: list[list[float]], running: Any = None) -> dict[str, Any]:
        """Let carts be at these places at the end of each period: (n_steps, n_worlds); return the errors."""
        n = len(places[0])
        alive = np.ones((len(places), n), bool) if running is None else np.array(running, bool)
        for place, here in zip(places, alive, strict=True):
            self.state.q[:, 0] = place
            self.tracking.observe(self.state, here)
            self.worlds.since += DT
            self.worlds.since[self.worlds.since > self.task.command_s - DT / 2] = 0.0
        return self.tracking.errors()


def test_deviations_count_once_settled_and_their_mean_is_taken_with_sign():
    errors = Followed(1).run([[9.0], [9.0], [0.3], [-0.1]])  # at 0 and 0.5 s it has not settled yet
    assert errors[NAME] == pytest.approx([0.1])  # |0.3 - 0.1| / 2


def test_the_errors_of_commands_are_averaged_not_their_deviations():
    """+0.2 under one command and -0.4 under the next do not make up for each other."""
    errors = Followed(1).run([[9.0], [9.0], [0.2], [0.2], [9.0], [9.0], [-0.4], [-0.4]])
    assert errors[NAME] == pytest.approx([0.3])


def test_a_command_counts_as_far_as_it_was_followed():
    """World 1 falls within its second command, after one settled period; world 2 before it ever settles."""
    places = [[0.0, 0.0, 0.0]] * 2 + [[0.1, 0.1, 0.1]] * 2 + [[0.0, 0.0, 0.0]] * 2 + [[0.3, 0.5, 0.7], [0.3, 9.0, 9.0]]
    running = [[1, 1, 1], [1, 1, 0], *[[1, 1, 0]] * 5, [1, 0, 0]]
    errors = Followed(3).run(places, running)[NAME]
    assert errors[:2] == pytest.approx([(0.1 + 0.3) / 2, (0.1 + 0.5) / 2])
    assert np.isnan(errors[2])


def test_each_world_has_its_own_clock():
    followed = Followed(2)
    followed.worlds.since[:] = [0.0, 1.0]
    errors = followed.run([[9.0, 0.1], [9.0, 0.1], [0.4, 9.0], [0.4, 9.0]])[NAME]
    assert errors == pytest.approx([0.4, 0.1])


def test_asking_twice_changes_nothing():
    followed = Followed(1)
    first = followed.run([[9.0], [9.0], [0.2]])
    assert first[NAME] == pytest.approx([0.2])
    assert followed.tracking.errors()[NAME] == pytest.approx([0.2])


def test_without_commands_there_is_nothing_to_follow():
    followed = Followed(1)
    followed.task.deviation = lambda state, command: {}  # type: ignore[method-assign]
    assert followed.run([[1.0], [2.0]]) == {}


PERIOD = ROBOT.control_dt


def figures_of(actions: np.ndarray, running: np.ndarray | None = None, **state: Any) -> dict[str, Any]:
    """Figures of actions (n_steps, n_worlds) of the cart's one motor."""
    n = actions.shape[1]
    motion, still = Motion(ROBOT, n), replace(WorldState.zeros(ROBOT, n), **state)
    for step, action in enumerate(actions):
        motion.observe(still, action[:, None], np.ones(n, bool) if running is None else running[step], {})
    return motion.figures()


def sines(*hz: float, seconds: float = 4.0) -> np.ndarray:
    t = np.arange(round(seconds / PERIOD)) * PERIOD
    return np.stack([0.5 + np.sin(2 * np.pi * f * t) for f in hz], axis=1)


def test_slow_motion_is_slow_and_chatter_is_not():
    slow = figures_of(sines(2.0, 20.0))["slow share [1]"]
    assert slow[0] > 0.999
    assert slow[1] < 0.001


def test_the_slow_share_is_one_of_power():
    """2 Hz at amplitude 1 and 20 Hz at amplitude 2: a fifth of the power is slow, and a constant has none."""
    mixed = sines(2.0) + 2.0 * (sines(20.0) - 0.5)
    assert figures_of(mixed)["slow share [1]"] == pytest.approx([0.2], abs=1e-3)
    assert figures_of(mixed + 30.0)["slow share [1]"] == pytest.approx([0.2], abs=1e-3)
    assert figures_of(np.ones((40, 1)))["slow share [1]"] == [1.0]


def test_the_border_is_where_it_says():
    assert CHATTER_HZ == 8.0
    assert figures_of(sines(7.5, 8.5))["slow share [1]"] == pytest.approx([1.0, 0.0], abs=1e-3)


def test_jerk_is_the_third_difference_of_actions():
    cubic = np.arange(20.0)[:, None] ** 3 / 6  # whose third difference is 1 everywhere
    assert figures_of(cubic)["action jerk [1]"] == pytest.approx([1.0])
    assert figures_of(np.arange(20.0)[:, None] ** 2)["action jerk [1]"] == pytest.approx([0.0])
    back_and_forth = np.where(np.arange(20) % 2, 1.0, -1.0)[:, None]  # -2, 2; then 4; then 8
    assert figures_of(back_and_forth)["action jerk [1]"] == pytest.approx([8.0])


def test_power_is_the_sum_of_what_motors_give_and_take_while_running():
    tau, dq = np.array([[2.0], [-3.0]]), np.array([[1.5, 7.0], [2.0, 7.0]])  # the pole has no motor
    running = np.array([[True, True], [True, False], [True, False]])
    assert figures_of(np.zeros((3, 2)), running, tau=tau, dq=dq)["joint power [W]"] == pytest.approx([3.0, 6.0])


def test_what_comes_after_the_fall_does_not_count():
    actions = sines(2.0, 2.0, 2.0)
    actions[100:, 1:] = np.where(np.arange(100)[:, None] % 2, 1.0, -1.0)
    running = np.ones(actions.shape, bool)
    running[100:, 1] = running[10:, 2] = False
    figures = figures_of(actions, running)
    assert figures["slow share [1]"][:2] == pytest.approx([1.0, 1.0], abs=1e-3)
    assert figures["action jerk [1]"][1] == pytest.approx(figures["action jerk [1]"][0], rel=0.01)
    assert np.isnan([figures["slow share [1]"][2], figures["action jerk [1]"][2]]).all(), "too short to tell"


QUADRUPED = load_robot("a1")
SLIP = "foot slip [m/s]"


def slip_of(force: Any, running: Any = None, **state: Any) -> np.ndarray:
    """Slip of quadrupeds in the default pose whose feet bear `force` (n_steps, n_worlds, 4) [N]."""
    force = np.asarray(force, float)
    n = force.shape[1]
    motion, pose = Motion(QUADRUPED, n), replace(WorldState.zeros(QUADRUPED, n), **state)
    for step, now in enumerate(force):
        alive = np.ones(n, bool) if running is None else np.asarray(running[step], bool)
        motion.observe(pose, np.zeros((n, 12)), alive, {"contact": now})
    return motion.figures()[SLIP]


def test_feet_under_a_base_that_slides_slip_as_fast():
    sideways = np.array([[0.3, 0.4, 7.0], [0.0, 0.0, 7.0]])  # what lifts them is no slip
    assert slip_of(np.full((3, 2, 4), 30.0), base_velocity=sideways) == pytest.approx([0.5, 0.0])


def test_only_feet_that_stand_slip_and_each_by_its_own_speed():
    """Turning on the spot, a foot is as fast as it is far from the middle; here one stands, then another one."""
    spin = np.array([[0.0, 0.0, 2.0]])
    places = np.array([leg.place[:2] for leg in legs(QUADRUPED)])
    far = 2.0 * np.linalg.norm(places, axis=1)
    assert slip_of([[[9.0, 0, 0, 0]], [[9.0, 0, 0, 9.0]]], base_angular_velocity=spin) == pytest.approx(
        [(2 * far[0] + far[3]) / 3]
    )
    assert np.isnan(slip_of(np.zeros((2, 1, 4)), base_angular_velocity=spin)).all(), "none ever stood"


def test_slip_is_along_the_floor_also_where_that_is_a_slope():
    floor = np.array([[-np.sin(0.3), 0.0, np.cos(0.3)]])
    along, across = np.array([[np.cos(0.3), 0.0, np.sin(0.3)]]), floor
    stand = np.full((1, 1, 4), 1.0)
    assert slip_of(stand, floor=floor, base_velocity=0.7 * along + 2.0 * across) == pytest.approx([0.7])


def test_slip_after_the_fall_does_not_count():
    moved = np.array([[1.0, 0.0, 0.0]] * 2)
    force = np.full((4, 2, 4), 1.0)
    found = slip_of(force, [[1, 0], [1, 0], [0, 0], [0, 0]], base_velocity=moved)
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1])


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_a_robot_on_a_slippery_slope_slips_as_fast_as_it_slides(engine):
    """World 0 has a level floor and stays where it is; world 1 slides down: what the base says, the feet say too."""
    space = VariantSpace(QUADRUPED)
    variant = Variant.of(space, {"slope": np.array([0.0, 0.35]), "ground_friction": np.array([0.8, 0.1])}, 2)
    simulation = Simulation(make_engine(engine, QUADRUPED, 2, channels=available(QUADRUPED)), 0)
    motion = [Motion(QUADRUPED, 2) for _ in range(2)]
    try:
        simulation.reset(np.tile(QUADRUPED.default_q, (2, 1)), np.zeros((2, QUADRUPED.n_joints)), np.arange(2), variant)
        held, slid = np.tile(QUADRUPED.default_q[QUADRUPED.actuated], (2, 1)), []
        for step in range(40):
            simulation.advance(held)
            late = step >= 20
            motion[late].observe(simulation.state, np.zeros((2, 12)), np.ones(2, bool), simulation.engine.readings)
            slid += [np.linalg.norm(simulation.state.base_velocity, axis=1)] if late else []
    finally:
        simulation.close()
    slip = motion[True].figures()[SLIP]
    assert slip[0] < 0.01
    assert slip[1] == pytest.approx(np.mean(slid, axis=0)[1], rel=0.05)
    assert slip[1] > 1.0
