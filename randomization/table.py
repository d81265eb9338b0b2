"""The table of what varies, short enough for a screen: members of one quantity with equal laws share a row."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from randomization.correlated import Together
from randomization.distributions import Choice, label
from randomization.terms import Term
from randomization.variant import VariantSpace

Row = tuple[str, str, str, str, str, str]
COLUMNS = ("quantity", "law", "range", "nominal", "unit", "when")
MAX_VALUES = 4  # of a choice that are shown one by one


def table(terms: Sequence[Term], space: VariantSpace) -> list[Row]:
    """Return rows of `COLUMNS`, in the order of the coordinates."""
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
    draws = _values(law) if isinstance(law, Choice) else _span(ends)
    shown = {"value": draws, "scale": f"{draws} x nominal", "offset": f"nominal + ({draws})"}[law.relative]
    when = f"every {law.every:g} s" if law.every is not None else law.when
    nominal = _span(space.nominal[columns]).replace("inf", "none")
    return _label(columns, space), ", ".join(_law(members)), shown, nominal, space.quantities[columns[0]].unit, when


def _span(values: NDArray[np.float64]) -> str:
    low, high = values.min(), values.max()
    return f"{low:.4g} .. {high:.4g}" if low < high else f"{low:.4g}"


def _values(choice: Choice) -> str:
    """Show the values of a choice that can be drawn, or how many there are from where to where."""
    drawn = [v for v, w in zip(choice.values, choice.weights or (1.0,) * len(choice.values), strict=True) if w > 0]
    if len(drawn) <= MAX_VALUES:
        return ", ".join(f"{value:.4g}" for value in drawn)
    return f"{len(drawn)} in {_span(np.array(drawn))}"


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
    return f"{space.names[columns[0]]} +{len(columns) - 1}"
