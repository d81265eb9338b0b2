"""Every robot of the catalog passes the audit, in a reduced form: one member of each quantity, and 20 resets.

Two robots, whose worlds are quick, are tried in all quantities; the others in those that depend on the robot, which
leaves out sensors, cameras and the way of commands. `sim2real audit ROBOT` tries all members of all quantities.
"""

from fnmatch import fnmatchcase

import pytest

from randomization import VariantSpace
from robots import load_robot, robot_names
from sim2real.audit import audit

WHOLE = ("kuka_iiwa", "furuta")
BODILY = (
    "mass", "com_x", "inertia", "damping", "friction", "armature", "limit_offset", "sliding_friction", "kp", "kd",
    "strength", "gravity_z",
)  # fmt: skip
GROUNDED = ("payload", "*_friction", "restitution", "contact_*", "slope", "roughness", "push_impulse", "wind_speed")
WORLDS = ("a1", "husky")  # tried in what else the world has


def failures(name: str, patterns: tuple[str, ...] | None) -> list[str]:
    robot = load_robot(name)
    quantities = {quantity.name for quantity in VariantSpace(robot).quantities}
    # Of those that the robot has: an arm has no floor, a cart-pole no servo.
    has = None if patterns is None else [p for p in patterns if any(fnmatchcase(q, p) for q in quantities)]
    found = audit(robot, quantities=has, per_quantity=1, resets=20)
    return [f"{row.name}: {finding}" for row in found.failures for finding in row.findings] + [
        str(finding) for finding in found.general
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_every_quantity_does_what_it_says(name):
    assert failures(name, None) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in robot_names() if name not in (*WHOLE, "cartpole")])
def test_what_the_robot_itself_has_does_what_it_says(name):
    assert failures(name, BODILY + (GROUNDED if name in WORLDS else ())) == []
