"""What a coordinate of a Variant does to pictures: those of the robot's own cameras, else those from all sides.

An audit cannot read a camera's quantities back from a physics engine, which knows nothing of them. It can look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, stream
from robots import Robot
from robots.extent import outline
from robots.kinematics import link_poses, transform
from sim2real.sim.cameras import Cameras
from sim2real.sim.engine import Array, WorldState
from sim2real.sim.lens import Lens
from sim2real.sim.scene import visible

Sight = tuple[NDArray[np.uint8], NDArray[np.float32]]  # colours and depth
ALL = ""  # the subject of bystanders who look at the whole robot, not at one body
POSES = 4  # the default one, and random ones, in which an arm may come into its own camera's sight
LENS = Lens(64, 48, 0.6)


@dataclass(frozen=True)
class Change:
    """What became of the pictures when one coordinate left its nominal value.

    share: of the numbers in the picture that changed most, colours or depths, how many changed; 0 is no effect
    brightness: mean change of colours in all pictures, of full scale
    elsewhere: cameras that see something else although the coordinate is another camera's
    blind: nothing was in sight, as of an arm's camera that looks away from the arm: a bolted robot has no floor
    """

    share: float
    brightness: float
    elsewhere: tuple[str, ...]
    blind: bool


class CameraProbe:
    """Tries coordinates of cameras one at a time, in one engine; raise EngineError where it cannot draw."""

    def __init__(self, robot: Robot, engine: str) -> None:
        self._robot = robot
        self._cameras = Cameras(robot, engine=engine, width=LENS.width, height=LENS.height, n_worlds=POSES)
        self._state = WorldState.zeros(robot, POSES)
        limits = np.array([robot.joint_range(name) for name in robot.joint_names]).reshape(-1, 2)
        low, high = np.clip(limits, -np.pi, np.pi).T
        free = [joint.mimic is None for joint in robot.model.movable]
        drawn = stream(0, "camera probe").uniform(low, high, (POSES - 1, robot.n_joints))
        self._state.q[1:] = np.where(free, drawn, robot.default_q)
        self._before: dict[tuple[str | None, frozenset[str]], dict[str, Sight]] = {}

    def change(self, name: str, value: float) -> Change:
        """Set one coordinate, in the context that its quantity asks for, and compare with the context alone."""
        space = self._cameras.space
        quantity, member = space.quantities[space.index(name)], name.partition("/")[2]
        context = {n: v for n in space.names for q, v in quantity.context.items() if n.split("/")[0] == q}
        subject = None if quantity.per == "camera" else member
        key = (subject, frozenset(context))
        if key not in self._before:
            self._before[key] = self._look(subject, context)
        before, after = self._before[key], self._look(subject, context | {name: value})
        changes = {sight: _compare(before[sight], after[sight]) for sight in before}
        own = [member] if subject is None else list(changes)
        return Change(
            share=max(changes[sight][0] for sight in own),
            brightness=float(np.mean([changes[sight][1] for sight in own])),
            elsewhere=tuple(sight for sight in changes if sight not in own and changes[sight][0]),
            blind=not any(np.isfinite(before[sight][1]).any() for sight in own),
        )

    def _look(self, subject: str | None, changes: Mapping[str, float]) -> dict[str, Sight]:
        """Return what the robot's cameras see, or what bystanders see who look at a body or at ALL of the robot."""
        cameras = self._cameras
        cameras.apply(Variant.of(cameras.space, changes, POSES), np.arange(POSES))
        if subject is None:
            pictures = cameras.shoot(self._state, np.arange(POSES))
            return {name: (picture.rgb, picture.depth) for name, picture in pictures.items()}
        shots = [cameras.look_on(self._state, 0, LENS, pose) for pose in _bystanders(self._robot, subject)]
        return {f"bystander {number}": (shot.rgb, shot.depth) for number, shot in enumerate(shots)}

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        self._cameras.close()


def _compare(before: Sight, after: Sight) -> tuple[float, float]:
    """Return the share of numbers that changed, and the mean change of colours, of full scale."""
    share = max(float(np.mean(a != b)) for a, b in zip(before, after, strict=True))
    return share, float((after[0].astype(np.float64) - before[0]).mean() / 255)


def _bystanders(robot: Robot, subject: str) -> list[Array]:
    """Return the optical frames (4, 4) of who looks at a body, or at ALL, in the default pose, from each side."""
    root, model = np.eye(4), visible(robot)
    root[2, 3] = robot.file.base_height
    poses = link_poses(model, robot.default_q)
    corners = np.concatenate(
        [
            outline(shape.geometry) @ frame[:3, :3].T + frame[:3, 3]
            for link in model.links
            for shape in (link.visuals if subject in (ALL, link.name) else ())
            for frame in [root @ poses[link.name] @ transform(shape.origin)]
        ]
        or [root[None, :3, 3]]
    )
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    distance = max(float(np.linalg.norm(corners - middle, axis=1).max()), 0.01) / np.sin(LENS.fov / 2)
    sides = list(product(range(3), (1.0, -1.0)))
    return [_towards(middle, axis, sign, distance) for axis, sign in sides[: 6 if robot.fixed_base else 5]]


def _towards(middle: Array, axis: int, sign: float, distance: float) -> Array:
    """Return the optical frame (4, 4) of who looks at `middle` from a side, at a distance [m]; -z is under a floor."""
    frame, forward = np.eye(4), -sign * np.eye(3)[axis]
    down = np.array([0.0, 0.0, -1.0]) if axis < 2 else np.array([-1.0, 0.0, 0.0])
    frame[:3, :3] = np.column_stack([np.cross(down, forward), down, forward])
    frame[:3, 3] = middle - distance * forward
    return frame
