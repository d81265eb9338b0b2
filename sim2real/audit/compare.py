"""How far the effects of one case agree between two engines: in direction and in size.

The changes of both trajectories are compared as vectors over time and coordinates, in the stretch where both engines
solve the same equations: the whole rollout of a bolted robot; for a free one the flight until the first contact, or
where the effect begins with a contact, `AFTER` seconds from then, before small differences of two contact solvers grow.
An effect that does not stand out of what the engines differ by anyway in this motion is not compared: sizes are where
one of both stands out, directions where both do.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.audit.trials import Trial

Array = NDArray[np.float64]

AFTER = 0.1  # [s]
STANDS_OUT = 1.5  # times what the engines differ by anyway
NOTICEABLE = 1e-7  # [rad | m] an RMS change below is not compared


@dataclass(frozen=True)
class Agreement:
    """How two changes agree.

    cosine: of the angle between them, 1 for the same direction; None where one is too small to have a direction
    ratio: of their sizes, one over the other
    """

    cosine: float | None
    ratio: float


def agreement(one: Trial, other: Trial, control_dt: float) -> Agreement | None:
    """Compare two engines' trials of the same case; None where there is too little to compare."""
    a, b = one.moved, other.moved
    stretch = slice(0, min(one.base.landing, other.base.landing))
    if max(_size(a[stretch]), _size(b[stretch])) < NOTICEABLE:
        began = min(_began(a), _began(b))
        if abs(_began(a) - _began(b)) > 1:  # control periods: they do not meet the same thing
            return None
        stretch = slice(began, began + max(2, round(AFTER / control_dt)))
    a, b = a[stretch], b[stretch]
    anyway = _size((one.base.motion - other.base.motion)[stretch])
    sizes = _size(a), _size(b)
    if not np.isfinite(sizes).all() or max(sizes) < max(NOTICEABLE, STANDS_OUT * anyway):
        return None
    if min(sizes) == 0.0:
        return Agreement(None, np.inf if sizes[1] == 0.0 else 0.0)
    directed = min(sizes) >= STANDS_OUT * anyway
    return Agreement(float((a * b).mean()) / (sizes[0] * sizes[1]) if directed else None, sizes[0] / sizes[1])


def _size(motion: Array) -> float:
    return float(np.sqrt((motion**2).mean())) if motion.size else 0.0


def _began(moved: Array) -> int:
    """Return the first period in which something moved noticeably; the last one if nothing did."""
    late = np.flatnonzero(np.abs(moved).max(axis=1) > NOTICEABLE)
    return int(late[0]) if len(late) else len(moved) - 1
