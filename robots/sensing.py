"""Which sensors a robot has, and what each number that they give is called: () where the robot lacks the sensor."""

from robots.robot import Robot

AXES = ("x", "y", "z")
WRENCH_AXES = ("fx", "fy", "fz", "tx", "ty", "tz")  # as geometry_msgs/Wrench orders them


def encoders(robot: Robot) -> tuple[str, ...]:
    """Every movable joint: each has an encoder of position and one of velocity."""
    return robot.joint_names


def imu_axes(robot: Robot) -> tuple[str, ...]:
    """The axes of the IMU; an IMU has a gyro, an accelerometer and an estimate of its orientation."""
    return AXES if robot.file.imu else ()


def foot_sensors(robot: Robot) -> tuple[str, ...]:
    """Every foot; a robot that is bolted to the world has no floor to feel."""
    return () if robot.fixed_base else robot.file.feet


def wrench_axes(robot: Robot) -> tuple[str, ...]:
    """Force and torque at each joint that measures them: `JOINT.fx`, ..., `JOINT.tz`."""
    return tuple(f"{joint}.{axis}" for joint in robot.file.force_torque for axis in WRENCH_AXES)


def base_axes(robot: Robot) -> tuple[str, ...]:
    """The axes of a base that can move."""
    return () if robot.fixed_base else AXES


def range_names(robot: Robot) -> tuple[str, ...]:
    """Every rangefinder, by its name in the robot.yaml."""
    return tuple(robot.file.rangefinders)
