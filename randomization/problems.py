"""What a Randomization must not be able to draw: values that physics cannot bear, alone or together.

Each function yields findings as "key.path: what is wrong; remedy". The inertia of a body is scaled as a whole, about
its centre of mass, so that the triangle inequality of its principal moments, once true, stays true.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from randomization.quantity import Quantity
from randomization.terms import Term
from randomization.variant import VariantSpace
from robots import Robot

Array = NDArray[np.float64]

DELAYS = ("latency", "delay", "jitter")
"""Parts of the names of quantities [s] that must end within an episode."""


def problems(terms: Sequence[Term], space: VariantSpace, robot: Robot, episode_s: float | None) -> Iterator[str]:
    """Yield everything that is wrong with terms whose laws are sound. `episode_s`: length of an episode [s]."""
    yield from _twice(terms, space)
    for term in terms:
        wrong = list(_one_kind(term, space)) or list(_without_effect(term, space)) or list(_out_of_range(term, space))
        yield from wrong
        if episode_s is not None:
            yield from _too_late(term, space, episode_s)
    yield from _without_mass(terms, space, robot)


def _twice(terms: Sequence[Term], space: VariantSpace) -> Iterator[str]:
    owner: dict[int, str] = {}
    for term in terms:
        taken = [column for column in term.columns if column in owner]
        if len(set(term.columns)) < len(term.columns):
            yield f"{term.key}: names stand for a coordinate twice; keep one of them"
        if taken:
            more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
            yield (
                f"{term.key}: '{space.names[taken[0]]}'{more} already has a law from another key, {owner[taken[0]]}; "
                "keep one of them"
            )
        owner |= {column: term.key for column in term.columns if column not in owner}


def _one_kind(term: Term, space: VariantSpace) -> Iterator[str]:
    found = dict.fromkeys(space.quantities[column].name for column in term.columns)
    if getattr(term.law, "shared", False) and len(found) > 1:
        yield f"{term.key}: shared: one draw for {' and '.join(found)} means nothing; write a key for each"


def _without_effect(term: Term, space: VariantSpace) -> Iterator[str]:
    """A scale of 0, and a scale of or an offset to what has no limit, change nothing."""
    nominal = space.nominal[list(term.columns)]
    idle = ~np.isfinite(nominal) | ((nominal == 0) & (term.law.relative == "scale"))
    if term.law.relative != "value" and idle.any():
        place = int(idle.argmax())
        yield (
            f"{term.key}: relative: {term.law.relative} changes nothing{members(term, space, idle)}: the nominal value "
            f"is {nominal[place]:g}; give the values themselves (relative: value)"
        )


def _out_of_range(term: Term, space: VariantSpace) -> Iterator[str]:
    quantities = [space.quantities[column] for column in term.columns]
    low, high = term.bounds(space)
    least, most = np.array([q.minimum for q in quantities]), np.array([q.maximum for q in quantities])
    strict = np.array([q.strict for q in quantities])
    under, over = (low < least) | (strict & (low <= least)), high > most
    if under.any():
        place = int(under.argmax())
        bound = f"{'above' if strict[place] else 'at least'} {least[place]:g}"
        yield f"{term.key}: can draw {low[place]:g}{members(term, space, under)}, but must be {bound}; raise it"
    if over.any():
        place = int(over.argmax())
        bound = f"at most {most[place]:g}"
        yield f"{term.key}: can draw {high[place]:g}{members(term, space, over)}, but must be {bound}; lower it"


def _too_late(term: Term, space: VariantSpace, episode_s: float) -> Iterator[str]:
    if term.law.every is not None and term.law.every >= episode_s:
        yield f"{term.key}: every {term.law.every:g} s is not within an episode of {episode_s:g} s; use when: episode"
    late = np.array([is_delay(space.quantities[column]) for column in term.columns])
    late &= term.bounds(space)[1] >= episode_s
    if late.any():
        worst = term.bounds(space)[1][late].max()
        whose = members(term, space, late)
        yield f"{term.key}: can draw {worst:g} s{whose}, but an episode lasts {episode_s:g} s; lower it"


def is_delay(quantity: Quantity) -> bool:
    """Whether a quantity is a time that must pass before something acts or is known."""
    return quantity.unit == "s" and any(part in quantity.name for part in DELAYS)


def _without_mass(terms: Sequence[Term], space: VariantSpace, robot: Robot) -> Iterator[str]:
    """A payload that takes away must leave something of the lightest body that the scale of its mass can draw."""
    key = {column: term.key for term in terms for column in term.columns}
    low = {column: value for t in terms for column, value in zip(t.columns, t.bounds(space)[0].tolist(), strict=True)}
    for link in robot.merged.model.links:
        names = [f"{kind}/{link.name}" for kind in ("mass", "payload")]
        if link.inertial is None or not all(name in space.names for name in names):
            continue
        scale, payload = (space.index(name) for name in names)
        lightest = max(low.get(scale, 1.0), 0.0) * link.inertial.mass
        if payload in low and low[payload] < 0 and lightest <= -low[payload]:
            yield (
                f"{key[payload]}: can take {-low[payload]:g} kg from {link.name}, which weighs {lightest:.4g} kg at "
                "least; raise its low"
            )


def members(term: Term, space: VariantSpace, which: NDArray[np.bool_]) -> str:
    """Name the first of the coordinates meant, where the key does not name it already."""
    names = [space.names[column] for column, meant in zip(term.columns, which, strict=True) if meant]
    if term.key == f"quantities.{names[0]}":
        return ""
    return f" for {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
