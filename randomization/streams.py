"""Named random streams: one seed, and no two purposes that share its numbers."""

from zlib import crc32

import numpy as np


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """Return the generator of `purpose` (e.g. "train", "evaluate") under `seed`.

    Different purposes and indices are independent, so that held-out worlds never share draws with training.
    """
    # From 1 on: numpy pads what seeds a generator with zeros, so that index 0 would be no index at all.
    return np.random.default_rng([seed, crc32(purpose.encode()), *(i + 1 for i in index)])
