"""Mechanics with an answer on paper, and how far an engine is from it: what `make fidelity` prints and tests bound.

Every robot here is made of a URDF on the spot, stepped at 1 ms and at the solver settings that training uses.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import brentq

from randomization import Variant
from robots import Robot, load_robot
from sim2real.sim import Engine, make_engine
from sim2real.sim.engine import GRAVITY

Array = NDArray[np.float64]

G = -GRAVITY
DT = 1e-3  # [s] physics step of every robot here
ONE = np.arange(1)


@dataclass(frozen=True)
class Result:
    """What was measured: an error relative to the closed form, and what else is worth saying."""

    error: float
    note: str = ""


def make_robot(urdf: str, *motors: dict[str, Any], **changes: Any) -> Robot:
    """Make a robot of a URDF's links and joints and its motors (effort-controlled unless they say more)."""
    file = {
        "name": "made",
        "urdf": "robot.urdf",
        "source": "made on the spot",
        "licence": "Apache-2.0",
        "control_hz": 1 / DT,
        "physics_hz": 1 / DT,
        "actuators": [{"mode": "effort", "effort": 1000} | motor for motor in motors],
        "fallback": "zero",
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "robot.urdf").write_text(f'<robot name="made">{urdf}</robot>')
        Path(folder, "robot.yaml").write_text(yaml.safe_dump(file | changes))
        return load_robot(folder)


def link(name: str, mass: float, moment: float, place: str = "0 0 0", shape: str = "") -> str:
    """Return a link with equal moments of inertia about its centre of mass at `place`, and a collision `shape`."""
    moments = f'ixx="{moment}" iyy="{moment}" izz="{moment}" ixy="0" ixz="0" iyz="0"'
    inertial = f'<inertial><origin xyz="{place}"/><mass value="{mass}"/><inertia {moments}/></inertial>'
    return f'<link name="{name}">{inertial}{shape}</link>'


def box(size: str, xyz: str = "0 0 0", rpy: str = "0 0 0") -> str:
    """Return a collision box."""
    return f'<collision><origin xyz="{xyz}" rpy="{rpy}"/><geometry><box size="{size}"/></geometry></collision>'


def joint(name: str, kind: str, parent: str, child: str, axis: str, xyz: str = "0 0 0") -> str:
    """Return a joint; a prismatic one has 50 m each way."""
    limit = '<limit lower="-50" upper="50" effort="1000" velocity="1000"/>' if kind == "prismatic" else ""
    ends = f'<parent link="{parent}"/><child link="{child}"/><origin xyz="{xyz}"/><axis xyz="{axis}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{limit}</joint>'


@contextmanager
def engine_of(name: str, robot: Robot, variant: dict[str, float] | None = None) -> Iterator[Engine]:
    """Build an engine with one world of a Variant, and close it in the end."""
    engine = make_engine(name, robot)
    try:
        engine.apply(Variant.of(engine.space, variant or {}), ONE)
        yield engine
    finally:
        engine.close()


def start(engine: Engine, q: list[float], dq: list[float] | None = None) -> None:
    """Put the one world into q, dq."""
    engine.reset(np.array([q]), np.array([dq or [0.0] * len(q)]), ONE)


def record(engine: Engine, seconds: float, command: float = 0.0) -> tuple[Array, Array, Array]:
    """Run under one constant command; return times (n + 1,), q and dq (n + 1, n_joints)."""
    n = round(seconds / engine.robot.control_dt)
    q, dq = [engine.state.q[0].copy()], [engine.state.dq[0].copy()]
    for _ in range(n):
        engine.step(np.full((1, engine.robot.n_actuators), command), np.zeros(1))
        q.append(engine.state.q[0].copy())
        dq.append(engine.state.dq[0].copy())
    return DT * np.arange(n + 1.0), np.array(q), np.array(dq)


def worst(error: Array | float) -> float:
    """Return the largest absolute error."""
    return float(np.abs(error).max())


def free_fall(name: str) -> Result:
    """A body falls for 1 s: the way is g t^2 / 2."""
    urdf = link("body", 2.0, 0.02, "0.05 -0.02 0.03") + link("wheel", 0.3, 0.002, "0 0.01 0.1")
    urdf += joint("axle", "continuous", "body", "wheel", "1 0 0")
    with engine_of(name, make_robot(urdf, {"joint": "axle"}, fixed_base=False, base_height=100)) as engine:
        t, _, _ = record(engine, 1.0)
        way = 100.0 - engine.state.base_position[0, 2]
    return Result(worst(way / (G * t[-1] ** 2 / 2) - 1))


