"""Coverage against values by hand: depth, what lies outside, the neighbourhood, and success in it."""

from dataclasses import replace

import numpy as np
import pytest

from randomization import Randomization, Variant, VariantSpace, stream
from robots import load_robot
from sim2real.errors import ConfigError, RandomizationError
from sim2real.robustness.coverage import Coverage, compare, coverage, neighbours
from sim2real.robustness.trained_range import trained_ranges
from tests.policies import trained_on

ROBOT = load_robot("cartpole")
SPACE = VariantSpace(ROBOT)
LAWS = {
    "mass/pole": {"law": "log_uniform", "low": 0.5, "high": 2.0},
    "latency": {"law": "uniform", "low": 0.0, "high": 0.04},
    "encoder_resolution/*": {"law": "choice", "values": [0.0, 0.003]},
    "strength/slider_to_cart": {"law": "fixed", "value": 0.9},
}
FAMILY = Randomization.from_dict({"robot": "cartpole", "quantities": LAWS}, ROBOT)


def depths(**values: float) -> dict[str, float]:
    changes = {"strength/slider_to_cart": 0.9, **values}
    return {c.name: float(c.depth[0]) for c in compare(Variant.of(SPACE, changes), FAMILY)}


def test_depth_by_hand():
    found = depths(**{"mass/pole": 2.0**0.5, "latency": 0.05})
    assert found["mass/pole"] == pytest.approx(0.5), "half way in the logarithm"
    assert found["latency"] == pytest.approx(-0.5)
    assert next(iter(found)) == "latency", "the shallowest first"
    assert set(found) == {
        "mass/pole",
        "latency",
        "encoder_resolution/slider_to_cart",
        "encoder_resolution/cart_to_pole",
    }
    assert depths(latency=0.02)["latency"] == pytest.approx(1.0)
    assert depths(latency=0.04)["latency"] == pytest.approx(0.0, abs=1e-12)


def test_what_never_varied_is_outside_where_it_differs():
    assert "strength/slider_to_cart" not in depths()
    assert depths(**{"strength/slider_to_cart": 1.0})["strength/slider_to_cart"] == -np.inf
    assert depths(**{"mass/cart": 1.1})["mass/cart"] == -np.inf


def test_neighbours_are_near_and_bearable():
    here = Variant.of(SPACE, {"mass/pole": 1.0, "latency": 0.0, "encoder_resolution/cart_to_pole": 0.003}, 500)
    near = neighbours(here, trained_ranges(FAMILY), 0.25, stream(0, "test"))
    mass = np.log(near["mass/pole"]) / np.log(2.0)
    assert mass.min() == pytest.approx(-0.25, abs=0.01)
    assert mass.max() == pytest.approx(0.25, abs=0.01)
    assert near["latency"].min() == 0.0, "no time runs backwards"
    assert near["latency"].max() == pytest.approx(0.005, abs=1e-4)
    assert (near["encoder_resolution/cart_to_pole"] == 0.003).all(), "nothing lies between two choices"
    assert (near["mass/cart"] == 1.0).all()
    far = neighbours(Variant.of(SPACE, {"mass/pole": 0.1}, 500), trained_ranges(FAMILY), 0.25, stream(0, "test"))
    assert 0.08 < far["mass/pole"].min() < 0.09, "around the Variant, though it lies outside"


@pytest.fixture(scope="module")
def found() -> Coverage:
    """One Variant in the middle, one at which the hand-made policy cannot but fail."""
    variants = Variant.of(SPACE, {"latency": np.array([0.01, 0.6]), "strength/slider_to_cart": 0.9}, 2)
    return coverage(trained_on(LAWS), variants, episodes=21, workers=0)


def test_success_around_each_variant(found):
    assert found.inside.tolist() == [True, False]
    assert found.sample.tolist() == [0, 1] * 10 + [0]
    assert (found.success_of(0), found.success_of(1)) == (1.0, 0.0)
    data = found.to_dict()
    assert data["inside"] == 0.5
    assert data["neighbourhood"]["success_of_each"] == [1.0, 0.0]
    assert data["neighbourhood"]["episodes"] == 21
    low, high = data["neighbourhood"]["confidence_95"]
    assert low < data["neighbourhood"]["success_rate"] == 11 / 21 < high
    worst = data["coordinates"][0]
    assert (worst["name"], worst["inside"], worst["trained"], worst["values"]) == (
        "latency", 0.5, [0.0, 0.04], [0.01, 0.6],
    )  # fmt: skip
    assert worst["depth"] == pytest.approx(-28.0)


def test_plain_data_has_no_infinity(found):
    outside = compare(Variant.of(SPACE, {"mass/cart": 2.0}), FAMILY)
    assert replace(outside[0]).to_dict()["depth"] is None


def test_bad_input():
    policy = trained_on(LAWS)
    with pytest.raises(ConfigError, match="episodes must be at least 1"):
        coverage(policy, Variant.nominal(SPACE), episodes=0)
    with pytest.raises(ConfigError, match="radius 0 to 100"):
        coverage(policy, Variant.nominal(SPACE), radius=-1.0)
    with pytest.raises(RandomizationError, match="are of robot 'furuta'"):
        coverage(policy, Variant.nominal(VariantSpace(load_robot("furuta"))))
