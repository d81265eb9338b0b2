"""Draws come when they should, the same for one world or many, and go on where they were saved."""

import json
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from randomization import Randomization, VariantSpace
from randomization.draws import Draws
from randomization.widening import AutomaticSettings, AutomaticWidening
from robots import load_robot
from sim2real.errors import RandomizationError

CARTPOLE = load_robot("cartpole")
UNIFORM = {"law": "uniform", "low": 0.5, "high": 2.0}
QUANTITIES: dict[str, Any] = {
    "mass/*": UNIFORM | {"when": "world"},
    "strength/*": UNIFORM,
    "latency": UNIFORM | {"when": "interval", "every": 0.06},
    "jitter": UNIFORM | {"when": "interval", "every": 0.1},
    "friction/*": UNIFORM | {"when": "step"},
}
DT = 0.02


def randomization(quantities: dict[str, Any] | None = None) -> Randomization:
    return Randomization.from_dict({"robot": "cartpole", "quantities": quantities or QUANTITIES}, CARTPOLE)


def test_each_coordinate_is_drawn_when_it_should_be():
    draws = Draws(randomization(), 1, 2)
    worlds = np.arange(2)
    seen: dict[str, list[float]] = {name: [] for name in ("mass/cart", "latency", "jitter", "friction/slider_to_cart")}
    for _ in range(2):
        draws.begin(worlds)
        for _ in range(11):
            for name, values in seen.items():
                values.append(draws.variant[name][1])
            draws.tick(DT)
    changes = {name: [k for k in range(1, 22) if values[k] != values[k - 1]] for name, values in seen.items()}
    assert changes == {
        "mass/cart": [],
        "latency": [3, 6, 9, 11, 14, 17, 20],
        "jitter": [5, 10, 11, 16, 21],
        "friction/slider_to_cart": list(range(1, 22)),
    }


def test_an_episode_in_one_world_leaves_the_others_alone():
    draws = Draws(randomization(), 1, 3)
    before = draws.begin(np.arange(3))
    begun = draws.begin(np.array([2, 0]))
    after = draws.variant
    assert (after.values[1] == before.values[1]).all()
    assert (begun.values == after.values[[2, 0]]).all()
    assert (after.block("mass") == before.block("mass")).all()
    assert (after["strength/slider_to_cart"] != before["strength/slider_to_cart"]).tolist() == [True, False, True]


def test_tick_names_the_worlds_that_changed_and_their_variants():
    quantities = {"latency": UNIFORM | {"when": "interval", "every": 2 * DT}, "mass/*": UNIFORM}
    draws = Draws(randomization(quantities), 1, 3)
    draws.begin(np.arange(3))
    assert draws.tick(DT) is None
    draws.begin(np.array([1]))
    changed = draws.tick(DT)
    assert changed is not None
    worlds, variant = changed
    assert worlds.tolist() == [0, 2]
    assert (variant.values == draws.variant.values[[0, 2]]).all()
    assert Draws(randomization({"mass/*": UNIFORM}), 1, 3).tick(DT) is None


def run(draws: Draws, episodes: int, last: list[int]) -> dict[int, list[bytes]]:
    """Let some worlds run through episodes, each of a length of its own; return what each got."""
    got: dict[int, list[bytes]] = {world: [] for world in last}
    draws.begin(np.array(last))
    for step in range(1, episodes * 7):
        ended = np.array([world for world in last if step % (5 + world % 3) == 0], dtype=np.intp)
        for world in last:
            got[world].append(draws.variant.values[world].tobytes())
        draws.tick(DT)
        if len(ended):
            draws.begin(ended)
    return got


def test_a_world_draws_the_same_bits_alone_or_among_many():
    many = run(Draws(randomization(), 7, 64), 10, list(range(64)))
    for world in (0, 1, 63):
        alone = Draws(randomization(), 7, 1, first_world=world)
        got: list[bytes] = []
        alone.begin(np.array([0]))
        for step in range(1, 70):
            got.append(alone.variant.values[0].tobytes())
            alone.tick(DT)
            if step % (5 + world % 3) == 0:
                alone.begin(np.array([0]))
        assert got == many[world]
    assert many[0] != many[1]
    assert run(Draws(randomization(), 8, 64), 1, [0])[0][0] != many[0][0]


def test_draws_at_other_times_do_not_move_those_of_an_episode():
    plain = Draws(randomization({"strength/*": UNIFORM}), 3, 2)
    mixed = Draws(randomization(), 3, 2)
    for draws in (plain, mixed):
        draws.begin(np.arange(2))
        for _ in range(9):
            draws.tick(DT)
        draws.begin(np.arange(2))
    assert (plain.variant.block("strength") == mixed.variant.block("strength")).all()


def test_every_draw_follows_its_law():
    draws = Draws(randomization({"mass/cart": UNIFORM}), 1, 64)
    drawn = np.concatenate([draws.begin(np.arange(64))["mass/cart"] for _ in range(100)])
    assert np.unique(drawn).size == 6400
    assert drawn.mean() == pytest.approx(1.25, abs=0.02)
    assert drawn.std() == pytest.approx(1.5 / 12**0.5, rel=0.03)


@pytest.mark.parametrize("widened", [False, True])
def test_a_saved_state_goes_on_with_the_same_bits(widened):
    def make() -> Draws:
        full = randomization()
        widening = AutomaticWidening(full, 5, 4, AutomaticSettings(queue=3, step=0.1)) if widened else None
        return Draws(full, 5, 4, widening=widening)

    def live(draws: Draws, steps: int) -> list[bytes]:
        got = []
        for step in range(steps):
            draws.tick(DT)
            if step % 4 == 0:
                worlds = np.array([0, 3])
                draws.report(worlds, np.array([1.0, float(step % 3 == 0)]))
                draws.begin(worlds)
            got.append(draws.variant.values.tobytes())
        return got

    one, other = make(), make()
    one.begin(np.arange(4))
    live(one, 150)
    state = json.loads(json.dumps(one.state()))
    other.restore(state)
    assert other.variant.values.tobytes() == one.variant.values.tobytes()
    assert live(other, 150) == live(one, 150)


def test_a_state_of_something_else_is_refused():
    state = Draws(randomization(), 1, 3).state()
    for other in (Draws(randomization(), 1, 4), Draws(randomization({"mass/*": UNIFORM}), 1, 3)):
        with pytest.raises(
            RandomizationError, match="draws: the state is of another Randomization or number of worlds"
        ):
            other.restore(state)


def everything_about_an_a1() -> Randomization:
    robot = load_robot("a1")
    space = VariantSpace(robot)
    laws = {
        name: quantity.default.model_dump(mode="json", exclude_none=True)
        for name, quantity in zip(space.names, space.quantities, strict=True)
    }
    return Randomization.from_dict({"robot": "a1", "quantities": laws}, robot)


def test_a_full_variant_of_an_a1_costs_well_under_a_tenth_of_a_millisecond():
    draws, worlds = Draws(everything_about_an_a1(), 1, 64), np.arange(64)
    draws.begin(worlds)
    began = time.process_time()
    for _ in range(20):
        draws.begin(worlds)
    assert (time.process_time() - began) / (20 * 64) < 1e-4  # 0.03 ms on the machine where it was written


def test_draws_for_many_episodes_take_no_more_memory():
    draws, worlds = Draws(everything_about_an_a1(), 1, 8), np.arange(8)
    draws.begin(worlds)
    tracemalloc.start()
    for _ in range(200):
        draws.begin(worlds)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
