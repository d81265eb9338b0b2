"""The floor that a Variant asks for: its tilt, and its heights over a square grid, the same for both engines.

The floor has a frame of its own: the world's, turned about the origin so that its x-y plane rises by `slope` towards
`slope_direction`. Heights are along that frame's z. All of it is computed from the Variant's coordinates alone. A robot
starts over the origin, where the ground is level:
- Bumps grow in from nothing at the origin to all of their height at 0.6 m.
- Steps begin, and stones stand, outside of the circle that the robot fills in its default pose.
Faces of steps and stones are one cell of the grid wide, 62.5 mm. Outside of the grid, 8 m square, and 2 cm under its
lowest point lies a plane, on which falls who leaves the grid.
"""

from functools import cached_property
from math import ceil, cos, hypot, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from randomization import VariantSpace
from robots import Robot
from robots.extent import outline
from robots.kinematics import link_poses, transform
from sim2real.sim.rotations import rotate

Array = NDArray[np.float64]

CELL = 1 / 16  # [m] between neighbouring points of the grid
POINTS = 129  # along each side of the grid
HALF = CELL * (POINTS - 1) / 2  # [m] from the origin to the grid's edges
HIGHEST = 4.0  # [m] over any height that the table of quantities admits, up or down
UNDER = 0.02  # [m] from the lowest point of a height field down to the plane below
_CENTRE = (POINTS - 1) // 2
_TREAD, _STEPS = 5, 10  # [cells], number
_PITCH, _STONE = 10, 6  # [cells] from stone to stone, and across a stone's top
_NODE = 4  # [cells] between the nodes of the bumps
_SMOOTH = 0.6  # [m] from the origin to bumps of all their height
_WIDEST = 2.0  # [m] a robot that fills a wider circle starts with steps and stones under its outermost parts


class Ground(NamedTuple):
    """The shape of one world's floor, as a Variant has it, and the radius around the start without obstacles [m]."""

    slope: float = 0.0
    slope_direction: float = 0.0
    roughness: float = 0.0
    step_height: float = 0.0
    stone_height: float = 0.0
    terrain_seed: float = 0.0
    radius: float = 0.5

    @property
    def uneven(self) -> bool:
        """Whether the floor is more than a plane."""
        return bool(self.roughness or self.step_height or self.stone_height)

    @property
    def tilt(self) -> tuple[float, float, float, float]:
        """Quaternion x, y, z, w of the floor's frame in the world."""
        half = self.slope / 2
        return sin(half) * sin(self.slope_direction), -sin(half) * cos(self.slope_direction), 0.0, cos(half)


class Grounds:
    """Reads the floor of a robot's worlds from the values of its Variants, and where the robot starts on it."""

    def __init__(self, robot: Robot, space: VariantSpace) -> None:
        self._robot = robot
        blocks = [space.block(name) for name in Ground._fields[:-1]]
        self.columns = np.concatenate([np.arange(block.start, block.stop) for block in blocks]).astype(np.intp)
        self._nominal = space.nominal[self.columns]

    @cached_property
    def radius(self) -> float:
        """Radius around the origin that the robot's shapes fill in its default pose, seen from above [m]."""
        model = self._robot.merged.model
        poses = link_poses(model, self._robot.default_q)
        corners = [
            outline(shape.geometry) @ frame[:2, :3].T + frame[:2, 3]
            for link in model.links
            for shape in link.collisions
            for frame in [poses[link.name] @ transform(shape.origin)]
        ]
        return min(_WIDEST, max((float(np.hypot(*points.T).max()) for points in corners), default=0.0))

    def ground(self, values: Array) -> Ground:
        """Return the floor of one world: values (space.size,). All level ones are equal, also of robots without any."""
        if not len(self.columns):
            return Ground()
        ground = Ground._make([*values[self.columns].tolist(), self.radius])
        return ground if ground.slope or ground.uneven else Ground()

    def start(self, values: Array) -> tuple[Array, Array]:
        """Return position (n, 3) [m] and quaternion (n, 4), x, y, z, w, of the root link's frame at the start.

        values: (n, space.size). The root stands at its `base_height` over the highest point under the robot, upright on
        the floor, as it stands upright in the world on a level floor.
        """
        position, quaternion = np.zeros((len(values), 3)), np.zeros((len(values), 4))
        position[:, 2], quaternion[:, 3] = self._robot.file.base_height, 1.0
        for row in np.flatnonzero((values[:, self.columns] != self._nominal).any(axis=1)).tolist():
            ground = self.ground(values[row])
            position[row, 2] += _highest(ground)
            quaternion[row] = ground.tilt
            position[row] = rotate(quaternion[row], position[row])
        return position, quaternion


