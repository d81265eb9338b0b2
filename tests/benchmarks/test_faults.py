"""Learners that are killed, fifty times at random moments; `make faults` has two hundred."""

import subprocess
import sys

import pytest

from tests.trainings import ROOT


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing():
    arguments = ("--kills", "50", "--pool-kills", "2", "--stops", "4")
    command = [sys.executable, "-m", "benchmarks.faults", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800)
    assert result.returncode == 0, result.stdout + result.stderr
