"""What cameras look at, apart from who draws it: the robot's visible shapes in its bodies' order, and the renderers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from robots.kinematics import transform
from robots.model import Capsule, Cylinder, Inertial, Link, Pose, RobotModel, Shape, Sphere
from sim2real.errors import EngineError, nearest
from sim2real.sim.engine import Array
from sim2real.sim.lens import Lens
from sim2real.sim.looks import Look

BACKGROUND, FLOOR = -1, -2  # in a segmentation, where no body is
WHITE = (1.0, 1.0, 1.0, 1.0)
UNIT = Inertial(1.0, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0))  # so that a body's centre of mass lies in its frame


@dataclass(frozen=True)
class Shot:
    """One picture: rgb (height, width, 3); depth (height, width) [m] along the optical axis, inf where nothing is.

    segmentation (height, width): index of the body in `visible(robot).links`, FLOOR or BACKGROUND
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    segmentation: NDArray[np.int32]


class Scene(Protocol):
    """One robot on its floor, put where it is told, without physics."""

    def dress(self, look: Look) -> None:
        """Give light, floor and bodies that look, whatever they had before."""

    def place(self, q: Array, base: Array, quaternion: Array) -> None:
        """Put the robot into q (n_joints,) [rad or m], base (3,) [m] and quaternion (x, y, z, w) in the world.

        After `dress`: where the floor is drawn depends on its shape and on the robot's place.
        """

    def shoot(self, lens: Lens, pose: Array, exposure: float = 1.0) -> Shot:
        """Draw what the lens sees from the optical frame `pose` (4, 4) in the world."""

    def colours(self, lens: Lens, pose: Array, exposure: float = 1.0) -> NDArray[np.uint8]:
        """Return the colours (height, width, 3) alone of what `shoot` draws."""

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""


def _bullet(robot: Robot, width: int, height: int) -> Scene:
    return import_module("sim2real.sim.bullet_scene").BulletScene(robot)  # type: ignore[no-any-return]


def _mujoco(robot: Robot, width: int, height: int) -> Scene:
    return import_module("sim2real.sim.mujoco_scene").MujocoScene(robot, width, height)  # type: ignore[no-any-return]


SCENES: dict[str, Callable[[Robot, int, int], Scene]] = {"bullet": _bullet, "mujoco": _mujoco}


def make_scene(engine: str, robot: Robot, width: int, height: int) -> Scene:
    """Build a scene whose pictures are at most (width, height) pixels; raise EngineError where it cannot be drawn."""
    if engine not in SCENES:
        raise EngineError(f"engine: no engine '{engine}'{nearest(engine, SCENES)}; there are {', '.join(SCENES)}")
    return SCENES[engine](robot, width, height)


def visible(robot: Robot) -> RobotModel:
    """Return the merged model with what is to be seen of it, visuals only: collision shapes if nothing has a visual."""
    merged = robot.merged.model
    bare = not any(link.visuals for link in merged.links)
    return replace(merged, links=tuple(_seen(link, link.collisions if bare else link.visuals) for link in merged.links))


def _seen(link: Link, shapes: tuple[Shape, ...]) -> Link:
    return Link(link.name, UNIT, tuple(part for shape in shapes for part in _parts(shape)), ())


def _parts(shape: Shape) -> Iterator[Shape]:
    """Yield what a shape is drawn as: opaque, and white if unpainted; PyBullet draws a capsule sharp at both ends."""
    red, green, blue, opacity = shape.rgba or WHITE
    if opacity == 0.0:
        return
    shape = replace(shape, rgba=(red, green, blue, 1.0))
    if not isinstance(shape.geometry, Capsule):
        yield shape
        return
    radius, length = shape.geometry.radius, shape.geometry.length
    yield replace(shape, geometry=Cylinder(radius, length))
    for end in (-length / 2, length / 2):
        x, y, z = (transform(shape.origin) @ [0.0, 0.0, end, 1.0])[:3].tolist()
        yield replace(shape, geometry=Sphere(radius), origin=Pose((x, y, z), shape.origin.rpy))
