"""What a run tells: writers that fail cost no training, and a curve without torn or unsaved rows."""

import csv
import resource
from pathlib import Path

import pytest

from sim2real.training.reports import CurveFile, Reports
from tests.trainings import Recorder

METRICS = {"rollout/return": 1.5, "train/std": 0.25, "widening/low/mass": 0.5}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_row_has_the_figures_and_nan_for_those_missing(tmp_path: Path):
    curve = CurveFile(tmp_path / "progress.csv")
    curve.write(64, METRICS)
    curve.write(128, {})
    first, second = rows(curve.path)
    assert (first["step"], first["rollout/return"], first["widening/low/mass"]) == ("64", "1.5", "0.5")
    assert (second["step"], second["rollout/return"], second["widening/low/mass"]) == ("128", "nan", "nan")


def test_a_resumed_curve_goes_on_from_the_step_that_was_saved(tmp_path: Path):
    curve = CurveFile(tmp_path / "progress.csv")
    for step in (64, 128, 192):
        curve.write(step, METRICS)
    with curve.path.open("a") as file:
        file.write("256,1.")  # killed while it wrote
    again = CurveFile(curve.path, step=128)
    again.write(160, {"rollout/return": 2.0, "widening/high/mass": 3.0})
    assert [row["step"] for row in rows(curve.path)] == ["64", "128", "160"]
    assert list(rows(curve.path)[-1]) == [*CurveFile.COLUMNS, "widening/low/mass"], "the columns of the first start"


@pytest.mark.parametrize("torn", ["", "step,rollout/ret"])
def test_a_curve_killed_in_its_first_line_begins_anew(tmp_path: Path, torn):
    path = tmp_path / "progress.csv"
    path.write_text(torn)
    CurveFile(path, step=0).write(64, METRICS)
    assert [row["step"] for row in rows(path)] == ["64"]


def test_a_folder_that_is_gone_is_said_once_until_it_is_back(tmp_path: Path):
    folder, recorder = tmp_path / "run", Recorder()
    reports = Reports(folder, [recorder], 0)
    for step in (1, 2):
        reports.write(step, METRICS)
    assert [step for step, _ in recorder.rows] == [1, 2]
    assert recorder.notes == [(1, "CurveFile cannot be written: No such file or directory; training goes on")]
    folder.mkdir()
    reports.write(3, METRICS)
    reports.note(3, "a line")
    assert [row["step"] for row in rows(folder / "progress.csv")] == ["3"]
    assert (folder / "notes.log").read_text().endswith(" step 3: a line\n")
    assert reports.notes[1:] == ["a line"]


class Broken(Recorder):
    def write(self, step: int, metrics: dict[str, float]) -> None:
        raise ValueError("two\nlines")

    def note(self, step: int, text: str) -> None:
        raise BrokenPipeError


def test_a_writer_that_fails_does_not_end_the_run(tmp_path: Path):
    recorder = Recorder()
    reports = Reports(tmp_path, [Broken(), recorder], 0)
    reports.write(1, METRICS)
    assert recorder.notes == [(1, "Broken cannot be written: ValueError: two; training goes on")]
    assert recorder.rows == [(1, METRICS)]


def test_a_full_disk_is_a_note(tmp_path: Path):
    reports = Reports(tmp_path, [], 0)
    reports.write(1, METRICS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "progress.csv").stat().st_size, before[1]))
    try:
        reports.write(2, METRICS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert reports.notes == ["CurveFile cannot be written: File too large; training goes on"]
