"""How PyBullet worlds get through a control period: which efforts act in each, and when they are worked out.

Worlds go through their periods one after the other, each in plain numbers. Measured on PyBullet 3.2.7 with 64 worlds of
an A1, where a step of Bullet takes 20 us: a world that keeps its place in the processor's cache for a whole period
takes 33 us for a step and its efforts; where worlds take turns at each step, with their efforts in one array, it is 53.
"""

from collections.abc import Callable

import numpy as np

from sim2real.quiet import quiet
from sim2real.sim.actuators import Motors
from sim2real.sim.bullet_world import World
from sim2real.sim.engine import Array, Index

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

Advance = Callable[[int, int], list[float]]  # from one physics step of the period to another; returns the last efforts
Stretch = tuple[int, int, list[float]]  # from one physics step to another: the same efforts, or what is fed to the law


class Drives:
    """What moves n worlds: their motors, seen one world at a time."""

    def __init__(self, worlds: list[World], motors: Motors) -> None:
        """worlds: may have their members replaced later."""
        self._worlds, self._motors = worlds, motors
        self._effort_only = all(mode == "effort" for mode in worlds[0].robot.modes)
        self._laws: list[list[list[float]]] = [[] for _ in worlds]
        self.take(np.arange(len(worlds)))

    def take(self, worlds: Index) -> None:
        """Note the motors' laws in `worlds`, once the motors have taken their Variants."""
        motors = self._motors
        limits = motors.limits[worlds]
        law = np.stack([motors.stiffness[worlds], motors.damping[worlds], -limits, limits], axis=1)
        for world, rows in zip(worlds.tolist(), (law * motors.strength[worlds][:, None]).tolist(), strict=True):
            self._laws[world] = rows

    def period(self, worlds: Index, control: Array) -> list[Advance]:
        """Return what advances each of `worlds` in the next period, under `control` (n_worlds, substeps, n_actuators).

        A world that needs no measurement is told its efforts for the whole period.
        """
        blind = self._motors.steady[worlds] & self._effort_only
        linear = self._motors.affine[worlds] & ~blind
        ways: dict[int, Advance] = {}
        for some, way in ((blind, self._blindly), (linear, self._linearly), (~blind & ~linear, self._by_full_law)):
            if some.any():
                chosen = worlds[some]
                ways.update(zip(chosen.tolist(), way(chosen, control[chosen]), strict=True))
        return [ways[world] for world in worlds.tolist()]

    def _blindly(self, worlds: Index, control: Array) -> list[Advance]:
        stretches = _stretches(self._motors.blind_torque(control, worlds))
        return [told(self._worlds[world], each) for world, each in zip(worlds.tolist(), stretches, strict=True)]

    def _linearly(self, worlds: Index, control: Array) -> list[Advance]:
        motors = self._motors
        gain = (motors.strength[worlds] * motors.gain[worlds])[:, None]
        stretches = _stretches(gain * motors.seen_from_joint(control, worlds))
        numbered = zip(worlds.tolist(), stretches, strict=True)
        return [linear(self._worlds[world], each, self._laws[world]) for world, each in numbered]

    def _by_full_law(self, worlds: Index, control: Array) -> list[Advance]:
        rows = range(len(worlds))
        return [full(self._worlds[worlds[k]], self._motors, control[k], worlds[k : k + 1]) for k in rows]


def _stretches(values: Array) -> list[list[Stretch]]:
    """Divide the period of each of k worlds where its values (k, substeps, n_actuators) change."""
    n, substeps, _ = values.shape
    first = np.ones((n, substeps), dtype=bool)
    first[:, 1:] = (values[:, 1:] != values[:, :-1]).any(axis=2)
    worlds, starts = np.nonzero(first)
    ends = np.append(starts[1:], 0)
    ends[ends == 0] = substeps
    found: list[list[Stretch]] = [[] for _ in range(n)]
    for world, *stretch in zip(worlds.tolist(), starts.tolist(), ends.tolist(), values[first].tolist(), strict=True):
        found[world].append((stretch[0], stretch[1], stretch[2]))
    return found


def told(world: World, stretches: list[Stretch]) -> Advance:
    """Return what advances a world under efforts that are known beforehand."""

    def advance(first: int, last: int) -> list[float]:
        tau: list[float] = []
        for start, end, efforts in stretches:
            if start < last and end > first:
                tau = efforts
                world.drive(tau, min(end, last) - max(start, first))
        return tau

    return advance


def linear(world: World, stretches: list[Stretch], law: list[list[float]]) -> Advance:
    """Return what advances a world whose motors' law is linear and clipped: that of `Motors.torque`, but for rounding.

    stretches: gain times command; law: stiffness, damping, least and largest effort of each motor; all times strength
    """

    def advance(first: int, last: int) -> list[float]:
        body, client, motors, force, finer = world.body, world.client, world.motor_ids, world.force, world.finer
        states, set_motors, simulate = (
            pybullet.getJointStates,
            pybullet.setJointMotorControlArray,
            pybullet.stepSimulation,
        )
        mode, tau = pybullet.TORQUE_CONTROL, list[float]()
        world.set_substeps(1)
        for start, end, feed in stretches:
            laws = list(zip(feed, *law, strict=True))
            for _ in range((min(end, last) - max(start, first)) * finer):
                tau = [
                    low if (effort := fed + stiffness * q + damping * dq) < low else high if effort > high else effort
                    for (q, dq, _, _), (fed, stiffness, damping, low, high) in zip(
                        states(body, motors, physicsClientId=client), laws, strict=True
                    )
                ]
                set_motors(body, motors, mode, forces=tau, physicsClientId=client)
                if force is not None:
                    world.push(force)
                simulate(physicsClientId=client)
        return tau

    return advance


def full(world: World, motors: Motors, control: Array, number: Index) -> Advance:
    """Return what advances a world whose motors may have all that `Motors` knows.

    control: (substeps, n_actuators); number: (1,), the world's among those of `motors`
    """

    def advance(first: int, last: int) -> list[float]:
        tau = np.zeros((1, control.shape[1]))
        world.set_substeps(1)
        for k in range(first, last):
            for _ in range(world.finer):
                states = pybullet.getJointStates(world.body, world.motor_ids, physicsClientId=world.client)
                q, dq = np.array([state[:2] for state in states]).T[:, None]
                tau = motors.torque(control[k : k + 1], q, dq, world.dt / world.finer, number)
                world.tick(tau[0].tolist())
        efforts: list[float] = tau[0].tolist()
        return efforts

    return advance
