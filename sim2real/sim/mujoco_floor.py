"""The floor of a MuJoCo model: a plane, and a height field over it where Variants want one.

Facts behind the choices, measured on MuJoCo 4.0:
- A geom compiled in its body's own frame stays there, whatever its `geom_quat` says: `geom_sameframe` must say 0.
- Bounds of a height field are computed when a model is compiled: it spans `HIGHEST` up and down from the first.
- It is in a body of its own, whose pose can change from model to model: a geom's bounds within its body cannot.
- A body that touches nothing and is far away changes no bit of what the others do.
"""

from typing import Any

import mujoco
import numpy as np

from sim2real.sim.rotations import rotate
from sim2real.sim.terrain import HALF, HIGHEST, POINTS, UNDER, Ground, heights

PLANE, FIELD = "floor", "floor/field"
_AWAY = [0.0, 0.0, -1e3]  # [m] where the height field waits while the floor is a plane
_LEVEL = 0.5  # what a height of 0 is in the field's data, which is between 0 and 1


def add_floor(spec: Any, touch: dict[str, Any], uneven: bool = False) -> None:
    """Add the floor to a model's MjSpec: a plane, and with `uneven` a height field that waits far below.

    touch: options of its geoms, such as friction and what they touch
    """
    spec.worldbody.add_geom(name=PLANE, type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], **touch)
    if not uneven:
        return
    spec.stat.extent, spec.stat.center = 1.0, np.zeros(3)  # [m] else a camera's near end would be far, with the field
    size, data = [HALF, HALF, 2 * HIGHEST, 1.0], np.full(POINTS * POINTS, _LEVEL)
    spec.add_hfield(name=FIELD, size=size, nrow=POINTS, ncol=POINTS, userdata=data.tolist())
    body = spec.worldbody.add_body(name=FIELD, pos=_AWAY)
    body.add_geom(name=FIELD, type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname=FIELD, **touch)


class MujocoFloor:
    """Gives the floor of models, copies of one that `add_floor` was used for, the shape that each world wants."""

    def __init__(self, nominal: Any, n_worlds: int) -> None:
        self._nominal, self._grounds = nominal, [Ground()] * n_worlds
        self._plane: int = nominal.geom(PLANE).id
        self.uneven = any(nominal.geom(k).name == FIELD for k in range(nominal.ngeom))
        if self.uneven:
            self._body: int = nominal.body(FIELD).id
            self._field: int = nominal.geom(FIELD).id

    @property
    def geoms(self) -> list[int]:
        """Ids of the floor's geoms: contact settings go to all of them."""
        return [self._plane, self._field] if self.uneven else [self._plane]

    def fits(self, ground: Ground) -> bool:
        """Whether the models can show this floor; else `add_floor` must have been told of an uneven one."""
        return self.uneven or not ground.uneven

    def apply(self, model: Any, world: int, ground: Ground) -> None:
        """Give the floor of world's `model` the shape of `ground`, which `fits`; nothing where it has it already."""
        before, self._grounds[world] = self._grounds[world], ground
        if ground == before:
            return
        tilt, plane = np.array(ground.tilt), np.zeros(3)
        if ground.uneven:
            plane[2] = self._cover(model, ground) - UNDER
        elif before.uneven:
            model.body_pos[self._body], model.body_quat[self._body] = _AWAY, [1.0, 0.0, 0.0, 0.0]
        level = not (ground.slope or ground.uneven)
        model.geom_sameframe[self._plane] = self._nominal.geom_sameframe[self._plane] if level else 0
        model.geom_pos[self._plane] = rotate(tilt, plane) if ground.uneven else plane
        model.geom_quat[self._plane] = tilt[[3, 0, 1, 2]]

    def _cover(self, model: Any, ground: Ground) -> float:
        """Put the height field of `ground` into `model`; return its lowest height [m]."""
        tilt, field = np.array(ground.tilt), heights(ground)
        model.hfield_data[:] = (field / (2 * HIGHEST) + _LEVEL).ravel()
        model.body_pos[self._body] = rotate(tilt, np.array([0.0, 0.0, -HIGHEST]))
        model.body_quat[self._body] = tilt[[3, 0, 1, 2]]
        return float(field.min())
