"""A joint that mimics another follows it in both engines: at rest, under motion, after a reset, and it can be felt."""

import numpy as np
import pytest

from benchmarks.closed_form import box, joint, link, make_robot, record, start, worst
from randomization import Variant
from robots import Robot

ONE = np.arange(1)


def mimicking(text: str, source: str, multiplier: float, offset: float = 0.0) -> str:
    """A joint's text with a <mimic> in it."""
    mimic = f'<mimic joint="{source}" multiplier="{multiplier}" offset="{offset}"/>'
    return text.replace("</joint>", f"{mimic}</joint>")


def gripper() -> Robot:
    """An arm of two hinges in the vertical plane; its finger slides, one mimics it, and a knob turns with that one."""
    urdf = '<link name="base"/>' + link("upper", 2.0, 0.02, "0.2 0 0") + link("hand", 1.0, 0.01, "0.2 0 0")
    urdf += link("left", 0.1, 1e-4) + link("right", 0.1, 1e-4) + link("knob", 0.05, 1e-4, "0 0 0.02")
    urdf += joint("shoulder", "continuous", "base", "upper", "0 1 0")
    urdf += joint("elbow", "continuous", "upper", "hand", "0 1 0", "0.4 0 0")
    # The chain stands before its source in the file, which must not matter.
    urdf += mimicking(joint("turn", "continuous", "hand", "knob", "0 0 1", "0.1 0 0"), "close", -20.0, 0.3)
    urdf += mimicking(joint("close", "prismatic", "hand", "right", "0 -1 0", "0.4 0 0"), "open", 1.0, 0.002)
    urdf += joint("open", "prismatic", "hand", "left", "0 1 0", "0.4 0 0")
    arm = [{"joint": name, "mode": "position", "kp": 600, "kd": 20, "effort": 100} for name in ("shoulder", "elbow")]
    finger = {"joint": "open", "mode": "position", "kp": 500, "kd": 20, "effort": 20}
    return make_robot(urdf, *arm, finger, control_hz=50)


def apart(robot: Robot, q: np.ndarray) -> np.ndarray:
    """How far the mimic joints are from where they belong: (..., 2)."""
    close, turn, opened = (q[..., robot.joint_index(name)] for name in ("close", "turn", "open"))
    return np.stack([close - (opened + 0.002), turn - (0.3 - 20 * close)], axis=-1)


def test_mimic_joints_follow_at_rest_and_under_motion(make):
    robot = gripper()
    engine = make(robot)
    for periods, amplitude, bound in ((100, 0.0, 2e-6), (200, 1.0, 2e-4)):
        errors = []
        for k in range(periods):
            wave = amplitude * np.sin(2 * np.pi * np.array([1.0, 1.3, 2.0]) * 0.02 * k)
            engine.step(np.array([wave * [0.5, 0.5, 0.02]]), np.zeros(1))
            errors.append(apart(robot, engine.state.q[0]))
        assert worst(np.array(errors)[-50:]) < bound
    assert np.ptp(engine.state.q[0]) > 0.05


def test_a_reset_puts_mimic_joints_where_they_belong(make):
    robot = gripper()
    engine = make(robot)
    np.testing.assert_allclose(apart(robot, engine.state.q), 0.0, atol=1e-15)
    given = np.zeros((1, robot.n_joints))
    given[0, robot.joint_index("open")] = 0.05
    speed = np.zeros_like(given)
    speed[0, robot.joint_index("open")] = 0.1
    engine.reset(given + 0.0, speed, ONE)
    np.testing.assert_allclose(apart(robot, engine.state.q), 0.0, atol=1e-15)
    assert engine.state.q[0, robot.joint_index("open")] == 0.05
    assert engine.state.dq[0, robot.joint_index("turn")] == pytest.approx(-2.0)
    assert given[0, robot.joint_index("turn")] == 0.0, "what the caller gave is not written to"


@pytest.mark.parametrize("multiplier", [2.0, -0.5])
@pytest.mark.parametrize("kind", ["prismatic", "continuous"])
def test_a_mimic_joint_is_felt_by_its_source(make, multiplier, kind):
    """F = (m + multiplier^2 m_mimic) a, the second a mass that slides or an inertia that turns."""
    urdf = '<link name="base"/>' + link("cart", 1.5, 0.01) + link("other", 0.7, 0.3)
    urdf += joint("rail", "prismatic", "base", "cart", "1 0 0")
    urdf += mimicking(
        joint("follower", kind, "base", "other", "0 0 1" if kind == "continuous" else "0 1 0"), "rail", multiplier
    )
    engine = make(make_robot(urdf, {"joint": "rail"}))
    _, q, dq = record(engine, 0.5, 3.0)
    moved = 1.5 + multiplier**2 * (0.3 if kind == "continuous" else 0.7)
    assert dq[-1, 0] == pytest.approx(3.0 / moved * 0.5, rel=1e-5)
    np.testing.assert_allclose(q[:, 1], multiplier * q[:, 0], atol=1e-5)


def test_a_mimic_joint_has_a_mass_of_its_own_to_vary(make):
    urdf = '<link name="base"/>' + link("cart", 1.5, 0.01) + link("other", 0.7, 0.3)
    urdf += joint("rail", "prismatic", "base", "cart", "1 0 0")
    urdf += mimicking(joint("follower", "prismatic", "base", "other", "0 1 0"), "rail", 2.0)
    engine = make(make_robot(urdf, {"joint": "rail"}))
    engine.apply(Variant.of(engine.space, {"mass/other": 3.0}), ONE)
    start(engine, [0.0, 0.0])
    _, _, dq = record(engine, 0.5, 3.0)
    assert dq[-1, 0] == pytest.approx(3.0 / (1.5 + 4 * 2.1) * 0.5, rel=1e-5)


def test_both_engines_move_alike(build):
    robot = gripper()
    records = []
    for name in ("bullet", "mujoco"):
        engine = build(name, robot)
        rows = []
        for k in range(100):
            wave = np.sin(2 * np.pi * np.array([1.0, 1.3, 2.0]) * 0.02 * k)
            engine.step(np.array([wave * [0.5, 0.5, 0.02]]), np.zeros(1))
            rows.append(engine.state.q[0].copy())
        records.append(np.array(rows))
    difference = np.abs(records[0] - records[1]).max(axis=0)
    scale = np.ptp(records[0], axis=0)
    assert (difference < 0.02 * scale).all(), (difference, scale)


def test_a_mimic_joint_bears_what_pushes_it(make):
    """Two carts geared against each other, one against a wall of its own limit: the pair stands still."""
    urdf = '<link name="base"/>' + link("cart", 1.0, 0.01) + link("other", 1.0, 0.01, shape=box("0.1 0.1 0.1"))
    urdf += joint("rail", "prismatic", "base", "cart", "1 0 0")
    short = joint("follower", "prismatic", "base", "other", "0 1 0").replace('"50"', '"0.1"')
    engine = make(make_robot(urdf + mimicking(short, "rail", 1.0), {"joint": "rail"}))
    _, q, _ = record(engine, 2.0, 20.0)
    np.testing.assert_allclose(q[-1], 0.1, atol=1e-3)
