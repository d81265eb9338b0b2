"""The one table of sensor channels: what a robot's sensors measure, with the unit and frame of each number.

Frames are REP-103's: x ahead, y left, z up; quaternions are x, y, z, w. Every channel means the same in both engines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robots import Robot
from robots.sensing import base_axes, encoders, foot_sensors, imu_axes, range_names, wrench_axes
from sim2real.errors import EngineError, nearest


@dataclass(frozen=True)
class Channel:
    """One kind of sensor.

    columns: names its numbers for a robot; () where the robot has no such sensor
    errors: what the names of its errors begin with in `randomization.quantities.sensors`
    """

    name: str
    errors: str
    unit: str
    frame: str
    meaning: str
    columns: Callable[[Robot], tuple[str, ...]]

    def width(self, robot: Robot) -> int:
        """Return how many numbers it has."""
        return len(self.columns(robot))


def _quaternion(robot: Robot) -> tuple[str, ...]:
    return (*imu_axes(robot), "w") if imu_axes(robot) else ()


_AHEAD = "distance along each ray to what is hit; the largest range if nothing is"
_HELD = (
    "force and torque about the joint's origin by which the parent holds the child, as a sensor in the joint's flange "
    "measures them: a mass at rest reads its weight, upwards"
)
_NORMAL = "sum of the normal forces of all contacts of the body that bears each foot"

CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("position", "encoder", "rad | m", "joint", "position of each movable joint", encoders),
        Channel("velocity", "velocity", "rad/s | m/s", "joint", "velocity of each movable joint", encoders),
        Channel("orientation", "orientation", "1", "IMU to world", "unit quaternion x, y, z, w", _quaternion),
        Channel("gyro", "gyro", "rad/s", "IMU", "angular velocity", imu_axes),
        Channel("accelerometer", "accelerometer", "m/s^2", "IMU", "acceleration less gravity", imu_axes),
        Channel("contact", "contact", "N", "contact normal", _NORMAL, foot_sensors),
        Channel("wrench", "wrench", "N, N m", "child link", _HELD, wrench_axes),
        Channel("base_velocity", "base_velocity", "m/s", "base", "velocity of the root link's origin", base_axes),
        Channel("range", "range", "m", "ray", _AHEAD, range_names),
    )
}
_IMU = " (give it an imu)"
_REMEDIES = {
    "orientation": _IMU,
    "gyro": _IMU,
    "accelerometer": _IMU,
    "contact": " (name its feet; a fixed base has no floor to stand on)",
    "wrench": " (name joints in force_torque)",
    "base_velocity": " (its base is fixed)",
    "range": " (give it rangefinders)",
}


def available(robot: Robot) -> tuple[str, ...]:
    """Return the channels that a robot has sensors for."""
    return tuple(name for name, channel in CHANNELS.items() if channel.columns(robot))


def check_channels(robot: Robot, channels: Sequence[str]) -> tuple[str, ...]:
    """Return the channels in the order of the table, each once; raise EngineError for one that the robot lacks."""
    has = available(robot)
    for name in channels:
        if name not in CHANNELS:
            raise EngineError(f"channels: no channel '{name}'{nearest(name, has)}; there are {', '.join(CHANNELS)}")
        if name not in has:
            lacks = f"robot '{robot.name}' has no sensor for '{name}'{_REMEDIES.get(name, '')}"
            raise EngineError(f"{robot.path}: channels: {lacks}; it has {', '.join(has)}")
    return tuple(name for name in has if name in channels)
