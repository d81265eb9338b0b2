"""A scene drawn by MuJoCo with OpenGL, off screen: by EGL where MUJOCO_GL names nothing else, with or without a GPU.

Its model holds nothing but shapes in the world's frame. They are put where the robot's links are, by our own
kinematics, so that it takes no step of MuJoCo's to draw a robot.
"""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import finalize

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots import Robot
from robots.kinematics import link_poses
from robots.mesh.read import parse_mesh, read_bytes
from robots.model import Box, Cylinder, Mesh, Shape, Sphere
from sim2real.errors import EngineError
from sim2real.sim.engine import Array
from sim2real.sim.lens import FAR, NEAR, Lens
from sim2real.sim.looks import SKY, TEXTURE_PIXELS, TEXTURES, TILE, Look, texture
from sim2real.sim.rotations import from_rpy, rotate
from sim2real.sim.scene import BACKGROUND, FLOOR, Shot, visible
from sim2real.sim.terrain import HALF, HIGHEST, POINTS, UNDER, Ground, heights

_PLAIN = ("mjRND_SHADOW", "mjRND_REFLECTION", "mjRND_SKYBOX", "mjRND_FOG", "mjRND_HAZE")
PLANE, FIELD, FIELD_GROUP = "floor", "field", 5  # the last is shown only where the floor is uneven
_IDS = ("mjRND_SEGMENT", "mjRND_IDCOLOR")
_REMEDY = "install libegl1 and libgl1-mesa-dri, or libosmesa6 with MUJOCO_GL=osmesa, or draw with engine 'bullet'"


