"""Trim: how a PyBullet body gets another centre of mass and any inertia without being loaded again.

PyBullet takes a new mass and three principal moments for a loaded body; place and axes of its inertial frame are fixed.
A body that needs others gets four trims: links without shape, bolted to it `REACH` from its centre of mass along its
principal axes, and along the diagonal opposite to them. Mass moved to them moves the centre of mass. What the moved
masses add to the inertia is taken off the body's own moments, and three trims, turned by 45 degrees about an axis each,
bear the products of inertia. Some of these moments are negative; only their sum is a body, and only that matters to
Featherstone's recursion. Trims without mass change no bit of a simulation. Each costs a physics step 1 to 2 us.
"""

from dataclasses import replace
from math import pi

import numpy as np
from numpy.typing import NDArray

from robots import Joint, Link
from robots.kinematics import rotation, rpy_of
from robots.model import Inertial, Pose, RobotModel
from sim2real.sim.engine import Array

REACH = 1.0  # [m] five times the largest shift of a centre of mass
TRIMS = 4  # of each body
_DIRECTIONS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, -1.0, -1.0]])
_PLACES = REACH * _DIRECTIONS
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
        for number, (place_there, turn) in enumerate(zip(_PLACES, _TURNS, strict=True)):
            name = trim_name(body, number)
            place, axes_there = centre + axes @ place_there, axes @ rotation(turn)
            links.append(Link(name, Inertial(1.0, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0))))
            x, y, z = place.tolist()
            joints.append(Joint(name, "fixed", body, name, Pose((x, y, z), rpy_of(axes_there))))
    return replace(model, links=(*model.links, *links), joints=(*model.joints, *joints))


def needs_trim(shift: Array, inertia: Array) -> NDArray[np.bool_]:
    """Which bodies are out of PyBullet's own reach: (n,).

    shift (n, 3) of the centre of mass, inertia (n, 3, 3) about it, both along each body's principal axes
    """
    products = np.abs(inertia[:, [0, 0, 1], [1, 2, 2]]).max(axis=1)
    traces = inertia[:, 0, 0] + inertia[:, 1, 1] + inertia[:, 2, 2]
    needed: NDArray[np.bool_] = shift.any(axis=1) | (products > _SMALL * traces)
    return needed


def trimmed(mass: Array, shift: Array, inertia: Array) -> tuple[Array, Array]:
    """Return masses (n, 5) and principal moments (n, 5, 3) of bodies and their four trims, which together are wanted.

    mass (n,) [kg], shift (n, 3) [m] of the centre of mass, inertia (n, 3, 3) [kg m^2] about it; principal axes
    """
    opposite = np.maximum(0.0, -shift.min(axis=1)) / REACH
    shares = np.concatenate([shift / REACH + opposite[:, None], opposite[:, None]], axis=1)
    # Not below 0 by rounding: PyBullet would ignore that without a word.
    masses = np.empty((len(mass), 5))
    masses[:, 1:] = np.maximum(shares, 0.0) * mass[:, None]
    masses[:, 0] = mass - masses[:, 1:].sum(axis=1)
    places = np.concatenate([np.zeros((len(mass), 1, 3)), np.broadcast_to(_PLACES, (len(mass), 4, 3))], axis=1)
    places = places - shift[:, None]  # seen from the new centre of mass
    second = np.einsum("nk,nki,nkj->nij", masses, places, places)
    spread = second[:, 0, 0] + second[:, 1, 1] + second[:, 2, 2]
    left = inertia + second
    moments = np.zeros((len(mass), 5, 3))
    moments[:, 0] = left[:, [0, 1, 2], [0, 1, 2]] - spread[:, None]
    # Turned by 45 degrees about an axis, moments of +-p about the other two have the product of inertia p alone.
    for axis, (first, other) in enumerate(((1, 2), (2, 0), (0, 1))):
        moments[:, 1 + axis, first], moments[:, 1 + axis, other] = left[:, first, other], -left[:, first, other]
    return masses, moments
