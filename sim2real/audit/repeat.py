"""Whether Variants compound: applied again and again, with resets between, they must leave what they left at first.

All coordinates at once stand at the highest of their values and at the lowest, by turns, a thousand times; the engine
is read and a motion rolled out after the first time and after the last. Where these differ, each quantity is repeated
alone, which names the ones that compound.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from sim2real.audit.read_back import Held, Reader, Snapshot, changes
from sim2real.audit.scenario import Scenario
from sim2real.audit.worlds import Worlds

Array = NDArray[np.float64]


def compounding(
    worlds: Worlds, reader: Reader, scenario: Scenario, bounds: Array, columns: Sequence[int], resets: int
) -> dict[str, str]:
    """Return what is wrong by quantity; "" is a motion that no quantity alone explains.

    bounds: (2, space.size) lowest and highest values; columns: the coordinates that are repeated
    """
    chosen = np.zeros(bounds.shape[1], bool)
    chosen[list(columns)] = True
    found = _repeat(worlds, reader, scenario, bounds, chosen, resets)
    if found is None:
        return {}
    kinds = [q.name for q in worlds.engine.space.quantities]
    alone: dict[str, str] = {}
    for kind in dict.fromkeys(kinds[column] for column in columns):
        mine = chosen & np.array([k == kind for k in kinds])
        if (text := _repeat(worlds, reader, scenario, bounds, mine, resets)) is not None:
            alone[kind] = text
    return alone or {"": found}


def _repeat(
    worlds: Worlds, reader: Reader, scenario: Scenario, bounds: Array, chosen: NDArray[np.bool_], resets: int
) -> str | None:
    low, high = np.where(chosen, bounds, scenario.base)
    first = _look(worlds, reader, scenario, high)
    engine, world = worlds.engine, np.zeros(1, dtype=np.intp)
    for values in (high if k % 3 else low for k in range(resets)):
        engine.apply(Variant(engine.space, values), world)
        engine.reset(scenario.q[None], scenario.dq[None], world)
    last = _look(worlds, reader, scenario, high)
    if changed := changes(first[0], last[0]):
        field, owner = changed[0]
        then, now = (_number(look[0].get(field), owner) for look in (first, last))
        return f"{field} of {owner or 'the world'} is {now} after {resets:,} resets, {then} after the first"
    if not np.array_equal(first[1], last[1], equal_nan=True):
        return f"after {resets:,} resets the same motion differs by {np.nanmax(np.abs(first[1] - last[1])):.2g}"
    return None


def _look(worlds: Worlds, reader: Reader, scenario: Scenario, values: Array) -> tuple[Snapshot, Array]:
    """Apply values, read the first world, and roll it out: its snapshot and its motion."""
    all_values = np.tile(values, (worlds.n_worlds, 1))
    worlds.apply(all_values)
    held = reader.snapshot(0)
    return held, worlds.run([scenario] * worlds.n_worlds, all_values).motion[0]


def _number(held: Held | None, owner: str) -> str:
    values = None if held is None else held.of(owner)
    return "nothing" if values is None else f"{float(values[0]):.6g}"
