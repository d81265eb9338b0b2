"""Both engines against the formulas of mechanics, at 1 ms physics steps. The table of bounds is below."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import ellipk

from benchmarks.closed_form import LAWS
from benchmarks.fidelity import BARS, Row
from randomization import Variant
from robots import Robot
from sim2real.sim import Engine
from sim2real.sim.engine import GRAVITY

G = -GRAVITY
DT = 1e-3  # [s] physics step of every robot here
ONE = np.arange(1)

# Largest error allowed, about twice what was measured (pybullet 3.2.7, MuJoCo 4.0; rounding gets 1e-12).
BOUNDS = {
    # what             PyBullet  MuJoCo
    "fall": (1e-12, 1e-12),  # [m] in 1 s, against g t^2 / 2 + g t dt / 2
    "small period": (1.5e-6, 1.5e-6),  # share of the period, at 0.02 rad
    "large period": (1e-6, 1e-6),  # share of the period, at 1 rad
    "scaled period": (2e-6, 2e-6),  # share of the period, mass and inertia scaled by 0.2 to 6
    "energy": (8.5e-6, 8.5e-6),  # share of the energy, at any time of 10 s
    "servo": (4.2e-3, 1.7e-3),  # [m] of a 0.5 m step at 10 rad/s; MuJoCo takes the servo's damping implicitly
    "stick": (1e-12, 4e-7),  # [m/s] under 90 % of the friction; MuJoCo's friction creeps
    "slide": (1e-12, 1e-12),  # [m/s] under 200 % of the friction, for 1 s
    "brake": (1e-12, 2e-11),  # [m/s] from 1 m/s to rest by friction
    "viscous": (1.5e-3, 5e-4),  # [m/s] from 1 m/s by damping; PyBullet's torque holds for some steps (DAMPING_ERROR)
}

# The table of `make fidelity`: largest relative error, about twice what was measured, and never above its bars.
LAW_BOUNDS = {
    # law                     PyBullet  MuJoCo
    "free fall": (1.1e-3, 1.1e-3),  # g t dt / 2 of semi-implicit Euler
    "pendulum energy": (4e-3, 4e-3),  # its velocity is half a step old
    "double-pendulum energy": (5e-3, 5e-3),
    "spring-damper step": (8.4e-3, 3.4e-3),
    "friction angle": (1e-6, 1e-4),  # a contact in MuJoCo chatters under what slides
    "motor": (7e-4, 7e-4),
    "collision momentum": (1e-12, 1e-12),
}

# A rod that hangs from a hinge, and a bob welded to its end: the mass of one does not cancel out of the period.
ROD, BOB = {"m": 0.4, "l": 0.3, "i": 0.012}, {"m": 0.5, "l": 0.6, "i": 0.002}
PENDULUM = f"""
<link name="base"/>
<link name="rod"><inertial><origin xyz="0 0 {-ROD["l"]}"/><mass value="{ROD["m"]}"/>
<inertia ixx="{ROD["i"]}" iyy="{ROD["i"]}" izz="0.0001" ixy="0" ixz="0" iyz="0"/></inertial></link>
<link name="bob"><inertial><mass value="{BOB["m"]}"/>
<inertia ixx="{BOB["i"]}" iyy="{BOB["i"]}" izz="{BOB["i"]}" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="hinge" type="continuous"><parent link="base"/><child link="rod"/><axis xyz="0 1 0"/></joint>
<joint name="weld" type="fixed"><parent link="rod"/><child link="bob"/><origin xyz="0 0 {-BOB["l"]}"/></joint>
"""

MASS = 1.5  # [kg] of the slider's cart


@pytest.fixture
def within(engine_name: str) -> Callable[[str, Any], None]:
    """A check that errors stay under the table's bound."""
    column = ("bullet", "mujoco").index(engine_name)

    def _within(what: str, error: Any) -> None:
        worst = float(np.abs(error).max())
        assert worst <= BOUNDS[what][column], f"{what}: {engine_name} is off by {worst:.3g}"

    return _within


