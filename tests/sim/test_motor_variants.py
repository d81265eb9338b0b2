"""What becomes of a command in the motors, against closed forms, in both engines: one 1.5 kg cart on a rail."""

import numpy as np
import pytest

from randomization import Variant
from sim2real.sim.actuators import DelayLine
from sim2real.sim.simulation import Simulation

MASS, DT = 1.5, 0.001
ONE = np.arange(1)


@pytest.fixture
def cart(make, make_robot):
    """A function that returns an engine with one cart of a Variant; keywords of the motor."""

    def _cart(changes, **motor):
        engine = make(make_robot("slider", {"joint": "rail", **motor}))
        engine.apply(Variant.of(engine.space, changes), ONE)
        engine.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE)
        return engine

    return _cart


def efforts(engine, command, periods, speed=0.0):
    """The effort at the end of each control period, from a start at some speed."""
    engine.reset(np.zeros((1, 1)), np.full((1, 1), speed), ONE)
    rows = []
    for _ in range(periods):
        engine.step(np.full((1, 1), command), np.zeros(1))
        rows.append(engine.state.tau[0, 0])
    return np.array(rows)


def test_gains_scale(cart):
    """kp 100 x 0.5 holds 50 N/m x error; a spring force bends it by force / kp."""
    for scale in (1.0, 0.5):
        engine = cart({"kp/rail": scale, "kd/rail": 2.0, "gravity_x": 1.0}, mode="position", kp=100.0, kd=20.0)
        for _ in range(400):
            engine.step(np.zeros((1, 1)), np.zeros(1))
        assert engine.state.q[0, 0] == pytest.approx(MASS / (100 * scale), rel=1e-3)


def test_velocity_gain_scales(cart):
    """A velocity servo approaches its command as exp(-kd t / m), up to the effort of its discrete steps."""
    for scale in (1.0, 0.5):
        engine = cart({"kd/rail": scale}, mode="velocity", kd=3.0)
        for _ in range(10):
            engine.step(np.ones((1, 1)), np.zeros(1))
        assert engine.state.dq[0, 0] == pytest.approx(1 - np.exp(-3.0 * scale * 0.2 / MASS), rel=2e-3)


def test_zero_offset_moves_the_joint_and_not_the_reading(cart):
    """A servo holds what its encoder reads; the joint itself stands beside that."""
    engine = cart({"zero_offset/rail": 0.05}, mode="position", kp=400.0, kd=40.0)
    for _ in range(200):
        engine.step(np.full((1, 1), 0.2), np.zeros(1))
    assert engine.state.q[0, 0] == pytest.approx(0.15, abs=1e-6)
    assert engine.readings["position"][0, 0] == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("mode", ["effort", "velocity"])
def test_zero_offset_of_a_motor_without_position_loop_is_in_the_reading_only(cart, mode):
    engine = cart({"zero_offset/rail": 0.05}, mode=mode, kd=3.0 * (mode == "velocity"))
    plain = cart({}, mode=mode, kd=3.0 * (mode == "velocity"))
    for each in (engine, plain):
        each.step(np.ones((1, 1)), np.zeros(1))
    np.testing.assert_array_equal(engine.state.q, plain.state.q)
    np.testing.assert_allclose(engine.readings["position"], plain.readings["position"] + 0.05, atol=1e-15)


def test_dead_zone_takes_its_effort_off(cart):
    engine = cart({"dead_zone/rail": 2.0}, effort=10.0)
    for command, effort in ((1.5, 0.0), (-1.5, 0.0), (5.0, 3.0), (-5.0, -3.0), (100.0, 8.0)):
        assert efforts(engine, command, 1)[-1] == pytest.approx(effort, abs=1e-12)


@pytest.mark.parametrize(("mode", "gains"), [("position", {"kp": 100.0, "kd": 5.0}), ("velocity", {"kd": 20.0})])
def test_dead_zone_of_a_servo(cart, mode, gains):
    """Where the servo would ask for less than the dead zone, nothing moves."""
    engine = cart({"dead_zone/rail": 2.0}, mode=mode, **gains)
    gain = gains["kp"] if mode == "position" else gains["kd"]
    assert efforts(engine, 1.9 / gain, 5)[-1] == 0.0
    assert efforts(engine, 4.0 / gain, 1)[-1] > 0.5


def test_efforts_fall_with_speed_and_voltage(cart):
    """At speed v a motor has the share V - v / v0 of its effort left, and V + v / v0 against its motion, at most 1."""
    for voltage in (1.0, 0.8, 1.1):
        engine = cart({"no_load_speed/rail": 5.0, "supply_voltage": voltage}, effort=15.0)
        for speed in (0.0, 2.0, 4.0):
            left = 15.0 * min(1.0, voltage - speed / 5.0)
            # The speed changes within the period; the first physics step is what the closed form is of.
            first = efforts(engine, 100.0, 1, speed)[0]
            later = speed + left * 0.02 / MASS
            assert min(left, 15.0 * (voltage - later / 5.0)) - 1e-9 <= first <= left + 1e-9
            against = -efforts(engine, -100.0, 1, speed)[0]
            assert 15.0 * min(1.0, voltage + (speed - 0.2) / 5.0) - 1e-9 <= against
            assert against <= 15.0 * min(1.0, voltage + speed / 5.0) + 1e-9


