"""The table of `make bench`: how its figures come about and what it promises; `make bench` itself takes minutes."""

import numpy as np
import pytest
from rich.console import Console

from benchmarks.__main__ import table_of
from benchmarks.contest import Contestant, arguments_of, ratio, take_turns
from benchmarks.flagship import FIGURES, cells, empty_table, medians
from benchmarks.rows import Row
from benchmarks.solving import EVERY, Stopwatch, mean_return


def balance(observation: np.ndarray) -> np.ndarray:
    """Push to the side that the pole falls to: solves CartPole-v1."""
    return (observation @ [0.05, 0.3, 3.0, 1.0] > 0).astype(np.int64)


def topple(observation: np.ndarray) -> np.ndarray:
    """Push to the right."""
    return np.ones(len(observation), np.int64)


def test_evaluation_tells_a_policy_that_balances_from_one_that_does_not():
    assert mean_return(balance, seed=0) >= 475
    assert mean_return(topple, seed=0) < 15


def test_once_is_not_enough_to_have_solved_it():
    watch = Stopwatch()
    assert not watch.over(EVERY - 1, balance, 0)  # not due
    assert not watch.over(EVERY + 30, balance, 0)
    assert watch.touched["steps"] == EVERY + 30
    assert not watch.over(2 * EVERY, topple, 0)
    assert not watch.over(3 * EVERY, balance, 0)
    assert watch.over(4 * EVERY, balance, 0)
    assert watch.figures["steps"] == 4 * EVERY
    assert watch.figures["first_steps"] == EVERY + 30
    assert watch.figures["first_seconds"] <= watch.figures["seconds"] < 0.5  # judging is not counted


def test_all_measure_in_each_round_and_ratios_are_of_a_round():
    order = []

    def measure(name: str, rates: list[float]):
        def one(seconds: float) -> float:
            order.append(name)
            return rates.pop(0) * seconds

        return one

    found = take_turns({"ours": measure("ours", [2.0, 8.0, 3.0]), "sb3": measure("sb3", [1.0, 2.0, 1.0])}, 3, 1.0)
    assert order == ["ours", "sb3"] * 3
    assert ratio(found, "ours", "sb3") == 3.0


def test_a_contestant_that_ends_is_an_error():
    with pytest.raises(RuntimeError, match=r"benchmarks.no_such 7: ended with status 1"):
        Contestant("no_such", 7)


def test_arguments_are_words_and_numbers():
    assert arguments_of(["walk", "bullet", "2", "128"]) == ("walk", ["bullet", 2, 128])


@pytest.mark.parametrize(("value", "at_most", "met"), [(2.1, False, True), (1.9, False, False), (1.9, True, True)])
def test_the_table_says_what_is_met(value: float, at_most: bool, met: bool):
    row = Row("walk", "peer", "1", "2", value, 2.0, at_most=at_most)
    console = Console(width=150)
    with console.capture() as capture:
        console.print(table_of([row]))
    assert row.met is met
    assert ("MISSED" in capture.get()) is not met
    assert f"{'≤' if at_most else '≥'} 2.00 ×" in capture.get()


def test_a_figure_stands_under_its_own_title_whatever_the_order():
    run = dict(zip(reversed(FIGURES), range(len(FIGURES)), strict=True)) | {"alive": 0.5, "else": 9.0}
    shown = cells(medians([run, run, run | {"foot slip [m/s]": 7.0}]))
    titles = [str(column.header) for column in empty_table().columns][4:-1]
    assert dict(zip(titles, shown, strict=True)) == {
        "alive": "50.0%",
        **{title: f"{float(run[name]):.3f}" for name, title in FIGURES.items()},
    }


def test_a_figure_that_an_older_judgement_lacks_is_a_dash():
    run = dict.fromkeys(FIGURES, 1.0) | {"alive": 1.0}
    older = {name: value for name, value in run.items() if name != "foot slip [m/s]"}
    assert cells(medians([run, older])) == ["100.0%", *["1.000"] * (len(FIGURES) - 1), "-"]
