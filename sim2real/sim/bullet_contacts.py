"""Contacts of one PyBullet world: the floor, and how each body meets it.

Measured on PyBullet 3.2.7, or read in its source:
- Sliding friction of a pair is the product of both coefficients. The floor has the root of the nominal one, so that two
  links of the robot meet with the mean (geometric, squared) of theirs. Rolling and spinning friction of a pair are each
  body's own times the other's sliding coefficient.
- Restitution is a product too; the floor has 1. Bullet bounces only what hits faster than 0.2 m/s, and only where it
  does not see the impact coming: it slows what comes near so that it arrives with nothing to throw back. A body with
  restitution therefore takes part in contacts of negative distance only (`contactProcessingThreshold`). Two bodies
  that have met keep that threshold.
- Stiffness and damping add up in series and in parallel; a body for which they were never given is rigid. Once given
  they cannot be taken back.
- A world that has to forget one of these is loaded again (`outgrown`). Setting a body's collision filter would make it
  forget too, but changes the order in which contacts are solved, and so the last bits of all that follows.
"""

from math import inf

import numpy as np
from numpy.typing import NDArray

from randomization import VariantSpace
from robots import Robot
from sim2real.quiet import quiet
from sim2real.sim.bullet_floor import BulletFloor
from sim2real.sim.engine import Array
from sim2real.sim.terrain import Grounds

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

_change = pybullet.changeDynamics
_OF_BODIES = (
    "sliding_friction",
    "rolling_friction",
    "spinning_friction",
    "restitution",
    "contact_stiffness",
    "contact_damping",
)
_RIGID = -1.0  # no stiffness is set, which is Bullet's own way of keeping bodies apart


class Contacts:
    """The floor of a robot with a free base, and the contact settings of its bodies; nothing for a bolted one."""

    def __init__(
        self, robot: Robot, space: VariantSpace, grounds: Grounds, client: int, body: int, links: dict[str, int]
    ) -> None:
        self._grounds, self._client, self._body = grounds, client, body
        self._grip = float(np.sqrt(robot.file.ground_friction)) or 1.0
        self._floor_grip = self._grip
        self._links = [links[name] for name in space.members[space.block("sliding_friction")]]
        self._bounces, self._soft = (np.zeros(len(self._links), dtype=bool) for _ in range(2))
        self._blocks = {name: space.block(name) for name in ("restitution", "contact_stiffness", "ground_friction")}
        columns = np.arange(space.size)
        self._of_bodies = np.stack([columns[space.block(name)] for name in _OF_BODIES])
        for link in links.values():  # of a bolted robot, for its links among each other
            _change(body, link, lateralFriction=self._grip, physicsClientId=client)
        if not robot.fixed_base:
            self._floor = BulletFloor(client, self._greet)
            self._greet(self._floor.body)

    def outgrown(self, values: Array) -> bool:
        """Whether a Variant needs what Bullet cannot change once bodies have met: see the module."""
        bounces, rigid = values[self._blocks["restitution"]] > 0, np.isinf(values[self._blocks["contact_stiffness"]])
        return bool((self._soft & rigid).any() or (self._bounces != bounces).any())

    def apply(self, values: Array, changed: NDArray[np.bool_]) -> None:
        """Set what has changed of a Variant (space.size,)."""
        if not self._links:
            return
        if changed[self._grounds.columns].any():
            self._floor.apply(self._grounds.ground(values))
        if changed[self._blocks["ground_friction"]].any():
            self._floor_grip = float(values[self._blocks["ground_friction"]][0]) * self._grip
            for body in self._floor.bodies:
                _change(body, -1, lateralFriction=self._floor_grip, physicsClientId=self._client)
        self._soft |= values[self._blocks["contact_stiffness"]] < inf
        self._blindfold(values)
        rows = values[self._of_bodies]  # one for each of `_OF_BODIES`
        for k in np.flatnonzero(changed[self._of_bodies].any(axis=0)).tolist():
            self._meet(self._links[k], *rows[:, k].tolist())

    def _greet(self, floor: int) -> None:
        """Give a body of the floor its share in all contacts."""
        _change(floor, -1, restitution=1.0, physicsClientId=self._client)
        _change(floor, -1, lateralFriction=self._floor_grip, physicsClientId=self._client)

    def _blindfold(self, values: Array) -> None:
        bounces = values[self._blocks["restitution"]] > 0
        for k in np.flatnonzero(bounces & ~self._bounces).tolist():
            _change(self._body, self._links[k], contactProcessingThreshold=0.0, physicsClientId=self._client)
        self._bounces = bounces

    def _meet(
        self,
        link: int,
        sliding: float,
        rolling: float,
        spinning: float,
        bounce: float,
        stiffness: float,
        damping: float,
    ) -> None:
        """Set how one body meets the floor."""
        soft = stiffness < inf
        _change(
            self._body,
            link,
            lateralFriction=sliding / self._grip,
            rollingFriction=rolling / self._grip,
            spinningFriction=spinning / self._grip,
            restitution=bounce,
            contactStiffness=stiffness if soft else _RIGID,
            contactDamping=damping if soft else _RIGID,
            physicsClientId=self._client,
        )
