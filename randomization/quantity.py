"""What a randomizable quantity is: name, unit, where it acts, the values physics can bear, and a law to start from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from randomization.distributions import Law
from robots import Robot
from robots.model import Joint

LARGEST = 1e6  # in SI units: what is larger is no robot's, and numbers stay finite whatever is done with them
Place = Literal["engine", "motor", "sensor", "world", "camera"]
"""What reads a quantity: the engines, the model of the motors, the sensor models, the world around, the cameras."""


@dataclass(frozen=True)
class Quantity:
    """One kind of physical quantity, for each of its members (bodies, joints, motors, axes of a sensor, ...).

    per: what a member is, in one word; `members` lists them for a robot: none where the quantity would do nothing,
    ("",) where there is but one, whose coordinate is called by the quantity's name alone.
    nominal: maps (robot, member) to the value that changes nothing; inf where that means "none" (such as no limit)
    Physics bears values in [minimum, maximum], or in (minimum, maximum] where `strict`.
    default: a law to start from, with its source; `relative` says how it is meant, as in a Randomization's YAML
    context: values of other quantities under which this one acts, for the audit and the examples
    """

    name: str
    per: str
    unit: str
    meaning: str
    place: Place
    members: Callable[[Robot], tuple[str, ...]]
    nominal: Callable[[Robot, str], float]
    default: Law
    source: str
    minimum: float = -LARGEST
    strict: bool = False
    maximum: float = LARGEST
    relative: Literal["value", "scale", "offset"] = "value"
    context: Mapping[str, float] = field(default_factory=dict)


def always(value: float) -> Callable[[Robot, str], float]:
    """Return a nominal value that is the same for every robot and member."""
    return lambda _, __: value


def once(_: Robot) -> tuple[str, ...]:
    """One coordinate, of the whole world."""
    return ("",)


def with_floor(robot: Robot) -> tuple[str, ...]:
    """One coordinate, where there is a floor: a robot that is bolted to the world has none."""
    return () if robot.fixed_base else ("",)


def bodies(robot: Robot) -> tuple[str, ...]:
    """Every body with mass that can move: what fixed joints hold together, named after its topmost link."""
    model = robot.merged.model
    return tuple(body for body in model.bodies if not (robot.fixed_base and body == model.root.name))


def touching(robot: Robot) -> tuple[str, ...]:
    """Every body with a shape that can touch the floor."""
    if robot.fixed_base:
        return ()
    return tuple(link.name for link in robot.merged.model.links if link.collisions)


def joints(robot: Robot) -> tuple[str, ...]:
    """Every movable joint."""
    return robot.joint_names


def free_joints(robot: Robot) -> tuple[str, ...]:
    """Every movable joint that does not mimic another."""
    return tuple(joint.name for joint in robot.model.movable if joint.mimic is None)


def limited_joints(robot: Robot) -> tuple[str, ...]:
    """Every movable joint with two limits."""
    return tuple(joint.name for joint in robot.model.movable if joint.mimic is None and _limited(joint))


def _limited(joint: Joint) -> bool:
    return joint.limit.lower > -inf and joint.limit.upper < inf


def motors(robot: Robot) -> tuple[str, ...]:
    """Every motor, named after its joint."""
    return robot.actuator_names


def servos(robot: Robot) -> tuple[str, ...]:
    """Every motor that closes a position loop."""
    return tuple(a.joint for a in robot.actuators if a.mode == "position")


def damped_servos(robot: Robot) -> tuple[str, ...]:
    """Every motor that closes a velocity loop, or damps a position loop."""
    return tuple(a.joint for a in robot.actuators if a.mode != "effort")


def motor_joints(robot: Robot) -> tuple[str, ...]:
    """Every joint with a motor."""
    return robot.actuator_names
