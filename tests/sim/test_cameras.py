"""What cameras see where it can be worked out on paper, and that both engines see the same."""

import gc
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.closed_form import joint, link, make_robot
from randomization import QUANTITIES, Variant, VariantSpace
from robots import load_robot
from robots.mesh.stl import stl_bytes
from robots.model import Mesh, Pose, Shape
from sim2real.errors import EngineError
from sim2real.sim.cameras import Cameras
from sim2real.sim.engine import WorldState
from sim2real.sim.lens import Lens
from sim2real.sim.looks import AMBIENT, DIRECT
from sim2real.sim.rotations import inverse, rotate
from sim2real.sim.scene import BACKGROUND, FLOOR
from sim2real.sim.terrain import Grounds, height_at, heights

ONE = np.arange(1)
WALL = ('<box size="0.2 20 20"/>', "2.1 0 0")  # its face is 2 m ahead
BALL = ('<sphere radius="0.1"/>', "2 0.3 0.2")
EYE = {"eye": {"link": "base", "fov_deg": 60}}
COLUMNS, ROWS = np.meshgrid(np.arange(160), np.arange(120))
FOCAL = 60 / np.tan(np.radians(30))
LIGHT = np.array([np.cos(1.047) * np.cos(0.785), np.cos(1.047) * np.sin(0.785), np.sin(1.047)])


def look_at(geometry, place, cameras=EYE, floor=False, colour="1 1 1"):
    """A robot with cameras on its base and one thing in front of it, on a vertical rail."""
    paint = f'<material name="paint"><color rgba="{colour} 1"/></material>'
    shape = f'<visual><origin xyz="{place}"/><geometry>{geometry}</geometry>{paint}</visual>'
    urdf = link("base", 1.0, 0.1) + link("thing", 1.0, 0.1, "0 0 0", shape)
    urdf += joint("rail", "prismatic", "base", "thing", "0 0 1")
    return make_robot(urdf, {"joint": "rail"}, fixed_base=not floor, base_height=1.0 * floor, cameras=cameras)


@pytest.fixture(scope="module", params=["bullet", "mujoco"])
def engine(request):
    return request.param


def shoot(engine, robot, changes=None, q=None, n_worlds=1, seed=0, base=(), names=None):
    """Return the pictures of worlds that all have the same Variant and state."""
    state = WorldState.zeros(robot, n_worlds)
    if q is not None:
        state.q[:] = q
    if base:
        state.base_position[:], state.base_quaternion[:] = base
    with closing(Cameras(robot, names, engine, 160, 120, n_worlds, seed)) as cameras:
        if changes is not None:
            cameras.apply(Variant.of(cameras.space, changes, n_worlds), np.arange(n_worlds))
        return cameras.shoot(state, np.arange(n_worlds))


def middle(picture, body=1):
    """Return the mean (column, row) of a body's pixels."""
    rows, columns = np.nonzero(picture.segmentation[0] == body)
    assert len(rows) > 20
    return np.array([columns.mean(), rows.mean()])


def seen_at(picture, point):
    """Return the pixel (column, row) where a point of the world is to be seen."""
    x, y, z = picture.intrinsics[0] @ (np.linalg.inv(picture.pose[0]) @ [*point, 1.0])[:3]
    return np.array([x, y]) / z


def test_a_wall_is_as_deep_everywhere_as_it_is_far(engine):
    picture = shoot(engine, look_at(*WALL))["eye"]
    assert picture.rgb.shape == (1, 120, 160, 3)
    np.testing.assert_allclose(picture.depth, 2.0, atol=1e-3)
    assert (picture.segmentation == 1).all()


@pytest.mark.parametrize("yaw", [0.3, -0.5])
def test_a_slanting_wall_is_as_deep_as_geometry_says(engine, yaw):
    cameras = {"eye": {"link": "base", "rpy": [0, 0, yaw]}}
    picture = shoot(engine, look_at(*WALL, cameras))["eye"]
    np.testing.assert_allclose(picture.depth[0, 60, 79:81].mean(), 2.0 / np.cos(yaw), rtol=1e-3)
    right = (COLUMNS - 79.5) / FOCAL
    np.testing.assert_allclose(picture.depth[0], 2.0 / (np.cos(yaw) + np.sin(yaw) * right), rtol=1e-3)


