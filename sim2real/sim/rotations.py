"""Quaternions (x, y, z, w), as ROS and PyBullet order them. MuJoCo's (w, x, y, z) is converted at its edge."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_YZX, _ZXY = np.array([1, 2, 0]), np.array([2, 0, 1])
_TINY = 1e-300  # stands for an angle of 0, of which sin(x) / x cannot be told


def compose(a: Array, b: Array) -> Array:
    """Return the rotation that applies b, then a: both (..., 4)."""
    a, b = _rows(a, b)
    av, aw, bv, bw = a[:3], a[3], b[:3], b[3]
    vector = aw * bv + bw * av + _cross(av, bv)
    turn = np.empty((4, *vector.shape[1:]))
    turn[:3], turn[3] = vector, aw * bw - (av * bv).sum(axis=0)
    return np.ascontiguousarray(turn.T)


def inverse(q: Array) -> Array:
    """Return the inverse of unit quaternions (..., 4)."""
    return np.concatenate([-q[..., :3], q[..., 3:]], axis=-1)


def rotate(q: Array, v: Array) -> Array:
    """Rotate vectors v (..., 3) by unit quaternions q (..., 4)."""
    q, v = _rows(q, v)
    vector, w = q[:3], q[3]
    t = 2.0 * _cross(vector, v)
    turned = v + w * t + _cross(vector, t)
    return np.ascontiguousarray(turned.T)


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
    (vector,) = _rows(vector)
    half = np.maximum(np.sqrt((vector * vector).sum(axis=0)) / 2.0, _TINY)
    turn = np.empty((4, *half.shape))
    turn[:3], turn[3] = vector * (np.sin(half) / half / 2.0), np.cos(half)
    return np.ascontiguousarray(turn.T)


def cross(a: Array, b: Array) -> Array:
    """Return a x b (..., 3), to the bit what `np.cross` gives, which takes eight times as long for a few vectors."""
    return a.take(_YZX, -1) * b.take(_ZXY, -1) - a.take(_ZXY, -1) * b.take(_YZX, -1)


def _cross(a: Array, b: Array) -> Array:
    """Return a x b of vectors with their components along the first axis."""
    return a.take(_YZX, 0) * b.take(_ZXY, 0) - a.take(_ZXY, 0) * b.take(_YZX, 0)


def _rows(*vectors: Array) -> list[Array]:
    """Return vectors (..., k) with their axes in reverse: each component of all of them is a row, which is quick."""
    most = max(v.ndim for v in vectors)
    return [np.ascontiguousarray(v.T).reshape(v.shape[::-1] + (1,) * (most - v.ndim)) for v in vectors]


def _parts(v: Array) -> tuple[Array, ...]:
    return tuple(v[..., k] for k in range(v.shape[-1]))
