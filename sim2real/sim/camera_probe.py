"""What a coordinate of a Variant does to pictures: seen by the robot's own cameras, and by bystanders on six sides.

An audit cannot read a camera's quantities back from a physics engine, which knows nothing of them. It can look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from randomization import Variant, stream
from robots import Robot
from robots.extent import outline
from robots.kinematics import link_poses, transform
from sim2real.sim.cameras import Cameras, Picture
from sim2real.sim.engine import Array, WorldState
from sim2real.sim.lens import Lens
from sim2real.sim.scene import Shot, visible

POSES = 4  # the default one, and random ones, in which an arm may come into its own camera's sight
WIDTH, HEIGHT = 64, 48  # [pixels]


@dataclass(frozen=True)
class Change:
    """What became of the pictures when one coordinate left its nominal value.

    share: of all numbers in the picture that changed most, colours and depths, how many changed; 0 is no effect
    brightness: mean change of colours in that picture, of full scale
    elsewhere: cameras that see something else although the coordinate is another camera's
    """

    share: float
    brightness: float
    elsewhere: tuple[str, ...]


class CameraProbe:
    """Tries coordinates of cameras one at a time, in one engine; raise EngineError where it cannot draw."""

    def __init__(self, robot: Robot, engine: str) -> None:
        self._cameras = Cameras(robot, engine=engine, width=WIDTH, height=HEIGHT, n_worlds=POSES)
        self._state = WorldState.zeros(robot, POSES)
        limits = np.array([robot.joint_range(name) for name in robot.joint_names]).reshape(-1, 2)
        low, high = np.clip(limits, -np.pi, np.pi).T
        free = [joint.mimic is None for joint in robot.model.movable]
        drawn = stream(0, "camera probe").uniform(low, high, (POSES - 1, robot.n_joints))
        self._state.q[1:] = np.where(free, drawn, robot.default_q)
        self._lens, self._poses = _bystanders(robot)

    def change(self, name: str, value: float) -> Change:
        """Set one coordinate, in the context that its quantity asks for, and compare with the context alone."""
        quantity = self._cameras.space.quantities[self._cameras.space.index(name)]
        names = self._cameras.space.names
        context = {n: v for n in names for q, v in quantity.context.items() if n.split("/")[0] == q}
        before, after = self._see(context), self._see(context | {name: value})
        changes = {sight: _compare(before[sight], after[sight]) for sight in before}
        mine = name.partition("/")[2] if quantity.per == "camera" else None
        others = {sight for sight in changes if mine not in (None, sight)}
        share, brightness = max(found for sight, found in changes.items() if sight not in others)
        return Change(share, brightness, tuple(sorted(sight for sight in others if changes[sight][0])))

    def _see(self, changes: Mapping[str, float]) -> dict[str, Picture | Shot]:
        cameras, worlds = self._cameras, np.arange(POSES)
        cameras.apply(Variant.of(cameras.space, changes, POSES), worlds)
        seen: dict[str, Picture | Shot] = dict(cameras.shoot(self._state, worlds))
        for number, pose in enumerate(self._poses):
            seen[f"bystander {number}"] = cameras.look_on(self._state, 0, self._lens, pose)
        return seen

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        self._cameras.close()


def _compare(before: Picture | Shot, after: Picture | Shot) -> tuple[float, float]:
    """Return the share of numbers that changed, and the mean change of colours, of full scale."""
    share = max(float((before.rgb != after.rgb).mean()), float((before.depth != after.depth).mean()))
    return share, float((after.rgb.astype(np.float64) - before.rgb).mean() / 255)


def _bystanders(robot: Robot) -> tuple[Lens, list[Array]]:
    """Return a lens and the optical frames (4, 4) of who sees all of the default pose, from each side."""
    root, model = np.eye(4), visible(robot)
    root[2, 3] = robot.file.base_height
    poses = link_poses(model, robot.default_q)
    points = [
        outline(shape.geometry) @ frame[:3, :3].T + frame[:3, 3]
        for link in model.links
        for shape in link.visuals
        for frame in [root @ poses[link.name] @ transform(shape.origin)]
    ]
    corners = np.concatenate(points or [root[None, :3, 3]])
    middle, lens = (corners.min(axis=0) + corners.max(axis=0)) / 2, Lens(WIDTH, HEIGHT, 0.6)
    distance = max(float(np.linalg.norm(corners - middle, axis=1).max()), 0.01) / np.sin(lens.fov / 2)
    frames = []
    for axis, sign in product(range(3), (1.0, -1.0)):
        frame, forward = np.eye(4), -sign * np.eye(3)[axis]
        down = np.array([0.0, 0.0, -1.0]) if axis < 2 else np.array([-1.0, 0.0, 0.0])
        frame[:3, :3] = np.column_stack([np.cross(down, forward), down, forward])
        frame[:3, 3] = middle - distance * forward
        frames.append(frame)
    return lens, frames
