"""Both engines stand on the floor that `sim2real.sim.terrain` computes: rays hit it, shapes rest and slide on it."""

import copy
import subprocess
import sys
from math import atan, cos, sin

import mujoco
import numpy as np
import pybullet
import pytest

from randomization import Variant
from robots import load_robot
from sim2real.sim.bullet_floor import BulletFloor
from sim2real.sim.mujoco_floor import MujocoFloor, add_floor
from sim2real.sim.rotations import inverse, rotate
from sim2real.sim.terrain import CELL, HALF, POINTS, UNDER, Ground, Grounds, height_at, heights

DT, G, GRIP = 0.001, 9.81, 0.8
ALL = Ground(0.3, 1.0, 0.05, -0.1, 0.2, 4.0)  # no axis or quarter of it is like another
SIZE, LOW = 0.1, 0.02  # [m] radius of balls, half the edges of blocks


class BulletScene:
    """A floor and one free ball or block of 1 kg in PyBullet."""

    def __init__(self, shape, grip=GRIP):
        self.client = pybullet.connect(pybullet.DIRECT)
        self.options = {"physicsClientId": self.client}
        pybullet.setGravity(0, 0, -G, **self.options)
        pybullet.setPhysicsEngineParameter(fixedTimeStep=DT, deterministicOverlappingPairs=1, **self.options)
        self.floor = BulletFloor(self.client, lambda body: self._touch(body, np.sqrt(grip)))
        kind = {"ball": {"shapeType": pybullet.GEOM_SPHERE, "radius": SIZE}}.get(
            shape, {"shapeType": pybullet.GEOM_BOX, "halfExtents": [SIZE, SIZE, LOW]}
        )
        self.body = pybullet.createMultiBody(1, pybullet.createCollisionShape(**kind, **self.options), **self.options)
        for body in (*self.floor.bodies, self.body):
            self._touch(body, np.sqrt(grip))

    def _touch(self, body, grip):
        pybullet.changeDynamics(body, -1, lateralFriction=grip, **self.options)
        pybullet.changeDynamics(body, -1, linearDamping=0, angularDamping=0, **self.options)

    def shape(self, ground):
        self.floor.apply(ground)

    def put(self, place, quaternion=(0.0, 0.0, 0.0, 1.0)):
        pybullet.resetBasePositionAndOrientation(self.body, [0, 0, 1e4], [0, 0, 0, 1], **self.options)
        pybullet.performCollisionDetection(**self.options)
        pybullet.resetBasePositionAndOrientation(self.body, list(place), list(quaternion), **self.options)

    def run(self, seconds):
        path = []
        for _ in range(round(seconds / DT)):
            pybullet.stepSimulation(**self.options)
            position, quaternion = pybullet.getBasePositionAndOrientation(self.body, **self.options)
            path.append((*position, *quaternion))
        return np.array(path)

    def ray(self, start, end):
        hit = pybullet.rayTest(list(start), list(end), **self.options)[0]
        return np.array(hit[3])

    def close(self):
        pybullet.disconnect(**self.options)


class MujocoScene:
    """The same in MuJoCo."""

    def __init__(self, shape, grip=GRIP, uneven=True):
        spec = mujoco.MjSpec()
        spec.option.timestep, spec.option.gravity = DT, [0, 0, -G]
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10
        touch = {"condim": 3, "friction": [grip, 0, 0], "solref": [0.01, 1]}
        add_floor(spec, touch, uneven)
        body = spec.worldbody.add_body(name="body")
        body.add_freejoint()
        kind = {"ball": mujoco.mjtGeom.mjGEOM_SPHERE}.get(shape, mujoco.mjtGeom.mjGEOM_BOX)
        body.add_geom(type=kind, size=[SIZE, SIZE, LOW], mass=1, **touch)
        nominal = spec.compile()
        self.floor = MujocoFloor(nominal, 2)
        self.model, self.data = copy.copy(nominal), mujoco.MjData(nominal)

    def shape(self, ground):
        self.floor.apply(self.model, 1, ground)

    def put(self, place, quaternion=(0.0, 0.0, 0.0, 1.0)):
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = [*place, quaternion[3], *quaternion[:3]]

    def run(self, seconds):
        path = []
        for _ in range(round(seconds / DT)):
            mujoco.mj_step(self.model, self.data)
            path.append(self.data.qpos[[0, 1, 2, 4, 5, 6, 3]])
        return np.array(path)

    def ray(self, start, end):
        mujoco.mj_forward(self.model, self.data)
        way = np.asarray(end) - start
        way /= np.linalg.norm(way)
        far = mujoco.mj_ray(self.model, self.data, start, way, None, 1, -1, np.zeros(1, np.int32))
        return start + far * way

    def close(self):
        pass


