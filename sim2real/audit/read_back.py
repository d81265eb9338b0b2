"""What an engine itself holds of a Variant, read after it was applied: the physics' own numbers, not ours.

A snapshot has numbers by field and owner: mass of trunk, sliding of FR_toe, gravity. Both engines use the names below
for what both have, so that a value means the same in the audit's table; what else an engine has is kept under its own
name, so that nothing changes unseen. What PyBullet does not tell of a joint is measured: see `bullet_reader`.

mass [kg], com (3,) [m] and inertia (9,) [kg m^2] about it, in the body's frame; sliding [1], rolling and spinning [m],
restitution [1], stiffness [N/m] and contact_damping [N s/m] of a body's contact with the floor; damping, friction,
armature and limits (2,) of a joint; gravity (3,) [m/s^2]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from randomization import Quantity
from robots import Robot

Array = NDArray[np.float64]

ROUNDING = 1e-5  # share of the largest number of an owner that is no change: PyBullet keeps frames in single precision
PROBED_SHARE = 1e-3  # of damping and friction that is no change, where measured
PROBED = 5e-5  # [N m | N], and per rad/s or m/s: damping and friction below are 0, where measured
MEASURED = 0.01  # share of the largest change of damping or friction within which the others are the same: measured


@dataclass(frozen=True, eq=False)
class Held:
    """One field of an engine: values (n_owners, k)."""

    owners: tuple[str, ...]
    values: Array

    def of(self, owner: str) -> Array | None:
        """Return the numbers of one owner: (k,); None if it has none."""
        return self.values[self.owners.index(owner)] if owner in self.owners else None


Snapshot = dict[str, Held]


def held(rows: Mapping[str, Sequence[float] | Array]) -> Held:
    """Return a field of rows (k,) by owner."""
    values = np.array(list(rows.values()), dtype=np.float64)
    return Held(tuple(rows), values.reshape(len(rows), -1) if rows else np.zeros((0, 1)))


# What a quantity may change: fields by name. A quantity of a joint may change them for the body that the joint moves.
_BODY: dict[str, tuple[str, ...]] = {"mass": ("mass", "inertia"), "payload": ("mass",), "inertia": ("inertia",)}
_BODY |= {f"com_{axis}": ("com",) for axis in "xyz"}
_SOFT = ("geom_solimp", "geom_solmix")
_CONTACT: dict[str, tuple[str, ...]] = {
    "sliding_friction": ("sliding",),
    "rolling_friction": ("rolling", "geom_condim"),
    "spinning_friction": ("spinning", "geom_condim"),
    "restitution": ("restitution", *_SOFT),
    "contact_stiffness": ("stiffness", "contact_damping", *_SOFT),
    "contact_damping": ("contact_damping", *_SOFT),
}
_JOINT: dict[str, tuple[str, ...]] = {"damping": ("damping",), "friction": ("friction",), "limit_offset": ("limits",)}
_JOINT |= {"armature": ("armature", "inertia", "mass")}
_WORLD: dict[str, tuple[str, ...]] = {f"gravity_{axis}": ("gravity",) for axis in "xyz"}
_WORLD |= {"ground_friction": ("sliding", "rolling", "spinning")}
FIELDS: Mapping[str, tuple[str, ...]] = _BODY | _CONTACT | _JOINT | _WORLD


class Reader(Protocol):
    """Reads one engine."""

    def snapshot(self, world: int) -> Snapshot:
        """Return what a world holds. May move the robot: reset the world before it is stepped."""


def make_reader(engine: Any, name: str) -> Reader:
    """Return the reader of an engine by its name, "bullet" or "mujoco"; it must run in this process."""
    if name == "bullet":
        from sim2real.audit.bullet_reader import BulletReader

        return BulletReader(engine)
    from sim2real.audit.mujoco_reader import MujocoReader

    return MujocoReader(engine)


def value_of(
    robot: Robot, quantity: Quantity, member: str, nominal: float, base: Snapshot, seen: Snapshot
) -> float | None:
    """Return a coordinate's value as an engine has it, all other coordinates being those of `base`; None if unread."""
    fields = FIELDS.get(quantity.name, ())
    if quantity.name == "armature" and "armature" not in seen:
        return nominal + _about_axis(robot, member, base, seen)
    if not fields or fields[0] not in seen:
        return None
    then, now = base[fields[0]].of(member), seen[fields[0]].of(member)
    if then is None or now is None:
        return None
    match quantity.name:
        case "mass":
            return float(now[0] / then[0])
        case "inertia":
            return float(now[::4].sum() / then[::4].sum())  # the trace
        case "payload":
            return float(now[0] - then[0])
        case "limit_offset":
            return float((now - then).mean())
        case "com_x" | "com_y" | "com_z":
            return float((now - then)["xyz".index(quantity.name[-1])])
        case "gravity_x" | "gravity_y" | "gravity_z":
            return float(now["xyz".index(quantity.name[-1])])
    return float(now[0])


def _about_axis(robot: Robot, joint: str, base: Snapshot, seen: Snapshot) -> float:
    """Return how much more inertia the body that a joint turns has about its axis [kg m^2]."""
    model = robot.merged.model.joint(joint)
    axis = np.array(model.axis)
    then, now = (held["inertia"].of(model.child) for held in (base, seen))
    return 0.0 if then is None or now is None else float(axis @ (now - then).reshape(3, 3) @ axis)


def changes(base: Snapshot, seen: Snapshot) -> list[tuple[str, str]]:
    """Return which numbers differ between two snapshots, as (field, owner), by more than rounding or `MEASURED`."""
    found = [(field, "") for field in base.keys() ^ seen.keys()]
    both = [field for field in seen if field in base]
    resisting = [np.abs(base[f].values - seen[f].values).max(initial=0.0) for f in ("damping", "friction") if f in both]
    for field in both:
        least = max(PROBED, MEASURED * max(resisting)) if field in ("damping", "friction") else 0.0
        then, now = base[field], seen[field]
        if then.owners != now.owners or then.values.shape != now.values.shape:
            found.append((field, ""))
            continue
        share = PROBED_SHARE if field in ("damping", "friction") else ROUNDING
        found += [(field, then.owners[k]) for k in _differing(then.values, now.values, share, least)]
    return sorted(found)


def _differing(a: Array, b: Array, share: float, least: float) -> list[int]:
    """Return the rows (k,) in which two arrays (n, k) differ by more than a share of the row, and than `least`."""
    if np.array_equal(a, b, equal_nan=True):
        return []
    finite = np.where(np.isfinite(a), np.abs(a), 0.0).max(axis=1, keepdims=True, initial=0.0)
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.abs(a - b) <= np.maximum(share * finite, max(least, 1e-12))) | (np.isnan(a) & np.isnan(b))
    return np.flatnonzero(~same.all(axis=1)).tolist()


def strays(robot: Robot, quantity: Quantity, member: str, changed: list[tuple[str, str]]) -> list[str]:
    """Return which changed numbers are none of a coordinate's business, as "field of owner"."""
    allowed = FIELDS.get(quantity.name, ())
    if quantity.per == "floor":
        changed = [(field, owner) for field, owner in changed if not owner.startswith("floor")]
    owners = {member}
    if member in robot.joint_names:
        owners.add(robot.model.joint(member).child)
    return [
        f"{field} of {owner or 'the world'}"
        for field, owner in changed
        if not (field in allowed and (owner in owners or not member))
        and not (
            quantity.place == "motor" and field.startswith(("actuator", "motor")) and (owner in owners or not member)
        )
    ]
