"""Keeping C and C++ libraries from writing over what a command prints."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(fd: int) -> Iterator[None]:
    """Send what is written to a file descriptor (1 or 2), by Python or by C, to nowhere."""
    (sys.stdout if fd == 1 else sys.stderr).flush()
    saved, null = os.dup(fd), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # C keeps a buffer of its own, which would come out later
        os.dup2(saved, fd)
        os.close(saved)
        os.close(null)