@pytest.fixture
def pendulum(make_robot: Callable[..., Robot]) -> Robot:
    return make_robot(PENDULUM, {"joint": "hinge"}, control_hz=200)


@pytest.fixture
def slider(make_robot: Callable[..., Robot]) -> Robot:
    return make_robot("slider", {"joint": "rail"})


def coast(engine: Engine, seconds: float, command: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run under one constant command; return times, q and dq of the first joint: (n_steps + 1,) each."""
    n = round(seconds / engine.robot.control_dt)
    q, dq = [engine.state.q[0, 0]], [engine.state.dq[0, 0]]
    for _ in range(n):
        engine.step(np.full((1, 1), command), np.zeros(1))
        q.append(engine.state.q[0, 0])
        dq.append(engine.state.dq[0, 0])
    return np.arange(n + 1) * engine.robot.control_dt, np.array(q), np.array(dq)


def period(t: np.ndarray, q: np.ndarray) -> float:
    """Mean period of an oscillation around 0 [s], from its first to its last crossing upwards."""
    k = np.flatnonzero((q[:-1] < 0) & (q[1:] >= 0))
    crossings = t[k] - q[k] * (t[k + 1] - t[k]) / (q[k + 1] - q[k])
    return float((crossings[-1] - crossings[0]) / (len(crossings) - 1))


def analytic_period(amplitude: float, inertia: float = 1.0) -> float:
    """T = 4 K(sin(amplitude / 2)) sqrt(J / (m g l)), with the inertia about the centre of mass of both scaled."""
    mass = ROD["m"] + BOB["m"]
    centre = (ROD["m"] * ROD["l"] + BOB["m"] * BOB["l"]) / mass
    own = sum(p["i"] + p["m"] * (p["l"] - centre) ** 2 for p in (ROD, BOB))
    moment = mass * centre**2 + inertia * own
    return float(4 * ellipk(np.sin(amplitude / 2) ** 2) * np.sqrt(moment / (mass * G * centre)))


def test_free_fall(make_robot, make, within):
    robot = make_robot("box", {"joint": "axle"}, fixed_base=False, base_height=100)
    engine = make(robot)
    t, _, _ = coast(engine, 1.0)
    fallen = 100.0 - engine.state.base_position[0, 2]
    # Semi-implicit Euler moves by the new velocity: g dt^2 n (n + 1) / 2, which is g t dt / 2 more than g t^2 / 2.
    within("fall", fallen - (G * t[-1] ** 2 / 2 + G * t[-1] * DT / 2))
    assert engine.state.base_velocity[0, 2] == pytest.approx(-G * t[-1], abs=1e-9)
    np.testing.assert_allclose(engine.state.base_position[0, :2], 0.0, atol=1e-9)
    np.testing.assert_allclose(engine.state.base_quaternion[0], [0, 0, 0, 1], atol=1e-9)


@pytest.mark.parametrize(("name", "amplitude"), [("small period", 0.02), ("large period", 1.0)])
def test_pendulum_period(pendulum, make, within, name, amplitude):
    engine = make(pendulum)
    engine.reset(np.full((1, 1), amplitude), np.zeros((1, 1)), ONE)
    t, q, _ = coast(engine, 10.0)
    within(name, period(t, q) / analytic_period(amplitude) - 1)


@pytest.mark.parametrize("inertia", [0.3, 3.0, 6.0])
def test_inertia_scales_the_period_and_mass_does_not(pendulum, make, within, inertia):
    """The bob is welded to the rod: one body, whose mass cancels out of the period as long as its inertia follows."""
    assert abs(analytic_period(0.1, inertia) / analytic_period(0.1) - 1) > 0.005  # 1000 times what the bound lets pass
    engine = make(pendulum)
    for mass in (0.2, 4.0):
        engine.apply(Variant.of(engine.space, {"mass/rod": mass, "inertia/rod": inertia}), ONE)
        engine.reset(np.full((1, 1), 0.1), np.zeros((1, 1)), ONE)
        t, q, _ = coast(engine, 6.0)
        within("scaled period", period(t, q) / analytic_period(0.1, inertia) - 1)


@pytest.mark.parametrize("mass", [0.2, 5.0])
def test_mass_scales_what_an_effort_does(slider, make, within, mass):
    engine = make(slider)
    engine.apply(Variant.of(engine.space, {"mass/cart": mass}), ONE)
    t, _, dq = coast(engine, 1.0, 3.0)
    within("slide", dq - 3.0 / (mass * MASS) * t)


def test_energy_drift(pendulum, make, within):
    engine = make(pendulum)
    engine.reset(np.full((1, 1), 1.0), np.zeros((1, 1)), ONE)
    _, q, dq = coast(engine, 10.0)
    moment = sum(p["m"] * p["l"] ** 2 + p["i"] for p in (ROD, BOB))
    torque = sum(p["m"] * p["l"] for p in (ROD, BOB)) * G
    # The engines' dq is half a physics step old (semi-implicit Euler is a leapfrog); at equal times no energy is lost.
    dq = dq - np.sin(q) * torque / moment * DT / 2
    energy = moment * dq**2 / 2 + torque * (1 - np.cos(q))
    within("energy", energy / energy[0] - 1)


def test_servo_step_response(make_robot, make, within):
    kp, kd, target = 150.0, 15.0, 0.5  # 10 rad/s, damping ratio 0.5
    robot = make_robot("slider", {"joint": "rail", "mode": "position", "kp": kp, "kd": kd})
    t, q, _ = coast(make(robot), 2.0, target)
    omega, zeta = np.sqrt(kp / MASS), kd / (2 * np.sqrt(kp * MASS))
    ringing = omega * np.sqrt(1 - zeta**2)
    wave = np.cos(ringing * t) + zeta / np.sqrt(1 - zeta**2) * np.sin(ringing * t)
    within("servo", q - target * (1 - np.exp(-zeta * omega * t) * wave))


def test_coulomb_friction(slider, make, within):
    friction = 3.0  # [N]
    engine = make(slider)
    engine.apply(Variant.of(engine.space, {"friction/rail": friction}), ONE)
    t, _, dq = coast(engine, 1.0, 0.9 * friction)
    within("stick", dq)  # below the limit it stays
    engine.apply(Variant.of(engine.space, {"friction/rail": friction, "mass/cart": 10.0}), ONE)
    engine.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE)
    t, _, dq = coast(engine, 1.0, 0.9 * friction)
    within("stick", 10 * dq)  # a heavier one more firmly
    engine.apply(Variant.of(engine.space, {"friction/rail": friction}), ONE)
    engine.reset(np.zeros((1, 1)), np.zeros((1, 1)), ONE)
    t, _, dq = coast(engine, 1.0, 2.0 * friction)
    within("slide", dq - friction / MASS * t)  # above it, what exceeds it accelerates
    engine.reset(np.zeros((1, 1)), np.full((1, 1), 1.0), ONE)
    t, _, dq = coast(engine, 1.0)
    within("brake", dq - np.maximum(1.0 - friction / MASS * t, 0.0))  # and it brings to rest, not further


def test_viscous_friction(slider, make, within):
    damping = 2.0  # [N s/m]
    engine = make(slider)
    engine.apply(Variant.of(engine.space, {"damping/rail": damping}), ONE)
    engine.reset(np.zeros((1, 1)), np.full((1, 1), 1.0), ONE)
    t, _, dq = coast(engine, 2.0)
    within("viscous", dq - np.exp(-damping / MASS * t))


@pytest.mark.parametrize("law", LAWS)
def test_laws(engine_name, law):
    bound = LAW_BOUNDS[law][("bullet", "mujoco").index(engine_name)]
    assert bound <= BARS[engine_name]
    assert LAWS[law](engine_name).error <= bound


def test_a_row_that_misses_its_bar_is_seen():
    assert Row("fall", "bullet", 0.01, 0.01, "").holds
    assert not Row("fall", "bullet", 0.011, 0.01, "").holds
    assert not Row("fall", "bullet", float("nan"), 0.01, "").holds
