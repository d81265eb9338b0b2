"""Engines with a fault each, planted in the real ones: what an audit has to find.

Each is the real engine, built by `sim2real.audit.worlds.build`, whose `apply` or `step` does something more or less.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pybullet

from randomization import Variant
from robots import Robot
from sim2real.audit.worlds import build
from sim2real.sim.mujoco_model import body_name

Array = np.ndarray[Any, np.dtype[np.float64]]


class Altered:
    """An engine that applies what `alter` makes of its Variants, and then does what `further` says to each world."""

    def __init__(
        self, engine: Any, alter: Callable[[Variant], Array], further: Callable[[Any, int, Array], None]
    ) -> None:
        self._engine, self._alter, self._further = engine, alter, further

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def apply(self, variant: Variant, worlds: Any) -> None:
        self._engine.apply(Variant(variant.space, self._alter(variant)), worlds)
        for world, row in zip(worlds.tolist(), variant.values, strict=True):
            self._further(self._engine, world, row)


def planted(
    faulty: str,
    alter: Callable[[Variant], Array] = lambda variant: variant.values,
    further: Callable[[Any, int, Array], None] = lambda engine, world, row: None,
) -> Callable[..., Any]:
    """Return what builds engines for an audit, of which the one called `faulty` has a fault."""

    def make(engine: str, robot: Robot, n_worlds: int, channels: tuple[str, ...]) -> Any:
        made = build(engine, robot, n_worlds, channels)
        return Altered(made, alter, further) if engine == faulty else made

    return make


def ignoring(quantity: str) -> Callable[[Variant], Array]:
    """A no-op: the quantity stays nominal whatever the Variant says."""

    def alter(variant: Variant) -> Array:
        values, block = variant.values.copy(), variant.space.block(quantity)
        values[:, block] = variant.space.nominal[block]
        return values

    return alter


def mirrored(quantity: str) -> Callable[[Variant], Array]:
    """A swapped sign: what should be more than nominal is as much less."""

    def alter(variant: Variant) -> Array:
        values, block = variant.values.copy(), variant.space.block(quantity)
        values[:, block] = 2 * variant.space.nominal[block] - values[:, block]
        return values

    return alter


def spilling(quantity: str, into: str) -> Callable[[Variant], Array]:
    """Cross-talk: the first member's value is added to another quantity's first member."""

    def alter(variant: Variant) -> Array:
        values, block = variant.values.copy(), variant.space.block
        values[:, block(into).start] += values[:, block(quantity).start]
        return values

    return alter


def scaling_what_it_finds(body: str) -> Callable[[Any, int, Array], None]:
    """A scale that compounds: the mass found in the engine, times what the Variant says."""

    def further(engine: Any, world: int, row: Array) -> None:
        scale = float(row[engine.space.index(f"mass/{body}")])
        if hasattr(engine, "models"):
            engine.models[world].body_mass[engine.models[world].body(body_name(body)).id] *= scale
            return
        w = engine.worlds[world]
        info = pybullet.getDynamicsInfo(w.body, w.link_index[body], physicsClientId=w.client)
        options = {"mass": info[0] * scale, "localInertiaDiagonal": info[2], "physicsClientId": w.client}
        pybullet.changeDynamics(w.body, w.link_index[body], **options)

    return further


def losing_collisions(quantity: str, body: str) -> Callable[[Any, int, Array], None]:
    """Contact settings that switch a body's collisions off, once the quantity is not nominal."""

    def further(engine: Any, world: int, row: Array) -> None:
        block = engine.space.block(quantity)
        lost = bool((row[block] != engine.space.nominal[block]).any())
        if hasattr(engine, "models"):
            model = engine.models[world]
            geoms = model.geom_bodyid == model.body(body_name(body)).id
            model.geom_contype[geoms] = model.geom_conaffinity[geoms] = 0 if lost else 1
            return
        w = engine.worlds[world]
        group = 0 if lost else 1
        pybullet.setCollisionFilterGroupMask(w.body, w.link_index[body], group, group, physicsClientId=w.client)

    return further


def diverging(quantity: str) -> Callable[[Any, int, Array], None]:
    """Physics that turns to NaN, once the quantity is not nominal."""

    def further(engine: Any, world: int, row: Array) -> None:
        block = engine.space.block(quantity)
        if (row[block] != engine.space.nominal[block]).any():
            engine.models[world].opt.gravity[2] = np.nan

    return further


def changing_a_neighbour(quantity: str) -> Callable[[Any, int, Array], None]:
    """Something shared: the last world takes what any world is given that is not nominal."""

    def further(engine: Any, world: int, row: Array) -> None:
        block = engine.space.block(quantity)
        if (row[block] != engine.space.nominal[block]).any():
            engine.models[-1].dof_damping[:] = row[block]

    return further
