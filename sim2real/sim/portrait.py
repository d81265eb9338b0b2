"""A picture of a robot in its default pose, as in a catalogue: close up, with a soft shadow on the ground."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull, QhullError

from robots import Robot
from robots.extent import outline
from robots.kinematics import link_poses, rotation, transform
from robots.model import Capsule, Cylinder, Pose, RobotModel, Shape, Sphere
from sim2real.quiet import quiet
from sim2real.sim.engine import Array
from sim2real.sim.render import Renderer, opengl

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

Pixels = NDArray[np.uint8]

FOV_DEG = 22.0  # narrow, as a photographer would: little distortion
YAW_DEG, PITCH_DEG = 50.0, -20.0  # of the camera, from the robot's front left
FILL = 0.86  # share of the picture that the robot fills, in width or in height
SHARPNESS = 2  # pixels drawn for one that is shown, each way
LIGHT = np.array([-0.3, 0.35, -1.0])  # where it falls to, x ahead and y left of the robot
SHADOW = 0.30  # darkness of the shadow's middle
FADE = 0.2  # of the picture's half, over which the shadow fades out towards its edges
GROUND = np.array([247.0, 248.0, 250.0])  # grey enough for a white robot
PAINT = (0.55, 0.65, 0.75, 1.0)  # of shapes that are drawn though nobody painted them
ENDLESS = 5.0  # a thing without mass that is this much larger than the robot, a rail, is not framed


def portrait(robot: Robot, width: int = 640, height: int = 480) -> Pixels:
    """Draw the robot's default pose: (height, width, 3). Raise RobotError for a mesh that cannot be read."""
    robot = replace(robot, model=_seen(robot.model))
    hulls, front = _hulls(robot), _front(robot)
    camera = _Camera.on(np.concatenate(hulls), front, width / height)
    ground = GROUND * (1.0 - SHADOW * _shadow(hulls, front, camera, width, height))[:, :, None]
    with closing(_Portrait(robot, camera, SHARPNESS * width, SHARPNESS * height)) as renderer:
        pixels, covered = renderer.take()
    ground = np.repeat(np.repeat(ground, SHARPNESS, axis=0), SHARPNESS, axis=1)
    pixels = np.where(covered[:, :, None], pixels, ground)
    fine = pixels.reshape(height, SHARPNESS, width, SHARPNESS, 3)
    shown: Pixels = np.rint(fine.mean(axis=(1, 3))).astype(np.uint8)
    return shown


def _seen(model: RobotModel) -> RobotModel:
    """Return the model with its collision shapes drawn, if it has nothing to be seen."""
    if any(link.visuals for link in model.links):
        return model
    links = [replace(link, visuals=tuple(p for s in link.collisions for p in _painted(s))) for link in model.links]
    return replace(model, links=tuple(links))


def _painted(shape: Shape) -> Iterator[Shape]:
    """Yield what a collision shape is drawn as: PyBullet draws a capsule as a pencil, sharp at both ends."""
    if not isinstance(shape.geometry, Capsule):
        yield replace(shape, rgba=PAINT)
        return
    radius, length = shape.geometry.radius, shape.geometry.length
    yield Shape(Cylinder(radius, length), shape.origin, PAINT)
    for end in (-length / 2, length / 2):
        x, y, z = (transform(shape.origin) @ [0.0, 0.0, end, 1.0])[:3].tolist()
        yield Shape(Sphere(radius), Pose((x, y, z), shape.origin.rpy), PAINT)


def _poses(robot: Robot) -> dict[str, Array]:
    """Return the pose of every link in the world, (4, 4), in the default pose."""
    base = np.eye(4)
    base[2, 3] = robot.file.base_height
    return {name: base @ pose for name, pose in link_poses(robot.model, robot.default_q).items()}


def _hulls(robot: Robot) -> list[Array]:
    """Return points (n, 3) [m] around each thing to be seen that belongs into the picture."""
    poses, heavy = _poses(robot), set(robot.merged.model.bodies)
    with_mass, without = list[Array](), list[Array]()
    for link in robot.model.links:
        kind = with_mass if robot.merged.frames[link.name][0] in heavy else without
        for shape in link.visuals:
            pose = poses[link.name] @ transform(shape.origin)
            kind.append(outline(shape.geometry) @ pose[:3, :3].T + pose[:3, 3])
    size = np.ptp(np.concatenate(with_mass), axis=0).max() if with_mass else np.inf
    hulls = with_mass + [points for points in without if np.ptp(points, axis=0).max() < ENDLESS * size]
    return hulls or [np.array([pose[:3, 3] for pose in poses.values()])]


