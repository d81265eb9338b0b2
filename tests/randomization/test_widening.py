"""Automatic widening finds the range that a policy can bear, side by side, and never leaves the widest one."""

import json
from typing import Any

import numpy as np
import pytest

from randomization import Randomization
from randomization.draws import Draws
from randomization.widening import AutomaticSettings, AutomaticWidening
from robots import load_robot
from sim2real.config import validate
from sim2real.errors import ConfigError, RandomizationError

CARTPOLE = load_robot("cartpole")
FURUTA = load_robot("furuta")
QUICK = AutomaticSettings(queue=8)
BIAS = "quantities.encoder_bias/cart_to_pole"


def randomization(**quantities: Any) -> Randomization:
    return Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, CARTPOLE)


def bias(low: float = -0.5, high: float = 0.5) -> dict[str, Any]:
    return {"encoder_bias/cart_to_pole": {"law": "uniform", "low": low, "high": high}}


def live(full: Randomization, success: Any, episodes: int, settings: AutomaticSettings = QUICK) -> AutomaticWidening:
    """Run episodes in 16 worlds; `success` maps Variants to (16,) of 0 .. 1."""
    widening, worlds = AutomaticWidening(full, 1, 16, settings), np.arange(16)
    draws = Draws(full, 1, 16, widening=widening)
    for _ in range(episodes):
        draws.report(worlds, success(draws.begin(worlds)))
    return widening


def test_it_finds_the_limit_on_each_side():
    """Success if and only if -0.2 <= bias <= 0.35: the boundaries come to these within a step of 0.01."""

    def success(variant):
        value = variant["encoder_bias/cart_to_pole"]
        return ((value >= -0.2) & (value <= 0.35)).astype(float)

    low, high = live(randomization(**bias()), success, 1500).ranges[BIAS]
    assert low == pytest.approx(-0.2, abs=0.0101)
    assert high == pytest.approx(0.35, abs=0.0101)


def test_it_stops_at_the_widest_ranges_and_at_the_nominal_robot():
    full = randomization(**bias(-0.1, 0.3))
    assert live(full, lambda v: np.ones(len(v)), 1500).ranges[BIAS] == pytest.approx((-0.1, 0.3))
    assert live(full, lambda v: np.zeros(len(v)), 300).ranges[BIAS] == (0.0, 0.0)


def test_nothing_outside_the_ranges_is_drawn_while_they_move():
    full = randomization(**{"mass/*": {"law": "log_uniform", "low": 0.25, "high": 4.0}}, **bias())
    widening, worlds = AutomaticWidening(full, 1, 16, QUICK), np.arange(16)
    draws = Draws(full, 1, 16, widening=widening)
    least, most = full.bounds()
    for _ in range(600):
        variant = draws.begin(worlds)
        low, high = widening.randomization.bounds()
        assert (variant.values >= low - 1e-12).all()
        assert (variant.values <= high + 1e-12).all()
        assert (low >= least - 1e-12).all()
        assert (high <= most + 1e-12).all()
        draws.report(worlds, (variant["mass/pole"] < 2).astype(float))
    low, high = widening.ranges["quantities.mass/*"]
    assert 1.9 < high < 2.1
    assert low < 0.5


def test_it_starts_at_the_nominal_robot_and_entropy_grows_to_zero():
    full = randomization(latency={"law": "uniform", "low": 0.0, "high": 0.04}, **bias())
    widening = AutomaticWidening(full, 1, 4, QUICK)
    assert widening.ranges == {"quantities.latency": (0.0, 0.0), BIAS: (0.0, 0.0)}
    assert widening.entropy == pytest.approx(np.log(0.01))
    nominal = full.space.nominal
    assert (widening.randomization.draw(np.random.default_rng(0), 5).values == nominal).all()
    wide = AutomaticWidening(full, 1, 4, QUICK, initial={"quantities.latency": (0.0, 0.04), BIAS: (-0.25, 0.25)})
    assert wide.entropy == pytest.approx((np.log(1.0) + np.log(0.5)) / 2)


