"""The cameras of a robot: colour, depth and segmentation of every world, drawn from its state and not by its physics.

A picture is made of a scene of its own (`sim2real.sim.scene`), so that it is the same whether physics runs in this
process or in a pool, and for a digital twin, which has a state and no physics. PyBullet's and MuJoCo's renderers draw
the same scene with the same lenses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace, stream
from robots import Robot
from robots.kinematics import link_poses
from sim2real.errors import EngineError, nearest
from sim2real.sim.engine import Array, Index, WorldState
from sim2real.sim.lens import NEAR, Camera, Lens
from sim2real.sim.looks import Look
from sim2real.sim.rotations import rotate
from sim2real.sim.scene import Shot, make_scene
from sim2real.sim.terrain import Grounds

_AXES, _TURNS = ("camera_x", "camera_y", "camera_z"), ("camera_roll", "camera_pitch", "camera_yaw")


@dataclass(frozen=True)
class Picture:
    """What one camera saw in n worlds.

    rgb: (n, height, width, 3); the first row is at the top
    depth: (n, height, width) [m] along the optical axis, inf where nothing is
    segmentation: (n, height, width) index into `Cameras.bodies`, `FLOOR` or `BACKGROUND` of `sim2real.sim.scene`
    intrinsics: (n, 3, 3) [pixels], and pose (n, 4, 4) of the optical frame in the world: the truth of each world,
    whatever the robot believes
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    segmentation: NDArray[np.int32]
    intrinsics: Array
    pose: Array