@pytest.fixture
def scene(engine_name):
    """A function that makes a scene in the engine in turn."""
    scenes = []

    def _make(shape, **options):
        scenes.append({"bullet": BulletScene, "mujoco": MujocoScene}[engine_name](shape, **options))
        return scenes[-1]

    yield _make
    for made in scenes:
        made.close()


def in_world(ground, points):
    """Points (..., 3) of the floor's frame, in the world."""
    return rotate(np.array(ground.tilt), np.asarray(points, dtype=float))


@pytest.mark.parametrize("ground", [ALL, ALL._replace(slope=0.0), Ground(slope=0.4, slope_direction=-2.0)])
def test_rays_hit_the_surface(scene, ground):
    stage = scene("ball")
    stage.put([0, 0, 50])
    stage.shape(ALL._replace(terrain_seed=1.0, slope=0.2))  # its shape must not show through
    stage.shape(ground)
    rng = np.random.default_rng(0)
    places = rng.uniform(-HALF, HALF, (200, 2))
    field = heights(ground) if ground.uneven else np.zeros((POINTS, POINTS))
    for (x, y), z in zip(places, height_at(field, *places.T), strict=True):
        hit = stage.ray(*in_world(ground, [[x, y, 5.0], [x, y, -5.0]]))
        np.testing.assert_allclose(rotate(inverse(np.array(ground.tilt)), hit), [x, y, z], atol=1e-6)


def test_under_an_uneven_floor_and_around_it_is_a_plane(scene):
    stage = scene("ball")
    stage.put([0, 0, 50])
    stage.shape(ALL)
    outside = HALF + 0.5
    hit = stage.ray(*in_world(ALL, [[outside, -1.0, 5.0], [outside, -1.0, -5.0]]))
    expected = in_world(ALL, [outside, -1.0, heights(ALL).min() - UNDER])
    np.testing.assert_allclose(hit, expected, atol=1e-6)
    stage.shape(Ground())
    assert stage.ray(np.array([0.7, 0.2, 5.0]), np.array([0.7, 0.2, -5.0]))[2] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("ground", [Ground(step_height=0.2), Ground(step_height=-0.1), Ground(stone_height=0.2)])