def test_no_motor_drives_beyond_its_no_load_speed(cart):
    engine = cart({"no_load_speed/rail": 2.0}, effort=50.0)
    efforts(engine, 50.0, 100)
    assert engine.state.dq[0, 0] == pytest.approx(2.0, rel=1e-3)


def test_low_voltage_limits_the_effort_without_any_loss_with_speed(cart):
    engine = cart({"supply_voltage": 0.5}, effort=10.0)
    assert efforts(engine, 100.0, 1)[-1] == pytest.approx(5.0)


def test_rate_limit_is_a_ramp(cart):
    """A command of 10 N followed at 100 N/s is a ramp of 0.1 N a physics step."""
    engine = cart({"rate_limit/rail": 100.0})
    np.testing.assert_allclose(efforts(engine, 10.0, 6), [2, 4, 6, 8, 10, 10], atol=1e-9)


def test_backlash_of_a_position_servo(cart):
    """Within half the play the servo only damps; its encoder is where it wants to be, and the joint is not."""
    engine = cart({"backlash/rail": 0.1}, mode="position", kp=100.0, kd=20.0)
    assert efforts(engine, 0.04, 5)[-1] == 0.0
    efforts(engine, 0.2, 300)
    assert 0.15 <= engine.state.q[0, 0] < 0.16
    assert engine.readings["position"][0, 0] == pytest.approx(0.2, abs=1e-9)


def test_backlash_of_a_velocity_servo_takes_its_time(cart):
    """From the middle of 0.1 m of play at 1 m/s, the joint begins to move after 0.05 s."""
    engine = cart({"backlash/rail": 0.1}, mode="velocity", kd=30.0)
    moved = efforts(engine, 1.0, 5)
    np.testing.assert_array_equal(moved[:2], 0.0)
    assert (moved[2:] > 0).all()


def test_backlash_of_an_effort_motor_is_what_its_encoder_sees(cart):
    engine, plain = cart({"backlash/rail": 0.1}), cart({})
    for command in (1.0, -1.0):
        for each in (engine, plain):
            each.step(np.full((1, 1), command), np.zeros(1))
        np.testing.assert_array_equal(engine.state.q, plain.state.q)
        offset = engine.readings["position"] - plain.readings["position"]
        np.testing.assert_allclose(offset, np.copysign(0.05, command), atol=1e-15)


@pytest.mark.parametrize(("delay", "steps"), [(0.007, 4), (0.008, 4), (0.0081, 5), (0.0, 0), (0.021, 11)])
def test_delay_of_a_command_is_exact(make, make_robot, delay, steps):
    """2 ms physics, 20 ms control: a step of effort acts from the physics step that the delay is rounded up to."""
    robot = make_robot("slider", {"joint": "rail"}, physics_hz=500)
    simulation = Simulation(make(robot), seed=0)
    simulation.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE, Variant.of(simulation.variant.space, {"latency": delay}))
    for period in (1, 2):
        simulation.advance(np.full((1, 1), 3.0))
        acted = max(0, 10 * period - steps)
        assert simulation.state.dq[0, 0] == pytest.approx(3.0 / MASS * 0.002 * acted, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("delay", "steps"), [(0.007, 4), (0.008, 4), (0.0081, 5), (0.0, 0), (0.021, 11)])
def test_delay_of_an_observation_is_exact(make, make_robot, delay, steps):
    """What is read at the end of a period is the velocity of that many physics steps ago."""
    robot = make_robot("slider", {"joint": "rail"}, physics_hz=500)
    simulation = Simulation(make(robot), seed=0)
    space = simulation.variant.space
    simulation.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE, Variant.of(space, {"velocity_delay": delay}))
    for period in (1, 2, 3):
        simulation.advance(np.full((1, 1), 3.0))
        seen = max(0, 10 * period - steps)
        assert simulation.sense().dq[0, 0] == pytest.approx(3.0 / MASS * 0.002 * seen, rel=1e-9, abs=1e-15)
        assert simulation.state.dq[0, 0] == pytest.approx(3.0 / MASS * 0.02 * period, rel=1e-9)


def test_lost_and_repeated_commands(make, make_robot):
    """With probability p a period goes on under the command before; all of them lost, nothing ever arrives."""
    robot = make_robot("slider", {"joint": "rail"})
    for quantity, share in (("command_loss", 0.3), ("command_repeat", 0.3), ("command_loss", 1.0)):
        simulation = Simulation(make(robot, 40), seed=1)
        truth = Variant.of(simulation.variant.space, {quantity: share}, 40)
        simulation.reset(np.zeros((40, 1)), np.zeros((40, 1)), np.arange(40), truth)
        kept = []
        for period in range(50):
            simulation.advance(np.full((40, 1), 1.0 + period))
            kept.append(simulation.state.tau[:, 0] != 1.0 + period)
        np.testing.assert_allclose(np.mean(kept), share, atol=0.04)
        if share == 1.0:
            np.testing.assert_array_equal(simulation.state.q, 0.0)


def test_a_lost_command_holds_up_no_later_one(make_robot):
    line = DelayLine(make_robot("slider", {"joint": "rail"}), 1)
    line.reset(np.zeros((1, 1)), ONE)
    for command, delay, first, last in ((1, 0.0, 1, 1), (2, np.inf, 1, 1), (3, 0.005, 1, 3), (4, 0.0, 4, 4)):
        acting = line.issue(np.full((1, 1), float(command)), np.array([delay]))
        assert (acting[0, 0, 0], acting[0, -1, 0]) == (first, last)
