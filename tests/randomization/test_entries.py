"""Any entry that a YAML can hold goes to plain data and back, and draws the same bits there."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization import Randomization, VariantSpace, stream
from randomization.draws import Draws
from randomization.entries import ENTRIES, Settings, UniformEntry, entry_of, plain
from robots import load_robot
from sim2real.config import dump_yaml, parse_yaml

ROBOT = load_robot("furuta")  # whose joints have damping and friction, so that scales of these do something
SPACE = VariantSpace(ROBOT)
ANY = [f"{name}/*" for name in ("mass", "inertia", "damping", "friction", "strength", "kp", "encoder_noise")]
NUMBERS = st.floats(0.1, 10).map(lambda number: round(number, 3))


@st.composite
def laws(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(ENTRIES)) -> dict[str, Any]:
    kind = draw(st.sampled_from(kinds))
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    if kind == "fixed":
        return {"law": kind, "value": low}
    if kind == "choice":
        values = draw(st.lists(NUMBERS, min_size=1, max_size=4))
        return {"law": kind, "values": values} | ({"weights": [1.0] * len(values)} if draw(st.booleans()) else {})
    if kind == "mixture":
        simple = tuple(kind for kind in ENTRIES if kind != "mixture")
        return {"law": kind, "parts": draw(st.lists(laws(simple), min_size=2, max_size=3))}
    if kind == "normal":
        return {"law": kind, "mean": low, "std": 1.0, "low": low, "high": high + 0.1}
    return {"law": kind, "low": low, "high": high}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if draw(st.booleans()):
        settings["when"] = draw(st.sampled_from(["world", "episode", "interval", "step"]))
        if settings["when"] == "interval":
            settings["every"] = draw(NUMBERS)
    if draw(st.booleans()):
        settings["shared"] = draw(st.booleans())
    return draw(laws()) | settings


@given(st.dictionaries(st.sampled_from(ANY), entries(), max_size=5), st.sampled_from(["value", "offset"]))
def test_any_randomization_survives_the_way_through_yaml(quantities, relative):
    quantities = {name: entry | {"relative": relative} for name, entry in quantities.items()}
    first = Randomization.from_dict({"robot": ROBOT.name, "quantities": quantities}, ROBOT)
    again = Randomization.from_dict(parse_yaml(dump_yaml(first.to_dict()), "again"), ROBOT)
    assert again.laws == first.laws
    assert again.bounds().tobytes() == first.bounds().tobytes()
    assert again.draw(stream(1, "x"), 3).values.tobytes() == first.draw(stream(1, "x"), 3).values.tobytes()
    one, other = (Draws(randomization, 2, 3) for randomization in (first, again))
    for draws in (one, other):
        draws.begin(np.arange(3))
        draws.tick(5.0)
    assert one.variant.values.tobytes() == other.variant.values.tobytes()
    low, high = first.bounds()
    assert (one.variant.values >= low).all()
    assert (one.variant.values <= high).all()


def test_what_is_as_usual_is_not_written():
    assert plain(UniformEntry(low=0, high=1)) == {"law": "uniform", "low": 0.0, "high": 1.0}
    entry = UniformEntry(low=0, high=1, when="interval", every=2.0, relative="scale", shared=True)
    assert plain(entry) == {
        "law": "uniform",
        "low": 0.0,
        "high": 1.0,
        "when": "interval",
        "every": 2.0,
        "relative": "scale",
        "shared": True,
    }


@pytest.mark.parametrize("law", ENTRIES)
def test_a_law_takes_over_the_settings_of_an_entry(law):
    settings = Settings(when="step", relative="offset", shared=True)
    parts = {"parts": ({"law": "fixed", "value": 1.0},) * 2} if law == "mixture" else {}
    numbers = {"value": 1.0, "low": 0.5, "high": 2.0, "mean": 1.0, "std": 1.0, "values": (1.0,)} | parts
    kind = ENTRIES[law]
    plain_law = kind(**{name: value for name, value in numbers.items() if name in kind.model_fields})
    entry = entry_of(plain_law, settings)
    assert type(entry) is kind
    assert (entry.when, entry.every, entry.relative, entry.shared) == ("step", None, "offset", True)
    assert entry.support == plain_law.support
    assert kind.model_validate(entry.model_dump()) == entry
