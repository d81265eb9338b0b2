"""Quaternions (x, y, z, w), as ROS and PyBullet order them. MuJoCo's (w, x, y, z) is converted at its edge."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def compose(a: Array, b: Array) -> Array:
    """Return the rotation that applies b, then a: both (..., 4)."""
    av, aw, bv, bw = a[..., :3], a[..., 3:], b[..., :3], b[..., 3:]
    vector = aw * bv + bw * av + np.cross(av, bv)
    return np.concatenate([vector, aw * bw - (av * bv).sum(axis=-1, keepdims=True)], axis=-1)


def inverse(q: Array) -> Array:
    """Return the inverse of unit quaternions (..., 4)."""
    return np.concatenate([-q[..., :3], q[..., 3:]], axis=-1)


def rotate(q: Array, v: Array) -> Array:
    """Rotate vectors v (..., 3) by unit quaternions q (..., 4)."""
    vector, w = q[..., :3], q[..., 3:]
    t = 2.0 * np.cross(vector, v)
    return v + w * t + np.cross(vector, t)


def from_rpy(rpy: Array) -> Array:
    """Return the quaternions of URDF's fixed-axis roll, pitch, yaw (..., 3) [rad]."""
    half = np.asarray(rpy, dtype=np.float64) / 2.0
    (cr, cp, cy), (sr, sp, sy) = np.moveaxis(np.cos(half), -1, 0), np.moveaxis(np.sin(half), -1, 0)
    return np.stack(
        [
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        ],
        axis=-1,
    )
