"""The floor that PyBullet's renderer draws: a plane that goes on under the robot, and a terrain where there is one.

Another terrain takes 80 ms, most of them PyBullet's reading of its file. As lists of vertices it would take 30 ms, and
15 MB that PyBullet never gives back.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imsave

from robots import write_urdf
from robots.model import Link, Mesh, RobotModel, Shape
from sim2real.quiet import quiet
from sim2real.sim.looks import TEXTURES, TILE, Look, texture
from sim2real.sim.rotations import inverse, rotate
from sim2real.sim.scene import UNIT
from sim2real.sim.terrain import HALF, POINTS, UNDER, Array, Ground, heights

_REACH = 40 * TILE  # [m] from the plane's middle to its edge, farther than any camera sees


class BulletSceneFloor:
    """Draws floors through `call`, which calls one of PyBullet's functions by name."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call, self._ground, self._low = call, Ground(), 0.0
        with tempfile.TemporaryDirectory() as folder:
            for name in TEXTURES:
                imsave(Path(folder, f"{name}.png"), texture(name))
            self._textures = [call("loadTexture", str(Path(folder, f"{name}.png"))) for name in TEXTURES]
        edge = np.array([-_REACH, _REACH])
        self._plane = self._load(edge, np.zeros((2, 2)))
        self._terrain: int | None = None

    @property
    def bodies(self) -> list[int]:
        """PyBullet's ids of what is floor."""
        return [self._plane] if self._terrain is None else [self._plane, self._terrain]

    def dress(self, look: Look) -> None:
        """Give the floor the shape, grey and texture of a look; `place` is to be called after it."""
        if look.ground != self._ground:
            self._shape(look.ground)
        chosen = {"rgbaColor": [look.floor_grey] * 3 + [1.0], "textureUniqueId": self._textures[look.floor_texture]}
        for body in self.bodies:
            self._call("changeVisualShape", body, -1, **chosen)

    def place(self, base: Array) -> None:
        """Put the plane under the robot's base (3,) [m], by whole tiles: its texture stays where it is."""
        tilt = np.array(self._ground.tilt)
        middle = TILE * np.round(rotate(inverse(tilt), base) / TILE)
        middle[2] = self._low
        self._call("resetBasePositionAndOrientation", self._plane, rotate(tilt, middle).tolist(), tilt.tolist())

    def _shape(self, ground: Ground) -> None:
        if self._terrain is not None:
            self._call("removeBody", self._terrain)
            self._terrain = None
        self._ground, self._low = ground, 0.0
        if ground.uneven:
            field = heights(ground)
            self._low = float(field.min()) - UNDER
            self._terrain = self._load(np.linspace(-HALF, HALF, POINTS), field)
            self._call("resetBasePositionAndOrientation", self._terrain, [0.0, 0.0, 0.0], list(ground.tilt))

    def _load(self, places: Array, field: Array) -> int:
        """Load a surface with heights `field` (n, n) [m] at `places` (n,) [m] along x and along y."""
        with tempfile.TemporaryDirectory() as folder, quiet(1):
            mesh, urdf = Path(folder, "floor.obj"), Path(folder, "floor.urdf")
            mesh.write_text(_surface(places, field))
            link = Link("floor", UNIT, (Shape(Mesh(mesh), rgba=(1.0, 1.0, 1.0, 1.0)),), ())
            write_urdf(RobotModel("floor", (link,), ()), urdf)
            body: int = self._call("loadURDF", str(urdf), useFixedBase=True)
        return body


def _surface(places: Array, field: Array) -> str:
    """Return the OBJ of a surface, with normals and with a texture coordinate for each TILE, from 0 on."""
    n = len(places)
    across, along = np.gradient(field, places, axis=1), np.gradient(field, places, axis=0)
    normal = np.stack([-across, -along, np.ones_like(field)], axis=2).reshape(-1, 3)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    x, y = (values.ravel() for values in np.meshgrid(places, places))
    start = TILE * np.floor(places[0] / TILE)
    rows = np.column_stack([x, y, field.ravel(), (x - start) / TILE, (y - start) / TILE, normal]).tolist()
    lines = ["v {:.6f} {:.6f} {:.6f}\nvt {:.6f} {:.6f}\nvn {:.5f} {:.5f} {:.5f}".format(*row) for row in rows]
    number = np.arange(1, n * n + 1).reshape(n, n)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]  # a and d share the diagonal
    faces = np.concatenate([np.stack(corners, axis=2).reshape(-1, 3) for corners in ((a, b, d), (a, d, c))]).tolist()
    return "\n".join([*lines, *(f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in faces), ""])
