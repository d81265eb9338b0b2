"""Presets from published work load for every robot of their kind, say where they are from, and hold its numbers."""

import re

import numpy as np
import pytest

from randomization import Randomization, family_names, preset_names, stream
from randomization.randomization import PRESETS
from robots import load_robot
from robots.catalog import robot_names
from sim2real.errors import RandomizationError

LEGGED = ("a1", "aliengo", "humanoid", "laikago", "mini_cheetah", "minitaur", "spirit40", "vision60")
FITTING = {
    "tan2018": LEGGED,
    "peng2018": ("furuta", "kuka_iiwa", "xarm6"),
    "legged_gym": LEGGED,
    "mujoco_playground_go1": LEGGED,
    "dextreme": (*LEGGED, "franka_panda", "furuta", "kuka_iiwa", "xarm6"),
}
ROBOTS = {name: load_robot(name) for name in robot_names()}


def bounds(preset: str, robot: str, coordinate: str) -> tuple[float, float]:
    randomization = Randomization.load(preset, ROBOTS[robot])
    low, high = randomization.bounds()[:, randomization.space.index(coordinate)].tolist()
    return round(low, 12), round(high, 12)


def test_every_preset_is_tried():
    assert preset_names() == sorted(FITTING)


@pytest.mark.parametrize("preset", FITTING)
@pytest.mark.parametrize("name", ROBOTS)
def test_a_preset_fits_the_robots_of_its_kind_and_refuses_others(preset, name):
    if name in FITTING[preset]:
        randomization = Randomization.load(preset, ROBOTS[name], episode_s=20.0)
        drawn = randomization.draw(stream(0, preset), 20).values
        low, high = randomization.bounds()
        assert (np.ptp(drawn[:, low < high], axis=0) > 0).all()
        assert len(randomization.table()) <= 30  # fits a screen
        again = Randomization.from_dict(randomization.to_dict(), ROBOTS[name])
        assert again.draw(stream(0, preset), 20).values.tobytes() == drawn.tobytes()
    else:
        with pytest.raises(RandomizationError, match=r"fits\.(base|motors)|quantities\.damping/\*: relative: scale"):
            Randomization.load(preset, ROBOTS[name])


@pytest.mark.parametrize("preset", FITTING)
def test_a_preset_begins_with_its_source_and_says_what_is_open(preset):
    comment = "".join(re.findall(r"^#.*\n", (PRESETS / f"{preset}.yaml").read_text(), re.MULTILINE))
    assert re.match(r"# .*\(arXiv \d{4}\.\d{5}\)", comment)
    assert re.search("open", comment)
    assert re.search("Left out", comment)


@pytest.mark.parametrize(
    ("preset", "robot", "coordinate", "range_"),
    [
        ("tan2018", "minitaur", "mass/base_chassis_link", (0.8, 1.2)),
        ("tan2018", "minitaur", "inertia/base_chassis_link", (0.5, 1.5)),
        ("tan2018", "minitaur", "latency", (0.0, 0.04)),
        ("tan2018", "minitaur", "supply_voltage", (14.0 / 16, 16.8 / 16)),
        ("tan2018", "minitaur", "orientation_bias/x", (-0.05, 0.05)),
        ("peng2018", "kuka_iiwa", "mass/lbr_iiwa_link_1", (0.25, 4.0)),
        ("peng2018", "xarm6", "damping/joint1", (0.2, 20.0)),  # x a nominal 1 N m s/rad
        ("peng2018", "kuka_iiwa", "jitter", (2 / 1000, 2 / 125)),
        ("legged_gym", "a1", "payload/trunk", (-1.0, 1.0)),
        ("legged_gym", "a1", "sliding_friction/trunk", (0.5, 1.25)),
        ("legged_gym", "a1", "push_interval", (15.0, 15.0)),
        ("mujoco_playground_go1", "a1", "com_x/trunk", (-0.05, 0.05)),
        ("mujoco_playground_go1", "a1", "mass/FR_hip", (0.9, 1.1)),
        ("mujoco_playground_go1", "a1", "friction/FR_hip_joint", (0.9 * 0.2, 1.1 * 0.2)),
        ("mujoco_playground_go1", "a1", "armature/FR_hip_joint", (0.01, 1.05 * 0.01)),
        ("dextreme", "kuka_iiwa", "gravity_z", (-9.81 - 2.4, -9.81 + 2.4)),
        ("dextreme", "kuka_iiwa", "kp/lbr_iiwa_joint_1", (0.3, 3.52)),
    ],
)
def test_the_numbers_are_the_published_ones(preset, robot, coordinate, range_):
    assert bounds(preset, robot, coordinate) == pytest.approx(range_, abs=1e-12)