@pytest.mark.parametrize(
    ("entry", "start"),
    [
        ({"law": "uniform", "low": 0.5, "high": 2.0, "relative": "scale"}, (1.0, 1.0)),
        ({"law": "log_uniform", "low": 0.5, "high": 2.0, "relative": "scale"}, (1.0, 1.0)),
        ({"law": "normal", "mean": 0.0, "std": 1e-5, "low": -2e-5, "high": 4e-5, "relative": "offset"}, (0.0, 0.0)),
        ({"law": "uniform", "low": 0.0, "high": 0.01}, (0.0001, 0.002)),  # the least and largest of the members
        ({"law": "uniform", "low": 0.001, "high": 0.01}, (0.001, 0.002)),  # the nearest to them in the full range
    ],
)
def test_where_ranges_start(entry, start):
    full = Randomization.from_dict({"robot": "furuta", "quantities": {"damping/*": entry}}, FURUTA)
    widening = AutomaticWidening(full, 1, 1)
    assert widening.ranges["quantities.damping/*"] == pytest.approx(start, rel=1e-12, abs=1e-15)


def test_no_limit_starts_at_the_end_of_the_range_that_is_nearest_to_it():
    speed = {"law": "log_uniform", "low": 10.0, "high": 40.0}
    full = randomization(**{"no_load_speed/*": speed})
    assert AutomaticWidening(full, 1, 1).ranges["quantities.no_load_speed/*"] == pytest.approx((40.0, 40.0))


def test_the_settings_are_those_of_dextreme():
    """Boundary fraction 0.4, queue 256, thresholds 5 and 20 of at most 50 goals, a step of 0.01."""
    assert AutomaticSettings().model_dump() == {
        "boundary_fraction": 0.4,
        "queue": 256,
        "low": 0.1,
        "high": 0.4,
        "step": 0.01,
    }


def test_the_share_of_worlds_at_a_boundary_and_which():
    full = randomization(
        **{"mass/*": {"law": "uniform", "low": 0.5, "high": 2.0}, "latency": {"law": "uniform", "low": 0, "high": 1}}
    )
    initial = {"quantities.mass/*": (0.8, 1.5), "quantities.latency": (0.0, 0.5)}
    widening = AutomaticWidening(full, 1, 1000, initial=initial)
    draws = Draws(full, 1, 1000, widening=widening)
    variant = draws.begin(np.arange(1000))
    mass, latency = variant.block("mass"), variant["latency"]
    at = [(mass == 0.8).all(axis=1), (mass == 1.5).all(axis=1), latency == 0.0, latency == 0.5]
    assert [where.sum() for where in at] == pytest.approx([100] * 4, abs=40)
    assert np.sum(at, axis=0).max() == 1  # one boundary at a time
    rest = ~np.any(at, axis=0)
    assert (mass[rest, 0] != mass[rest, 1]).all()  # else each member has a draw of its own


@pytest.mark.parametrize(
    ("scores", "moved"),
    [([1, 1, 0, 0], 0), ([1, 1, 1, 0], 1), ([0, 0, 1, 0], -1), ([0, 0, 1, 1, 1], 1), ([1, 1, 1], 0)],
)
def test_a_boundary_moves_by_the_mean_of_its_full_queue(scores, moved):
    """Low 0.25 or below: in; high 0.75 or above: out; the queue slides until the boundary moves."""
    settings = AutomaticSettings(boundary_fraction=1.0, queue=4, low=0.25, high=0.75)
    full = randomization(latency={"law": "uniform", "low": 0.0, "high": 1.0})
    widening, world = AutomaticWidening(full, 1, 1, settings), np.array([0])
    widening.restore(widening.state() | {"places": [[0.0], [0.5]]})  # from where it can move both ways
    for score in scores:
        while widening.state()["boundary"] != [1]:
            widening.begin(world)
        widening.report(world, np.array([float(score)]))
    assert widening.ranges["quantities.latency"] == pytest.approx((0.0, 0.5 + 0.01 * moved))