def _has_gpu() -> bool:
    return bool([*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dri/renderD*")])


class MujocoScene:
    """A `sim2real.sim.scene.Scene` whose pictures are at most (width, height) pixels."""

    def __init__(self, robot: Robot, width: int, height: int) -> None:
        self._robot, self._links = robot.merged.model, robot.merged.model.link_names
        self._model = _compiled(robot, width, height)
        self._data = mujoco.MjData(self._model)
        model = self._model
        names = [model.geom(number).name for number in range(model.ngeom)]
        self._bodies = np.array([int(name.split("/")[0]) if name[0].isdigit() else FLOOR for name in names])
        self._floor = None if robot.fixed_base else (names.index(PLANE), names.index(FIELD))
        self._own = model.geom_rgba.copy()
        self._places = model.geom_pos.copy()
        w, x, y, z = model.geom_quat.T
        self._turns = _matrices(np.stack([x, y, z, w], axis=1))
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 10)
        for flag in _PLAIN:
            self._scene.flags[getattr(mujoco.mjtRndFlag, flag)] = False
        self._options, self._eye = mujoco.MjvOption(), mujoco.MjvCamera()
        self._options.geomgroup[:] = 1
        self._options.geomgroup[FIELD_GROUP] = 0
        self._free = self._open(width, height)
        self._look: Look | None = None

    def _open(self, width: int, height: int) -> Callable[[], object]:
        """Make OpenGL ready; return what frees it, which happens when the scene is forgotten too."""
        library = os.environ.get("MUJOCO_GL", "").lower().strip() or "egl"
        if "tensorflow" in sys.modules and not _has_gpu():
            clash = "TensorFlow is loaded, and OpenGL in software brings another LLVM, which would end this process"
            raise EngineError(f"cameras: {clash}; draw in a process without TensorFlow, or with engine 'bullet'")
        try:
            self._gl = import_module(f"mujoco.{library}").GLContext(width, height)
            self._gl.make_current()
            self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_50)
        except Exception as error:  # what a GL library raises where there is none is its own affair
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise EngineError(f"cameras: MuJoCo cannot draw with {library} here ({reason}); {_REMEDY}") from None
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        free = finalize(self, _free, self._gl, self._context)
        free.atexit = False  # OpenGL is gone by then
        return free

    def dress(self, look: Look) -> None:
        """Give light, floor and bodies that look, whatever they had before."""
        model, tints = self._model, {body: (np.array(colour), share) for body, colour, share in look.tints}
        model.geom_rgba[:] = self._own
        for geom, body in enumerate(self._bodies.tolist()):
            if body != FLOOR and self._links[body] in tints:
                colour, share = tints[self._links[body]]
                model.geom_rgba[geom, :3] = (1 - share) * self._own[geom, :3] + share * colour
        if self._floor:
            model.mat_rgba[:, :3] = look.floor_grey
            model.geom_matid[list(self._floor)] = look.floor_texture
            if look.ground != (self._look.ground if self._look else Ground()):
                self._shape(look.ground, *self._floor)
        self._data.light_xdir[0] = -np.array(look.light)
        self._look = look

    def _shape(self, ground: Ground, plane: int, field: int) -> None:
        """Give the floor's two geoms the shape of `ground`."""
        tilt, low = np.array(ground.tilt), 0.0
        self._options.geomgroup[FIELD_GROUP] = ground.uneven
        if ground.uneven:
            surface = heights(ground)
            low = float(surface.min()) - UNDER
            self._model.hfield_data[:] = (surface / (2 * HIGHEST) + 0.5).ravel()
            self._gl.make_current()
            mujoco.mjr_uploadHField(self._model, self._context, 0)
        self._places[[plane, field]] = rotate(tilt, np.array([[0.0, 0.0, low], [0.0, 0.0, -HIGHEST]]))
        self._turns[[plane, field]] = _matrices(tilt[None])

    def place(self, q: Array, base: Array, quaternion: Array) -> None:
        """Put the robot into q (n_joints,) [rad or m], base (3,) [m] and quaternion (x, y, z, w) in the world."""
        root = np.eye(4)
        root[:3, :3], root[:3, 3] = _matrices(quaternion[None])[0], base
        poses = link_poses(self._robot, q)
        frames = np.stack([root @ poses[name] for name in self._links] + [np.eye(4)])
        mine = frames[np.where(self._bodies == FLOOR, len(self._links), self._bodies)]
        self._data.geom_xpos[:] = (mine[:, :3, :3] @ self._places[:, :, None])[:, :, 0] + mine[:, :3, 3]
        self._data.geom_xmat[:] = (mine[:, :3, :3] @ self._turns).reshape(-1, 9)

    def colours(self, lens: Lens, pose: Array, exposure: float = 1.0) -> NDArray[np.uint8]:
        """Return the colours (height, width, 3) alone of what `shoot` draws."""
        return self.shoot(lens, pose, exposure).rgb

    def shoot(self, lens: Lens, pose: Array, exposure: float = 1.0) -> Shot:
        """Draw what the lens sees from the optical frame `pose` (4, 4) in the world."""
        if self._look is None:
            raise ValueError("a scene is dressed before it is drawn")
        most = self._model.vis.global_
        if lens.width > most.offwidth or lens.height > most.offheight:
            size = f"{lens.width} x {lens.height} pixels in a scene of {most.offwidth} x {most.offheight}"
            raise EngineError(f"cameras: a picture of {size}; make the scene as large")
        self._model.light_diffuse[0] = exposure * self._look.direct
        self._model.light_ambient[0] = exposure * self._look.ambient
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, self._data, self._options, None, self._eye, everything, self._scene)
        self._aim(lens, pose)
        self._gl.make_current()
        rgb, _ = self._draw(lens, ids=False)
        marks, depth = self._draw(lens, ids=True)
        numbers = marks.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)
        table = np.full(self._scene.ngeom + 1, BACKGROUND, np.int32)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objid >= 0:
                table[geom.segid + 1] = self._bodies[geom.objid]
        segmentation = table[numbers]
        nothing = segmentation == BACKGROUND
        rgb[nothing] = np.rint(255 * np.minimum(exposure * SKY, 1.0))
        depth[nothing] = np.inf
        return Shot(rgb, depth, segmentation)

    def _aim(self, lens: Lens, pose: Array) -> None:
        half = NEAR * np.tan(lens.fov / 2)
        for eye in self._scene.camera:  # the two eyes of one head; what is drawn is their mean
            eye.pos, eye.forward, eye.up = pose[:3, 3], pose[:3, 2], -pose[:3, 1]
            eye.frustum_bottom, eye.frustum_top = -half, half
            eye.frustum_center, eye.frustum_width = 0.0, half * lens.width / lens.height
            eye.frustum_near, eye.frustum_far = NEAR, FAR

    def _draw(self, lens: Lens, ids: bool) -> tuple[Any, Any]:
        """Return colours, or numbers of the shapes as colours, (height, width, 3), and depth (height, width) [m]."""
        for flag in _IDS:
            self._scene.flags[getattr(mujoco.mjtRndFlag, flag)] = ids
        rgb, part = np.empty((lens.height, lens.width, 3), np.uint8), np.empty((lens.height, lens.width), np.float32)
        window = mujoco.MjrRect(0, 0, lens.width, lens.height)
        mujoco.mjr_render(window, self._scene, self._context)
        mujoco.mjr_readPixels(rgb, part if ids else None, window, self._context)
        # 1 at NEAR, 0 at FAR, and linear in 1 / depth.
        depth = 1.0 / (part.astype(np.float64) * (1 / NEAR - 1 / FAR) + 1 / FAR) if ids else part
        return rgb[::-1].copy(), depth[::-1].astype(np.float32)

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        self._free()


