"""Reads MuJoCo worlds: every number of a world's MjModel that says what physics does."""

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.audit.read_back import Held, Snapshot, held
from sim2real.sim.mujoco_floor import FIELD, PLANE
from sim2real.sim.mujoco_model import body_name

Array = NDArray[np.float64]

_KINDS = ("body_", "dof_", "jnt_", "geom_", "actuator_", "eq_", "hfield_", "pair_")
# What mj_setConst works out from the rest, and what the fields with names of our own say.
_DERIVED = {"body_subtreemass", "body_invweight0", "dof_M0", "dof_invweight0", "actuator_acc0", "actuator_length0"}
_DERIVED |= {"body_mass", "body_ipos", "body_iquat", "body_inertia", "geom_friction", "geom_solref", "dof_damping"}
_DERIVED |= {"dof_length", "body_sameframe", "body_simple", "dof_simplenum"}
_DERIVED |= {"dof_frictionloss", "dof_armature", "jnt_range"}
_OBJECTS = {
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "jnt": mujoco.mjtObj.mjOBJ_JOINT,
    "actuator": mujoco.mjtObj.mjOBJ_ACTUATOR,
}
_FAR = -100.0  # [m] a height field below is not in use
_OPTIONS = ("timestep", "impratio", "viscosity", "density", "wind", "tolerance", "disableflags")


class MujocoReader:
    """See `sim2real.audit.read_back.Reader`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._lay_out(engine.models[0])

    def _lay_out(self, model: Any) -> None:
        robot = self._engine.robot
        links = [name for name in robot.merged.model.link_names if model.body(body_name(name)).id > 0]
        self._bodies = tuple(links)
        self._body_ids = np.array([model.body(body_name(name)).id for name in links], dtype=np.intp)
        shaped = [k for k, index in enumerate(self._body_ids) if model.body_geomnum[index]]
        self._shaped = tuple(links[k] for k in shaped)
        self._shaped_rows = np.array(shaped, dtype=np.intp)
        self._geoms = model.body_geomadr[self._body_ids[shaped]].astype(np.intp)  # the first shape of each
        self._n_geoms = model.ngeom
        self._field = mujoco.mj_name2id(model, _OBJECTS["body"], FIELD)
        self._joints = robot.joint_names
        self._dofs = np.array([model.joint(name).dofadr[0] for name in self._joints], dtype=np.intp)
        self._limited = [name for name in self._joints if model.joint(name).limited[0]]
        self._owners = {field: tuple(_owners(model, field)) for field in _further(model)}

    def snapshot(self, world: int) -> Snapshot:
        """See `Reader.snapshot`."""
        model = self._engine.models[world]
        if model.ngeom != self._n_geoms:  # built anew, with a floor that need not be flat
            self._lay_out(model)
        bodies = self._body_ids
        seen = {
            "gravity": held({"": model.opt.gravity}),
            "mass": Held(self._bodies, model.body_mass[bodies, None]),
            "com": Held(self._bodies, model.body_ipos[bodies]),
            "inertia": Held(self._bodies, _inertias(model)[bodies]),
            "damping": Held(self._joints, model.dof_damping[self._dofs, None]),
            "friction": Held(self._joints, model.dof_frictionloss[self._dofs, None]),
            "armature": Held(self._joints, model.dof_armature[self._dofs, None]),
            "limits": held({name: model.joint(name).range for name in self._limited}),
        }
        for column, field in enumerate(("sliding", "spinning", "rolling")):
            seen[field] = Held(self._shaped, model.geom_friction[self._geoms, column, None])
        for field, numbers in zip(("restitution", "stiffness", "contact_damping"), self._contacts(model), strict=True):
            seen[field] = Held(self._shaped, numbers[:, None])
        seen |= {f"option {name}": held({"": np.atleast_1d(getattr(model.opt, name))}) for name in _OPTIONS}
        waiting = self._field >= 0 and model.body_pos[self._field, 2] < _FAR
        for field, owners in self._owners.items():
            values = getattr(model, field).reshape(len(owners), -1).astype(np.float64)
            if waiting:  # a height field that is not in use keeps its last shape and pose
                values[[k for k, owner in enumerate(owners) if owner == FIELD]] = 0.0
            seen[field] = Held(owners, values)
        return seen

    def _contacts(self, model: Any) -> tuple[Array, Array, Array]:
        """Return restitution [1], stiffness [N/m] and damping [N s/m] of each body's first shape on a massless floor.

        solref is negative for a spring and damper, of unit impedance and unit mass; else a time and a damping ratio, of
        which the share of a speed that comes back follows. The lowest ratio there is counts as no restitution.
        """
        solref, impedance = model.geom_solref[self._geoms], model.geom_solimp[self._geoms, 0]
        weight = model.body_invweight0[self._body_ids[self._shaped_rows], 0] * (1 - impedance)
        soft, ratio = solref[:, 0] < 0, np.clip(solref[:, 1], 1e-6, 1.0 - 1e-9)
        thrown = np.exp(-ratio / np.sqrt(1 - ratio**2) * np.arccos(np.clip(2 * ratio**2 - 1, -1.0, 1.0)))
        stiffness, damping = np.full(len(solref), np.inf), np.full(len(solref), np.nan)
        stiffness[soft], damping[soft] = (-solref[soft] / weight[soft, None]).T
        return np.where(soft | (solref[:, 1] >= 1.0), 0.0, thrown), stiffness, damping


def _inertias(model: Any) -> Array:
    """Return the inertia of each body about its centre of mass, along the axes of its frame: (n_bodies, 9)."""
    turns = np.zeros((model.nbody, 9))
    for turn, quaternion in zip(turns, model.body_iquat, strict=True):
        mujoco.mju_quat2Mat(turn, quaternion)
    axes = turns.reshape(-1, 3, 3)
    inertias: Array = np.einsum("nij,nj,nkj->nik", axes, model.body_inertia, axes).reshape(-1, 9)
    return inertias


def _further(model: Any) -> Iterator[str]:
    for name in dir(model):
        if name.startswith(_KINDS) and name not in _DERIVED:
            array = getattr(model, name)
            if isinstance(array, np.ndarray) and array.size:
                yield name


def _owners(model: Any, field: str) -> Iterator[str]:
    kind = field.split("_")[0]
    if kind == "hfield":
        yield FIELD
        return
    for index in range(len(getattr(model, field))):
        if kind == "dof":
            yield str(mujoco.mj_id2name(model, _OBJECTS["jnt"], int(model.dof_jntid[index])))
        elif kind == "geom":
            body = int(model.geom_bodyid[index])
            yield model.body(body).name if body else PLANE
        elif kind in _OBJECTS:
            yield str(mujoco.mj_id2name(model, _OBJECTS[kind], index))
        else:
            yield str(index)
