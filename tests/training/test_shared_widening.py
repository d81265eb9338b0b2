"""One widening for several groups: the same ranges whatever order they report in, restored as they were."""

import json
from typing import Any

import numpy as np

from randomization import Randomization
from randomization.curriculum import CurriculumSettings
from randomization.draws import Draws
from randomization.widening import AutomaticSettings, AutomaticWidening
from robots import load_robot
from sim2real.training.shared_widening import SharedWidening

ROBOT = load_robot("cartpole")
FULL = Randomization.from_dict(
    {
        "robot": "cartpole",
        "quantities": {
            "mass/pole": {"law": "log_uniform", "low": 0.5, "high": 2.0},
            "latency": {"law": "uniform", "low": 0.0, "high": 0.04},
        },
    },
    ROBOT,
)
SETTINGS = AutomaticSettings(boundary_fraction=1.0, queue=4, step=0.1)
ALL = np.arange(8)


def bounds(shared: SharedWidening) -> list[list[float]]:
    names = [FULL.space.index("mass/pole"), FULL.space.index("latency")]
    low, high = shared.core.randomization.bounds()[:, names].tolist()
    return [low, high]


def live(order: tuple[int, ...], batches: int = 12, settings: Any = SETTINGS) -> tuple[SharedWidening, list[Any]]:
    """Two groups of 8 worlds, which begin, succeed and report in some order within each batch."""
    shared = SharedWidening(FULL, settings, 0, 16)
    groups = [Draws(FULL, 0, 8, first, shared.part(first)) for first in (0, 8)]
    seen = []
    for _ in range(batches):
        drawn = {}
        for k in order:
            drawn[k] = groups[k].begin(ALL).values
            groups[k].tick(0.02)
            groups[k].report(ALL, np.ones(8))
        seen += [drawn[0], drawn[1]]
        shared.settle()
    return shared, seen


def test_the_order_of_the_threads_does_not_matter():
    first, seen = live((0, 1))
    second, also = live((1, 0))
    assert bounds(first) == bounds(second)
    assert all((a == b).all() for a, b in zip(seen, also, strict=True))
    low, high = np.array(bounds(first))
    assert (high > low).all(), "success has widened the ranges"
    assert not (seen[-1] == seen[-2]).all(), "each group has worlds of its own"


def test_it_is_one_group_s_widening_where_there_is_one():
    shared, plain = SharedWidening(FULL, SETTINGS, 0, 8), AutomaticWidening(FULL, 0, 8, SETTINGS)
    groups = [Draws(FULL, 0, 8, 0, shared.part(0)), Draws(FULL, 0, 8, 0, plain)]
    for _ in range(30):
        a, b = (draws.begin(ALL).values for draws in groups)
        np.testing.assert_array_equal(a, b)
        for draws in groups:
            draws.report(ALL, np.ones(8))
        shared.settle()
    assert shared.core.ranges == plain.ranges


def test_ranges_move_between_batches_only():
    shared = SharedWidening(FULL, SETTINGS, 0, 8)
    draws = Draws(FULL, 0, 8, 0, shared.part(0))
    for _ in range(10):
        draws.begin(ALL)
        draws.report(ALL, np.ones(8))
    assert (np.array(bounds(shared))[1] == np.array(bounds(shared))[0]).all()
    shared.settle()
    assert (np.array(bounds(shared))[1] > np.array(bounds(shared))[0]).any()


def test_what_is_logged():
    shared, _ = live((0, 1))
    assert shared.summary.startswith("2 of 2 ranges moved; entropy -2.30 -> -")
    assert SharedWidening(FULL, SETTINGS, 0, 8).summary == "0 of 2 ranges moved; entropy -2.30 -> -2.30 (full: 0)"
    figures = shared.metrics()
    assert figures["widening/entropy"] > np.log(SETTINGS.step)
    assert figures["widening/low/mass/pole"] < 1.0 < figures["widening/high/mass/pole"]
    assert figures["widening/low/latency"] == 0.0 < figures["widening/high/latency"]


def test_a_curriculum_counts_the_steps_of_all_groups():
    shared, _ = live((0, 1), batches=5, settings=CurriculumSettings(steps=160))
    assert shared.metrics()["widening/progress"] == 0.5
    assert bounds(shared)[1][1] == 0.02, "half of the way to 40 ms"


def test_the_state_is_plain_and_restores():
    shared, _ = live((0, 1))
    again = SharedWidening(FULL, SETTINGS, 0, 16)
    again.restore(json.loads(json.dumps(shared.state())))
    assert bounds(again) == bounds(shared)
    assert again.metrics() == shared.metrics()
    drawn = Draws(FULL, 0, 8, 0, again.part(0)).begin(ALL)
    assert len(np.unique(drawn["mass/pole"])) > 1, "worlds are drawn from the ranges of then"
