"""PyBullet worlds: one physics client a world, randomized without loading the URDF again.

`sim2real.sim.bullet_world` has one world, and what was measured about PyBullet.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from randomization import Variant, VariantSpace
from robots import Robot
from robots.kinematics import follow
from sim2real.errors import EngineError
from sim2real.sim.actuators import DelayLine, holding_command
from sim2real.sim.bullet_bodies import Bodies
from sim2real.sim.bullet_world import World, load_worlds
from sim2real.sim.engine import Array, Index, WorldState
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate


class BulletEngine:
    """N PyBullet worlds in this process. See `sim2real.sim.engine.Engine`."""

    def __init__(self, robot: Robot, n_worlds: int = 1) -> None:
        self.robot, self.n_worlds = robot, n_worlds
        self.space = VariantSpace(robot)
        self.state = WorldState.zeros(robot, n_worlds)
        self.rebuilt = 0
        self._variant = np.tile(self.space.nominal, (n_worlds, 1))
        self._delays = DelayLine(robot, n_worlds)
        self._bodies = Bodies(robot)
        if robot.file.imu:
            self._imu_turn = from_rpy(np.array(robot.merged.frames[robot.file.imu.link][1].rpy))
        self._worlds = self._load(n_worlds)
        self.reset(self.state.q.copy(), self.state.dq.copy(), np.arange(n_worlds))

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        self._variant[worlds] = variant.values
        for world in worlds:
            if self.state.healthy[world]:
                self._worlds[world].apply(self._variant[world])

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """See `Engine.reset`."""
        q, dq = follow(self.robot.model, q, dq)
        if not keep_commands:
            self._delays.reset(holding_command(self.robot, q), worlds)
        for row, world in enumerate(worlds):
            if not self.state.healthy[world]:
                self._rebuild(world)
            self._worlds[world].reset(q[row], dq[row])
        self._read(worlds)
        self.state.tau[worlds] = 0.0

    def step(self, command: Array, delay: Array) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        slots, acting = self._delays.issue(command, delay)
        stretches = _stretches(slots, acting)
        healthy = np.flatnonzero(self.state.healthy)
        self.state.tau[healthy] = [self._worlds[world].step(stretches[world]) for world in healthy.tolist()]
        self._read(healthy)
        self.state.quarantine(self.robot)

    def close(self) -> None:
        """See `Engine.close`."""
        for world in self._worlds:
            world.close()
        self._worlds = []

    def _load(self, n_worlds: int) -> list[World]:
        return load_worlds(self.robot, self.space, self._bodies, n_worlds)

    def _read(self, worlds: Index) -> None:
        state, chosen = self.state, [self._worlds[world] for world in worlds.tolist()]
        joints = np.array([w.joints() for w in chosen]).reshape(len(chosen), self.robot.n_joints, 2)
        state.q[worlds], state.dq[worlds] = joints[:, :, 0], joints[:, :, 1]
        if self.robot.file.imu and chosen:
            turns, speeds = zip(*(w.imu() for w in chosen), strict=True)
            quaternion = compose(np.array(turns), self._imu_turn)
            state.imu_quaternion[worlds] = quaternion
            state.imu_angular_velocity[worlds] = rotate(inverse(quaternion), np.array(speeds))
        if not self.robot.fixed_base:
            for world, w in zip(worlds, chosen, strict=True):
                position, quaternion, velocity, angular_velocity = w.base()
                state.base_position[world], state.base_quaternion[world] = position, quaternion
                state.base_velocity[world], state.base_angular_velocity[world] = velocity, angular_velocity

    def _rebuild(self, world: int) -> None:
        self._worlds[world].close()
        (self._worlds[world],) = self._load(1)
        self._worlds[world].apply(self._variant[world])
        self.state.healthy[world] = True
        self.rebuilt += 1


def _stretches(slots: Array, acting: NDArray[np.intp]) -> list[list[tuple[list[float], int]]]:
    """Return, for each world, (command, physics steps) in turn; arguments as `DelayLine.issue` returns them."""
    commands, substeps = slots.tolist(), acting.shape[1]
    if substeps == 1:
        return [[(commands[world][slot], 1)] for world, (slot,) in enumerate(acting.tolist())]
    changed = acting[:, 1:] != acting[:, :-1]
    changes = changed.sum(axis=1).tolist()
    first, last, at = acting[:, 0].tolist(), acting[:, -1].tolist(), (changed.argmax(axis=1) + 1).tolist()
    stretches = []
    for world, n in enumerate(changes):
        if n == 0:
            stretches.append([(commands[world][first[world]], substeps)])
        elif n == 1:
            k = at[world]
            stretches.append([(commands[world][first[world]], k), (commands[world][last[world]], substeps - k)])
        else:
            bounds = [0, *(np.flatnonzero(changed[world]) + 1).tolist(), substeps]
            stretches.append([(commands[world][acting[world, a]], b - a) for a, b in pairwise(bounds)])
    return stretches
