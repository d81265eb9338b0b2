"""What pushes at a robot from outside: pushes and wind, as a force on one body; and the floor's slippery patches.

Times are counted in control periods from an episode's start, so that nothing is lost to rounding:
- A push begins when its interval has passed since the last one began (or since the start) and that one is over. It
  takes its impulse, duration and direction along when it begins: a Variant that changes meanwhile acts from the next
  push on, and the momentum given is the impulse of one Variant. For pushes to any side, let the Randomization draw
  `push_direction` anew every interval.
- Wind drags with 1/2 rho A |w - v| (w - v): w is the wind, v the velocity of the base (0 where it is bolted down, also
  if the body dragged at moves), A the drag area. Without wind there is no drag either: still air is part of no robot.
"""

from math import cos, sin

import numpy as np

from randomization import Variant
from robots import Robot
from sim2real.sim.engine import Array, Index, WorldState

AIR = 1.2  # [kg/m^3] density of air at 20 degrees Celsius
PATCH = 0.5  # [m] edge of a field of the checkerboard; its lines are along x and y, the start is amid a dark one
_NEVER = 2**31  # [control periods]


def pushed_body(robot: Robot) -> str:
    """Return the body that pushes and wind act on, a name in `robot.merged`.

    The root where the base is free, else the body that bears the end effector, else the last one of the tree.
    """
    if not robot.fixed_base:
        return robot.merged.model.root.name
    if robot.file.end_effector is not None:
        return robot.merged.frames[robot.file.end_effector][0]
    return robot.merged.model.links[-1].name


class Disturbances:
    """The pushes, the wind and the patches of all worlds, each on its own clock. Nothing acts until `take`."""

    def __init__(self, robot: Robot, n_worlds: int) -> None:
        self._dt = robot.control_dt
        self._impulse, self._wind = np.zeros((n_worlds, 3)), np.zeros((n_worlds, 3))
        self._duration, self._interval = np.ones(n_worlds, np.int64), np.full(n_worlds, _NEVER)
        self._drag = np.zeros(n_worlds)
        self._patch = np.ones(n_worlds)
        self._since = np.zeros(n_worlds, np.int64)  # periods since the start, or since the last push began
        self._left = np.zeros(n_worlds, np.int64)  # periods until the push that acts is over
        self._force = np.zeros((n_worlds, 3))  # [N] of that push
        self._pushes = np.zeros(n_worlds, bool)
        self._windy, self._even = False, True

    def take(self, variant: Variant, worlds: Index) -> None:
        """Give each of `worlds` its row of `variant`; what it says acts from the next period or push on."""
        impulse = variant["push_impulse"][:, None] * _headings(variant["push_direction"])
        self._impulse[worlds], self._pushes[worlds] = impulse, (impulse != 0.0).any(axis=1)
        self._duration[worlds] = self._periods(variant["push_duration"])
        self._interval[worlds] = self._periods(variant["push_interval"])
        speed = variant["wind_speed"]
        if self._windy or speed.any():
            self._wind[worlds] = speed[:, None] * _headings(variant["wind_direction"])
            self._drag[worlds] = 0.5 * AIR * variant["drag_area"]
            self._windy = bool(self._wind.any())
        patch = variant.block("patch_friction")
        if patch.size and not (self._even and (patch == 1.0).all()):
            self._patch[worlds] = patch[:, 0]
            self._even = bool((self._patch == 1.0).all())

    def restart(self, worlds: Index) -> None:
        """Begin an episode in `worlds`: no push acts, the first is one interval away."""
        self._since[worlds] = self._left[worlds] = 0

    def forces(self, state: WorldState) -> Array | None:
        """Return the force of the control period that begins now, in the world's axes: (n_worlds, 3) [N].

        None where there is none in any world. To be called once a control period: it moves the clocks on by one.
        """
        acts = self._left > 0
        begins = self._pushes & (self._since >= self._interval) & ~acts
        if begins.any():
            self._since[begins], self._left[begins] = 0, self._duration[begins]
            self._force[begins] = self._impulse[begins] / (self._duration[begins] * self._dt)[:, None]
            acts |= begins
        self._since += 1
        if not (acts.any() or self._windy):
            return None
        self._left -= acts
        force = np.where(acts[:, None], self._force, 0.0)
        return force + self._drags(state) if self._windy else force

    def ground_factor(self, state: WorldState) -> Array | None:
        """Return what scales the floor's friction under each base now: (n_worlds,); None if it is 1 in all worlds."""
        if self._even:
            return None
        field = np.floor(state.base_position[:, :2] / PATCH + 0.5)
        return np.where((field[:, 0] + field[:, 1]) % 2 == 0, self._patch, 1.0)

    def _drags(self, state: WorldState) -> Array:
        flow = self._wind - state.base_velocity
        x, y, z = flow.T
        drag = self._drag * np.sqrt(x * x + y * y + z * z) * self._wind.any(axis=1)
        return np.where(drag[:, None] > 0, drag[:, None] * flow, 0.0)

    def _periods(self, seconds: Array) -> Index:
        """Return the nearest whole number of control periods, at least 1 (n,)."""
        return np.minimum(np.maximum(np.rint(seconds / self._dt), 1), _NEVER).astype(np.int64)


def _headings(angles: Array) -> Array:
    """Return horizontal unit vectors (n, 3) at angles (n,) [rad] from x towards y, the same bits for any n."""
    return np.array([[cos(angle), sin(angle), 0.0] for angle in angles.tolist()]).reshape(-1, 3)
