"""The table of what varies, short enough for a screen: members of one quantity with equal laws share a row."""

from collections.abc import Iterator, Sequence

import numpy as np

from randomization.correlated import Together
from randomization.distributions import label
from randomization.terms import Term
from randomization.variant import VariantSpace

Row = tuple[str, str, str, str, str]


def table(terms: Sequence[Term], space: VariantSpace) -> list[Row]:
    """Return rows (quantity, law, range, unit, when), in the order of the coordinates."""
    groups: dict[object, list[tuple[Term, int]]] = {}
    for term in terms:
        for place, column in enumerate(term.columns):
            kind = space.quantities[column].name
            groups.setdefault((kind, term.law), []).append((term, place))
    found = sorted(groups.values(), key=lambda members: min(t.columns[place] for t, place in members))
    return [_row(members, space) for members in found]


def _row(members: Sequence[tuple[Term, int]], space: VariantSpace) -> Row:
    columns = sorted(term.columns[place] for term, place in members)
    law = members[0][0].law
    ends = np.array([term.support[:, place] for term, place in members])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    draws = f"{low:g} .. {high:g}" if low < high else f"{low:g}"
    shown = {"value": draws, "scale": f"{draws} x nominal", "offset": f"nominal + ({draws})"}[law.relative]
    when = f"every {law.every:g} s" if law.every is not None else law.when
    return _label(columns, space), ", ".join(_law(members)), shown, space.quantities[columns[0]].unit, when


def _law(members: Sequence[tuple[Term, int]]) -> Iterator[str]:
    term, _ = members[0]
    yield label(type(term.law))
    if isinstance(term.law, Together):
        yield f"{len(term.columns)} together"
    elif term.grouped:
        yield "shared"


def _label(columns: Sequence[int], space: VariantSpace) -> str:
    """Name some members of one quantity: the only one, all as a pattern, or the first and how many more."""
    quantity = space.quantities[columns[0]].name
    block = space.block(quantity)
    if len(columns) == 1:
        return space.names[columns[0]]
    if len(columns) == block.stop - block.start:
        return f"{quantity}/* ({len(columns)})"
    return f"{space.names[columns[0]]} and {len(columns) - 1} more"
