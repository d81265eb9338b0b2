"""Many small jobs on strangers' files, in child processes: a crash or a hang is counted and named, not suffered.

Each child works on one job after another, so that imports are paid once; whatever kills it is the fault of the job that
it was at, and a new child goes on with the next one.
"""

import multiprocessing
import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

MEGABYTES = 6144  # of address space, of which the libraries alone map some thousand
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Outcome:
    """What became of one job: its value, or in one line why there is none ("" if there is one)."""

    job: Any
    value: Any = None
    failure: str = ""
    seconds: float = 0.0
    resident: int = 0  # bytes of memory that the child held afterwards
    child: int = 0  # its process id


def run_isolated(
    target: str, jobs: Iterable[Any], seconds: float, workers: int = 2, megabytes: int = MEGABYTES
) -> Iterator[Outcome]:
    """Call `target` ("package.module:function") with each job in one of `workers` children; yield what comes of it.

    A job that takes longer than `seconds`, or kills its child, is a failure like an exception that it raises. Jobs and
    values are sent by pickle, and outcomes come in the order in which they are done.
    """
    todo, done = iter(jobs), queue.SimpleQueue[Outcome | None]()
    lock, stop = threading.Lock(), threading.Event()

    def next_job() -> Any:
        with lock:
            return None if stop.is_set() else next(todo, None)

    def work() -> None:
        try:
            for outcome in _outcomes(target, iter(next_job, None), seconds, megabytes):
                done.put(outcome)
        finally:
            done.put(None)

    with ThreadPoolExecutor(workers) as threads:
        working = [threads.submit(work) for _ in range(workers)]
        try:
            for _ in working:
                yield from iter(done.get, None)
        finally:
            stop.set()
        for thread in working:
            thread.result()  # raises what ended it


def shown(outcomes: Iterable[Outcome], total: int, label: str, console: Console) -> Iterator[Outcome]:
    """Yield the outcomes, with a progress bar where somebody looks."""
    return iter(track(outcomes, label, total, console=console, transient=True, disable=not console.is_terminal))


class _Child:
    """A child process and the line to it."""

    def __init__(self, target: str, megabytes: int) -> None:
        # A fork would take this process's threads' locks along.
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, target, megabytes), daemon=True)
        self.process.start()
        theirs.close()

    def end(self) -> int:
        """Kill it if it still runs; return its exit status, negative for a signal."""
        self.line.close()
        self.process.join(0.5)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        return self.process.exitcode or 0


def _outcomes(target: str, jobs: Iterable[Any], seconds: float, megabytes: int) -> Iterator[Outcome]:
    child = None
    try:
        for job in jobs:
            if child is None:
                child = _Child(target, megabytes)
                child.line.recv()  # it is ready: what follows is the job's time
            started = time.monotonic()
            answer = _ask(child, job, seconds)
            took = time.monotonic() - started
            if isinstance(answer, str):
                status, child = child.end(), None
                yield Outcome(job, failure=answer or _died(status), seconds=took)
            else:
                value, failure, resident = answer
                yield Outcome(job, value, failure, took, resident, child.process.pid or 0)
    finally:
        if child is not None:
            child.end()


def _ask(child: _Child, job: Any, seconds: float) -> tuple[Any, str, int] | str:
    """Return the child's answer; a string if there is none: what happened, or "" if it died."""
    try:
        child.line.send(job)
        if not child.line.poll(seconds):
            return f"hangs: no answer after {seconds:g} s"
        answer: tuple[Any, str, int] = child.line.recv()
    except (EOFError, OSError):
        return ""
    return answer


def _died(status: int) -> str:
    return f"crashes with {signal.Signals(-status).name}" if status < 0 else f"ends the process with status {status}"


def _serve(line: Connection, target: str, megabytes: int) -> None:
    """Answer jobs until the other end is closed; runs in the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes the line
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # engines print from C
        os.dup2(null, fd)
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, _, name = target.partition(":")
    function: Callable[[Any], Any] = getattr(import_module(module), name)
    line.send("ready")
    while True:
        try:
            job = line.recv()
        except EOFError:
            return
        line.send((*_tried(function, job), _resident()))


def _tried(function: Callable[[Any], Any], job: Any) -> tuple[Any, str]:
    try:
        return function(job), ""
    except Exception as error:  # whatever a job raises is what is being looked for
        return None, f"raises {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