def _front(robot: Robot) -> float:
    """Return the direction [deg] in which the robot faces: where its end effector is, else its x axis."""
    if robot.file.end_effector is None:
        return 0.0
    x, y, _ = _poses(robot)[robot.file.end_effector][:3, 3]
    return float(np.degrees(np.arctan2(y, x))) if np.hypot(x, y) > 0.05 else 0.0


@dataclass(frozen=True)
class _Camera:
    """PyBullet's view and projection matrices, (4, 4) each."""

    view: Array
    projection: Array

    @classmethod
    def on(cls, points: Array, front_deg: float, aspect: float) -> "_Camera":
        """Return the camera that sees points (n, 3) [m] as large as can be."""
        target = (points.min(axis=0) + points.max(axis=0)) / 2
        size = max(float(np.linalg.norm(points - target, axis=1).max()), 1e-3)
        distance = size / np.sin(np.radians(FOV_DEG / 2))
        for _ in range(8):
            camera = cls._at(target, distance, size, front_deg, aspect)
            spots = camera.project(points)
            low, high = spots.min(axis=0), spots.max(axis=0)
            right, up = camera.view[0, :3], camera.view[1, :3]
            span = distance * np.tan(np.radians(FOV_DEG / 2))
            target = target + span * ((low + high) / 2 @ np.array([aspect * right, up]))
            distance *= float((high - low).max()) / (2 * FILL)
        return camera

    @classmethod
    def _at(cls, target: Array, distance: float, size: float, front_deg: float, aspect: float) -> "_Camera":
        yaw = front_deg + YAW_DEG
        view = pybullet.computeViewMatrixFromYawPitchRoll(target.tolist(), distance, yaw, PITCH_DEG, 0.0, 2)
        near = max(distance - 3 * size, distance / 20)
        projection = pybullet.computeProjectionMatrixFOV(FOV_DEG, aspect, near, distance + 5 * size)
        return cls(opengl(view), opengl(projection))

    def project(self, points: Array) -> Array:
        """Return where points (n, 3) are seen: (n, 2), -1 to 1 from left to right and from bottom to top."""
        clip: Array = np.column_stack([points, np.ones(len(points))]) @ (self.projection @ self.view).T
        spots: Array = clip[:, :2] / clip[:, 3:]
        return spots


def _shadow(hulls: list[Array], front_deg: float, camera: _Camera, width: int, height: int) -> Array:
    """Return the darkness (height, width), 0 to 1, that things with these outlines give the ground below them."""
    floor = min(float(points[:, 2].min()) for points in hulls)
    light = rotation((0.0, 0.0, np.radians(front_deg))) @ LIGHT
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(1, -1, height))
    dark = np.zeros((height, width))
    for points in hulls:
        fallen = points + ((floor - points[:, 2]) / light[2])[:, None] * light
        try:
            sides = ConvexHull(camera.project(fallen)).equations
        except QhullError:  # what is flat in the light's direction
            continue
        inside = np.ones_like(dark, bool)
        for x, y, offset in sides:
            inside &= x * across + y * down + offset <= 0
        dark[inside] = 1.0
    wide, narrow = (gaussian_filter(dark, width / share) for share in (50, 160))
    # It fades out towards the edges, where it would be cut off.
    inward = np.clip((1 - np.maximum(np.abs(across), np.abs(down))) / FADE, 0.0, 1.0)
    shadow: Array = np.maximum(wide, 0.7 * narrow) * inward
    return shadow


class _Portrait(Renderer):
    """The renderer with a camera of its own, that also says what it has drawn."""

    def __init__(self, robot: Robot, camera: _Camera, width: int, height: int) -> None:
        super().__init__(robot, width, height)
        self._front = _front(robot)
        self._view, self._projection = camera.view, camera.projection

    def take(self) -> tuple[Array, NDArray[np.bool_]]:
        """Return pixels (height, width, 3) and where the robot is (height, width)."""
        place = np.array([0.0, 0.0, self.robot.file.base_height])
        self.scene.place(self.robot.default_q, place, np.array([0.0, 0.0, 0.0, 1.0]))
        lamp = rotation((0.0, 0.0, np.radians(self._front))) @ [0.6, -0.9, 1.6]
        light = {"lightDirection": lamp.tolist(), "lightAmbientCoeff": 0.58, "lightDiffuseCoeff": 0.44}
        options = {"lightSpecularCoeff": 0.08, **light}
        pixels, _, marks = self.scene.draw(*self.size, self._view, self._projection, **options)
        return pixels.astype(np.float64), marks >= 0
