"""What is asked of the robot: inside what it was trained for, for as long as somebody asks, and never nonsense."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots import load_robot
from ros_bridge.asked import CMD_VEL, TARGET_POSE, Asked, topic_of, trained
from sim2real.errors import BridgeError, ConfigError
from sim2real.observation import ObservationLayout
from sim2real.policy import Contract, Policy
from sim2real.tasks import reach, walk

WILD = st.floats(width=64) | st.sampled_from([np.nan, np.inf, -np.inf, 1e308])
LOWER, UPPER = np.array([-0.3, -0.3, -0.8]), np.array([0.8, 0.3, 0.8])


@pytest.fixture(scope="module")
def walking(walking_policy: Policy) -> Contract:
    return walking_policy.contract


@pytest.fixture(scope="module")
def reaching(arm_policy: Policy) -> Contract:
    return arm_policy.contract


def changed(contract: Contract, **options: object) -> Contract:
    return contract.model_copy(update={"task_options": contract.task_options | options})


def test_a_topic_for_each_kind_of_policy(walking, reaching, policy):
    assert [topic_of(c) for c in (walking, reaching, policy.contract)] == [CMD_VEL, TARGET_POSE, ""]
    assert Asked(policy.contract).values.shape == (0,)


def test_other_commands_are_refused(walking):
    layout: ObservationLayout = walking.observation.model_copy(update={"commands": walk.COMMANDS[::-1]})
    with pytest.raises(BridgeError, match=r"no topic says turn \[rad/s\], left"):
        Asked(walking.model_copy(update={"observation": layout}))


@settings(max_examples=50)
@given(st.lists(st.lists(WILD, min_size=0, max_size=4), max_size=10))
def test_it_stays_inside_what_was_trained_whatever_is_asked(walking, wishes):
    asked, refused, limited = Asked(walking), 0, 0
    for wish in wishes:
        before = asked.values
        usable = len(wish) == 3 and all(abs(v) < 1e6 for v in wish)
        try:
            asked.take(0.0, np.array(wish))
            assert usable
            limited += bool((np.array(wish) < LOWER).any() or (np.array(wish) > UPPER).any())
        except BridgeError:
            assert not usable
            refused += 1
        asked.tick(0.1)
        assert (asked.values >= LOWER).all()
        assert (asked.values <= UPPER).all()
        if not usable:
            np.testing.assert_array_equal(asked.values, before)
    assert (asked.counts["asked_refused"], asked.counts["asked_limited"]) == (refused, limited)


def test_what_cannot_be_used_does_not_keep_the_last_wish_alive(walking):
    asked = Asked(walking)
    asked.take(0.0, np.array([0.5, 0.0, 0.0]))
    with pytest.raises(BridgeError, match=r"must be one finite number for each of: forward \[m/s\], left"):
        asked.take(0.4, np.array([np.nan, 0.0, 0.0]))
    for now, forward in ((0.5, 0.5), (0.51, 0.0)):
        asked.tick(now)
        assert asked.values[0] == forward


def test_silence_is_counted_where_it_stops_something(walking):
    asked = Asked(walking, timeout_s=0.2)
    for now, forward in ((0.0, 0.0), (1.0, 0.5), (2.0, 0.5)):
        asked.take(now, np.array([forward, 0.0, 0.0]))
        asked.tick(now + 0.9)
        asked.tick(now + 0.95)
    assert asked.counts["asked_silence"] == 2


def test_a_target_stays(reaching):
    asked = Asked(reaching)
    asked.tick(0.0)
    assert np.isnan(asked.values).all(), "until the arm's pose is known"
    asked.start(load_robot("kuka_iiwa").default_q)
    at_rest = asked.values
    assert 0.3 < np.linalg.norm(at_rest) < 1.5
    asked.take(1.0, np.array([0.5, 0.1, 0.4]))
    asked.tick(1e6)
    asked.start(np.zeros(7))
    np.testing.assert_array_equal(asked.values, [0.5, 0.1, 0.4])


def test_a_stop_may_always_be_asked(walking):
    lower, upper = trained(changed(walking, forward=[0.2, 0.8]))
    np.testing.assert_array_equal([lower[0], upper[0]], [0.0, 0.8])


@pytest.mark.parametrize("forward", [None, [0.1], ["a", 1], [0.0, float("nan")], "fast"])
def test_a_contract_whose_ranges_make_no_sense_is_refused(walking, forward):
    with pytest.raises(ConfigError, match=r"policy.yaml: task_options: forward"):
        Asked(changed(walking, forward=forward))


def test_an_arm_whose_end_effector_nobody_can_place_is_refused(policy):
    layout = policy.contract.observation.model_copy(update={"commands": reach.COMMANDS})
    with pytest.raises(ConfigError, match="chain: missing"):
        Asked(policy.contract.model_copy(update={"observation": layout}))