def test_the_floor_ends_at_the_horizon_and_is_as_deep_as_geometry_says(engine):
    picture = shoot(engine, look_at(*BALL, floor=True))["eye"]
    below = (ROWS - 59.5) / FOCAL
    floor = picture.segmentation[0] == FLOOR
    np.testing.assert_array_equal(floor | (picture.segmentation[0] == 1), (ROWS >= 61) | (picture.segmentation[0] == 1))
    np.testing.assert_allclose(picture.depth[0][floor], 1.0 / below[floor], rtol=2e-3)
    sky = picture.segmentation[0] == BACKGROUND
    assert np.isinf(picture.depth[0][sky]).all()
    assert np.isfinite(picture.depth[0][~sky]).all()


def test_a_ball_is_where_the_intrinsics_and_the_pose_put_it(engine):
    """Ahead, to the left and up: in the picture left of the middle, and above it."""
    picture = shoot(engine, look_at(*BALL))["eye"]
    column, row = seen_at(picture, (2.0, 0.3, 0.2))
    assert (column, row) == pytest.approx((79.5 - FOCAL * 0.15, 59.5 - FOCAL * 0.1))
    np.testing.assert_allclose(middle(picture), (column, row), atol=0.5)
    area = np.pi * (FOCAL * 0.1 / 2.0) ** 2
    assert (picture.segmentation == 1).sum() == pytest.approx(area, rel=0.05)
    assert picture.depth.min() == pytest.approx(1.9, abs=0.005)


def test_a_joint_moves_what_hangs_on_it_and_the_base_takes_its_camera_along(engine):
    robot = look_at(*BALL, floor=True)
    still, up = (shoot(engine, robot, q=[q])["eye"] for q in (0.0, 0.2))
    np.testing.assert_allclose(middle(up) - middle(still), (0.0, -FOCAL * 0.1), atol=0.7)
    turned = shoot(engine, robot, base=((7.0, -3.0, 2.0), (0.0, 0.0, np.sin(0.6), np.cos(0.6))))["eye"]
    np.testing.assert_allclose(middle(turned), middle(still), atol=0.3)
    row = turned.depth[0, -1, 0]
    assert row == pytest.approx(2.0 * FOCAL / 59.5, rel=2e-3)
    forward = turned.pose[0, :3, 2]
    np.testing.assert_allclose(forward, (np.cos(1.2), np.sin(1.2), 0.0), atol=1e-9)


def test_two_cameras_see_with_parallax(engine):
    eyes = {name: {"link": "base", "xyz": [0, y, 0], "fov_deg": 60} for name, y in (("left", 0.1), ("right", -0.1))}
    robot = look_at(*BALL, eyes)
    pictures = shoot(engine, robot)
    assert list(pictures) == ["left", "right"]
    parallax = middle(pictures["left"]) - middle(pictures["right"])
    np.testing.assert_allclose(parallax, (FOCAL * 0.2 / 2.0, 0.0), atol=0.5)
    assert list(shoot(engine, robot, names=["right"])) == ["right"]


def test_every_shape_is_seen_as_large_as_it_is(engine):
    shapes = {
        '<box size="0.2 0.2 0.2"/>': (2 * FOCAL * 0.1 / 3.9) ** 2,  # its front is 3.9 m away
        '<cylinder radius="0.1" length="0.4"/>': 8 * (FOCAL * 0.1 / 4) ** 2,
        '<capsule radius="0.1" length="0.2"/>': (4 + np.pi) * (FOCAL * 0.1 / 4) ** 2,
    }
    for geometry, area in shapes.items():
        picture = shoot(engine, look_at(geometry, "4 0 0"), {"camera_fov/eye": 0.2})["eye"]
        assert (picture.segmentation == 1).sum() == pytest.approx(25 * area, rel=0.06), geometry


