"""Evaluation: success is counted right, worlds are held out and repeatable, and both engines tell the same story."""

from itertools import pairwise

import numpy as np
import pytest
from rich.console import Console

from randomization import Randomization, Variant, VariantSpace
from randomization.draws import Draws
from robots import load_robot
from sim2real import evaluate as module
from sim2real.commands.result_tables import measures_table
from sim2real.errors import ConfigError, PolicyError, RandomizationError
from sim2real.evaluate import evaluate, evaluate_in, policy_robot, sameness, wilson_interval
from sim2real.pictures.recording import record_episode
from tests.policies import pixel_policy, standing_policy
from tests.ros_bridge.lqr import balancing_policy, constant_policy

ROBOT = load_robot("cartpole")
SLIP = "foot slip [m/s]"


RESOLUTION = {"law": "choice", "values": [0.0, 0.003]}


@pytest.mark.parametrize(
    ("quantities", "words"),
    [
        ({}, "nothing varies: these worlds are all nominal"),
        ({"latency": {"law": "uniform", "low": 0, "high": 0}}, "nothing varies: these worlds are all nominal"),
        ({"latency": {"law": "fixed", "value": 0.01}}, "nothing varies: these worlds are all the same"),
        (
            {"latency": {"law": "uniform", "low": 0, "high": 0}, "encoder_resolution/*": RESOLUTION},
            "nothing varies but encoder_resolution: these worlds are all nominal",
        ),
        ({"latency": {"law": "choice", "values": [0.0, 0.01]}}, None),
        ({"encoder_bias/*": {"law": "uniform", "low": 0.0, "high": 0.01}}, None),
    ],
)
def test_worlds_that_are_all_the_same_are_told(quantities, words):
    assert sameness(Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, ROBOT)) == words


@pytest.fixture(scope="module")
def policy():
    return balancing_policy()


def test_wilson_interval_against_published_values():
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for successes, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_a_good_controller_stays_up_in_the_nominal_world(policy, engine):
    result = evaluate(policy, engine, "none", variants=6, workers=0)
    assert result.success_rate == 1.0
    assert result.seconds == pytest.approx(10.0)
    assert result.diverged == 0


def test_a_bad_controller_falls_and_its_time_is_that_of_the_fall():
    result = evaluate(
        constant_policy("cartpole", [{"name": "joint_position"}]), "bullet", "none", variants=4, workers=0
    )
    assert result.success_rate == 0.0
    assert (result.seconds > 0.1).all()
    assert (result.seconds < 3.0).all()


def test_the_same_seed_gives_the_same_worlds_and_results(policy):
    first, again, other = (evaluate(policy, "bullet", "cartpole", variants=8, seed=s, workers=2) for s in (1, 1, 2))
    assert (first.variants.values == again.variants.values).all()
    assert (first.returns == again.returns).all()
    assert (first.variants.values != other.variants.values).any()


def test_worlds_are_not_those_of_training(policy):
    family = Randomization.load("cartpole", ROBOT)
    trained = Draws(family, 0, 50).begin(np.arange(50)).values
    held_out = evaluate(policy, "mujoco", family, variants=50, seed=0, workers=0).variants.values
    assert not np.isin(trained, held_out)[:, family.bounds()[0] < family.bounds()[1]][:, :4].any()


def test_rounds_of_worlds_give_what_one_round_gives(policy, monkeypatch):
    family = Randomization.load("cartpole", ROBOT)
    whole = evaluate(policy, "mujoco", family, variants=7, workers=0)
    monkeypatch.setattr(module, "MAX_WORLDS", 3)
    calls = []
    parts = evaluate(
        policy, "mujoco", family, variants=7, workers=0, progress=lambda done, total: calls.append((done, total))
    )
    assert (parts.variants.values == whole.variants.values).all()
    assert (parts.returns == whole.returns).all()
    assert (whole.seconds == parts.seconds).all()
    assert all(a <= b for (a, _), (b, _) in pairwise(calls))
    assert calls[-1] == (7 * 500, 7 * 500)


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_a_world_does_not_depend_on_how_many_there_are(policy, engine):
    few, many = (evaluate(policy, engine, "cartpole", variants=n, workers=w) for n, w in ((1, 0), (5, 2)))
    assert (few.variants.values[0] == many.variants.values[0]).all()
    assert few.returns[0] == many.returns[0]


def test_worlds_change_within_their_episodes(policy):
    """Without a motor the pole falls; with one that fails in every other step, on average, it does not."""
    motor = {"law": "choice", "values": [0.0, 1.5]}
    families = [
        Randomization.from_dict({"robot": "cartpole", "quantities": {"strength/*": motor | {"when": when}}}, ROBOT)
        for when in ("episode", "step")
    ]
    lasting, flickering = (evaluate(policy, "mujoco", family, variants=10, workers=0) for family in families)
    assert (lasting.success == (lasting.variants["strength/slider_to_cart"] > 0)).all()
    assert 0 < lasting.success_rate < 1
    assert flickering.success_rate == 1.0


