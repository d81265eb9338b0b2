"""Learning curves as files: seconds over several starts, and fewer rows of the same."""

from itertools import pairwise
from pathlib import Path

import pytest

from sim2real.errors import TrainingError
from sim2real.training.curve import shortened, training_seconds


def curve(path: Path, seconds: list[float]) -> Path:
    rows = [f"{k},{k * 0.5},{s}" for k, s in enumerate(seconds)]
    path.write_text("\n".join(["step,rollout/return,time/seconds", *rows]) + "\n")
    return path


def test_seconds_add_up_over_starts(tmp_path):
    assert training_seconds(curve(tmp_path / "once.csv", [1.0, 2.0, 5.0])) == 5.0
    assert training_seconds(curve(tmp_path / "thrice.csv", [1.0, 5.0, 1.0, 2.0, 0.5])) == 7.5


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 100])
def test_a_shortened_curve_ends_where_the_long_one_does(tmp_path, n):
    path = curve(tmp_path / "long.csv", [float(k) for k in range(n)])
    header, *rows = shortened(path, 10).splitlines()
    assert header == "step,rollout/return,time/seconds"
    assert len(rows) == min(n, -(-n // -(-n // 10)))
    steps = [int(row.split(",")[0]) for row in rows]
    assert steps[-1] == n - 1
    assert len({b - a for a, b in pairwise(steps)}) <= 1, "evenly spaced"


@pytest.mark.parametrize("text", [None, "", "step,rollout/return\n1,2\n", "step,time/seconds\n"])
def test_what_is_no_curve_is_refused(tmp_path, text):
    path = tmp_path / "progress.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TrainingError, match=r"progress\.csv"):
        training_seconds(path)