def _free(gl: Any, context: Any) -> None:
    """Free MuJoCo's side, then OpenGL's; with another scene current, MuJoCo would free what that one uses."""
    gl.make_current()
    context.free()
    gl.free()


def _matrices(quaternions: Array) -> Array:
    """Return the rotation matrices (n, 3, 3) of quaternions (n, 4), x, y, z, w."""
    return np.swapaxes(rotate(quaternions[:, None, :], np.eye(3)[None]), 1, 2)


def _compiled(robot: Robot, width: int, height: int) -> Any:
    """Return the model of all that is to be seen: shapes in their bodies' frames, one light, the floor."""
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    quality = spec.visual.quality
    quality.offsamples, quality.numslices, quality.numstacks = 0, 64, 32
    spec.visual.headlight.active = 0
    spec.stat.extent, spec.visual.map.zfar = 1.0, 2 * FAR  # how far an endless plane reaches
    light = spec.worldbody.add_light(type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=False)
    light.specular = [0.0, 0.0, 0.0]
    if not robot.fixed_base:
        _lay(spec)
    for index, link in enumerate(visible(robot).links):
        for number, shape in enumerate(link.visuals):
            _add(spec, shape, f"{index}/{number}")
    try:
        return spec.compile()
    except ValueError as error:
        raise EngineError(f"cameras: MuJoCo refused to draw robot '{robot.name}': {error}") from None


def _lay(spec: Any) -> None:
    """Add the floor and its materials, in the order of TEXTURES."""
    for name in TEXTURES:
        made = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
        made.width = made.height = TEXTURE_PIXELS
        half = TEXTURE_PIXELS // 2  # it is the middle of a texture that MuJoCo has in the origin
        made.data = np.roll(texture(name), half, axis=(0, 1)).tobytes()
        material = spec.add_material(name=name, texuniform=True, texrepeat=[2 / TILE, 2 / TILE], specular=0.0)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    kinds, options = mujoco.mjtGeom, {"material": TEXTURES[0], "contype": 0, "conaffinity": 0}
    spec.worldbody.add_geom(name=PLANE, type=kinds.mjGEOM_PLANE, size=[0, 0, 1], **options)
    size, level = [HALF, HALF, 2 * HIGHEST, 0.01], np.full(POINTS * POINTS, 0.5)
    spec.add_hfield(name=FIELD, size=size, nrow=POINTS, ncol=POINTS, userdata=level.tolist())
    options |= {"hfieldname": FIELD, "group": FIELD_GROUP}
    spec.worldbody.add_geom(name=FIELD, type=kinds.mjGEOM_HFIELD, **options)


def _add(spec: Any, shape: Shape, name: str) -> None:
    x, y, z, w = from_rpy(np.array(shape.origin.rpy))
    options: dict[str, Any]
    match shape.geometry:
        case Box(size):
            options = {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": [s / 2 for s in size]}
        case Cylinder(radius, length):
            options = {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "size": [radius, length / 2, 0]}
        case Sphere(radius):
            options = {"type": mujoco.mjtGeom.mjGEOM_SPHERE, "size": [radius, 0, 0]}
        case Mesh(path, scale):
            surface = parse_mesh(path, read_bytes(path)).joined()
            mesh = spec.add_mesh(name=name, scale=scale, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
            spare = np.repeat(surface.vertices[:1], max(0, 4 - len(surface.vertices)), axis=0)  # it wants four
            mesh.uservert, mesh.userface = np.concatenate([surface.vertices, spare]).ravel(), surface.faces.ravel()
            options = {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": name}
    options |= {"pos": shape.origin.xyz, "quat": [w, x, y, z], "rgba": shape.rgba, "mass": 0}
    spec.worldbody.add_geom(name=name, contype=0, conaffinity=0, **options)