def pendulum(name: str) -> Result:
    """A pendulum let go at 1 rad keeps its energy for 10 s."""
    mass, arm, moment = 0.9, 0.45, 0.03
    urdf = '<link name="base"/>' + link("rod", mass, moment, f"0 0 {-arm}")
    urdf += joint("hinge", "continuous", "base", "rod", "0 1 0")
    with engine_of(name, make_robot(urdf, {"joint": "hinge"})) as engine:
        start(engine, [1.0])
        _, q, dq = record(engine, 10.0)
    energy = (moment + mass * arm**2) * dq[:, 0] ** 2 / 2 + mass * G * arm * (1 - np.cos(q[:, 0]))
    return Result(worst(energy / energy[0] - 1))


def double_pendulum(name: str) -> Result:
    """A double pendulum let go at 0.5 and 0.3 rad keeps its energy for 2 s.

    Both engines integrate to first order, with velocity-dependent forces taken from the step before: the error is
    proportional to the time step and to how wild the motion is. The note says what 10 s from 1.5 rad do.
    """
    gentle = double_pendulum_energy(name, [0.5, 0.3], 2.0)
    return Result(gentle, f"{double_pendulum_energy(name, [1.5, 0.5], 10.0):.0%} when it whirls for 10 s")


def double_pendulum_energy(name: str, q: list[float], seconds: float) -> float:
    """Return the largest relative change of the energy of a double pendulum let go at q."""
    mass, arm, moment, length = 0.5, 0.2, 0.004, 0.4  # of each rod: its centre of mass, its length
    urdf = '<link name="base"/>' + "".join(link(rod, mass, moment, f"0 0 {-arm}") for rod in ("upper", "lower"))
    urdf += joint("shoulder", "continuous", "base", "upper", "0 1 0")
    urdf += joint("elbow", "continuous", "upper", "lower", "0 1 0", f"0 0 {-length}")
    with engine_of(name, make_robot(urdf, {"joint": "elbow"})) as engine:
        start(engine, q)
        _, positions, speeds = record(engine, seconds)
    to_world = np.array([[1, 1], [0, 1]])  # the elbow's angle is from the upper rod
    (a, b), (va, vb) = (positions @ to_world).T, (speeds @ to_world).T
    kinetic = (moment + mass * arm**2) * (va**2 + vb**2) / 2 + mass * length**2 * va**2 / 2
    kinetic += mass * length * arm * va * vb * np.cos(a - b)
    energy = kinetic + mass * G * ((arm + length) * (1 - np.cos(a)) + arm * (1 - np.cos(b)))
    return worst(energy / energy[0] - 1)


def slider(mass: float) -> str:
    """Return a cart on a rail along x."""
    rail = joint("rail", "prismatic", "base", "cart", "1 0 0")
    return '<link name="base"/>' + link("cart", mass, 0.01) + rail


def spring_damper(name: str) -> Result:
    """A position servo answers a step of 0.5 m as a spring and a damper do: 10 rad/s, damping ratio 0.5."""
    mass, kp, kd, target = 1.5, 150.0, 15.0, 0.5
    motor = {"joint": "rail", "mode": "position", "kp": kp, "kd": kd}
    with engine_of(name, make_robot(slider(mass), motor)) as engine:
        t, q, _ = record(engine, 2.0, target)
    omega, zeta = np.sqrt(kp / mass), kd / (2 * np.sqrt(kp * mass))
    ringing = omega * np.sqrt(1 - zeta**2)
    wave = np.cos(ringing * t) + zeta / np.sqrt(1 - zeta**2) * np.sin(ringing * t)
    return Result(worst(q[:, 0] / target - (1 - np.exp(-zeta * omega * t) * wave)))


FRICTION = 0.5
CARRIAGE, BLOCK = 0.2, 1.0  # [kg] what slides along x, and the block that it carries up and down


