"""Motors of several modes in one robot, and their rotors: armature acts the same in both engines, or is refused."""

import numpy as np
import pytest

from benchmarks.closed_form import joint, link, make_robot, record, start
from randomization import Variant
from robots import Robot
from sim2real.errors import EngineError
from sim2real.sim.actuators import holding_command

ONE = np.arange(1)
AXIS = "0.36 0.48 0.8"


def three_modes(**changes: object) -> Robot:
    """Three carts on rails of their own, commanded in position, velocity and effort."""
    urdf = '<link name="base"/>' + "".join(link(f"cart{k}", 1.5, 0.01) for k in range(3))
    urdf += "".join(joint(f"rail{k}", "prismatic", "base", f"cart{k}", "1 0 0") for k in range(3))
    motors = (
        {"joint": "rail2", "mode": "effort", "effort": 50},
        {"joint": "rail0", "mode": "position", "kp": 150, "kd": 30, "effort": 50},
        {"joint": "rail1", "mode": "velocity", "kd": 30, "effort": 50},
    )
    return make_robot(urdf, *motors, control_hz=50, **changes)


def test_each_motor_obeys_in_its_own_mode(make):
    robot = three_modes()
    engine = make(robot)
    for _ in range(100):
        engine.step(np.array([[3.0, 0.4, -0.7]]), np.zeros(1))
    assert engine.state.q[0, 0] == pytest.approx(0.4, abs=1e-4)
    assert engine.state.dq[0, 1] == pytest.approx(-0.7, abs=1e-6)
    assert engine.state.dq[0, 2] == pytest.approx(3.0 / 1.5 * 2.0, rel=1e-9)
    assert engine.state.tau[0, 0] == 3.0, "in the order of the motors"


def test_until_the_first_command_each_motor_holds_in_its_own_mode(make):
    robot = three_modes()
    engine = make(robot)
    q = np.array([[0.3, 0.5, -0.2]])
    np.testing.assert_array_equal(holding_command(robot, q), [[0.0, 0.3, 0.0]])
    engine.reset(q, np.zeros((1, 3)), ONE)
    for _ in range(4):
        engine.step(np.ones((1, 3)), np.full(1, 1.0))
    np.testing.assert_allclose(engine.state.q, q, atol=1e-12)


def test_strength_scales_every_mode(make):
    robot = three_modes()
    engine = make(robot)
    weak = {f"strength/rail{k}": 0.5 for k in range(3)}
    engine.apply(Variant.of(engine.space, weak), ONE)
    engine.step(np.array([[1e3, 1e3, 1e3]]), np.zeros(1))
    np.testing.assert_allclose(engine.state.tau, 25.0)


def wheel(armature: float, urdf: str = "", **changes: object) -> Robot:
    """A wheel on a bolted axle that is none of its principal axes."""
    inertia = 'ixx="0.02" iyy="0.03" izz="0.04" ixy="0.002" ixz="-0.003" iyz="0.004"'
    body = f'<link name="wheel"><inertial><mass value="1.0"/><inertia {inertia}/></inertial></link>'
    text = '<link name="base"/>' + body + joint("axle", "continuous", "base", "wheel", AXIS)
    return make_robot(text + urdf, {"joint": "axle", "armature": armature}, **changes)


def wheel_inertia() -> float:
    axis = np.array([0.36, 0.48, 0.8])
    matrix = np.array([[0.02, 0.002, -0.003], [0.002, 0.03, 0.004], [-0.003, 0.004, 0.04]])
    return float(axis @ matrix @ axis)


@pytest.mark.parametrize("armature", [0.0, 0.01, 0.5])
def test_a_rotor_is_inertia_about_the_joint(make, armature):
    _, _, dq = record(make(wheel(armature)), 0.5, 0.3)
    assert dq[-1, 0] == pytest.approx(0.3 / (wheel_inertia() + armature) * 0.5, rel=1e-9)


def test_a_variant_scales_the_body_and_not_its_rotor(make):
    """About a principal axis exactly; about any other axis PyBullet cannot turn the axes that it loaded."""
    urdf = '<link name="base"/>' + link("wheel", 1.0, 0.02) + joint("axle", "continuous", "base", "wheel", AXIS)
    engine = make(make_robot(urdf, {"joint": "axle", "armature": 0.05}))
    engine.apply(Variant.of(engine.space, {"mass/wheel": 2.0, "inertia/wheel": 1.5}), ONE)
    start(engine, [0.0])
    _, _, dq = record(engine, 0.5, 0.3)
    assert dq[-1, 0] == pytest.approx(0.3 / (0.02 * 3.0 + 0.05) * 0.5, rel=1e-9)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_variant_scales_a_crooked_wheel_nearly(make, scale):
    engine = make(wheel(0.02))
    engine.apply(Variant.of(engine.space, {"inertia/wheel": scale}), ONE)
    start(engine, [0.0])
    _, _, dq = record(engine, 0.5, 0.3)
    assert dq[-1, 0] == pytest.approx(0.3 / (wheel_inertia() * scale + 0.02) * 0.5, rel=0.06)


