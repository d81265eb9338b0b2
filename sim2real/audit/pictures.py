"""Cameras in an audit: what becomes of a picture when a quantity of mounting, optics, light or colour changes.

Physics plays no part: the robot stands where its motion starts, and in poses that show its camera more of its bodies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace, stream
from robots import Robot
from robots.kinematics import follow
from sim2real.audit.cases import Case
from sim2real.audit.motion import reachable
from sim2real.sim.cameras import Cameras, Picture
from sim2real.sim.engine import WorldState

Array = NDArray[np.float64]

SIZE = 48  # [pixels] width and height
_TRIES, _POSES = 12, 3  # poses looked at, and taken


@dataclass(frozen=True, eq=False)
class Shots:
    """One case: change of colours (share of full scale) and depth [m] of each pixel of all poses; what was in sight.

    acts_elsewhere: whether a lamp that has moved does change pictures from a quarter turn on; False for all else
    """

    case: Case
    colour: Array
    depth: Array
    in_sight: frozenset[str]
    anything: bool
    acts_elsewhere: bool = False

    @property
    def change(self) -> float:
        """RMS over pixels of the change of colours, or if there is none of depth."""
        colour = float(np.sqrt((self.colour**2).mean()))
        return colour or float(np.sqrt((self.depth**2).mean()))


class Studio:
    """Takes pictures of one robot in a renderer, "bullet" or "mujoco"."""

    def __init__(self, robot: Robot, engine: str) -> None:
        self._robot, self._space = robot, VariantSpace(robot)
        self._cameras = Cameras(robot, engine=engine, width=SIZE, height=SIZE, n_worlds=_TRIES)
        self._state = WorldState.zeros(robot, _TRIES)
        self._choose_poses()

    def _choose_poses(self) -> None:
        """Keep the default pose, and those that show bodies that were not in sight yet."""
        robot, rng = self._robot, stream(0, "audit pictures")
        limits = np.array([reachable(robot, name) for name in robot.joint_names]).reshape(-1, 2)
        poses = rng.uniform(limits[:, 0], limits[:, 1], size=(_TRIES - 1, robot.n_joints))
        self._state.q[1:], _ = follow(robot.model, poses, np.zeros_like(poses))
        sights = [self._in_sight(self._shoot(self._space.nominal, np.array([k]))) for k in range(_TRIES)]
        self._poses, seen = [0], set(sights[0])
        while len(self._poses) < _POSES:
            best = max(range(_TRIES), key=lambda k: len(sights[k] - seen))
            if not sights[best] - seen:
                break
            self._poses.append(best)
            seen |= sights[best]

    def _shoot(self, values: Array, worlds: NDArray[np.intp]) -> dict[str, Picture]:
        self._cameras.apply(Variant(self._space, np.tile(values, (len(worlds), 1))), worlds)
        return self._cameras.shoot(self._state, worlds)

    def _in_sight(self, pictures: dict[str, Picture]) -> frozenset[str]:
        found = np.unique(np.concatenate([p.segmentation.ravel() for p in pictures.values()]))
        return frozenset(self._cameras.bodies[k] for k in found.tolist() if 0 <= k < len(self._cameras.bodies))

    def run(self, cases: Sequence[Case]) -> list[Shots]:
        """Take the pictures of all cases, each beside the one without it."""
        worlds, shots = np.array(self._poses), []
        for case in cases:
            base = self._space.nominal.copy()
            for quantity, value in case.context:
                base[self._space.block(quantity)] = value
            values = base.copy()
            values[self._space.index(case.name)] = case.value
            before, after = self._shoot(base, worlds), self._shoot(values, worlds)
            anything = any(bool(np.isfinite(picture.depth).any()) for picture in before.values())
            colour, depth = (_difference(before, after, what) for what in ("rgb", "depth"))
            elsewhere = case.quantity.name == "light_azimuth" and self._acts_elsewhere(base, before)
            shots.append(Shots(case, colour / 255.0, depth, self._in_sight(before), anything, elsewhere))
        return shots

    def _acts_elsewhere(self, base: Array, before: dict[str, Picture]) -> bool:
        """Return whether pictures differ from `before` with the lamp a quarter turn from its ends, to either side."""
        for azimuth in (-np.pi / 2, np.pi / 2):
            values = base.copy()
            values[self._space.index("light_azimuth")] = azimuth
            if _difference(before, self._shoot(values, np.array(self._poses)), "rgb").any():
                return True
        return False

    def close(self) -> None:
        """Release the renderer."""
        self._cameras.close()


def _difference(before: dict[str, Picture], after: dict[str, Picture], what: str) -> Array:
    """Return the change of each pixel of all cameras, flat; 0 where one of both pictures has no number."""
    parts = []
    for name, picture in before.items():
        a, b = (np.asarray(getattr(p, what), dtype=np.float64) for p in (picture, after[name]))
        both = np.isfinite(a) & np.isfinite(b)
        parts.append(np.where(both, np.where(both, b, 0.0) - np.where(both, a, 0.0), 0.0).ravel())
    return np.concatenate(parts)