@pytest.mark.parametrize(("scale", "side"), [((1.0, 1.0, 1.0), -1.0), ((1.0, -1.0, 1.0), 1.0)])
def test_a_mirrored_mesh_is_seen_from_outside_and_one_triangle_is_enough(engine, tmp_path, scale, side):
    """A tetrahedron whose tip is 1.8 m away, and a single triangle behind it."""
    tip = np.array([[-0.2, 1.0, 0.0], [0.0, 0.5, -0.5], [0.0, 1.5, -0.5], [0.0, 1.0, 0.5]], np.float32)
    (tmp_path / "tip.stl").write_bytes(stl_bytes(tip, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])))
    back = np.array([[3.0, -9.0, -9.0], [3.0, 0.0, 9.0], [3.0, 9.0, -9.0]], np.float32)
    (tmp_path / "back.stl").write_bytes(stl_bytes(back, np.array([[0, 1, 2]])))
    robot = look_at(*WALL)
    meshes = Mesh(tmp_path / "tip.stl", scale), Mesh(tmp_path / "back.stl")
    shapes = tuple(Shape(mesh, Pose((2.0, 0.0, 0.0))) for mesh in meshes)
    links = [replace(body, visuals=shapes if body.name == "thing" else ()) for body in robot.model.links]
    picture = shoot(engine, replace(robot, model=replace(robot.model, links=tuple(links))))["eye"]
    nearest = np.array(np.unravel_index(picture.depth[0].argmin(), (120, 160)))
    assert picture.depth.min() == pytest.approx(1.8, abs=0.02)
    np.testing.assert_allclose(nearest, (59.5, 79.5 + side * FOCAL / 1.8), atol=1)
    assert picture.depth[0][np.isfinite(picture.depth[0])].max() == pytest.approx(5.0, abs=0.001)


@pytest.mark.parametrize(
    "shape",
    [
        {"stone_height": 0.3},
        {"step_height": -0.2},
        {"roughness": 0.2, "terrain_seed": 3.0},
        {"slope": 0.3, "slope_direction": 0.7},
    ],
)
def test_the_floor_is_seen_in_its_shape(engine, shape):
    """From 3 m above the plane of the floor, straight down on it."""
    robot = look_at(*BALL, {"eye": {"link": "base", "rpy": [0, np.pi / 2, 0], "fov_deg": 50}}, floor=True)
    space = VariantSpace(robot)
    ground = Grounds(robot, space).ground(Variant.of(space, shape).values[0])
    tilt = np.array(ground.tilt)
    picture = shoot(engine, robot, shape, base=(rotate(tilt, np.array([0.5, 0.3, 3.0])), tilt))["eye"]
    floor, depth = picture.segmentation[0] == FLOOR, picture.depth[0].astype(float)
    assert floor.mean() > 0.9
    pixels = np.stack([COLUMNS, ROWS, np.ones_like(ROWS)], axis=2) @ np.linalg.inv(picture.intrinsics[0]).T
    points = (pixels * depth[:, :, None])[floor] @ picture.pose[0, :3, :3].T + picture.pose[0, :3, 3]
    x, y, z = rotate(inverse(tilt), points).T
    assert np.quantile(np.abs(z - height_at(heights(ground), x, y)), 0.99) < 0.002
    assert np.ptp(z) > (0.1 if ground.uneven else 0.0)


def test_worlds_have_floors_of_their_own(engine):
    robot = look_at(*BALL, {"eye": {"link": "base", "rpy": [0, np.pi / 2, 0]}}, floor=True)
    with closing(Cameras(robot, engine=engine, n_worlds=3)) as cameras:
        stones = np.array([0.0, 0.3, 0.1])
        cameras.apply(Variant.of(cameras.space, {"stone_height": stones}, 3), np.arange(3))
        state = WorldState.zeros(robot, 3)
        state.base_position[:] = 0.0, 0.0, 3.0
        forth, back = (cameras.shoot(state, order)["eye"] for order in (np.arange(3), np.arange(3)[::-1]))
    np.testing.assert_array_equal(forth.depth, back.depth[::-1])
    np.testing.assert_allclose(3.0 - forth.depth.min(axis=(1, 2)), stones, atol=0.02)


@pytest.mark.parametrize(("name", "changes"), [("a1", {"camera_pitch/front": 1.2}), ("a1", {}), ("kuka_iiwa", {})])
def test_both_engines_see_the_same(name, changes):
    """The first looks down and back at the A1's own forelegs and at the floor; the last at its own arm."""
    robot = load_robot(name)
    camera = next(iter(robot.file.cameras))
    bullet, mujoco = (shoot(engine, robot, changes)[camera] for engine in ("bullet", "mujoco"))
    same = bullet.segmentation == mujoco.segmentation
    assert same.mean() >= 0.97
    solid = same & np.isfinite(bullet.depth)
    assert solid.mean() > 0.2
    near = solid & (bullet.depth < 10.0)
    assert np.abs(bullet.depth[near] - mujoco.depth[near]).max() <= 0.01
    assert np.abs(bullet.rgb.astype(float) - mujoco.rgb).mean() < 5.0