@pytest.mark.parametrize(("preset", "encoder"), [("legged_gym", 0.01), ("mujoco_playground_go1", 0.03)])
def test_noise_has_the_deviation_of_the_published_uniform_one(preset, encoder):
    half_widths = {
        "encoder_noise/FR_hip_joint": encoder,
        "velocity_noise/FR_hip_joint": 1.5,
        "gyro_noise/x": 0.2,
        "orientation_noise/x": 0.05,
        "base_velocity_noise/x": 0.1,
    }
    for name, half in half_widths.items():
        assert bounds(preset, "a1", name)[0] == pytest.approx(half / 3**0.5, rel=3e-3)


def test_what_is_set_at_the_start_of_a_world_there_is_once_a_world_here():
    for preset in ("legged_gym", "mujoco_playground_go1"):
        clocks = {term.key: term.clock for term in Randomization.load(preset, ROBOTS["a1"]).terms}
        assert clocks["quantities.sliding_friction/*"] == ("world", None)
        assert clocks["quantities.payload/@base"] == ("world", None)


QUADRUPEDS = ("a1", "laikago", "mini_cheetah")
WALKS = ("quadruped", "quadruped_hard", "quadruped_ordinary", "quadruped_rough")


def test_families_of_a_kind_of_robot_are_listed_beside_those_of_one():
    assert {"cartpole", *WALKS} <= set(family_names())


@pytest.mark.parametrize("family", WALKS)
@pytest.mark.parametrize("name", QUADRUPEDS)
def test_a_family_for_quadrupeds_fits_each_of_them(family, name):
    robot = ROBOTS[name]
    randomization = Randomization.load(family, robot, episode_s=20.0)
    low, high = randomization.bounds()
    drawn = randomization.draw(stream(0, family), 20).values
    varied = low < high
    assert (np.ptp(drawn[:, varied], axis=0) > 0).all()
    assert ((drawn >= low) & (drawn <= high) | ~varied).all()
    assert bounds(family, name, f"payload/{robot.model.root.name}")[1] in (1.5, 5.0)
    assert bounds(family, name, f"kp/{robot.actuator_names[0]}") in ((0.85, 1.15), (0.7, 1.3))
    again = Randomization.from_dict(randomization.to_dict(), robot)
    assert again.draw(stream(0, family), 20).values.tobytes() == drawn.tobytes()


@pytest.mark.parametrize("family", WALKS)
def test_a_family_for_quadrupeds_refuses_what_does_not_float(family):
    with pytest.raises(RandomizationError, match=r"fits\.base: this is for robots with a floating base"):
        Randomization.load(family, ROBOTS["cartpole"])


def test_what_is_trained_on_covers_what_is_judged():
    """But for noise and pushes, whose hard values are the trained ranges' ends in the mean."""
    for name in QUADRUPEDS:
        trained = Randomization.load("quadruped", ROBOTS[name])
        for family in ("quadruped_ordinary", "quadruped_hard"):
            low, high = Randomization.load(family, ROBOTS[name]).bounds()
            wide_low, wide_high = trained.bounds()
            for quantity in ("ground_friction", "kp/", "kd/", "payload/", "latency", "zero_offset/", "encoder_noise/"):
                columns = [k for k, c in enumerate(trained.space.names) if c.startswith(quantity)]
                assert columns
                assert (wide_low[columns] <= low[columns]).all(), (family, quantity)
                assert (high[columns] <= wide_high[columns]).all(), (family, quantity)
