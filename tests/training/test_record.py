"""What a training remembers of how it goes: the goal, the best policy, and when it has collapsed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.config import dump_yaml, parse_yaml, validate
from sim2real.training.config import TrainConfig
from sim2real.training.record import COLLAPSE_ERAS, WINDOW, Best, Record, RecordState


def config(**changes: Any) -> TrainConfig:
    data = {"environment": {"gymnasium": "CartPole-v1"}, "worlds": 4, "steps": 100}
    return validate(TrainConfig, data | changes, "test")


def fill(record: Record, value: float) -> None:
    for group in (0, 1):
        record.add(group, [value] * WINDOW)


def mean(record: Record) -> float | None:
    return record.mean_return


def collapsed(record: Record) -> bool:
    return record.collapsed


def test_the_mean_is_over_as_many_of_each_group():
    record = Record(config())
    record.add(0, [1.0] * 90)
    record.add(1, [3.0] * 40)
    assert mean(record) is None, "50 of each are wanted"
    record.add(1, [3.0] * 20)
    assert mean(record) == 2.0
    record.add(0, [float("nan"), float("inf")])
    assert mean(record) == 2.0


@pytest.mark.parametrize(("returns", "reached"), [([4.9] * 20, False), ([5.0] * 20, True), ([5.0] * 9, False)])
def test_a_goal_in_training(returns, reached):
    record = Record(config(goal={"mean_return": 5, "episodes": 20}))
    for group in (0, 1):
        record.add(group, returns[: len(returns) // 2])
    assert record.goal_reached is reached


def test_a_goal_in_evaluation_does_not_look_at_training():
    record = Record(config(evaluation={}, goal={"mean_return": 5, "on": "evaluation"}))
    fill(record, 100.0)
    record.end_era(10)
    assert not record.goal_reached
    assert record.take(4.0, 20)
    assert not record.goal_reached
    assert record.take(5.0, 30)
    assert record.goal_reached


def test_the_best_is_the_first_of_the_highest():
    record = Record(config())
    for step, value in enumerate((1.0, 3.0, 3.0, 2.0)):
        fill(record, value)
        record.end_era(step)
    assert record.best == Best(score=3.0, step=1, by="training")
    assert not record.take(float("nan"), 9)


def test_a_collapse_is_long_and_deep():
    record = Record(config())
    fill(record, 10.0)
    record.end_era(0)
    fill(record, 100.0)
    assert record.end_era(1) == (True, "")
    fill(record, 60.0)  # above the middle, 55
    for era in range(2, 40):
        assert record.end_era(era) == (False, "")
    assert not collapsed(record)
    fill(record, 20.0)
    told = [record.end_era(era)[1] for era in range(40, 40 + 2 * COLLAPSE_ERAS)]
    assert collapsed(record)
    (news,) = filter(None, told)
    assert told.index(news) == COLLAPSE_ERAS - 1
    assert "the mean return, 20, has been below 55" in news
    assert "the policy of step 1 is the one that is kept" in news
    fill(record, 90.0)
    record.end_era(100)
    assert not collapsed(record)


def test_returns_under_ranges_that_widen_do_not_compare():
    changes = {"environment": {"robot": "cartpole", "randomization": "cartpole"}, "widening": {"automatic": {}}}
    record = Record(config(**changes))
    for step, value in enumerate((10.0, 100.0, *[0.0] * 20)):
        fill(record, value)
        assert record.end_era(step) == (False, "")
    assert record.best is None
    assert not record.collapsed


@given(st.lists(st.floats(), max_size=10), st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=4), st.integers(0, 5))
def test_the_state_goes_through_yaml_to_the_bit(few, many, eras):
    record = Record(config())
    record.add(0, few)
    record.add(0, many * WINDOW)
    record.add(1, many * WINDOW)
    for step in range(eras):
        record.end_era(step)
    text = dump_yaml({"record": record.state.model_dump(mode="json")})
    state = validate(RecordState, parse_yaml(text, "t")["record"], "t")
    again = Record(config(), state)
    assert again.state == record.state
    assert (again.mean_return, again.best, again.eras) == (record.mean_return, record.best, record.eras)


def test_what_no_longer_fits_is_dropped():
    record = Record(config())
    fill(record, 3.0)
    record.end_era(5)
    other = Record(config(workers=4), record.state)
    assert other.mean_return is None
    assert other.best == record.best
    assert Record(config(evaluation={}), record.state).best is None
