"""Sensor models: noise, bias, drift, steps, lost readings, rates and delays are what the Variant says."""

import numpy as np
import pytest

from benchmarks.closed_form import joint, link, make_robot
from randomization import Variant, VariantSpace
from robots import Robot, load_robot
from sim2real.errors import EngineError
from sim2real.sim.channels import CHANNELS, available
from sim2real.sim.rotations import compose, from_rpy, from_vector, inverse, rotate, to_rpy
from sim2real.sim.sensors import Sensors

PLACES = [("a1", channel) for channel in available(load_robot("a1"))] + [("kuka_iiwa", "wrench"), ("husky", "range")]
N, STEPS = 500, 200  # worlds and periods: 1e5 samples of each number
PHYSICS_DT, SUBSTEPS = 0.002, 10


def slider() -> Robot:
    """One joint; 2 ms of physics, 20 ms of control."""
    urdf = '<link name="base"/>' + link("cart", 1.0, 0.01) + joint("rail", "prismatic", "base", "cart", "1 0 0")
    return make_robot(urdf, {"joint": "rail"}, physics_hz=500, control_hz=50)


def truth(robot: Robot, channel: str, n: int) -> np.ndarray:
    """Return readings of n worlds that are nothing special, with a quaternion of unit length."""
    readings: np.ndarray = np.random.default_rng(1).uniform(-1.0, 1.0, (n, CHANNELS[channel].width(robot)))
    if channel == "orientation":
        readings = from_rpy(readings[:, :3])
    return readings


