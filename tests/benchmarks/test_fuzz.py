"""Damaged descriptions and meshes: a sound robot or one line, and nothing else; and the fuzz run itself can fail."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz import ANSWERS, GROWTH, SECONDS, Tally, caught, run
from benchmarks.fuzz_cases import Case, cases, glb_cube, minimized, seeds
from benchmarks.isolated import Outcome, run_isolated
from benchmarks.mutations import MUTATORS, mutate

CASES = 2_100


@pytest.mark.slow
def test_every_damaged_file_gets_one_of_the_two_answers():
    tally = run(CASES)
    assert [f"{o.job.number} {o.job.seed}: {o.failure}" for o in tally.failures] == []
    assert tally.growth <= GROWTH
    assert tally.slowest < SECONDS
    # Not all are refused, of no kind: the engines see some of each.
    for suffix in MUTATORS:
        counts = tally.answers[suffix]
        assert counts["refused"] > 0
        assert counts["read"] + counts["built"] > 0
    assert sum(counts.total() for counts in tally.answers.values()) == CASES
    assert set().union(*tally.answers.values()) <= set(ANSWERS)


def test_the_same_number_is_the_same_case():
    assert list(cases(50)) == list(cases(50))
    assert [case.contents for case in cases(50)] == [case.contents for case in cases(50)]
    assert list(cases(60))[10:] == list(cases(50, first=10))


@pytest.mark.parametrize("suffix", MUTATORS)
def test_mutations_change_files(suffix: str):
    (seed, *_) = seeds()[suffix]
    original = Path(seed).read_bytes() if seed else glb_cube()
    changed = [mutate(original, suffix, np.random.default_rng(number)) for number in range(40)]
    assert sum(data != original for data in changed) >= 35
    assert len(set(changed)) >= 35


def test_a_crash_a_hang_and_an_exception_are_failures_of_their_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "jobs.py").write_text(
        "import os, signal, time\n"
        "def work(job):\n"
        "    if job == 3: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if job == 4: time.sleep(60)\n"
        "    if job == 5: raise ValueError('five\\nlines')\n"
        "    if job == 6: os._exit(7)\n"
        "    return job * job\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    started = time.monotonic()
    outcomes = {outcome.job: outcome for outcome in run_isolated("jobs:work", range(10), seconds=1.0)}
    assert time.monotonic() - started < 20
    failures = {job: outcome.failure for job, outcome in outcomes.items() if outcome.failure}
    assert failures == {
        3: "crashes with SIGSEGV",
        4: "hangs: no answer after 1 s",
        5: "raises ValueError: five",
        6: "ends the process with status 7",
    }
    assert [outcomes[job].value for job in (0, 1, 2, 7, 8, 9)] == [0, 1, 4, 49, 64, 81]


def test_a_target_that_is_not_there_is_an_error():
    with pytest.raises(EOFError):
        list(run_isolated("benchmarks.fuzz_cases:nothing", [1], seconds=5.0, workers=1))


def test_a_tally_fails_by_one_failure_or_by_memory():
    case = Case("", ".glb", 1)
    good, bad = Tally(), Tally()
    for number in range(1000):
        good.add(Outcome(case, "read", resident=int(1e8 + 5e7 * (number % 7 == 0)), child=1))
        bad.add(Outcome(case, "read", resident=int(1e8 + 4e5 * number), child=1))
    assert good.passed
    assert bad.growth == pytest.approx(200, rel=0.05)
    assert not bad.passed
    good.add(Outcome(case, failure="crashes with SIGSEGV"))
    assert not good.passed


def test_an_mjcf_that_breaks_its_reader_counts_as_refused_only_if_the_importer_says_so():
    seed = str(next(path for path in seeds()[".xml"] if Path(path).name == "ant.xml"))
    sound, refused = Case(seed, ".xml", 1, Path(seed).read_bytes()), Case(seed, ".xml", 1, b"<mujoco><a/></mujoco>")
    assert caught(refused)
    assert not caught(sound)


def test_what_fails_is_cut_down(monkeypatch: pytest.MonkeyPatch):
    def attempt(case: Case) -> str:
        if b"BAD" in case.contents:
            raise ValueError("bad")
        return "read"

    monkeypatch.setattr("benchmarks.fuzz_cases.attempt", attempt)
    assert minimized(Case("", ".glb", 1, b"x" * 300 + b"BAD" + b"y" * 300)) == b"BAD"


def test_children_end_with_the_run():
    (outcome,) = run_isolated("math:sqrt", [4.0], seconds=5.0, workers=1)
    assert outcome.value == 2.0
    with pytest.raises(ProcessLookupError):
        os.kill(outcome.child, signal.SIGCONT)