def heights(ground: Ground) -> Array:
    """Return the heights of the floor [m] in its frame: [i, j] is at x = j CELL - HALF, y = i CELL - HALF.

    Between four points the surface is two triangles that share the diagonal from [i, j] to [i + 1, j + 1].
    """
    return _window(ground, _CENTRE)


def height_at(field: Array, x: Array, y: Array) -> Array:
    """Return the height [m] of a field of `heights` at places x, y (n,) [m] of the floor's frame, within the grid."""
    across, along = (np.asarray(x) + HALF) / CELL, (np.asarray(y) + HALF) / CELL
    j, i = (np.clip(np.floor(place), 0, POINTS - 2).astype(np.intp) for place in (across, along))
    a, b = across - j, along - i
    corner, far = field[i, j], field[i + 1, j + 1]
    lower = corner + (field[i, j + 1] - corner) * a + (far - field[i, j + 1]) * b
    upper = corner + (field[i + 1, j] - corner) * b + (far - field[i + 1, j]) * a
    return np.where(a >= b, lower, upper)


def _highest(ground: Ground) -> float:
    """Return the highest point of the floor within the robot's circle [m], which is 0 in the middle."""
    if not ground.uneven:
        return 0.0
    cells = min(_CENTRE, ceil(ground.radius / CELL))
    k = np.arange(-cells, cells + 1) * CELL
    return float(_window(ground, cells)[np.hypot(k[:, None], k) <= ground.radius].max())


def _window(ground: Ground, cells: int) -> Array:
    """Return the heights of the points up to `cells` from the centre: (2 cells + 1, 2 cells + 1) [m]."""
    k = np.arange(-cells, cells + 1)
    rng = np.random.default_rng(round(ground.terrain_seed))
    nodes = rng.uniform(-1.0, 1.0, (2 * _CENTRE // _NODE + 2,) * 2)
    shares = rng.uniform(0.5, 1.0, (2 * _CENTRE // _PITCH + 2,) * 2)
    field = np.zeros((len(k), len(k)))
    if ground.roughness:
        distance = np.hypot(k[:, None] * CELL, k * CELL)
        field += ground.roughness * np.minimum(1.0, distance / _SMOOTH) * _bumps(nodes, k)
    if ground.step_height:
        first = ceil(ground.radius / CELL) + 1
        field += ground.step_height * np.clip((k - first) // _TREAD + 1, 0, _STEPS)
    if ground.stone_height:
        field += ground.stone_height * _stones(shares, k, ground.radius)
    return field


def _bumps(nodes: Array, k: NDArray[np.intp]) -> Array:
    """Return values in [-1, 1] at all pairs of k: those of the nodes, joined along both axes without kinks at them."""
    first, rest = np.divmod(k + _CENTRE, _NODE)
    share = rest / _NODE
    share = share * share * (3 - 2 * share)
    rows: Array = nodes[first] * (1 - share)[:, None] + nodes[first + 1] * share[:, None]
    field: Array = rows[:, first] * (1 - share) + rows[:, first + 1] * share
    return field


def _stones(shares: Array, k: NDArray[np.intp], radius: float) -> Array:
    """Return the share of the largest height at all pairs of k: that of the stone there, 0 between stones."""
    number, rest = np.divmod(k + _CENTRE, _PITCH)
    middle = (number * _PITCH + _STONE / 2 - _CENTRE) * CELL
    away = np.hypot(middle[:, None], middle) > radius + hypot(_STONE / 2 + 1, _STONE / 2 + 1) * CELL
    on_top = rest <= _STONE
    return np.where(away & on_top & on_top[:, None], shares[number[:, None], number], 0.0)
