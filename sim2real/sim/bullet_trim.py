"""Trim: how a PyBullet body gets another centre of mass and any inertia without being loaded again.

PyBullet takes a new mass and three principal moments for a loaded body; the place and the axes of its inertial frame are
fixed. A body that needs others gets four trims: links without shape, bolted to it `REACH` from its centre of mass,
along its principal axes and along the diagonal opposite to them. Mass moved to them moves the centre of mass. What the
moved masses add to the inertia is taken off the body's own moments, and three trims, turned by 45 degrees about an axis
each, bear the products of inertia. Some of these moments are negative; only their sum is a body, and only that matters
to Featherstone's recursion. Trims without mass change no bit of a simulation.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import pi

import numpy as np

from robots import Joint, Link
from robots.kinematics import rotation, rpy_of
from robots.model import Inertial, Pose, RobotModel
from sim2real.sim.engine import Array

REACH = 1.0  # [m] five times the largest shift of a centre of mass
DIRECTIONS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, -1.0, -1.0]])
_TURNS = ((pi / 4, 0.0, 0.0), (0.0, pi / 4, 0.0), (0.0, 0.0, pi / 4), (0.0, 0.0, 0.0))
_SMALL = 1e-12  # share of an inertia that is rounding


def trim_name(body: str, number: int) -> str:
    """Return the name of a body's trim, 0..3."""
    return f"{body}/trim{number}"


def with_trims(model: RobotModel, frames: dict[str, tuple[Array, Array]], bodies: list[str]) -> RobotModel:
    """Return the model with trims on some bodies; frames: body -> place and axes of its inertial frame."""
    links, joints = [], []
    for body in bodies:
        centre, axes = frames[body]
        for number, (direction, turn) in enumerate(zip(DIRECTIONS, _TURNS, strict=True)):
            name = trim_name(body, number)
            place, axes_there = centre + axes @ (REACH * direction), axes @ rotation(turn)
            links.append(Link(name, Inertial(1.0, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0))))
            x, y, z = place.tolist()
            joints.append(Joint(name, "fixed", body, name, Pose((x, y, z), rpy_of(axes_there))))
    return replace(model, links=(*model.links, *links), joints=(*model.joints, *joints))


def needs_trim(shift: Array, inertia: Array) -> bool:
    """Whether a body with this shift (3,) and inertia (3, 3) along its principal axes is out of PyBullet's own reach."""
    return bool(shift.any()) or abs(inertia[[0, 0, 1], [1, 2, 2]]).max() > _SMALL * inertia.trace()


def trimmed(mass: float, shift: Array, inertia: Array) -> Iterator[tuple[float, list[float]]]:
    """Yield mass and principal moments of a body and of its four trims, which together are what is wanted.

    shift (3,) [m] of the centre of mass and inertia (3, 3) [kg m^2] about it, both along the body's principal axes
    """
    away = max(0.0, float((-shift).max())) * mass / REACH
    # Not below 0 by rounding: PyBullet would ignore that without a word.
    masses = np.maximum(np.append(shift * mass / REACH + away, away), 0.0)
    places = np.concatenate([[-shift], REACH * DIRECTIONS - shift])  # seen from the new centre of mass
    weights = np.append(mass - masses.sum(), masses)
    moved = np.einsum("k,kij->ij", weights, _point_inertia(places))
    left = inertia - moved
    yield float(weights[0]), np.diag(left).tolist()
    for number, product in enumerate((left[1, 2], left[0, 2], left[0, 1])):
        yield float(masses[number]), _moments(number, float(product))
    yield float(masses[3]), [0.0, 0.0, 0.0]


def _point_inertia(places: Array) -> Array:
    """Return the inertia (n, 3, 3) of a mass of 1 kg at each place (n, 3)."""
    squares = (places**2).sum(axis=1)[:, None, None]
    return squares * np.eye(3) - places[:, :, None] * places[:, None, :]


def _moments(axis: int, product: float) -> list[float]:
    """Return the moments that, turned by 45 degrees about `axis`, have nothing but this product of inertia."""
    moments = [0.0, 0.0, 0.0]
    first, second = ((1, 2), (2, 0), (0, 1))[axis]
    moments[first], moments[second] = product, -product
    return moments
