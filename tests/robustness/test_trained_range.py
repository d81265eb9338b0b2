"""Places along a trained range: ends, middle, factors, choices, and what physics bears beyond."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization import Randomization
from robots import load_robot
from sim2real.errors import RandomizationError
from sim2real.robustness.trained_range import TrainedRange, trained_ranges

ROBOT = load_robot("cartpole")


def ranges(**quantities: Any) -> list[TrainedRange]:
    return trained_ranges(Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, ROBOT))


def test_a_line_and_a_factor():
    (line,) = ranges(latency={"law": "uniform", "low": 0.01, "high": 0.05})
    assert line.place(np.array([0.01, 0.03, 0.05, 0.07])) == pytest.approx([-1, 0, 1, 2])
    assert (line.name, line.unit, line.logarithmic) == ("latency", "s", False)
    (factor,) = ranges(**{"mass/pole": {"law": "log_uniform", "low": 0.5, "high": 2.0}})
    assert factor.place(np.array([0.5, 1.0, 2.0, 4.0, 0.0])) == pytest.approx([-1, 0, 1, 2, -np.inf])
    assert factor.value(np.array([-1.0, 0.0, 2.0])) == pytest.approx([0.5, 1.0, 4.0])


def test_what_varies_is_in_its_own_unit_and_in_order():
    scaled = {"law": "uniform", "low": 0.5, "high": 1.5, "relative": "scale"}
    found = ranges(
        latency={"law": "fixed", "value": 0.01},
        gravity_z=scaled,
        **{"mass/pole": {"law": "choice", "values": [2.0, 0.5]}},
    )
    assert [r.name for r in found] == ["mass/pole", "gravity_z"], "what is fixed does not vary"
    assert found[0].choices == (0.5, 2.0)
    assert (found[1].low, found[1].high) == pytest.approx((-14.715, -4.905))
    assert found[1].choices == ()


def test_beyond_the_range_only_what_physics_bears():
    (mass,) = ranges(**{"mass/pole": {"law": "uniform", "low": 0.4, "high": 1.0}})
    values = np.array([-3.0, 0.1, 0.4, 7.0])
    assert mass.bearable(values, np.array(0.4)) == pytest.approx([0.2, 0.2, 0.4, 7.0])
    assert mass.bearable(values, np.array(0.1)) == pytest.approx([0.05, 0.1, 0.4, 7.0]), "around a value outside"
    (friction,) = ranges(**{"friction/cart_to_pole": {"law": "uniform", "low": 0.0, "high": 1.0}})
    assert friction.bearable(np.array([-1.0]), np.array(0.0)) == [0.0]


@given(st.floats(0.01, 10), st.floats(1.01, 100), st.floats(-3, 3), st.booleans())
def test_value_and_place_undo_each_other(low, factor, place, logarithmic):
    r = TrainedRange("x", "1", 0, low, low * factor, logarithmic)
    assert r.place(r.value(np.array(place))) == pytest.approx(place, abs=1e-6)


def test_a_pattern_that_matches_nothing():
    family = Randomization.load("cartpole", ROBOT)
    assert [r.name for r in trained_ranges(family, "mass/*")] == ["mass/cart", "mass/pole"]
    with pytest.raises(
        RandomizationError, match=r"matches 'mass/pol' \(did you mean 'mass/pole'\?\); there are mass/cart"
    ):
        trained_ranges(family, "mass/pol")
    assert trained_ranges(Randomization.none(ROBOT), "mass/*") == []