def test_frames_are_named_and_turned_as_rep_103_says():
    with closing(Cameras(look_at(*BALL))) as cameras:
        camera = cameras.cameras["eye"]
        assert (camera.frame, camera.optical_frame, cameras.bodies) == ("eye", "eye_optical", ("base", "thing"))
        pose = camera.optical(np.eye(4), np.zeros(3), np.zeros(3))
    right, down, forward = pose[:3, :3].T
    np.testing.assert_allclose([right, down, forward], [[0, -1, 0], [0, 0, -1], [1, 0, 0]], atol=1e-15)


# What a Variant does to pictures.

MOVES = {
    "camera_x": (0.05, lambda f: (0.0, 0.0)),  # an object on the axis stays where it is, and comes nearer
    "camera_y": (0.05, lambda f: (f * 0.05 / 2, 0.0)),
    "camera_z": (0.05, lambda f: (0.0, f * 0.05 / 2)),
    "camera_yaw": (0.1, lambda f: (f * np.tan(0.1), 0.0)),
    "camera_pitch": (0.1, lambda f: (0.0, -f * np.tan(0.1))),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_camera_that_is_moved_sees_a_ball_moved_the_other_way(engine, name):
    value, shift = MOVES[name]
    robot = look_at(BALL[0], "2 0 0")
    still, moved = (shoot(engine, robot, {f"{name}/eye": v})["eye"] for v in (0.0, value))
    np.testing.assert_allclose(middle(moved) - middle(still), shift(FOCAL), atol=0.5)
    np.testing.assert_allclose(middle(moved), seen_at(moved, (2.0, 0.0, 0.0)), atol=0.5)
    nearer = 0.05 if name == "camera_x" else 0.0
    assert still.depth.min() - moved.depth.min() == pytest.approx(nearer, abs=0.012)


def test_roll_turns_the_picture_and_fov_scales_it(engine):
    robot = look_at(*BALL)
    still, rolled, wide = (shoot(engine, robot, {f"{n}/eye": v})["eye"] for n, v in VIEWS)
    x, y = middle(still) - [79.5, 59.5]
    cos, sin = np.cos(0.3), np.sin(0.3)
    # A camera that rolls to the right sees the world turn to the left.
    np.testing.assert_allclose(middle(rolled) - [79.5, 59.5], (cos * x + sin * y, cos * y - sin * x), atol=0.5)
    np.testing.assert_allclose(middle(wide) - [79.5, 59.5], (x / 1.5, y / 1.5), atol=0.5)


VIEWS = (("camera_fov", 1.0), ("camera_roll", 0.3), ("camera_fov", 1.5))


@pytest.mark.parametrize(
    ("changes", "light"),
    [
        ({}, AMBIENT),
        ({"light_azimuth": np.pi, "light_elevation": 0.3}, AMBIENT + DIRECT * np.cos(0.3)),
        ({"light_azimuth": 2.0, "light_elevation": 0.3}, AMBIENT - DIRECT * np.cos(0.3) * np.cos(2.0)),
        ({"light_azimuth": np.pi, "light_elevation": 0.5, "light_intensity": 0.5}, AMBIENT + DIRECT / 2 * np.cos(0.5)),
        ({"ambient": 1.5}, 1.5 * AMBIENT),
        ({"ambient": 0.5, "exposure/eye": 2.0}, AMBIENT),
        ({"exposure/eye": 0.5}, AMBIENT / 2),
        ({"exposure/eye": 4.0}, 1.0),
    ],
)
def test_a_wall_is_as_bright_as_lights_and_exposure_make_it(engine, changes, light):
    """Its face looks back along x; the nominal light comes from behind it."""
    picture = shoot(engine, look_at(*WALL), changes)["eye"]
    np.testing.assert_allclose(picture.rgb, 255 * light, atol=2)


def test_a_tint_mixes_a_hue_into_a_bodys_own_colour(engine):
    robot = look_at(*WALL, colour="0.2 0.4 0.6")
    changes = {"body_tint/thing": 0.25, "body_hue/thing": 2 * np.pi / 3}
    picture = shoot(engine, robot, changes)["eye"]
    green = 255 * AMBIENT * (0.75 * np.array([0.2, 0.4, 0.6]) + [0.0, 0.25, 0.0])
    np.testing.assert_allclose(picture.rgb[0, 60, 80], green, atol=2)
    assert Variant.of(Cameras(robot).space, changes).as_dict() == changes


@pytest.mark.parametrize("texture", [0, 1, 2])
def test_the_floor_is_as_grey_as_it_is_told_and_has_the_texture_chosen(engine, texture):
    down = {"eye": {"link": "base", "xyz": [-9.7, 0.2, 2.0], "rpy": [0, np.pi / 2, 0], "fov_deg": 60}}
    robot = look_at(*BALL, down, floor=True)
    bright, dark = (
        shoot(engine, robot, {"floor_texture": texture, "floor_grey": grey})["eye"].rgb[0, :50].astype(float) / 255
        for grey in (0.8, 0.2)
    )
    light = AMBIENT + DIRECT * LIGHT[2]
    for picture, grey in ((bright, 0.8), (dark, 0.2)):
        assert picture.max() == pytest.approx(grey * light, abs=0.02)
        least = {0: 1.0, 1: 0.4, 2: 0.3}[texture]
        assert picture.min() == pytest.approx(least * grey * light, abs=0.05)
    assert (bright.std() > 0.02) == (texture > 0)
    if texture == 1:  # squares of 0.5 m, 3 m below
        row = bright[20, :, 0] > bright[20, :, 0].mean()
        assert np.abs(np.diff(row)).sum() == pytest.approx(160 / (FOCAL * 0.5 / 3), abs=1)


def test_noise_is_white_and_as_strong_as_it_says(engine):
    picture = shoot(engine, look_at(*WALL), {"camera_noise/eye": 0.05, "depth_noise/eye": 0.01}, n_worlds=3)["eye"]
    colour = (picture.rgb.astype(float) - 255 * AMBIENT) / 255
    assert colour.std() == pytest.approx(0.05, rel=0.02)
    assert abs(colour.mean()) < 0.002
    depth = picture.depth.astype(float) - 2.0
    assert depth.std() == pytest.approx(0.01 * 2.0**2, rel=0.02)
    for noise in (colour[..., 0], depth):
        flat = noise / noise.std()
        assert abs((flat[:, :, 1:] * flat[:, :, :-1]).mean()) < 0.02  # neighbours
        assert abs((flat[0] * flat[1]).mean()) < 0.03  # worlds
    assert abs((colour[..., 0] * colour[..., 1]).mean()) < 1e-4


def test_noise_is_the_same_for_one_world_and_for_many_and_new_in_each_picture(engine):
    robot, changes = look_at(*WALL), {"camera_noise/eye": 0.1, "depth_noise/eye": 0.01}
    one, many, other = (shoot(engine, robot, changes, n_worlds=n, seed=s)["eye"] for n, s in ((1, 0), (3, 0), (1, 1)))
    np.testing.assert_array_equal(one.rgb[0], many.rgb[0])
    np.testing.assert_array_equal(one.depth[0], many.depth[0])
    assert (one.rgb != other.rgb).mean() > 0.9
    state = WorldState.zeros(robot, 1)
    with closing(Cameras(robot, engine=engine)) as cameras:
        cameras.apply(Variant.of(cameras.space, changes), ONE)
        first, second = (cameras.shoot(state, ONE)["eye"] for _ in range(2))
    assert (first.rgb != second.rgb).mean() > 0.9


def test_nominal_changes_nothing_and_nothing_is_left_of_a_variant(engine):
    robot, state = load_robot("racecar"), WorldState.zeros(load_robot("racecar"), 2)
    with closing(Cameras(robot, engine=engine, n_worlds=2)) as cameras:
        plain = cameras.shoot(state, np.arange(2))
        cameras.apply(Variant.nominal(cameras.space, 2), np.arange(2))
        nominal = cameras.shoot(state, np.arange(2))
        wild = {name: 0.4 for name in cameras.space.names if name.split("/")[0] in CAMERA_QUANTITIES}
        cameras.apply(Variant.of(cameras.space, wild), np.array([1]))
        changed = cameras.shoot(state, np.arange(2))
        cameras.apply(Variant.nominal(cameras.space), np.array([1]))
        restored = cameras.shoot(state, np.array([1, 0]))
    for name, picture in plain.items():
        for kind in ("rgb", "depth", "segmentation", "intrinsics", "pose"):
            expected = getattr(picture, kind)
            np.testing.assert_array_equal(getattr(nominal[name], kind), expected)
            np.testing.assert_array_equal(getattr(changed[name], kind)[0], expected[0])
            np.testing.assert_array_equal(getattr(restored[name], kind), expected[::-1])
        assert (changed[name].rgb[1] != picture.rgb[1]).mean() > 0.5


def test_cameras_beside_one_another_do_not_disturb_each_other(engine):
    """Neither those that are in use nor those that are forgotten without being closed."""
    robot, state = look_at(*WALL), WorldState.zeros(look_at(*WALL), 1)
    first, other = Cameras(robot, engine=engine), Cameras(look_at(*BALL, floor=True), engine=engine)
    before = first.shoot(state, ONE)["eye"]
    other.shoot(state, ONE)
    np.testing.assert_array_equal(first.shoot(state, ONE)["eye"].rgb, before.rgb)
    del other
    gc.collect()
    np.testing.assert_array_equal(first.shoot(state, ONE)["eye"].segmentation, before.segmentation)
    first.close()
    first.close()


CAMERA_QUANTITIES = {q.name: q for q in QUANTITIES if q.place == "camera"}


@pytest.fixture(scope="module")
def ball_on_floor(engine):
    with closing(Cameras(look_at(*BALL, floor=True), None, engine, 160, 120)) as cameras:
        yield cameras


@pytest.mark.parametrize("name", CAMERA_QUANTITIES)
def test_every_quantity_reaches_the_picture(ball_on_floor, name):
    """Any that is added to the table is tried here; what it does is tested above."""
    quantity, cameras = CAMERA_QUANTITIES[name], ball_on_floor
    member = {"camera": "/eye", "body in sight": "/thing"}.get(quantity.per, "")
    context = {n: v for n in cameras.space.names for q, v in quantity.context.items() if n.split("/")[0] == q}
    nominal = quantity.nominal(cameras.robot, member[1:])
    value = next(v for v in quantity.default.support[::-1] if v != nominal)
    pictures = []
    for change in ({}, {f"{name}{member}": value}):
        cameras.apply(Variant.of(cameras.space, context | change), ONE)
        pictures.append(cameras.shoot(WorldState.zeros(cameras.robot, 1), ONE)["eye"])
    before, after = (picture.depth if name == "depth_noise" else picture.rgb for picture in pictures)
    assert (before != after).sum() > 50


def test_without_a_camera_there_is_nothing_to_randomize():
    with pytest.raises(EngineError, match="'furuta' has none; add one"):
        Cameras(load_robot("furuta"))
    robot = load_robot("furuta")
    assert not any(quantity.members(robot) for quantity in CAMERA_QUANTITIES.values())
    arm = load_robot("kuka_iiwa")
    assert not CAMERA_QUANTITIES["floor_grey"].members(arm)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["frnt"]}, "no camera 'frnt' .did you mean 'front'.*known: front"),
        ({"engine": "mujco"}, "no engine 'mujco' .did you mean 'mujoco'"),
        ({"width": 0}, "0 x 64 pixels; at least 1 x 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(EngineError, match=message):
        Cameras(load_robot("a1"), **options)


def test_a_bystander_sees_what_is_in_front_of_him(engine):
    """From 1 m to the left of the ball, upside down."""
    robot = look_at(BALL[0], "2 0 0")
    pose = np.array([[1.0, 0.0, 0.0, 2.0], [0.0, 0.0, -1.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    with closing(Cameras(robot, engine=engine)) as cameras:
        shot = cameras.look_on(WorldState.zeros(robot, 1), 0, Lens(63, 41, 0.5), pose)
        assert shot.rgb.shape == (41, 63, 3)
        assert (shot.segmentation[20, 31], shot.segmentation[0, 0]) == (1, BACKGROUND)
        assert shot.depth[20, 31] == pytest.approx(0.9, abs=0.002)
        if engine == "mujoco":
            with pytest.raises(EngineError, match="65 x 41 pixels in a scene of 64 x 64"):
                cameras.look_on(WorldState.zeros(robot, 1), 0, Lens(65, 41, 0.5), pose)


def test_where_there_is_no_opengl_a_remedy_is_named(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "none_such")
    with pytest.raises(EngineError, match=r"cannot draw with none_such here.*libegl1.*engine 'bullet'"):
        Cameras(load_robot("racecar"), engine="mujoco")