def test_given_worlds_in_sets(policy):
    space = VariantSpace(ROBOT)
    twice = Variant.of(space, {"mass/pole": np.array([1.0, 2.0, 1.0, 2.0])}, 4)
    paired = evaluate_in(policy, twice, workers=0, paired=2)
    assert (paired.variants.values == twice.values).all()
    assert (paired.returns[:2] == paired.returns[2:]).all(), "without noise a world is its truth and its first state"
    assert paired.returns[0] != paired.returns[1]
    alone = evaluate_in(policy, twice, workers=0)
    assert (alone.returns[:2] == paired.returns[:2]).all()
    assert (alone.returns[2:] != paired.returns[2:]).all()


def test_smoothness_and_cost_are_reported(policy):
    """An effort of 20 N that moves a cart has its power; a task without commands has no errors."""
    still = constant_policy("cartpole", [{"name": "joint_position"}], 0.0)
    pushed = constant_policy("cartpole", [{"name": "joint_position"}], 1.0)
    idle, busy, good = (evaluate(p, "mujoco", "none", variants=3, workers=0) for p in (still, pushed, policy))
    assert idle.figures["joint power [W]"] == pytest.approx(0.0)
    assert (busy.figures["joint power [W]"] > 1.0).all()
    assert (good.figures["slow share [1]"] > 0.7).all()
    assert (good.figures["action jerk [1]"] < 0.1).all()
    assert good.errors == {}
    assert SLIP not in good.figures, "a cart has no feet"
    data = good.to_dict()
    assert data["figures"]["joint power [W]"] == pytest.approx(good.figures["joint power [W]"].mean())
    assert set(data["figures"]) == set(good.figures)


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_the_slip_of_feet_is_reported_where_there_are_feet(engine):
    """Trotting on the spot, feet that stand hardly move; asked to run on ice they do."""
    still = dict.fromkeys(("forward", "left", "turn"), (0.0, 0.0))
    spot = standing_policy("a1", episode_s=1.0, **still)
    fast = standing_policy("a1", episode_s=1.0, **still | {"forward": (0.8, 0.8)}, stand=0.0)
    space = VariantSpace(load_robot("a1"))
    firm, ice = (Variant.of(space, {"ground_friction": friction}, 2) for friction in (1.0, 0.1))
    slow, sliding = evaluate_in(spot, firm, engine, workers=0), evaluate_in(fast, ice, engine, workers=0)
    assert (slow.figures[SLIP] < sliding.figures[SLIP] / 2).all()
    assert (slow.figures[SLIP] > 0).all()
    assert slow.to_dict()["figures"][SLIP] == pytest.approx(slow.figures[SLIP].mean())
    console = Console(width=100)
    with console.capture() as shown:
        console.print(measures_table(slow))
    assert "foot slip" in shown.get()


def test_worst_worlds_come_first(policy):
    family = Randomization.from_dict(
        {"robot": "cartpole", "quantities": {"latency": {"law": "choice", "values": [0.0, 0.3]}}}, ROBOT
    )
    result = evaluate(policy, "mujoco", family, variants=8, workers=0)
    assert 0 < result.success_rate < 1
    worst = result.worst(8)
    assert (np.diff(result.seconds[worst]) >= 0).all()
    assert result.variants["latency"][worst[0]] == 0.3
    data = result.to_dict(2)
    assert len(data["worst"]) == 2
    assert data["success_rate"] == result.success_rate


def test_bad_input(policy):
    with pytest.raises(ConfigError, match="variants"):
        evaluate(policy, variants=0)
    with pytest.raises(RandomizationError, match="did you mean 'cartpole'"):
        evaluate(policy, randomization="cartpol")
    with pytest.raises(PolicyError, match="not the one this policy was made for"):
        policy_robot(policy, "furuta")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"effort: 20": "effort: 3"}, "lower (-3.0,), not (-20.0,)"),
        ({"control_hz: 50": "control_hz: 100"}, "control_hz 100, not 50"),
        ({"mode: effort, effort: 20": "mode: velocity, effort: 20, kd: 5"}, "mode velocity, not effort"),
    ],
)
def test_a_robot_whose_motors_have_changed_is_refused(policy, tmp_path, change, words):
    text = load_robot("cartpole").path.read_text()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "robot.yaml").write_text(text)
    with pytest.raises(PolicyError) as error:
        policy_robot(policy, tmp_path)
    assert words in str(error.value)


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_a_policy_that_sees_pictures(engine):
    policy, family = pixel_policy(), Randomization.load("none", ROBOT)
    together = evaluate(policy, engine=engine, randomization=family, variants=5)
    again = evaluate(policy, engine=engine, randomization=family, variants=2)
    assert len(set(together.returns)) == 5
    np.testing.assert_array_equal(together.returns[:2], again.returns)
    record = record_episode(policy, engine=engine, randomization=family, world=1)
    assert (len(record.q) - 1) * ROBOT.control_dt == pytest.approx(together.seconds[1])
