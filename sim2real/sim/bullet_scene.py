"""A scene drawn in software by PyBullet's TinyRenderer.

Of its own it samples a pixel at its lower left corner; here the projection is shifted by half a pixel, to its centre.
"""

import tempfile
from dataclasses import replace
from itertools import product
from math import cos, sin
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots import Robot, write_urdf
from robots.mesh.read import parse_mesh, read_bytes
from robots.mesh.stl import stl_bytes
from robots.mesh.visual import visual_mesh
from robots.model import Mesh, RobotModel, Shape, Sphere
from sim2real.errors import EngineError
from sim2real.quiet import quiet
from sim2real.sim.bullet_scene_floor import BulletSceneFloor
from sim2real.sim.engine import Array
from sim2real.sim.lens import FAR, NEAR, Lens
from sim2real.sim.looks import SKY, Look
from sim2real.sim.scene import BACKGROUND, FLOOR, Shot, visible

with quiet(1), quiet(2):
    import pybullet

_ASIDE = 3e-7  # [m] backwards: PyBullet smears a triangle with a corner exactly beside the camera over the picture
_SLICES = 32  # of a ball, from pole to pole half as many: 0.5 % too small at most
_MASK = pybullet.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX


class BulletScene:
    """A `sim2real.sim.scene.Scene`; with `floor` False the robot hangs in the air."""

    def __init__(self, robot: Robot, floor: bool = True) -> None:
        self._client: int = pybullet.connect(pybullet.DIRECT)
        if self._client < 0:
            raise EngineError("PyBullet: no more clients (1,023 at most a process); close scenes that are not needed")
        model = visible(robot)
        with tempfile.TemporaryDirectory() as folder, quiet(1):
            write_urdf(_readable(model, Path(folder)), Path(folder, "robot.urdf"))
            self.body: int = self.call("loadURDF", str(Path(folder, "robot.urdf")), useFixedBase=True)
        self._floor = BulletSceneFloor(self.call) if floor and not robot.fixed_base else None
        info = [self.call("getJointInfo", self.body, j) for j in range(self.call("getNumJoints", self.body))]
        joints = {i[1].decode(): i[0] for i in info}
        self._joints = [joints[name] for name in robot.joint_names]
        self._links = {i[12].decode(): i[0] for i in info} | {model.root.name: -1}
        self._bodies = np.zeros(len(self._links), np.int32)  # index of a body, by that of PyBullet's link and 1
        for index, link in enumerate(model.links):
            self._bodies[self._links[link.name] + 1] = index
        self._colours: dict[int, list[tuple[float, ...]]] = {}
        for shape in self.call("getVisualShapeData", self.body):
            self._colours.setdefault(shape[1], []).append(shape[7])
        self._look: Look | None = None

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call one of PyBullet's functions on this scene's client."""
        return getattr(pybullet, name)(*arguments, physicsClientId=self._client, **options)

    def place(self, q: Array, base: Array, quaternion: Array) -> None:
        """Put the robot into q (n_joints,) [rad or m], base (3,) [m] and quaternion (x, y, z, w) in the world."""
        self.call("resetBasePositionAndOrientation", self.body, base.tolist(), quaternion.tolist())
        for joint, position in zip(self._joints, q.tolist(), strict=True):
            self.call("resetJointState", self.body, joint, position)
        if self._floor:
            self._floor.place(base)

    def dress(self, look: Look) -> None:
        """Give light, floor and bodies that look, whatever they had before."""
        before = self._look.tints if self._look else ()
        if look.tints != before:
            tints = {self._links[body]: (colour, share) for body, colour, share in look.tints}
            for link in {self._links[body] for body, _, _ in before} | set(tints):
                self._paint(link, *tints.get(link, ((0.0, 0.0, 0.0), 0.0)))
        if self._floor:
            self._floor.dress(look)
        self._look = look

    def _paint(self, link: int, colour: tuple[float, float, float], share: float) -> None:
        for number, own in enumerate(self._colours[link]):
            mixed = [(1 - share) * a + share * b for a, b in zip(own[:3], colour, strict=True)]
            self.call("changeVisualShape", self.body, link, number, rgbaColor=[*mixed, own[3]])

    def shoot(self, lens: Lens, pose: Array, exposure: float = 1.0) -> Shot:
        """Draw what the lens sees from the optical frame `pose` (4, 4) in the world."""
        rgb, part, marks, nothing = self._draw_lit(lens, pose, exposure)
        depth = FAR * NEAR / (FAR - (FAR - NEAR) * part)
        segmentation = self._bodies[np.where(nothing, 0, marks >> 24)]
        for body in self._floor.bodies if self._floor else ():
            segmentation[marks == body] = FLOOR
        segmentation[nothing] = BACKGROUND
        return Shot(rgb, np.where(nothing, np.inf, depth).astype(np.float32), segmentation)

    def colours(self, lens: Lens, pose: Array, exposure: float = 1.0) -> NDArray[np.uint8]:
        """Return the colours (height, width, 3) of what `shoot` draws, without depth and what is where."""
        rgb: NDArray[np.uint8] = self._draw_lit(lens, pose, exposure)[0]
        return rgb

    def _draw_lit(self, lens: Lens, pose: Array, exposure: float) -> tuple[Any, Array, Any, Any]:
        """Return what `draw` does, the sky in its colour, and where there is nothing else: (height, width)."""
        if self._look is None:
            raise ValueError("a scene is dressed before it is drawn")
        look, view = self._look, np.asarray(np.linalg.inv(pose @ np.diag([1.0, -1.0, -1.0, 1.0])), np.float64)
        view[2, 3] += _ASIDE
        light = {"lightDirection": look.light, "lightSpecularCoeff": 0.0}
        light |= {"lightAmbientCoeff": exposure * look.ambient, "lightDiffuseCoeff": exposure * look.direct}
        rgb, part, marks = self.draw(lens.width, lens.height, view, _projection(lens), **light)
        nothing = (marks < 0) | (part >= 1.0)
        sky = np.rint(255 * np.minimum(exposure * SKY, 1.0)).astype(np.uint8)
        np.copyto(rgb, sky, where=nothing[:, :, None])
        return rgb, part, marks, nothing

    def draw(self, width: int, height: int, view: Array, projection: Array, **light: Any) -> tuple[Any, Array, Any]:
        """Draw with OpenGL's view and projection matrices (4, 4) and PyBullet's options for light.

        Return colours (height, width, 3) uint8, depth (height, width) as OpenGL has it, 0 near to 1 far, and the mark
        (height, width) of what is seen: -1 nothing, else PyBullet's body + (link + 1 << 24).
        """
        matrices = view.T.ravel().tolist(), projection.T.ravel().tolist()
        options = {"renderer": pybullet.ER_TINY_RENDERER, "shadow": 0, "flags": _MASK}
        _, _, rgb, depth, marks = self.call("getCameraImage", width, height, *matrices, **options, **light)
        size = (height, width)
        colours = np.array(rgb, dtype=np.uint8).reshape(*size, 4)[:, :, :3]
        return colours, np.asarray(depth, np.float64).reshape(size), np.asarray(marks, np.int32).reshape(size)

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        if self._client >= 0:
            self.call("disconnect")
            self._client = -1


def _readable(model: RobotModel, folder: Path) -> RobotModel:
    """Return a model whose visuals PyBullet draws as they are, with files of ours in `folder`.

    Raise RobotError for a mesh that is broken.
    """
    ball = folder / "ball.obj"
    ball.write_text(_ball())
    links = [
        replace(link, visuals=tuple(_drawable(s, ball, f"{i}-{k}") for k, s in enumerate(link.visuals)))
        for i, link in enumerate(model.links)
    ]
    return replace(model, links=tuple(links))


def _drawable(shape: Shape, ball: Path, name: str) -> Shape:
    match shape.geometry:
        case Mesh(path, scale) if np.prod(scale) < 0:  # mirrored, PyBullet shows a mesh from the inside
            surface = parse_mesh(path, read_bytes(path)).joined()
            mirrored = ball.with_name(f"{name}.stl")
            mirrored.write_bytes(stl_bytes((surface.vertices * scale).astype(np.float32), surface.faces[:, ::-1]))
            return replace(shape, geometry=Mesh(mirrored))
        case Mesh(_, scale):
            return replace(shape, geometry=Mesh(visual_mesh(shape.geometry), scale))
        case Sphere(radius):  # PyBullet's own is 5 % too small in places
            return replace(shape, geometry=Mesh(ball, (radius, radius, radius)))
        case _:
            return shape


def _ball() -> str:
    """Return the OBJ of a ball of radius 1, with normals, so that it is shaded round."""
    turns, rings = np.linspace(0, 2 * np.pi, _SLICES, endpoint=False), np.linspace(0, np.pi, _SLICES // 2 + 1)
    points = [(sin(r) * cos(t), sin(r) * sin(t), cos(r)) for r in rings.tolist() for t in turns.tolist()]
    lines = [f"{kind} {x:.6f} {y:.6f} {z:.6f}" for kind in ("v", "vn") for x, y, z in points]
    for ring, turn in product(range(_SLICES // 2), range(_SLICES)):
        a, b = ring * _SLICES + turn + 1, ring * _SLICES + (turn + 1) % _SLICES + 1
        c, d = a + _SLICES, b + _SLICES
        # At a pole one of the two has no area.
        faces = [(a, c, d)] * (ring < _SLICES // 2 - 1) + [(a, d, b)] * (ring > 0)
        lines += [f"f {p}//{p} {q}//{q} {r}//{r}" for p, q, r in faces]
    return "\n".join([*lines, ""])


def _projection(lens: Lens) -> Array:
    """Return OpenGL's projection matrix (4, 4), for a renderer that samples pixels at whole coordinates."""
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1, 1] = 2 * lens.focal / lens.width, 2 * lens.focal / lens.height
    matrix[0, 2], matrix[1, 2] = 1 / lens.width, 1 / lens.height
    matrix[2, 2], matrix[2, 3] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
    matrix[3, 2] = -1.0
    return matrix