def test_a_ball_rests_on_steps_and_stones_at_their_height(scene, ground):
    field = heights(ground)
    around = np.lib.stride_tricks.sliding_window_view(field, (5, 5))  # 2 cells to each side: a ball is 1.6 wide
    level = around.max(axis=(2, 3)) == around.min(axis=(2, 3))
    spots = np.argwhere(level & (around[:, :, 2, 2] != 0.0)) + 2
    stage = scene("ball")
    stage.shape(ground)
    for i, j in spots[:: len(spots) // 5]:
        place = np.array([j * CELL - HALF, i * CELL - HALF, field[i, j] + SIZE])
        stage.put(place + [0.0, 0.0, 0.01])
        np.testing.assert_allclose(stage.run(0.4)[-1, :3], place, atol=2e-3)


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("ratio", [0.95, 1.15])
def test_a_block_slides_down_a_slope_that_is_too_steep_for_it(scene, uneven, ratio):
    """On a bare plane, and over the level part of a height field on it."""
    angle, direction, seconds = atan(ratio * GRIP), 2.0, 0.6
    ground = Ground(angle, direction, step_height=0.05 * uneven)
    stage = scene("block")
    stage.shape(ground)
    stage.put(in_world(ground, [-1.0, 0.0, LOW]), ground.tilt)
    path = rotate(inverse(np.array(ground.tilt)), stage.run(seconds)[:, :3])
    slid = path[-1] - [-1.0, 0.0, LOW]
    pull = G * max(0.0, sin(angle) - GRIP * cos(angle))
    downhill = -np.array([cos(direction), sin(direction), 0.0])
    np.testing.assert_allclose(slid, pull * seconds**2 / 2 * downhill, atol=1e-3 + 0.01 * pull)


def test_a_floor_that_was_uneven_once_is_level_to_the_bit(scene):
    fresh, used = scene("block"), scene("block")
    for stage in (fresh, used):
        stage.put([0, 0, 50])
    used.shape(ALL)
    used.run(0.05)
    used.shape(Ground())
    for stage in (fresh, used):
        stage.put([0.0, 0.0, 0.3], np.array([0.1, 0.2, 0.3, 0.9]) / np.sqrt(0.95))
    np.testing.assert_array_equal(fresh.run(1.0), used.run(1.0))


def test_a_mujoco_model_with_a_height_field_in_waiting_is_as_one_without():
    paths = []
    for uneven in (False, True):
        stage = MujocoScene("block", uneven=uneven)
        assert stage.floor.fits(ALL) == uneven
        assert stage.floor.fits(Ground(slope=0.3))
        stage.put([0.0, 0.0, 0.3], np.array([0.1, 0.2, 0.3, 0.9]) / np.sqrt(0.95))
        paths.append(stage.run(1.0))
    np.testing.assert_array_equal(*paths)


@pytest.mark.parametrize("changes", [{"slope": 0.2, "slope_direction": 1.0}, {"roughness": 0.04, "slope": 0.1}])
def test_a_robot_starts_upright_on_the_floor_and_stays_there(build, changes):
    robot = load_robot("a1")
    rests = []
    for engine in (build("bullet", robot, 2), build("mujoco", robot, 2)):
        variant = Variant.of(engine.space, changes, 2)
        engine.apply(variant, np.array([0, 1]))
        engine.reset(np.tile(robot.default_q, (2, 1)), np.zeros((2, robot.n_joints)), np.array([0, 1]))
        position, quaternion = Grounds(robot, engine.space).start(variant.values)
        np.testing.assert_allclose(engine.state.base_position, position, atol=1e-6)
        np.testing.assert_allclose(engine.state.base_quaternion, quaternion, atol=1e-6)
        for _ in range(25):
            engine.step(np.tile(robot.default_q[robot.actuated], (2, 1)), np.zeros(2))
        assert np.linalg.norm(engine.state.base_position - position, axis=1).max() < 0.06
        rests.append(engine.state.base_position.copy())
    np.testing.assert_allclose(rests[0], rests[1], atol=0.02)


def test_a_level_world_beside_an_uneven_one_moves_as_alone_to_the_bit(make):
    robot = load_robot("a1")
    alone, beside = make(robot), make(robot, 2)
    beside.apply(Variant.of(beside.space, {"roughness": np.array([0.0, 0.05])}, 2), np.array([0, 1]))
    command = robot.default_q[robot.actuated] + 0.1
    for engine in (alone, beside):
        n = engine.n_worlds
        engine.reset(np.tile(robot.default_q, (n, 1)), np.zeros((n, robot.n_joints)), np.arange(n))
        for _ in range(25):
            engine.step(np.tile(command, (n, 1)), np.zeros(n))
    np.testing.assert_array_equal(alone.state.q[0], beside.state.q[0])
    np.testing.assert_array_equal(alone.state.base_position[0], beside.state.base_position[0])
    assert np.abs(beside.state.q[1] - beside.state.q[0]).max() > 1e-3


def test_a_bullet_floor_keeps_its_bodies_and_what_they_touch_with():
    made: list[int] = []
    client = pybullet.connect(pybullet.DIRECT)
    floor = BulletFloor(client, made.append)
    assert floor.bodies == (floor.body,)
    floor.apply(Ground(slope=0.1))
    assert made == []
    floor.apply(ALL)
    bodies: tuple[int, ...] = floor.bodies
    plane, field = bodies
    assert made == [field]
    for body in (plane, field):
        pybullet.changeDynamics(body, -1, lateralFriction=0.123, physicsClientId=client)
    for ground in (ALL._replace(terrain_seed=9.0), Ground(), ALL):
        floor.apply(ground)
        assert floor.bodies == bodies
        assert pybullet.getDynamicsInfo(field, -1, physicsClientId=client)[1] == 0.123
    assert made == [field]
    pybullet.disconnect(client)


GROWTH = """
import resource
import pybullet
from randomization import Variant
from robots import load_robot
from sim2real.sim.bullet_floor import BulletFloor
from sim2real.sim.terrain import Ground

def grown(times):
    for number in range(times):
        floor.apply(Ground(0.1, 0.0, 0.05, terrain_seed=number))
        pybullet.stepSimulation(physicsClientId=client)
        floor.apply(Ground())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

client = pybullet.connect(pybullet.DIRECT)
floor = BulletFloor(client)
early = grown(20)
print(grown(300) - early)
"""


def test_new_height_fields_in_bullet_leave_nothing_behind():
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout.splitlines()[-1]) < 2.0  # [MB] in 300 of them, of 270 kB as doubles
