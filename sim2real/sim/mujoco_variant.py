"""How a Variant gets into a MuJoCo model: absolute values, from the nominal model, never a factor on what is there.

Measured on MuJoCo 4.0, or read in its documentation:
- Of a pair in contact, the larger friction and the larger condim act; the floor has no friction, so that what a body
  has is what acts. Stiffness and damping are mixed by `solmix`; the floor has none, so that the body's act.
- With a small impedance d, a contact is a spring and a damper: of stiffness -solref[0] / (w (1 - d)) [N/m], and damping
  -solref[1] likewise, where w is the body's `body_invweight0`.
- A contact of damping ratio z throws back the share exp(-z / sqrt(1 - z^2) acos(2 z^2 - 1)) of a speed, 14 % at 1,
  which is what it starts from: restitutions below that are that.
"""

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from randomization import VariantSpace
from robots import Robot
from sim2real.errors import EngineError
from sim2real.sim.engine import Array
from sim2real.sim.mujoco_floor import MujocoFloor
from sim2real.sim.mujoco_model import body_name
from sim2real.sim.terrain import Grounds

SPRING = 0.05  # impedance of a contact with stiffness and damping of its own: what its force is too large by
STIFFEST, MOST_DAMPED = 1.0, 0.7  # what a physics step bears, of 4 and 2: a light leg on a hard spring is softer
_SPRINGY = np.array([SPRING, SPRING, 0.001, 0.5, 2.0])
_RATIOS = np.linspace(0.02, 0.9999, 500)
_THROWN = np.exp(-_RATIOS / np.sqrt(1 - _RATIOS**2) * np.arccos(np.clip(2 * _RATIOS**2 - 1, -1, 1)))

# What a coordinate sets in a model.
_NONE, _FLOOR, _LOADS, _JOINTS, _GRAVITY, _FRICTION, _SPRING = range(7)
_PARTS = {
    _LOADS: ("mass", "payload", "com_x", "com_y", "com_z", "inertia", "armature"),
    _JOINTS: ("damping", "friction", "limit_offset"),
    _GRAVITY: ("gravity_x", "gravity_y", "gravity_z"),
    _FRICTION: ("sliding_friction", "rolling_friction", "spinning_friction", "ground_friction"),
    _SPRING: ("restitution", "contact_stiffness", "contact_damping"),
}


