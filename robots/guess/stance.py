"""A default pose in which a legged robot stands: feet under the hips, level, the centre of mass between them."""

from collections.abc import Iterator

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial import ConvexHull, QhullError

from robots.guess.anatomy import Anatomy
from robots.kinematics import Array, centre_of_mass, link_poses, motion, transform
from robots.model import Joint, RobotModel

STRETCH = 0.8  # of a leg's length, from hip to foot: room for the knees both ways
REACHED = 1e-3  # [m] how near to its place a foot must come
INSIDE = 0.2  # share of the distance from the middle of the feet to their edge that the centre of mass may be off


def middle(joint: Joint) -> float:
    """Return 0, or the limit of the joint's range that is next to it."""
    return float(np.clip(0.0, joint.limit.lower, joint.limit.upper))


def stance(anatomy: Anatomy) -> tuple[Array, str] | None:
    """Return joint positions (n_joints,) [rad or m] in which the robot stands, and a note on how they were found.

    None if no angles of the legs put the feet under the hips: then they are no legs to stand on.
    """
    legs, model, kept = anatomy.legs, anatomy.model, anatomy.q
    if len(legs) == 2:
        return kept, "zero pose, legs straight: two legs"
    q, ahead = kept, 0.0
    for _ in range(3):
        found = [_leg(anatomy, chain, ahead) for chain in legs]
        if any(angles is None for angles in found):
            return None
        q = kept.copy()
        for chain, angles in zip(legs, found, strict=True):
            for joint, angle in zip(chain, angles if angles is not None else (), strict=True):
                q[model.joint_names.index(joint.name)] = round(float(angle), 3)
        feet = _feet(anatomy, q)
        ahead += float(centre_of_mass(model, q)[0] - feet[:, 0].mean())
    side = "inside" if stands(model, q, feet) else "OUTSIDE"
    return q, f"feet under the hips, legs bent to {STRETCH:.0%}; the centre of mass is {side} of the feet"


def _feet(anatomy: Anatomy, q: Array) -> Array:
    poses = link_poses(anatomy.merged.model, q)
    return np.array([(poses[leg[-1].child] @ [*anatomy.tip(anatomy.foot(leg)), 1.0])[:3] for leg in anatomy.legs])


def stands(model: RobotModel, q: Array, feet: Array) -> bool:
    """Return whether the centre of mass at q lies over the hull of feet (n, 3) [m], all in the root's frame."""
    try:
        sides = ConvexHull(feet[:, :2]).equations
    except (QhullError, ValueError):  # fewer than three feet, or all in a row
        return False
    return bool((sides[:, :2] @ centre_of_mass(model, q)[:2] + sides[:, 2] < 0).all())


def _leg(anatomy: Anatomy, chain: tuple[Joint, ...], ahead: float) -> Array | None:
    """Return the angles (n,) of a leg that put its foot under its hip, `ahead` [m] of it; None if there are none."""
    tip, rest = anatomy.tip(anatomy.foot(chain)), np.array([middle(joint) for joint in chain])
    start = _points(chain, rest, tip)
    hip = min(1, len(chain) - 2)  # the first joint of a leg of three or more swings it sideways
    length = sum(float(np.linalg.norm(b - a)) for a, b in zip(start[hip:], start[hip + 1 :], strict=False))
    goal = np.array([start[hip][0] + ahead, start[-1][1], start[hip][2] - STRETCH * length])
    weight = np.full(len(chain), 1e-3 * length)
    weight[:hip] = 0.1 * length
    bounds = np.array([_bounds(joint) for joint in chain]).T

    def off(angles: Array) -> Array:
        return np.concatenate([_points(chain, angles, tip)[-1] - goal, weight * (angles - rest)])

    solutions = []
    for seed in _seeds(rest, bounds, hip):
        angles = least_squares(off, seed, bounds=bounds).x
        points = _points(chain, angles, tip)
        if np.linalg.norm(points[-1] - goal) < max(REACHED, 0.02 * length):
            solutions.append((points[hip + 1][0] > points[hip][0], float(np.abs(angles - rest).sum()), angles))
    # Knees behind the hips, as most quadrupeds have them; of several such poses the one nearest to zero.
    return min(solutions, key=lambda s: s[:2])[2] if solutions else None


def _points(chain: tuple[Joint, ...], angles: Array, tip: Array) -> list[Array]:
    """Return the origins of the joints and the tip, (3,) [m] each, in the root's frame."""
    pose, points = np.eye(4), []
    for joint, angle in zip(chain, angles.tolist(), strict=True):
        pose = pose @ transform(joint.origin)
        points.append(pose[:3, 3])
        pose = pose @ motion(joint, angle)
    return [*points, (pose @ [*tip, 1.0])[:3]]


def _bounds(joint: Joint) -> tuple[float, float]:
    lower, upper = max(joint.limit.lower, -np.pi), min(joint.limit.upper, np.pi)
    return lower - 1e-9, upper + 1e-9


def _seeds(rest: Array, bounds: Array, hip: int) -> Iterator[Array]:
    for bend in (-1.6, -0.8, 0.8, 1.6):
        for swing in (-0.5, 0.5):
            seed = rest.copy()
            seed[hip] += swing * bend
            seed[hip + 1 :] += bend
            yield np.clip(seed, bounds[0] + 1e-6, bounds[1] - 1e-6)
