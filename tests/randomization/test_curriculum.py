"""A plain curriculum widens all ranges with the steps taken."""

import json

import numpy as np
import pytest

from randomization import Randomization
from randomization.curriculum import Curriculum, CurriculumSettings
from randomization.draws import Draws
from robots import load_robot

CARTPOLE = load_robot("cartpole")
MASS, LATENCY = "quantities.mass/*", "quantities.latency"


def randomization() -> Randomization:
    quantities = {
        "mass/*": {"law": "log_uniform", "low": 0.25, "high": 4.0},
        "latency": {"law": "uniform", "low": 0.0, "high": 0.04},
        "encoder_resolution/*": {"law": "choice", "values": [0.0, 0.001]},
    }
    return Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, CARTPOLE)


def test_ranges_grow_with_the_steps_of_all_worlds():
    full = randomization()
    curriculum = Curriculum(full, CurriculumSettings(steps=1000))
    draws, worlds = Draws(full, 1, 10, widening=curriculum), np.arange(10)
    draws.begin(worlds)
    assert curriculum.ranges == {MASS: (1.0, 1.0), LATENCY: (0.0, 0.0)}
    assert curriculum.progress == 0
    for _ in range(50):
        draws.tick(0.02)
    variant = draws.begin(worlds)
    assert curriculum.progress == 0.5
    assert curriculum.ranges[LATENCY] == pytest.approx((0.0, 0.02))
    assert curriculum.ranges[MASS] == pytest.approx((0.5, 2.0))  # half way, in the logarithm
    assert variant["latency"].max() <= 0.02
    assert set(variant.block("encoder_resolution").ravel().tolist()) == {0.0, 0.001}  # from the start
    for _ in range(80):
        draws.tick(0.02)
    draws.begin(worlds)
    assert curriculum.progress == 1
    np.testing.assert_array_equal(curriculum.randomization.bounds(), full.bounds())  # to the last bit
    assert curriculum.summary == "2 of 2 ranges moved; 100% of the way to the full ranges"


@pytest.mark.parametrize("ends", [(0.5, 3.0), (0.3, 0.7), (1.0 / 3.0, 10.0)])
@pytest.mark.parametrize("law", ["log_uniform", "uniform"])
def test_start_and_end_are_exact(law, ends):
    """Whatever logarithms and sums round to: neither 2.9999999999999996 nor a nominal 0.9999999999999999."""
    low, high = ends
    quantities = {"mass/*": {"law": law, "low": low, "high": high}}
    full = Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, CARTPOLE)
    curriculum = Curriculum(full, CurriculumSettings(steps=7))
    assert curriculum.ranges == {MASS: (min(1.0, high),) * 2}
    curriculum.tick(7)
    curriculum.begin(np.arange(1))
    assert curriculum.ranges == {MASS: ends}


def test_ranges_may_start_wider_and_change_seldom():
    full = randomization()
    curriculum = Curriculum(full, CurriculumSettings(steps=10_000), {LATENCY: (0.01, 0.02)})
    worlds = np.arange(1)
    assert curriculum.ranges[LATENCY] == pytest.approx((0.01, 0.02))
    changes = 0
    for _ in range(10_001):
        curriculum.tick(1)
        changes += curriculum.begin(worlds)
    assert 95 <= changes <= 101
    assert curriculum.ranges[LATENCY] == pytest.approx((0.0, 0.04))


def test_it_goes_on_where_it_was_saved():
    one, other = (Curriculum(randomization(), CurriculumSettings(steps=1000)) for _ in range(2))
    one.tick(300)
    one.begin(np.arange(1))
    one.tick(5)
    other.restore(json.loads(json.dumps(one.state())))
    for curriculum in (one, other):
        curriculum.tick(10)
        curriculum.begin(np.arange(1))
    assert other.ranges == one.ranges
    assert other.progress == one.progress == 0.315
