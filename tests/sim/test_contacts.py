"""What may touch what, and how: friction, self-collision and shapes are the same in both engines."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.closed_form import (
    BLOCK,
    FRICTION,
    G,
    box,
    creep,
    engine_of,
    joint,
    link,
    make_robot,
    record,
    slope,
    start,
)
from robots import Robot, load_robot

CART = box("0.2 0.2 0.2")


def carts(**changes: object) -> Robot:
    """Two carts on one rail, 0.5 m apart."""
    urdf = '<link name="base"/>' + link("first", 1.0, 0.01, shape=CART) + link("second", 3.0, 0.01, shape=CART)
    urdf += joint("one", "prismatic", "base", "first", "1 0 0") + joint("two", "prismatic", "base", "second", "1 0 0")
    return make_robot(urdf, {"joint": "one"}, **changes)


def test_links_pass_through_each_other_unless_told_otherwise(make):
    for changes, touch in (({}, False), ({"self_collision": True}, True)):
        engine = make(carts(**changes))
        start(engine, [-0.5, 0.0], [2.0, 0.0])
        _, q, _ = record(engine, 1.0)
        assert (q[-1, 1] > 0.1) == touch
        assert (q[-1, 0] > q[-1, 1]) != touch


@pytest.mark.parametrize("fixed_base", [True, False])
def test_links_that_a_joint_connects_never_touch(make, fixed_base):
    """An arm whose shapes overlap at each joint, the first with a bolted or a free root."""
    overlapping = box("0.3 0.1 0.1", "0.1 0 0")
    names = ("base", "upper", "lower")
    urdf = "".join(link(name, 1.0, 0.01, "0.1 0 0", overlapping) for name in names)
    urdf += joint("a", "continuous", "base", "upper", "0 0 1", "0.2 0 0")
    urdf += joint("b", "continuous", "upper", "lower", "0 0 1", "0.2 0 0")
    robot = make_robot(urdf, {"joint": "a"}, self_collision=True, fixed_base=fixed_base, base_height=5.0)
    engine = make(robot)
    _, q, dq = record(engine, 0.5)
    np.testing.assert_allclose(q, 0.0, atol=1e-9)
    np.testing.assert_allclose(dq, 0.0, atol=1e-9)


def test_the_ends_of_a_loop_never_touch(make):
    """Two bodies that overlap where a loop joins them."""
    urdf = '<link name="base"/>' + link("first", 1.0, 0.01, shape=CART) + link("second", 1.0, 0.01, shape=CART)
    urdf += joint("one", "prismatic", "base", "first", "1 0 0") + joint("two", "prismatic", "base", "second", "1 0 0")
    loop = {"links": ["first", "second"], "points": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]}
    engine = make(make_robot(urdf, {"joint": "one"}, self_collision=True, loops=[loop]))
    _, _, dq = record(engine, 0.5, 3.0)
    np.testing.assert_allclose(dq[-1], 3.0 / 2.0 * 0.5, rtol=1e-3)


SLED, WEIGHT = 10.0, 20.0  # [kg]


def sled(friction: float, angle: float) -> Robot:
    """A slab on the floor, and a weight on it that a motor pushes along a rail: the slab is pushed back."""
    urdf = link("base", SLED, 10.0, shape=box("3 3 0.1")) + link("weight", WEIGHT, 0.01)
    urdf += joint("push", "prismatic", "base", "weight", f"{np.cos(angle)} {np.sin(angle)} 0")
    changes = {"fixed_base": False, "base_height": 0.05, "ground_friction": friction}
    return make_robot(urdf, {"joint": "push"}, **changes)


@pytest.mark.parametrize("friction", [0.3, 0.8])
@pytest.mark.parametrize("angle", [0.0, np.pi / 4])
def test_a_sled_sticks_or_slides_on_the_floor(engine_name, friction, angle):
    """Below mu m g it stays; above, the rest accelerates it, in every direction alike: friction is a cone.

    MuJoCo's contacts chatter under what slides: hence its 8 %. With its default, a pyramid, the diagonal is 100 % off.
    """
    grip, seconds = friction * (SLED + WEIGHT) * G, 0.3
    slides = 0.3 * grip / SLED * seconds
    for push, expected in ((0.9 * grip, 0.0), (1.3 * grip, slides)):
        with engine_of(engine_name, sled(friction, angle)) as engine:
            record(engine, 0.3)
            before = engine.state.base_velocity[0].copy()
            record(engine, seconds, push)
            gained = (engine.state.base_velocity[0] - before) @ [-np.cos(angle), -np.sin(angle), 0.0]
        assert gained == pytest.approx(expected, abs={"bullet": 0.01, "mujoco": 0.08}[engine_name] * slides)


def test_a_block_stays_on_a_slope_that_holds_it(engine_name):
    critical = np.arctan(FRICTION)
    assert creep(engine_name, 0.95 * critical) < 7e-5
    assert creep(engine_name, 1.05 * critical) > 0.05


def test_no_history_of_a_contact_shows_through_a_reset(make):
    robot = slope(0.9 * np.arctan(FRICTION))
    fresh, used = make(robot), make(robot)
    record(used, 0.5, 0.2 * BLOCK)
    start(used, [0.0, 0.0])
    np.testing.assert_array_equal(record(used, 0.2)[1], record(fresh, 0.2)[1])


SHAPES = {
    "box": ('<box size="0.3 0.2 0.1"/>', 0.05),
    "sphere": ('<sphere radius="0.1"/>', 0.1),
    "cylinder": ('<cylinder radius="0.2" length="0.1"/>', 0.05),
    "capsule": ('<capsule radius="0.05" length="0.3"/>', 0.05),  # laid down, see below
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_rests_on_the_floor_by_its_size(make, shape):
    geometry, height = SHAPES[shape]
    lying = "0 1.5707963267948966 0" if shape == "capsule" else "0 0 0"
    solid = f'<collision><origin rpy="{lying}"/><geometry>{geometry}</geometry></collision>'
    urdf = link("base", 1.0, 0.01, shape=solid) + link("wheel", 0.01, 1e-5)
    urdf += joint("axle", "continuous", "base", "wheel", "0 0 1")
    engine = make(make_robot(urdf, {"joint": "axle"}, fixed_base=False, base_height=height + 0.02))
    record(engine, 1.5)
    assert engine.state.base_position[0, 2] == pytest.approx(height, abs=1.5e-3)
    np.testing.assert_allclose(engine.state.base_velocity, 0.0, atol=2e-3)


def test_a_mesh_touches_with_its_convex_parts(make, tmp_path):
    """Two towers in one OBJ, 0.4 m apart: what falls between them falls through, as no hull spans the gap."""
    towers = [[[x, y, z] for x in (a, a + 0.1) for y in (-0.1, 0.1) for z in (0.0, 0.3)] for a in (-0.25, 0.15)]
    faces = ["1 3 4 2", "5 6 8 7", "1 2 6 5", "3 7 8 4", "1 5 7 3", "2 4 8 6"]
    lines = []
    for number, corners in enumerate(towers):
        lines += [f"o tower{number}", *(f"v {x} {y} {z}" for x, y, z in corners)]
        lines += ["f " + " ".join(str(int(k) + 8 * number) for k in face.split()) for face in faces]
    (tmp_path / "towers.obj").write_text("\n".join(lines) + "\n")
    robot = lift(tmp_path, '<mesh filename="towers.obj" scale="2 2 2"/>')
    for place, rest in ((0.0, -0.5), (0.4, 0.6 + 0.05)):  # between the towers; on one of them
        engine = make(robot)
        start(engine, [place, 0.7])
        _, q, _ = record(engine, 1.5, place)
        assert q[-1, 1] == pytest.approx(rest, abs=2e-3)


def lift(folder: Path, geometry: str) -> Robot:
    """A ball that is moved along x and falls along z, down to 0.5 m below the ground, over a base of that shape."""
    ball = '<collision><geometry><sphere radius="0.05"/></geometry></collision>'
    base = f'<link name="base"><collision><geometry>{geometry}</geometry></collision></link>'
    urdf = base + link("carriage", 1.0, 0.01) + link("ball", 1.0, 0.01, shape=ball)
    urdf += joint("along", "prismatic", "base", "carriage", "1 0 0")
    urdf += joint("up", "prismatic", "carriage", "ball", "0 0 1").replace("-50", "-0.5")
    (folder / "robot.urdf").write_text(f'<robot name="made">{urdf}</robot>')
    (folder / "robot.yaml").write_text(
        "{name: made, urdf: robot.urdf, source: test, licence: Apache-2.0, control_hz: 1000, physics_hz: 1000,"
        " self_collision: true, fallback: zero,"
        " actuators: [{joint: along, mode: position, kp: 1000, kd: 60, effort: 100}]}"
    )
    return load_robot(folder)
