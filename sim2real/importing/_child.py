"""The process that `run_limited` starts: `python -P _child.py REQUEST_FD RESULT_FD`.

It limits itself before it imports anything that may read a stranger's file, then calls `package.module:function` with
the request and writes what that returns as JSON.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from importlib import import_module
from typing import Any

from sim2real.errors import Sim2RealError

_PR_SET_PDEATHSIG = 1  # prctl(2): the signal to get when the caller dies


def main() -> None:
    """Answer one request and exit; a traceback on stderr and status 1 where the function raises something else."""
    request_fd, result_fd = (int(number) for number in sys.argv[1:])
    with os.fdopen(request_fd, encoding="utf-8") as stream:
        request = json.load(stream)
    _limit(request["seconds"], request["megabytes"], request["file_megabytes"])
    module, _, function = request["target"].partition(":")
    answer = _call(getattr(import_module(module), function), request["arguments"])
    with os.fdopen(result_fd, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)


def _limit(seconds: float, megabytes: int, file_megabytes: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Should the caller be killed elsewhere, nobody is left to end this process: the alarm does.
    signal.setitimer(signal.ITIMER_REAL, seconds + 1.0)
    # The hard limit on CPU time is one second later: the soft one's SIGXCPU says what happened, SIGKILL does not.
    cpu = int(seconds) + 1
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, megabytes << 20, megabytes << 20),
        (resource.RLIMIT_FSIZE, file_megabytes << 20, file_megabytes << 20),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def _call(function: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"value": function(**arguments)}
    except Sim2RealError as error:
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    main()
