"""Commands and programs in processes of their own that need not import everything anew: forked from one that has.

Of a command line that takes a second, nine tenths are imports. What starts from nothing is proven by a few tests; the
others start here.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

IMPORTED = (
    *("pytest", "tests.children", "tests.robots.check.loading", "tests.saving", "sim2real.cli", "sim2real.console"),
    *("sim2real.evaluate", "sim2real.env", "sim2real.importing", "robots.check", "robots.guess"),
)
TIMEOUT_S = 120.0

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(list(IMPORTED))


def call(target: Callable[..., Any], *arguments: Any, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Call a function of a module in a child, and return what it wrote and its exit status: what it returns, or 0.

    A child that does not end in time is killed, and is an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "stdout", Path(folder) / "stderr"
        child = _CONTEXT.Process(target=_run, args=(files, cwd, dict(os.environ), target, arguments))
        child.start()
        child.join(TIMEOUT_S)
        if child.exitcode is None:
            child.kill()
            raise subprocess.TimeoutExpired([target.__name__, *map(str, arguments)], TIMEOUT_S)
        out, err = (file.read_text() if file.exists() else "" for file in files)
        return subprocess.CompletedProcess([target.__name__, *map(str, arguments)], child.exitcode, out, err)


@contextmanager
def started(target: Callable[..., Any], *arguments: Any) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a function with some arguments and a connection to tell through; yield the child and our end of that.

    In the end the child is killed if it still is there.
    """
    ours, theirs = _CONTEXT.Pipe()
    child = _CONTEXT.Process(target=target, args=(*arguments, theirs))
    child.start()
    theirs.close()
    with ours:
        try:
            yield child, ours
        finally:
            child.kill()
            child.join()


def command(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `sim2real` with some arguments in a child."""
    return call(_command, *map(str, arguments), cwd=cwd)


def _run(
    files: tuple[Path, Path],
    cwd: Path | None,
    environment: dict[str, str],
    target: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(files, start=1):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    if cwd is not None:
        os.chdir(cwd)
    try:
        status = target(*arguments)
    finally:
        sys.stdout.flush()
    sys.exit(status)


def _command(*arguments: str) -> int:
    from sim2real.cli import main

    sys.argv = ["sim2real", *arguments]
    return main()
