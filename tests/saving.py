"""A child that saves policies for ever, to be killed at any moment."""

import itertools
from multiprocessing.connection import Connection
from pathlib import Path

from sim2real.policy.files import write_folder

FILES = ("policy.yaml", "weights.npz", "golden.npz")


def save_for_ever(folder: Path, told: Connection) -> None:
    """Save again and again, each time with contents of its own, and tell of the first."""
    for k in itertools.count():
        write_folder(folder, dict.fromkeys(FILES, b"%d" % k * 20000))
        if k == 0:
            told.send(k)
