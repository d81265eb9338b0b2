"""The geoms of a compiled MuJoCo model as the visual and collision shapes of links; meshes are written as STL."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.kinematics import pose_of
from robots.model import Box, Capsule, Cylinder, Geometry, Mesh, Shape, Sphere
from sim2real.importing.meshes import FOLDER, file_name, write_stl
from sim2real.importing.mjcf_tree import Tree, placed

_HIDDEN_GROUP = 3  # MuJoCo's viewers do not show geoms of this group and above: by custom they are for collisions only
_UNPAINTED = (0.5, 0.5, 0.5, 1.0)  # MuJoCo's default, with which the colour of the material counts
_ELLIPSOID_STEPS = 24

_GEOM = mujoco.mjtGeom
_DROPPED = {_GEOM.mjGEOM_PLANE: "plane", _GEOM.mjGEOM_HFIELD: "height field", _GEOM.mjGEOM_SDF: "distance field"}


def add_shapes(tree: Tree, folder: Path) -> None:
    """Give each link the shapes of its body's geoms; write their meshes into `folder`/meshes."""
    model, written = tree.model, dict[int, Path]()
    scenery = around = 0
    for geom in range(model.ngeom):
        body, kind = int(model.geom_bodyid[geom]), int(model.geom_type[geom])
        if body not in tree.link_of:
            scenery += 1  # of the world around a robot that floats in it
        elif kind in _DROPPED:
            tree.notes.append(f"{_label(model, geom)}: a {_DROPPED[kind]} is no shape of a URDF, and is left out")
        else:
            around += body == 0
            _add_shape(tree, geom, _geometry(model, geom, folder, written), tree.link_of[body])
            if kind == _GEOM.mjGEOM_ELLIPSOID:
                tree.notes.append(f"{_label(model, geom)}: the ellipsoid is written as a mesh")
    if around:
        tree.notes.append(f"{around} geom(s) of the world are shapes of the root link '{tree.links[0].name}'")
    if scenery:
        tree.notes.append(f"{scenery} geom(s) of the world (floor, scenery) are left out")


def _add_shape(tree: Tree, geom: int, geometry: Geometry, link: int) -> None:
    model, body = tree.model, int(tree.model.geom_bodyid[geom])
    frame = placed(model.geom_pos[geom], model.geom_quat[geom])
    frame[:3, 3] -= tree.offset[body]
    shape, owner = Shape(geometry, pose_of(frame)), tree.links[link]
    collides = bool(model.geom_contype[geom] or model.geom_conaffinity[geom])
    visuals, collisions = owner.visuals, owner.collisions
    if model.geom_group[geom] < _HIDDEN_GROUP or not collides:
        visuals = (*visuals, replace(shape, rgba=_rgba(model, geom)))
    if collides:
        collisions = (*collisions, shape)
    tree.links[link] = replace(owner, visuals=visuals, collisions=collisions)


def _geometry(model: Any, geom: int, folder: Path, written: dict[int, Path]) -> Geometry:
    x, y, z = map(float, model.geom_size[geom])
    match int(model.geom_type[geom]):
        case _GEOM.mjGEOM_BOX:
            return Box((2 * x, 2 * y, 2 * z))
        case _GEOM.mjGEOM_SPHERE:
            return Sphere(x)
        case _GEOM.mjGEOM_CYLINDER:
            return Cylinder(x, 2 * y)
        case _GEOM.mjGEOM_CAPSULE:
            return Capsule(x, 2 * y)
        case _GEOM.mjGEOM_ELLIPSOID:
            path = folder / FOLDER / f"ellipsoid_{geom}.stl"
            write_stl(path, *ellipsoid((x, y, z)))
            return Mesh(path)
    return Mesh(_write_mesh(model, int(model.geom_dataid[geom]), folder, written))


def _write_mesh(model: Any, mesh: int, folder: Path, written: dict[int, Path]) -> Path:
    if mesh not in written:
        name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_MESH, mesh) or "mesh"
        written[mesh] = folder / FOLDER / f"{file_name(name)}_{mesh}.stl"
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        face, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        write_stl(written[mesh], model.mesh_vert[first : first + count], model.mesh_face[face : face + faces])
    return written[mesh]


def ellipsoid(radii: tuple[float, float, float]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return vertices (n, 3) [m] on the ellipsoid of these half axes and faces (m, 3), seen from outside."""
    rings, steps = _ELLIPSOID_STEPS // 2, _ELLIPSOID_STEPS
    polar = np.linspace(0.0, np.pi, rings + 1)[1:-1, None]
    around = np.linspace(0.0, 2 * np.pi, steps, endpoint=False)[None]
    ring = [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar) + 0.0 * around]
    sphere = np.concatenate([[[0.0, 0.0, 1.0]], np.stack(ring, -1).reshape(-1, 3), [[0.0, 0.0, -1.0]]])
    step, last = np.arange(steps), len(sphere) - 1
    after = (step + 1) % steps
    top = np.stack([0 * step, 1 + step, 1 + after], axis=1)
    bottom = np.stack([0 * step + last, last - steps + after, last - steps + step], axis=1)
    faces = [top, bottom]
    for row in range(1, 1 + (rings - 2) * steps, steps):
        a, b, c, d = row + step, row + after, row + steps + step, row + steps + after
        faces += [np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]
    return sphere * radii, np.concatenate(faces)


def _rgba(model: Any, geom: int) -> tuple[float, float, float, float]:
    own = np.round(model.geom_rgba[geom].astype(np.float64), 6)
    material = int(model.geom_matid[geom])
    if material >= 0 and tuple(own) == _UNPAINTED:
        own = np.round(model.mat_rgba[material].astype(np.float64), 6)
    red, green, blue, alpha = np.clip(own, 0.0, 1.0).tolist()
    return red, green, blue, alpha


def _label(model: Any, geom: int) -> str:
    name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_GEOM, geom)
    body = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_BODY, int(model.geom_bodyid[geom]))
    return f"geom '{name}'" if name else f"geom {geom} of body '{body}'"
