"""Contests: programs that do the same work take turns on this machine, each in a process of its own.

One measures while all others wait, round after round, so that a machine whose speed drifts is the same for all of them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

_MARK = "figures: "  # what a contestant says begins with it; the rest of its output is the libraries'

Figures = dict[str, float]


def serve(measure: Callable[..., Figures]) -> None:
    """Be a contestant: measure whenever a request arrives on standard input, until that is closed."""
    _say({})  # everything is built
    for line in sys.stdin:
        _say(measure(**json.loads(line)))


def _say(figures: Figures) -> None:
    print(_MARK + json.dumps(figures), flush=True)


class Contestant:
    """A module of this package that serves, run with arguments; waits until it has built what it measures."""

    def __init__(self, module: str, *arguments: object, threads: int = 1) -> None:
        """threads: of linear algebra and of TensorFlow or PyTorch within an operation."""
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
        command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
        environment = os.environ | dict.fromkeys(names, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        self.name = " ".join(command[2:])
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        try:
            self._hear()
        except RuntimeError:
            self.close()
            raise

    def measure(self, **request: float) -> Figures:
        """Let it measure; raise RuntimeError if it ends instead."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def rate(self, seconds: float) -> float:
        """Let it work for some seconds; return its steps/s."""
        return self.measure(seconds=seconds)["rate"]

    def _hear(self) -> Figures:
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            if line.startswith(_MARK):
                figures: Figures = json.loads(line.removeprefix(_MARK))
                return figures
        raise RuntimeError(f"python -m {self.name}: ended with status {self._process.wait()}; its message is above")

    def close(self) -> None:
        """End it. Safe to call twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def contestant(module: str, *arguments: object, threads: int = 1) -> Iterator[Contestant]:
    """Run a contestant for a while."""
    running = Contestant(module, *arguments, threads=threads)
    try:
        yield running
    finally:
        running.close()


def fastest(module: str, *arguments: object, worlds: tuple[int, ...], seconds: float) -> int:
    """Let a contestant work with different numbers of worlds, its last argument; return where it is fastest."""
    rates = {}
    for n in worlds:
        with contestant(module, *arguments, n) as running:
            rates[n] = running.rate(seconds)
    return max(rates, key=lambda n: rates[n])


def take_turns(measures: Mapping[str, Callable[[float], float]], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Let each measure for `seconds` in each round; return what each found, round by round."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure(seconds))
    return found


def ratio(found: Mapping[str, list[float]], ours: str, peer: str) -> float:
    """Return the median over rounds of one measure beside another."""
    return median(a / b for a, b in zip(found[ours], found[peer], strict=True))


def arguments_of(argv: list[str]) -> tuple[str, list[Any]]:
    """Read a contestant's command line: what it does, then words and whole numbers."""
    what, *others = argv
    return what, [int(word) if word.isdecimal() else word for word in others]