def test_an_episode_that_began_before_its_boundary_moved_does_not_count():
    settings = AutomaticSettings(boundary_fraction=1.0, queue=1)
    full = randomization(latency={"law": "uniform", "low": 0.0, "high": 1.0})
    widening, worlds = AutomaticWidening(full, 1, 64, settings), np.arange(64)
    widening.begin(worlds)
    widening.report(worlds, np.ones(64))
    assert widening.ranges["quantities.latency"] == pytest.approx((0.0, 0.01))


def test_a_world_stays_at_its_boundary_while_the_rest_is_drawn_anew():
    full = randomization(
        latency={"law": "uniform", "low": 0.0, "high": 0.04, "when": "step"},
        jitter={"law": "uniform", "low": 0.0, "high": 0.01, "when": "step"},
    )
    initial = {"quantities.latency": (0.0, 0.02), "quantities.jitter": (0.0, 0.005)}
    widening = AutomaticWidening(full, 1, 40, AutomaticSettings(boundary_fraction=1.0), initial)
    draws = Draws(full, 1, 40, widening=widening)
    first = draws.begin(np.arange(40))
    at_latency = np.isin(first["latency"], (0.0, 0.02))
    draws.tick(0.02)
    assert (draws.variant["latency"][at_latency] == first["latency"][at_latency]).all()
    assert (draws.variant["jitter"][at_latency] != first["jitter"][at_latency]).all()


def test_the_ranges_go_with_the_policy():
    mass = {"law": "log_uniform", "low": 0.25, "high": 4.0}
    full = randomization(**{"mass/*": mass, "latency": {"law": "fixed", "value": 0.01}})
    widening = live(full, lambda v: (v["mass/pole"] < 2).astype(float), 200)
    again = Randomization.from_dict(widening.randomization.to_dict(), CARTPOLE)
    assert again.bounds().tolist() == widening.randomization.bounds().tolist()
    assert again.laws["mass/pole"].support == pytest.approx(widening.ranges["quantities.mass/*"])
    assert again.laws["latency"].support == (0.01, 0.01)


def test_it_goes_on_where_it_was_saved():
    full = randomization(**bias())
    one, other = (AutomaticWidening(full, 3, 8, QUICK) for _ in range(2))
    worlds = np.arange(8)

    def go_on(widening: AutomaticWidening) -> list[dict[str, tuple[float, float]]]:
        ranges = []
        for episode in range(100):
            widening.begin(worlds)
            widening.report(worlds, (np.arange(8) + episode) % 3 / 2)
            ranges.append(widening.ranges)
        return ranges

    go_on(one)
    other.restore(json.loads(json.dumps(one.state())))
    assert go_on(other) == go_on(one)
    with pytest.raises(RandomizationError, match="widening: the state is of another Randomization or number of worlds"):
        AutomaticWidening(full, 3, 9).restore(one.state())


@pytest.mark.parametrize(
    ("quantities", "initial", "message"),
    [
        (
            {"latency": {"law": "fixed", "value": 0.1}},
            {},
            "widening: nothing to widen: no quantity has the law uniform",
        ),
        ({"latency": {"law": "uniform", "low": 1, "high": 1}}, {}, "widening: nothing to widen"),
        (bias(), {"quantities.encoder_bias": (0, 1)}, "widening: no range 'quantities.encoder_bias' (did you mean '"),
    ],
)
def test_what_cannot_be_widened_is_refused(quantities, initial, message):
    with pytest.raises(RandomizationError) as caught:
        AutomaticWidening(randomization(**quantities), 1, 1, initial=initial)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"low": 0.5, "high": 0.5}, "w.yaml: low 0.5 must be below high 0.5"),
        ({"queue": 0}, "w.yaml: queue: must be greater than or equal to 1 (got 0)"),
        ({"boundary_fraction": 0}, "w.yaml: boundary_fraction: must be greater than 0 (got 0)"),
    ],
)
def test_settings_that_mean_nothing_are_refused(data, message):
    with pytest.raises(ConfigError) as caught:
        validate(AutomaticSettings, data, "w.yaml")
    assert str(caught.value).startswith(message)
