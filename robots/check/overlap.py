"""Whether two convex solids overlap: the algorithm of Gilbert, Johnson and Keerthi, in plain numpy.

E. G. Gilbert, D. W. Johnson, S. S. Keerthi, A fast procedure for computing the distance between complex objects in
three-dimensional space, IEEE J. Robotics and Automation 4 (1988).
"""

from itertools import combinations

import numpy as np

from robots.kinematics import Array

_ROUNDS = 60  # it takes some 10; more mean that the two just touch


def shrunk(points: Array, by: float) -> Array | None:
    """Return points (n, 3) [m] whose convex hull lies `by` inside that of the given ones; None if nothing is left.

    The hull is scaled towards its middle, so that the faces nearest to it move inward by `by`, others by more.
    """
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    thinnest = float(np.ptp(points, axis=0).min()) / 2
    if thinnest <= by:
        return None
    smaller: Array = middle + (points - middle) * (1 - by / thinnest)
    return smaller


def overlap(a: Array, b: Array) -> bool:
    """Return whether the convex hulls of a (n, 3) and b (m, 3) have a point in common."""
    simplex = np.empty((0, 3))
    nearest = a.mean(axis=0) - b.mean(axis=0)
    tiny = 1e-9 * max(float(np.ptp(a, axis=0).max()), float(np.ptp(b, axis=0).max()))
    for _ in range(_ROUNDS):
        if float(nearest @ nearest) <= tiny * tiny:
            return True
        corner = a[(a @ nearest).argmin()] - b[(b @ nearest).argmax()]
        if float(corner @ nearest) > 0:
            return False  # a plane across `nearest` parts the two
        simplex, nearest = _nearest(np.vstack([simplex, corner]))
        if len(simplex) == 4:
            return True
    return True


def _nearest(simplex: Array) -> tuple[Array, Array]:
    """Return the part of a simplex (k, 3), k <= 4, nearest to the origin, and its nearest point; all if inside."""
    best: tuple[Array, Array] | None = None
    for count in range(1, len(simplex) + 1):
        for chosen in combinations(range(len(simplex)), count):
            corners = simplex[list(chosen)]
            weights = _weights(corners)
            if weights is not None:
                point = weights @ corners
                if count == 4:
                    return corners, point
                if best is None or point @ point < best[1] @ best[1]:
                    best = corners, point
    return best if best is not None else (simplex[-1:], simplex[-1])


def _weights(corners: Array) -> Array | None:
    """Return the weights (k,) of the affine hull's point nearest to the origin; None if it is outside the simplex."""
    count = len(corners)
    if count == 1:
        return np.ones(1)
    edges = corners[1:] - corners[0]
    gram = edges @ edges.T
    if abs(np.linalg.det(gram)) <= 1e-14 * float(np.prod(np.diag(gram))):
        return None
    rest = np.linalg.solve(gram, -edges @ corners[0])
    weights = np.concatenate([[1 - rest.sum()], rest])
    return weights if (weights >= -1e-12).all() else None