def slope(angle: float) -> Robot:
    """A block on a slope down along x, guided so that it cannot turn; its touching face is as large as a hand."""
    x, z = np.sin(angle), np.cos(angle)
    ramp = box("8 1 0.2", f"{-0.1 * x} 0 {-0.1 * z}", f"0 {angle} 0")
    face = box("0.1 0.1 0.1", f"{0.05 * x} 0 {0.05 * z}", f"0 {angle} 0")
    urdf = (
        f'<link name="base">{ramp}</link>' + link("carriage", CARRIAGE, 0.001) + link("block", BLOCK, 0.001, shape=face)
    )
    urdf += joint("along", "prismatic", "base", "carriage", "1 0 0")
    urdf += joint("up", "prismatic", "carriage", "block", "0 0 1")
    return make_robot(urdf, {"joint": "along"}, self_collision=True, ground_friction=FRICTION)


def slope_acceleration(angle: float, friction: float) -> float:
    """Return how fast the block of `slope` speeds up [m/s^2]; its carriage, on a rail, adds inertia and no weight."""
    s, c = np.sin(angle), np.cos(angle)
    return float(BLOCK * G / (BLOCK * s + (BLOCK + CARRIAGE) * c * (c + friction * s) / (s - friction * c)))


def friction_angle(name: str) -> Result:
    """A block slides down a slope of 1.2 times the friction angle, and its acceleration tells what that angle is."""
    critical = float(np.arctan(FRICTION))
    with engine_of(name, slope(1.2 * critical)) as engine:
        t, q, _ = record(engine, 1.5)
    measured = 2 * np.polyfit(t, np.hypot(q[:, 0], q[:, 1]), 2)[0]
    friction = brentq(lambda mu: slope_acceleration(1.2 * critical, mu) - measured, 0.0, 0.999 * np.tan(1.2 * critical))
    slow = creep(name, 0.95 * critical)
    return Result(worst(np.arctan(friction) / critical - 1), f"creeps {1000 * slow:.1g} mm/s at 0.95 of the angle")


def creep(name: str, angle: float) -> float:
    """Return the mean speed of the block on a slope that holds it, over 1 s [m/s]."""
    with engine_of(name, slope(angle)) as engine:
        record(engine, 0.5)
        t, q, _ = record(engine, 1.0)
    return float(np.hypot(*(q[-1] - q[0])) / t[-1])


def motor(name: str) -> Result:
    """A motor with a rotor, Coulomb and viscous friction speeds up under a constant effort, then coasts to a stop."""
    moment, rotor, viscous, coulomb, effort = 0.02, 0.05, 0.1, 0.3, 1.3
    urdf = '<link name="base"/>' + link("wheel", 1.0, moment) + joint("axle", "continuous", "base", "wheel", "0 0 1")
    robot = make_robot(urdf, {"joint": "axle", "armature": rotor})
    with engine_of(name, robot, {"damping/axle": viscous, "friction/axle": coulomb}) as engine:
        t, _, dq = record(engine, 3.0, effort)
        _, _, coasting = record(engine, 3.0)
    slow = np.exp(-viscous / (moment + rotor) * t)
    speeding = (effort - coulomb) / viscous * (1 - slow)
    stopping = np.maximum((speeding[-1] + coulomb / viscous) * slow - coulomb / viscous, 0.0)
    errors = np.concatenate([dq[:, 0] - speeding, coasting[:, 0] - stopping])
    return Result(worst(errors) / float(speeding[-1]))


def collision(name: str) -> Result:
    """A cart of 1 kg at 2 m/s hits one of 3 kg at rest on the same rail: their momentum stays."""
    cart = box("0.2 0.2 0.2")
    urdf = '<link name="base"/>' + link("first", 1.0, 0.01, shape=cart) + link("second", 3.0, 0.01, shape=cart)
    urdf += joint("one", "prismatic", "base", "first", "1 0 0") + joint("two", "prismatic", "base", "second", "1 0 0")
    with engine_of(name, make_robot(urdf, {"joint": "one"}, self_collision=True)) as engine:
        start(engine, [-0.5, 0.0], [2.0, 0.0])
        _, _, dq = record(engine, 1.0)
    momentum = dq @ [1.0, 3.0]
    return Result(worst(momentum / momentum[0] - 1), f"restitution {(dq[-1, 1] - dq[-1, 0]) / 2.0:.3f}")


LAWS: dict[str, Callable[[str], Result]] = {
    "free fall": free_fall,
    "pendulum energy": pendulum,
    "double-pendulum energy": double_pendulum,
    "spring-damper step": spring_damper,
    "friction angle": friction_angle,
    "motor": motor,
    "collision momentum": collision,
}
