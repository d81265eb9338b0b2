"""Work on a stranger's file in a child process that may crash, hang or eat memory without harm to the caller.

Readers in C++ (MuJoCo, OpenCASCADE, the engines' own loaders) and languages that run code (xacro) get a process of
their own, with limits on time, memory and file size. What comes back is JSON, and nothing else is taken from it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from sim2real import errors
from sim2real.errors import RobotError, Sim2RealError

MAX_RESULT = 64_000_000  # bytes of JSON
_STDERR_TAIL = 4096
_CHILD = Path(__file__).with_name("_child.py")  # as a script, so that nothing is imported before the limits hold

# Passed on to the child; everything else (keys, tokens) is none of a stranger's file's business.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "MUJOCO_GL", "SYSTEMROOT")


@dataclass(frozen=True)
class Limits:
    """What one child process may use.

    `seconds` bounds both wall clock and CPU time; `megabytes` is address space, of which libraries alone map some
    hundred; `file_megabytes` is the largest file it may write.
    """

    seconds: float = 60.0
    megabytes: int = 4096
    file_megabytes: int = 512


DEFAULT_LIMITS = Limits()


def run_limited(
    target: str,
    arguments: Mapping[str, Any],
    subject: str | Path,
    limits: Limits = DEFAULT_LIMITS,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Call `target` ("package.module:function") with `arguments` in a limited child process; return what it returns.

    Arguments and result are plain JSON data. The child is a new Python in a session of its own, without stdin, with
    what it prints thrown away (the end of its stderr is read for the reason of a failure), and without this process's
    environment but for a few harmless names and `environment`. It is killed, with all that it started, when the time
    is up or this call is interrupted.

    A Sim2RealError raised by the function is raised here again. A crash, a time-out, too much memory or any other
    exception becomes a RobotError in one line that names `subject`, the file or thing that was worked on.
    """
    request = {
        "target": target,
        "arguments": dict(arguments),
        "seconds": limits.seconds,
        "megabytes": limits.megabytes,
        "file_megabytes": limits.file_megabytes,
    }
    # Unnamed files, not pipes: no thread has to feed and drain them, and a size limit holds for them.
    with TemporaryFile() as question, TemporaryFile() as result, TemporaryFile() as stderr:
        question.write(json.dumps(request).encode())
        question.seek(0)
        status = _run(question, result, stderr, limits, environment or {})
        if status is None:
            raise RobotError(f"{subject}: {_took_too_long(limits)}")
        if status != 0:
            raise RobotError(f"{subject}: {_reason(status, _tail(stderr), limits)}")
        answer = _answer(result, subject)
    if "error" in answer:
        kind = getattr(errors, answer["error"], RobotError)
        raise (kind if issubclass(kind, Sim2RealError) else RobotError)(answer["message"])
    return answer["value"]


_REMEDY = "make the description simpler, or open and export it again in the tool that it comes from"


def _run(
    question: IO[bytes], result: IO[bytes], stderr: IO[bytes], limits: Limits, environment: Mapping[str, str]
) -> int | None:
    """Return the exit status (negative: a signal), or None if the time was up."""
    fds = question.fileno(), result.fileno()
    process = subprocess.Popen(
        [sys.executable, "-P", str(_CHILD), *map(str, fds)],
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=_environment(environment),
        start_new_session=True,
    )
    try:
        return process.wait(limits.seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # its session's group: it, and whatever it started
            process.wait()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # A pool of threads in each numeric library maps address space for nothing.
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - "" means the working folder
    return kept | threads | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"} | dict(extra)


def _answer(result: IO[bytes], subject: str | Path) -> dict[str, Any]:
    result.seek(0)
    data = result.read(MAX_RESULT + 1)
    if len(data) > MAX_RESULT:
        raise RobotError(f"{subject}: gives more than {MAX_RESULT:,} bytes; {_REMEDY}")
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not answer.keys() & {"value", "error"}:
        raise RobotError(f"{subject}: the process that read it ended without an answer; {_REMEDY}")
    return answer


def _tail(stderr: IO[bytes]) -> str:
    """Return the last line of what the child wrote, the exception if there was one."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _STDERR_TAIL))
    lines = stderr.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _took_too_long(limits: Limits) -> str:
    return f"reading took longer than {limits.seconds:g} s and was stopped; give it more time, or make it simpler"


def _reason(status: int, last_line: str, limits: Limits) -> str:
    memory = f"reading it needs more than {limits.megabytes:,} MB of memory; give it more, or make it simpler"
    if status < 0:
        name = signal.Signals(-status).name
        if name in ("SIGXCPU", "SIGALRM"):
            return _took_too_long(limits)
        if name == "SIGABRT" and "bad_alloc" in last_line:
            return memory
        return f"the reader crashed with {name} on this file; {_REMEDY}"
    if last_line.startswith(("MemoryError", "numpy._core._exceptions._ArrayMemoryError")) or "bad_alloc" in last_line:
        return memory
    if last_line.startswith("OSError: [Errno 27]"):
        return f"reading it writes a file of more than {limits.file_megabytes:,} MB; {_REMEDY}"
    return f"cannot be read ({last_line or f'the reader ended with status {status}'}); {_REMEDY}"
