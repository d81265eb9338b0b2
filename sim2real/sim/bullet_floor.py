"""The floor of one PyBullet world: a plane, and a height field over it where a Variant wants one.

Measured on PyBullet 3.2.7:
- A removed height field leaves 11 of its 30 MB behind. One that is given new data in place leaves nothing, but keeps
  the bounds, and with them the origin, of its first data: those are `HIGHEST` up and down here. New data takes 3 ms,
  the first 40 ms.
- The diagonal of a cell runs from its +x to its +y corner, in MuJoCo from its origin to the corner opposite. Here the
  field is made a quarter turn further, which makes the two surfaces one.
- A body that touches nothing and is far away changes no bit of what the others do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from sim2real.quiet import quiet
from sim2real.sim.rotations import compose, rotate
from sim2real.sim.terrain import CELL, HIGHEST, POINTS, UNDER, Ground, heights

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

_QUARTER = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])  # a quarter turn about z
_AWAY = [0.0, 0.0, -1e5]  # [m] where the height field waits while the floor is a plane
_GRID = {"meshScale": [CELL, CELL, 1.0], "numHeightfieldRows": POINTS, "numHeightfieldColumns": POINTS}


class BulletFloor:
    """The floor in one physics client: level until `apply` is told otherwise.

    bodies: its body ids, the plane first; contact settings (changeDynamics) go to all of them, and stay
    on_new_body: called with the id of the height field's body once it is made, at the first uneven floor
    """

    def __init__(self, client: int, on_new_body: Callable[[int], None] | None = None) -> None:
        self._client, self._on_new_body = client, on_new_body
        self._ground = Ground()
        self._shape = -1
        self.body: int = self._call("createMultiBody", 0, self._call("createCollisionShape", pybullet.GEOM_PLANE))
        self.bodies: tuple[int, ...] = (self.body,)

    def apply(self, ground: Ground) -> None:
        """Give the floor the shape of `ground`; costs nothing where it has that shape already."""
        if ground == self._ground:
            return
        plane = np.zeros(3)
        if ground.uneven:
            plane[2] = self._cover(ground) - UNDER
        elif self._ground.uneven:
            self._place(self.bodies[1], _AWAY, [0.0, 0.0, 0.0, 1.0])
        tilt = np.array(ground.tilt)
        self._place(self.body, rotate(tilt, plane).tolist(), tilt.tolist())
        self._ground = ground

    def _cover(self, ground: Ground) -> float:
        """Put the height field of `ground` in place; return its lowest height [m]."""
        field = heights(ground)
        if self._shape < 0:
            bounds = np.zeros(POINTS * POINTS)
            bounds[:2] = -HIGHEST, HIGHEST
            self._shape = self._field(bounds.tolist())
            self.bodies = (self.body, self._call("createMultiBody", 0, self._shape))
            if self._on_new_body:
                self._on_new_body(self.bodies[1])
        if ground[2:] != self._ground[2:]:
            self._field(np.rot90(field).ravel().tolist(), replaceHeightfieldIndex=self._shape)
        self._place(self.bodies[1], [0.0, 0.0, 0.0], compose(np.array(ground.tilt), _QUARTER).tolist())
        return float(field.min())

    def _field(self, data: list[float], **options: Any) -> int:
        shape: int = self._call(
            "createCollisionShape", pybullet.GEOM_HEIGHTFIELD, heightfieldData=data, **_GRID, **options
        )
        return shape

    def _place(self, body: int, position: list[float], quaternion: list[float]) -> None:
        self._call("resetBasePositionAndOrientation", body, position, quaternion)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(pybullet, name)(*arguments, physicsClientId=self._client, **options)