class Cameras:
    """Some or all cameras of a robot, in n worlds of which each has its Variant.

    names: those of the robot.yaml, in its order, unless others are chosen
    bodies: names of the bodies that a segmentation counts, those of `robot.merged`
    Raises EngineError for a camera that the robot has not got, or where an engine cannot draw.
    """

    def __init__(
        self,
        robot: Robot,
        names: Sequence[str] | None = None,
        engine: str = "bullet",
        width: int = 64,
        height: int = 64,
        n_worlds: int = 1,
        seed: int = 0,
        first: int = 0,
    ) -> None:
        self.robot, self.space, self.bodies = robot, VariantSpace(robot), robot.merged.model.link_names
        if not robot.file.cameras:
            raise EngineError(
                f"{robot.path}: cameras: robot '{robot.name}' has none; add one, as `front: {{link: ...}}`"
            )
        self.names = tuple(robot.file.cameras) if names is None else tuple(names)
        self.cameras: Mapping[str, Camera] = {name: self._camera(name, width, height) for name in self.names}
        if not (width > 0 and height > 0):
            raise EngineError(f"cameras: a picture of {width} x {height} pixels; at least 1 x 1 is needed")
        self.reseed(seed, first)
        self._values = np.tile(self.space.nominal, (n_worlds, 1))
        self._grounds = Grounds(robot, self.space)
        self._scene = make_scene(engine, robot, width, height)

    def _camera(self, name: str, width: int, height: int) -> Camera:
        mounts = self.robot.file.cameras
        if name not in mounts:
            known = ", ".join(mounts) or "none"
            raise EngineError(f"{self.robot.path}: cameras: no camera '{name}'{nearest(name, mounts)}; known: {known}")
        return Camera.of(self.robot, name, mounts[name], width, height)

    def reseed(self, seed: int, first: int = 0) -> None:
        """Draw noise from `seed` from now on; world k is number `first` + k of those that do."""
        self._seed, self._first, self._noise = seed, first, dict[tuple[str, str, int], np.random.Generator]()

    def apply(self, variant: Variant, worlds: Index) -> None:
        """Give each of `worlds` its row of `variant`: mounting, optics, noise, light, colours."""
        self._values[worlds] = variant.values

    def shoot(self, state: WorldState, worlds: Index) -> dict[str, Picture]:
        """Return by name what each camera sees in `worlds`, rows of `state`."""
        shots: dict[str, list[tuple[Shot, Array, Array]]] = {name: [] for name in self.names}
        for world in worlds.tolist():
            self._set(state, world)
            poses = self._poses(state, world)
            for name, camera in self.cameras.items():
                shots[name].append(self._shoot(camera, world, poses[camera.body]))
        return {name: _picture(taken, self.cameras[name]) for name, taken in shots.items()}

    def colours(self, state: WorldState, worlds: Index, name: str) -> NDArray[np.uint8]:
        """Return the colours alone of what one camera sees: (len(worlds), height, width, 3)."""
        camera = self.cameras[name]
        rgb = np.empty((len(worlds), camera.lens.height, camera.lens.width, 3), np.uint8)
        for row, world in enumerate(worlds.tolist()):
            self._set(state, world)
            lens, pose = self._optics(camera, world, self._poses(state, world)[camera.body])
            plain = self._scene.colours(lens, pose, self._value("exposure", camera, world))
            rgb[row] = self._grain(plain, name, world, self._value("camera_noise", camera, world))
        return rgb

    def _poses(self, state: WorldState, world: int) -> dict[str, Array]:
        """Return where each body of one world is: name -> (4, 4)."""
        root = np.eye(4)
        root[:3, :3], root[:3, 3] = rotate(state.base_quaternion[world], np.eye(3)).T, state.base_position[world]
        return {name: root @ pose for name, pose in link_poses(self.robot.merged.model, state.q[world]).items()}

    def _value(self, quantity: str, camera: Camera, world: int) -> float:
        return float(self._values[world, self.space.index(f"{quantity}/{camera.name}")])

    def _optics(self, camera: Camera, world: int, body: Array) -> tuple[Lens, Array]:
        """Return a camera's lens, and the pose (4, 4) of its optical frame in the world; body: (4, 4), likewise."""
        fov = self._value("camera_fov", camera, world)
        shift, turn = (np.array([self._value(name, camera, world) for name in names]) for names in (_AXES, _TURNS))
        return camera.lens if fov == 1.0 else camera.lens.scaled(fov), camera.optical(body, shift, turn)

    def look_on(self, state: WorldState, world: int, lens: Lens, pose: Array) -> Shot:
        """Return what a bystander sees of one world, with any lens at the optical frame `pose` (4, 4) in the world."""
        self._set(state, world)
        return self._scene.shoot(lens, pose)

    def _set(self, state: WorldState, world: int) -> None:
        """Make the scene that of one world."""
        self._scene.dress(Look.of(self.space, self._grounds, self._values[world]))
        self._scene.place(state.q[world], state.base_position[world], state.base_quaternion[world])

    def _shoot(self, camera: Camera, world: int, body: Array) -> tuple[Shot, Array, Array]:
        """Return a shot, K (3, 3) and pose (4, 4) of the optical frame in the world; body: (4, 4), its pose there."""
        lens, pose = self._optics(camera, world, body)
        shot = self._scene.shoot(lens, pose, self._value("exposure", camera, world))
        noise = [self._value(name, camera, world) for name in ("camera_noise", "depth_noise")]
        return self._spoil(shot, camera.name, world, *noise), lens.intrinsics, pose

    def _spoil(self, shot: Shot, camera: str, world: int, colour: float, depth: float) -> Shot:
        """Add white noise of deviation `colour` of full scale, and `depth` [1/m] times depth squared."""
        rgb, far = self._grain(shot.rgb, camera, world, colour), shot.depth
        if depth:
            noise = self._stream("depth_noise", camera, world).standard_normal(far.shape, np.float32)
            seen = np.isfinite(far)
            spoilt = far[seen] + np.float32(depth) * far[seen] ** 2 * noise[seen]
            far = far.copy()
            far[seen] = np.maximum(spoilt, NEAR)
        return Shot(rgb, far, shot.segmentation)

    def _grain(self, rgb: NDArray[np.uint8], camera: str, world: int, share: float) -> NDArray[np.uint8]:
        """Add white noise of deviation `share` of full scale."""
        if not share:
            return rgb
        noise = self._stream("camera_noise", camera, world).standard_normal(rgb.shape, np.float32)
        grained: NDArray[np.uint8] = np.rint(np.clip(rgb + np.float32(255 * share) * noise, 0, 255)).astype(np.uint8)
        return grained

    def _stream(self, purpose: str, camera: str, world: int) -> np.random.Generator:
        """Return the generator of one camera in one world: it draws the same however many there are beside it."""
        key = (purpose, camera, world)
        if key not in self._noise:
            self._noise[key] = stream(self._seed, f"{purpose}/{camera}", self._first + world)
        return self._noise[key]

    def close(self) -> None:
        """Release the renderer. Safe to call twice."""
        self._scene.close()


def _picture(taken: Sequence[tuple[Shot, Array, Array]], camera: Camera) -> Picture:
    """Put the shots of several worlds, none perhaps, into one picture."""
    size, shots = (camera.lens.height, camera.lens.width), [shot for shot, _, _ in taken]
    return Picture(
        np.array([shot.rgb for shot in shots], np.uint8).reshape(-1, *size, 3),
        np.array([shot.depth for shot in shots], np.float32).reshape(-1, *size),
        np.array([shot.segmentation for shot in shots], np.int32).reshape(-1, *size),
        np.array([intrinsics for _, intrinsics, _ in taken]).reshape(-1, 3, 3),
        np.array([pose for _, _, pose in taken]).reshape(-1, 4, 4),
    )