class MujocoVariant:
    """Sets what Variants say in models of one robot."""

    def __init__(self, nominal: Any, robot: Robot, space: VariantSpace, grounds: Grounds, n_worlds: int) -> None:
        self._nominal, self._block, self._grounds = nominal, space.block, grounds
        self._floor = None if robot.fixed_base else MujocoFloor(nominal, n_worlds)
        ids = [nominal.body(body_name(name)).id for name in space.members[space.block("mass")]]
        self._bodies = np.array(ids, dtype=np.intp)
        self._dofs = self._dofs_of(robot.joint_names)
        self._rotors = self._dofs_of(space.members[space.block("armature")])
        self._stops = np.array(
            [nominal.joint(name).id for name in space.members[space.block("limit_offset")]], dtype=np.intp
        )
        touching = space.members[space.block("sliding_friction")]
        self._touching = np.array([nominal.body(body_name(name)).id for name in touching], dtype=np.intp)
        geoms = [np.flatnonzero(nominal.geom_bodyid == body) for body in self._touching]
        self._geoms = np.concatenate([np.zeros(0, dtype=np.intp), *geoms])
        self._owner = np.repeat(np.arange(len(geoms)), [len(some) for some in geoms])  # of each geom, in `_touching`

        self._part = np.full(space.size, _NONE)
        self._part[grounds.columns] = _FLOOR
        for part, names in _PARTS.items():
            for name in names:
                self._part[space.block(name)] = part
        self._centre = np.array([range(*space.block(f"com_{axis}").indices(space.size)) for axis in "xyz"], np.intp).T
        # What all is computed from, read once.
        self._mass, self._inertia = nominal.body_mass[self._bodies], nominal.body_inertia[self._bodies]
        self._place, self._range = nominal.body_ipos[self._bodies], nominal.jnt_range[self._stops]

    def _dofs_of(self, joints: tuple[str, ...]) -> NDArray[np.intp]:
        return np.array([self._nominal.joint(name).dofadr[0] for name in joints], dtype=np.intp)

    def fits(self, values: Array) -> bool:
        """Whether the models can show the floor of a Variant (space.size,)."""
        return self._floor is None or self._floor.fits(self._grounds.ground(values))

    def apply(self, model: Any, world: int, data: Any, values: Array, changed: NDArray[np.bool_]) -> None:
        """Set what has `changed` of a Variant (space.size,) in a world's model; data: any of its size, overwritten."""
        parts = set(self._part[changed].tolist())
        if self._floor is not None and _FLOOR in parts:
            self._floor.apply(model, world, self._grounds.ground(values))
        if _LOADS in parts:
            self._apply_loads(model, values)
            mujoco.mj_setConst(model, data)  # else what derives from masses keeps its nominal value
        if _JOINTS in parts:
            self._apply_joints(model, values)
        if _GRAVITY in parts:
            model.opt.gravity[:] = [values[self._block(f"gravity_{axis}")].item() for axis in "xyz"]
        if not len(self._geoms):
            return
        if _FRICTION in parts:
            self._apply_friction(model, values)
        # A contact's stiffness is set by what it has to hold.
        if _SPRING in parts or (_LOADS in parts and values[self._block("contact_stiffness")].min() < np.inf):
            self._apply_springs(model, values)

    def _apply_loads(self, model: Any, values: Array) -> None:
        block, bodies = self._block, self._bodies
        scale = values[block("mass")]
        mass = self._mass * scale + values[block("payload")]
        if not (mass > 0).all():
            name = self._nominal.body(int(bodies[np.argmin(mass > 0)])).name
            raise EngineError(f"MuJoCo would not bear a mass of {mass[np.argmin(mass > 0)]:g} kg of body '{name}'")
        model.body_mass[bodies] = mass
        model.body_inertia[bodies] = self._inertia * (scale * values[block("inertia")])[:, None]
        model.body_ipos[bodies] = self._place + values[self._centre]
        model.dof_armature[self._rotors] = values[block("armature")]

    def _apply_joints(self, model: Any, values: Array) -> None:
        block = self._block
        model.dof_damping[self._dofs] = values[block("damping")]
        model.dof_frictionloss[self._dofs] = values[block("friction")]
        model.jnt_range[self._stops] = self._range + values[block("limit_offset")][:, None]

    def _apply_friction(self, model: Any, values: Array) -> None:
        block, geoms, owner = self._block, self._geoms, self._owner
        ground = values[block("ground_friction")]
        sliding, rolling, spinning = (
            values[block(name)] for name in ("sliding_friction", "rolling_friction", "spinning_friction")
        )
        friction = np.empty((len(sliding), 3))
        friction[:, 0], friction[:, 1], friction[:, 2] = sliding, spinning, rolling
        model.geom_friction[geoms] = (friction * ground)[owner]
        model.geom_condim[geoms] = np.where(rolling > 0, 6, np.where(spinning > 0, 4, 3))[owner]

    def _apply_springs(self, model: Any, values: Array) -> None:
        block, geoms, owner = self._block, self._geoms, self._owner
        bounce, stiffness, damping = (
            values[block(name)] for name in ("restitution", "contact_stiffness", "contact_damping")
        )
        step, (rigid, _) = model.opt.timestep, self._nominal.geom_solref[geoms[0]]
        bounces, soft = bounce > _THROWN[-1], stiffness < np.inf
        ratio = np.where(bounces, np.interp(-bounce, -_THROWN, _RATIOS), 1.0)
        solref = np.empty((len(soft), 2))
        solref[:, 0], solref[:, 1] = rigid / ratio, ratio
        if soft.any():
            weight = model.body_invweight0[self._touching, 0] * (SPRING - 1)
            spring = np.empty_like(solref)
            spring[:, 0] = np.maximum(np.where(soft, stiffness, 0.0) * weight, -STIFFEST / step**2)
            spring[:, 1] = np.maximum(damping * weight, -MOST_DAMPED / step)
            solref = np.where(soft[:, None], spring, solref)
        model.geom_solref[geoms] = solref[owner]
        model.geom_solimp[geoms] = np.where(soft[:, None], _SPRINGY, self._nominal.geom_solimp[geoms[0]])[owner]