def test_a_rotor_on_a_level_rail_is_mass_without_weight(make):
    urdf = '<link name="base"/>' + link("cart", 1.5, 0.01) + link("bob", 0.2, 0.001, "0 0 -0.3")
    urdf += joint("rail", "prismatic", "base", "cart", "0.6 0.8 0")
    urdf += joint("hinge", "continuous", "cart", "bob", "0.8 -0.6 0")
    engine = make(make_robot(urdf, {"joint": "rail", "armature": 2.0}))
    _, _, dq = record(engine, 0.02, 3.0)
    hanging = 0.001 + 0.2 * 0.3**2
    moved = 1.5 + 2.0 + 0.2 - (0.2 * 0.3) ** 2 / hanging  # what the bob takes of the push at once, by its inertia
    assert dq[-1, 0] == pytest.approx(3.0 / moved * 0.02, rel=1e-3)


@pytest.mark.parametrize("where", ["upright", "on an arm", "free"])
def test_a_rotor_that_pybullet_would_give_a_weight_is_refused(build, where):
    urdf = link("base", 1.0, 0.01) + link("cart", 1.5, 0.01) + link("load", 0.5, 0.01)
    axis = "0 0 1" if where == "upright" else "1 0 0"
    lift = ("arm", "load") if where == "on an arm" else ("base", "load")
    urdf += joint("arm", "continuous", "base", "cart", "0 0 1").replace('"base"', '"base"', 1)
    urdf += joint("lift", "prismatic", {"arm": "cart"}.get(lift[0], "base"), "load", axis)
    robot = make_robot(urdf, {"joint": "lift", "armature": 0.3}, fixed_base=where != "free", base_height=1.0)
    with pytest.raises(EngineError, match="armature on prismatic joint 'lift': PyBullet bears it on a level rail"):
        build("bullet", robot)
    build("mujoco", robot)


def test_a_servo_as_stiff_as_a_quadrupeds_is_stable(make):
    """A leg of 1 kg and 0.2 kg from a bolted hip, at 500 Hz, with the gains of a walking robot."""
    urdf = '<link name="base"/>' + link("thigh", 1.0, 0.005, "0 0 -0.1") + link("calf", 0.2, 0.001, "0 0 -0.1")
    urdf += joint("hip", "continuous", "base", "thigh", "0 1 0")
    urdf += joint("knee", "continuous", "thigh", "calf", "0 1 0", "0 0 -0.2")
    gains = {"mode": "position", "kp": 100, "kd": 3, "effort": 30}
    robot = make_robot(
        urdf,
        {"joint": "hip"} | gains,
        {"joint": "knee"} | gains,
        control_hz=50,
        physics_hz=500,
        default_pose={"hip": 0.5},
    )
    engine = make(robot)
    for k in range(100):
        engine.step(np.array([[0.5, -1.0 * (k < 50)]]), np.zeros(1))
    np.testing.assert_allclose(engine.state.q, [[0.5, 0.0]], atol=0.03)
    np.testing.assert_allclose(engine.state.dq, 0.0, atol=1e-6)


@pytest.mark.parametrize("kd", [1.0, 3.0, 10.0])
def test_friction_is_the_same_however_finely_a_stiff_servo_is_stepped(make, kd):
    """A servo under the friction of its joint stays off its target by friction / kp; above it, it moves."""
    urdf = '<link name="base"/>' + link("wheel", 1.0, 0.002) + joint("axle", "continuous", "base", "wheel", "0 0 1")
    engine = make(make_robot(urdf, {"joint": "axle", "mode": "position", "kp": 100, "kd": kd}, control_hz=50))
    engine.apply(Variant.of(engine.space, {"friction/axle": 2.0}), ONE)
    for target, moved in ((0.018, 0.0), (0.1, 0.08)):
        for _ in range(50):
            engine.step(np.full((1, 1), target), np.zeros(1))
        assert engine.state.q[0, 0] == pytest.approx(moved, abs=1e-3)