def errors_of(channel: str, measured: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return measured less true; of an orientation, the turn vector in between, in the IMU's axes."""
    error: np.ndarray = measured - true
    if channel == "orientation":
        between = compose(inverse(true), measured)
        error = 2 * between[..., :3] / np.sinc(np.arccos(np.minimum(between[..., 3:], 1.0)) / np.pi)
    return error


def sensors_with(
    robot: Robot, channel: str, changes: dict[str, float], n: int = N
) -> tuple[Sensors, dict[str, np.ndarray]]:
    """Return sensors whose quantities NAME are changed for all members, and readings that they were restarted with."""
    space = VariantSpace(robot)
    values = np.tile(space.nominal, (n, 1))
    for name, value in changes.items():
        values[:, space.block(f"{CHANNELS[channel].errors}_{name}")] = value
    sensors, readings = Sensors(robot, space, [channel], n, seed=3), {channel: truth(robot, channel, n)}
    sensors.take(Variant(space, values), np.arange(n))
    sensors.restart(np.arange(n), readings)
    return sensors, readings


def record(sensors: Sensors, channel: str, readings: dict[str, np.ndarray], steps: int = STEPS) -> np.ndarray:
    """Return what is measured in some periods of one and the same truth: (steps, n_worlds, width)."""
    return np.array([sensors.sense(readings)[channel] for _ in range(steps)])


@pytest.mark.parametrize(("name", "channel"), PLACES)
def test_noise_is_white_and_normal_and_bias_constant(name, channel):
    robot = load_robot(name)
    sensors, readings = sensors_with(robot, channel, {"noise": 0.02, "bias": 0.05})
    error = errors_of(channel, record(sensors, channel, readings), readings[channel])
    noise, bound = (error - 0.05) / 0.02, 6 / np.sqrt(N * STEPS)
    if channel == "orientation":  # the error is small enough for its vector to be bias + noise to 1e-3
        bound += 1e-3
    for column in noise.reshape(-1, noise.shape[-1]).T:
        assert abs(column.mean()) < bound
        assert column.var() == pytest.approx(1, abs=np.sqrt(2) * bound)
        assert (column**3).mean() == pytest.approx(0, abs=np.sqrt(15) * bound)
        assert (column**4).mean() == pytest.approx(3, abs=np.sqrt(96) * bound)
    for lag in (1, 2, 7, 64):
        assert np.abs((noise[lag:] * noise[:-lag]).mean(axis=(0, 1))).max() < 2 * bound
    assert np.abs((noise[:, 1:] * noise[:, :-1]).mean(axis=(0, 1))).max() < 2 * bound, "worlds are independent"
    if noise.shape[-1] > 1:
        assert np.abs((noise[..., 1:] * noise[..., :-1]).mean(axis=(0, 1))).max() < 2 * bound


@pytest.mark.parametrize(("name", "channel"), [place for place in PLACES if place[1] != "orientation"])
def test_scale_and_bias_are_exact(name, channel):
    sensors, readings = sensors_with(load_robot(name), channel, {"bias": 0.05, "scale": 1.1}, 3)
    np.testing.assert_array_equal(sensors.measured[channel], 1.1 * readings[channel] + 0.05)
    np.testing.assert_array_equal(sensors.sense(readings)[channel], 1.1 * readings[channel] + 0.05)


@pytest.mark.parametrize(("name", "channel"), PLACES)
def test_drift_is_a_random_walk_whose_variance_grows_with_time(name, channel):
    robot = load_robot(name)
    n, walk = 3000, 0.02
    sensors, readings = sensors_with(robot, channel, {"drift": walk}, n)
    np.testing.assert_allclose(errors_of(channel, sensors.measured[channel], readings[channel]), 0, atol=1e-15)
    error = errors_of(channel, record(sensors, channel, readings, 100), readings[channel])
    for periods in (1, 10, 50, 100):
        expected = walk**2 * periods * robot.control_dt
        assert (error[periods - 1] ** 2).mean(axis=0) == pytest.approx(expected, rel=6 * np.sqrt(2 / n))
    steps = np.diff(error, axis=0)
    assert (steps[1:] * steps[:-1]).mean() == pytest.approx(0, abs=6 * steps.var() / np.sqrt(steps[1:].size))
    sensors.restart(np.array([1]), readings)
    np.testing.assert_allclose(errors_of(channel, sensors.measured[channel][1], readings[channel][1]), 0, atol=1e-15)
    assert np.abs(errors_of(channel, sensors.measured[channel][0], readings[channel][0])).min() > 0


@pytest.mark.parametrize(("name", "channel"), PLACES)
def test_quantization_is_to_multiples_and_its_error_uniform(name, channel):
    robot, step = load_robot(name), 0.03
    sensors, _ = sensors_with(robot, channel, {"resolution": step}, 30_000)
    true = truth(robot, channel, 30_000)
    measured = sensors.sense({channel: true})[channel]
    if channel == "orientation":
        measured, true = to_rpy(measured), to_rpy(true)
    np.testing.assert_allclose(measured / step, np.rint(measured / step), atol=1e-9)
    error = (measured - true) / step
    assert np.abs(error).max() <= 0.5 + 1e-9
    assert error.mean() == pytest.approx(0, abs=0.01)
    assert error.var() == pytest.approx(1 / 12, rel=0.03)
    assert (error**4).mean() / error.var() ** 2 == pytest.approx(1.8, rel=0.03)


def test_what_is_rounded_is_what_scale_bias_and_noise_have_made():
    sensors, readings = sensors_with(slider(), "position", {"scale": 2.0, "bias": 0.1, "resolution": 0.25}, 100)
    expected = np.rint((2.0 * readings["position"] + 0.1) / 0.25) * 0.25
    np.testing.assert_array_equal(sensors.sense(readings)["position"], expected)
    sensors, readings = sensors_with(slider(), "position", {"noise": 0.5, "resolution": 0.25}, 100)
    measured = record(sensors, "position", readings, 20) / 0.25
    np.testing.assert_array_equal(measured, np.rint(measured))
    assert len(np.unique(measured)) > 5


def count_up(sensors: Sensors, channel: str, periods: int) -> np.ndarray:
    """Let the truth be the number of the physics step; return what is measured: (periods, n_worlds)."""
    measured = []
    for period in range(periods):
        steps = (period * SUBSTEPS + sensors.taps()[channel])[:, None].astype(float)
        measured.append(sensors.sense({channel: steps})[channel][:, 0])
    return np.array(measured)


def test_a_lost_reading_repeats_the_one_before():
    sensors, _ = sensors_with(slider(), "position", {"dropout": 0.3})
    sensors.restart(np.arange(N), {"position": np.zeros((N, 1))})
    measured = count_up(sensors, "position", STEPS)
    now = SUBSTEPS * np.arange(1, STEPS + 1)[:, None]
    lost = measured != now
    assert lost.mean() == pytest.approx(0.3, abs=6 * np.sqrt(0.21 / lost.size))
    before = np.concatenate([np.zeros((1, N)), measured[:-1]])
    np.testing.assert_array_equal(measured, np.where(lost, before, now))
    assert (lost[1:] & lost[:-1]).mean() == pytest.approx(0.09, abs=6 * np.sqrt(0.09 / lost.size)), "independent losses"


def test_what_is_always_lost_stays_at_the_first_reading():
    sensors, readings = sensors_with(slider(), "position", {"dropout": 1.0}, 4)
    first = readings["position"].copy()
    np.testing.assert_array_equal(record(sensors, "position", {"position": first + 1.0}, 5), np.tile(first, (5, 1, 1)))


@pytest.mark.parametrize(("rate", "holds"), [(20.0, [2, 3]), (25.0, [2]), (10.0, [5]), (50.0, [1]), (400.0, [1])])
def test_a_slow_sensor_holds_its_reading_between_its_own_samples(rate, holds):
    sensors, _ = sensors_with(slider(), "position", {"rate": rate}, 2)
    sensors.restart(np.arange(2), {"position": np.zeros((2, 1))})
    measured = count_up(sensors, "position", 100)[:, 0]
    taken = np.concatenate([[0.0], measured])  # the first reading is the restart's
    lengths = np.diff(np.flatnonzero(np.diff(taken, prepend=-1.0)))
    assert sorted(set(lengths.tolist())) == holds
    assert len(np.unique(taken)) == pytest.approx(100 * min(rate, 50.0) / 50.0, abs=1.01)
    changed = np.diff(taken) != 0
    np.testing.assert_array_equal(measured[changed], SUBSTEPS * (1 + np.flatnonzero(changed)), "fresh where it samples")


def test_a_delay_is_exact_to_the_physics_step():
    delays = np.array([0.0, 0.0001, 0.002, 0.0021, 0.007, 0.018, 0.019, 0.020, 0.0201, 0.041, 0.1])
    robot, n = slider(), len(delays)
    space = VariantSpace(robot)
    sensors = Sensors(robot, space, ["position", "velocity"], n, seed=0)
    sensors.take(Variant.of(space, {"encoder_delay": delays}, n), np.arange(n))
    sensors.restart(np.arange(n), {"position": np.full((n, 1), -1.0), "velocity": np.zeros((n, 1))})
    steps = np.array([0, 1, 1, 2, 4, 9, 10, 10, 11, 21, 50])  # ceil(delay / 2 ms)
    for period in range(1, 12):
        taps = sensors.taps()
        assert (taps["velocity"] == SUBSTEPS).all()
        now = {name: ((period - 1) * SUBSTEPS + tap)[:, None].astype(float) for name, tap in taps.items()}
        measured = sensors.sense(now)
        expected = period * SUBSTEPS - steps
        np.testing.assert_array_equal(measured["position"][:, 0], np.where(expected > 0, expected, -1.0))
        np.testing.assert_array_equal(measured["velocity"][:, 0], period * SUBSTEPS)


def test_where_a_delay_grows_the_last_reading_stands_until_a_newer_one_is_old_enough():
    robot = slider()
    space, one = VariantSpace(robot), np.arange(1)
    sensors = Sensors(robot, space, ["position"], 1, seed=0)
    measured = []
    for period, delay in enumerate([0.0, 0.0, 0.04, 0.04, 0.04, 0.02, 0.02, 0.06, 0.06, 0.06, 0.0]):
        sensors.take(Variant.of(space, {"encoder_delay": delay}), one)
        if period == 0:
            sensors.restart(one, {"position": np.zeros((1, 1))})
        measured.append(float(sensors.sense({"position": np.full((1, 1), period + 1.0)})["position"][0, 0]))
    assert measured == [1, 2, 2, 2, 3, 5, 6, 6, 6, 7, 11]


def everything(robot: Robot, n: int, seed: int) -> Variant:
    """Return Variants in which each error of each sensor is drawn by its own law, and left out in some worlds."""
    space, rng = VariantSpace(robot), np.random.default_rng(seed)
    values = np.tile(space.nominal, (n, 1))
    for column, quantity in enumerate(space.quantities):
        if quantity.place == "sensor":
            chosen = rng.random(n) < 0.5
            values[chosen, column] = quantity.default.sample(rng, n)[chosen]
    return Variant(space, values)


def live(robot: Robot, worlds: np.ndarray, first: int) -> dict[str, np.ndarray]:
    """Live through episodes of different lengths, in which Variants change, in `worlds` alone; return all readings."""
    channels, n, episodes = available(robot), len(worlds), [everything(robot, 64, seed) for seed in range(9)]
    sensors = Sensors(robot, episodes[0].space, channels, n, seed=5, first=first)
    rng, rows = np.random.default_rng(0), []
    for period in range(160):
        now = {channel: truth(robot, channel, 64) + rng.normal(size=(64, 1)) for channel in channels}
        readings = {channel: value[worlds] for channel, value in now.items()}
        if period:
            sensors.sense(readings)
        changed = np.flatnonzero((period + 3 * worlds) % 20 == 0) if period else np.arange(n)
        if len(changed):
            sensors.take(episodes[period // 20].rows(worlds[changed]), changed)
        begun = np.flatnonzero((period + worlds) % 30 == 0) if period else np.arange(n)
        if len(begun):
            sensors.restart(begun, readings)
        rows.append({channel: value.copy() for channel, value in sensors.measured.items()})
    return {channel: np.array([row[channel] for row in rows]) for channel in channels}


@pytest.mark.parametrize("name", ["a1", "kuka_iiwa", "husky"])
def test_a_world_measures_the_same_alone_and_among_others(name):
    robot = load_robot(name)
    together = live(robot, np.arange(64), 0)
    for world in (0, 17, 63):
        alone = live(robot, np.array([world]), world)
        for channel, measured in alone.items():
            np.testing.assert_array_equal(measured[:, 0], together[channel][:, world], channel)


def test_a_seed_repeats_itself_and_another_one_does_not():
    sensors, readings = sensors_with(slider(), "position", {"noise": 0.1, "drift": 0.1, "dropout": 0.2}, 5)
    runs = []
    for seed in (3, 3, 4):
        sensors.reseed(seed)
        sensors.restart(np.arange(5), readings)
        runs.append(record(sensors, "position", readings, 100))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).mean() > 0.9


@pytest.mark.parametrize("name", ["a1", "kuka_iiwa", "husky"])
def test_nominal_sensors_pass_the_truth_on_to_the_bit_and_share_no_memory(name):
    robot = load_robot(name)
    space, channels = VariantSpace(robot), available(robot)
    readings = {channel: truth(robot, channel, 3) for channel in channels}
    kept = {channel: value.copy() for channel, value in readings.items()}
    sensors = Sensors(robot, space, channels, 3, seed=0)
    sensors.take(Variant.nominal(space, 3), np.arange(3))
    sensors.restart(np.arange(3), readings)
    for _ in range(3):
        measured = sensors.sense(readings)
        for channel in channels:
            np.testing.assert_array_equal(measured[channel], kept[channel])
            measured[channel][:] = np.nan
            np.testing.assert_array_equal(readings[channel], kept[channel])
    assert all((tap == robot.substeps).all() for tap in sensors.taps().values())


def test_what_was_handed_out_stays_as_it_was_when_a_world_restarts():
    sensors, readings = sensors_with(slider(), "position", {}, 2)
    given = sensors.sense(readings)["position"]
    kept = given.copy()
    sensors.restart(np.arange(2), {"position": readings["position"] + 1.0})
    np.testing.assert_array_equal(given, kept)


def test_an_imu_that_is_turned_measures_in_its_own_frame():
    robot, rng = load_robot("a1"), np.random.default_rng(0)
    space, rpy, n = VariantSpace(robot), (0.3, -0.2, 0.5), 4
    channels = ["orientation", "gyro", "accelerometer"]
    sensors = Sensors(robot, space, channels, n, seed=0)
    angles = dict(zip(("imu_roll", "imu_pitch", "imu_yaw"), rpy, strict=True))
    sensors.take(Variant.of(space, angles, n), np.arange(n))
    imu, spin, pull = from_rpy(rng.uniform(-1, 1, (n, 3))), rng.normal(size=(n, 3)), np.array([0.0, 0.0, 9.81])
    readings = {"orientation": imu, "gyro": rotate(inverse(imu), spin), "accelerometer": rotate(inverse(imu), pull)}
    sensors.restart(np.arange(n), readings)
    measured = sensors.sense(readings)
    np.testing.assert_allclose(measured["orientation"], compose(imu, from_rpy(np.array(rpy))), atol=1e-15)
    for channel, world in (("gyro", spin), ("accelerometer", np.broadcast_to(pull, (n, 3)))):
        np.testing.assert_allclose(rotate(measured["orientation"], measured[channel]), world, atol=1e-14)
    sensors.take(Variant.nominal(space, n), np.arange(n))
    np.testing.assert_array_equal(sensors.sense(readings)["gyro"], readings["gyro"])


def test_an_orientation_is_off_by_turns_about_the_axes_of_the_imu():
    robot = load_robot("a1")
    space = VariantSpace(robot)
    sensors = Sensors(robot, space, ["orientation"], 1, seed=0)
    sensors.take(Variant.of(space, {"orientation_bias/y": 0.1}), np.arange(1))
    upright = from_rpy(np.array([[0.0, 0.0, 1.0]]))
    sensors.restart(np.arange(1), {"orientation": upright})
    np.testing.assert_allclose(to_rpy(sensors.measured["orientation"]), [[0.0, 0.1, 1.0]], atol=1e-15)
    np.testing.assert_allclose(from_vector(np.array([0.0, 0.1, 0.0])), from_rpy(np.array([0.0, 0.1, 0.0])), atol=1e-16)


def test_a_channel_that_the_robot_has_not_is_refused():
    robot = slider()
    with pytest.raises(EngineError, match="no sensor for 'gyro'"):
        Sensors(robot, VariantSpace(robot), ["position", "gyro"], 1, seed=0)
