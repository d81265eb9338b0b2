"""Quaternions (x, y, z, w), as ROS and PyBullet order them. MuJoCo's (w, x, y, z) is converted at its edge."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def compose(a: Array, b: Array) -> Array:
    """Return the rotation that applies b, then a: both (..., 4)."""
    av, aw, bv, bw = a[..., :3], a[..., 3:], b[..., :3], b[..., 3:]
    vector = aw * bv + bw * av + _cross(av, bv)
    return np.concatenate([vector, aw * bw - (av * bv).sum(axis=-1, keepdims=True)], axis=-1)


def inverse(q: Array) -> Array:
    """Return the inverse of unit quaternions (..., 4)."""
    return np.concatenate([-q[..., :3], q[..., 3:]], axis=-1)


def rotate(q: Array, v: Array) -> Array:
    """Rotate vectors v (..., 3) by unit quaternions q (..., 4)."""
    vector, w = q[..., :3], q[..., 3:]
    t = 2.0 * _cross(vector, v)
    return v + w * t + _cross(vector, t)


def from_rpy(rpy: Array) -> Array:
    """Return the quaternions of URDF's fixed-axis roll, pitch, yaw (..., 3) [rad]."""
    half = np.asarray(rpy, dtype=np.float64) / 2.0
    (cr, cp, cy), (sr, sp, sy) = _parts(np.cos(half)), _parts(np.sin(half))
    return np.stack(
        [
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        ],
        axis=-1,
    )


def to_rpy(q: Array) -> Array:
    """Return URDF's fixed-axis roll, pitch, yaw (..., 3) [rad] of unit quaternions (..., 4), pitch within +-pi/2."""
    x, y, z, w = _parts(q)
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return np.stack([roll, pitch, yaw], axis=-1)


def from_vector(vector: Array) -> Array:
    """Return the quaternions (..., 4) of turns about `vector` (..., 3) by its length [rad]."""
    half = np.sqrt((vector * vector).sum(axis=-1, keepdims=True)) / 2.0
    return np.concatenate([vector * (np.sinc(half / np.pi) / 2.0), np.cos(half)], axis=-1)


def _parts(v: Array) -> tuple[Array, ...]:
    return tuple(v[..., k] for k in range(v.shape[-1]))


def _cross(a: Array, b: Array) -> Array:
    """Return a x b (..., 3), to the bit what `np.cross` gives, which takes four times as long for a few vectors."""
    (ax, ay, az), (bx, by, bz) = _parts(a), _parts(b)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
