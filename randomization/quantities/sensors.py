"""Sensors: what each channel makes of the truth, and how the IMU sits.

An error is named after the sensor and what it does: `encoder_noise`, `gyro_bias`, `range_rate`.
What each of them does, and in which order, is in `sim2real.sim.sensors`. Ranges are given by published work for some;
for the others the source says "open" and what the range was taken from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, pi

from randomization.distributions import Choice, Law, LogUniform, Uniform
from randomization.quantity import LARGEST, Quantity, always
from robots import Robot
from robots.sensing import AXES, base_axes, encoders, foot_sensors, imu_axes, range_names, wrench_axes

Members = Callable[[Robot], tuple[str, ...]]

_LEGGED = "legged_gym, Isaac Lab and MuJoCo Playground (uniform there: its deviation is 0.58 of the half width)"


@dataclass(frozen=True)
class _Sensor:
    """One kind of sensor: its errors' prefix, one member for each number, and the sizes of its errors to start from.

    noise, bias, drift [unit/sqrt(s)]: largest deviation, offset and walk; step: a typical resolution
    """

    prefix: str
    per: str
    unit: str
    what: str
    members: Members
    noise: float
    bias: float
    drift: float
    step: float
    noise_source: str
    bias_source: str
    step_source: str


_OPEN_DRIFT = "open: a minute's walk comes to about half of the largest bias"

_SENSORS = (
    _Sensor(
        "encoder", "joint", "rad | m", "position", encoders, 0.01, 0.02, 0.001, 0.0015,
        f"{_LEGGED}: +-0.01 to 0.03 rad", "walk-these-ways; mjlab 0.01; MuJoCo Playground 0.05",
        "encoders of 4,096 and 1,024 counts a turn",
    ),
    _Sensor(
        "velocity", "joint", "rad/s | m/s", "velocity", encoders, 0.5, 0.05, 0.003, 0.01,
        f"{_LEGGED}: +-1.5 rad/s", "open: a tenth of the noise", "open: a driver's fixed-point numbers",
    ),
    _Sensor(
        "orientation", "axis of the IMU", "rad", "orientation, as a small turn about an axis of the IMU", imu_axes,
        0.03, 0.05, 0.003, 0.0017, f"{_LEGGED}: +-0.05 on the direction of gravity",
        "Tan et al. 2018: +-0.05 rad", "open: drivers that give tenths of a degree",
    ),
    _Sensor(
        "gyro", "axis of the IMU", "rad/s", "angular velocity", imu_axes, 0.1, 0.02, 0.001, 0.001,
        f"{_LEGGED}: +-0.2 rad/s", "open: 1 degree/s, a MEMS gyro that was not zeroed",
        "16 bits over +-2,000 degrees/s",
    ),
    _Sensor(
        "accelerometer", "axis of the IMU", "m/s^2", "specific force", imu_axes, 0.2, 0.3, 0.02, 0.005,
        "open: MEMS noise and the shaking of a legged trunk", "open: 30 mg, a MEMS accelerometer as delivered",
        "16 bits over +-16 g",
    ),
    _Sensor(
        "contact", "foot", "N", "contact force", foot_sensors, 5.0, 5.0, 0.3, 1.0,
        "open: a tenth of what a foot of a 12 kg robot carries", "open: as the noise",
        "open: 10 bits over 1,000 N",
    ),
    _Sensor(
        "wrench", "axis of a joint's wrench", "N | N m", "force or torque", wrench_axes, 0.3, 1.0, 0.05, 0.1,
        "open: the order of a wrist sensor's noise and of its resolution", "open: a tool that was tared badly",
        "open: the order of a wrist sensor's resolution",
    ),
    _Sensor(
        "base_velocity", "axis of the base", "m/s", "linear velocity", base_axes, 0.06, 0.05, 0.005, 0.01,
        f"{_LEGGED}: +-0.1 m/s", "open: as the noise", "open: odometry in centimetres a second",
    ),
    _Sensor(
        "range", "ray", "m", "distance", range_names, 0.06, 0.03, 0.002, 0.01,
        f"{_LEGGED}: +-0.1 m on heights", "open: half of the noise", "open: time-of-flight sensors, 1 cm",
    ),
)  # fmt: skip


def _analog(sensor: _Sensor) -> tuple[Quantity, ...]:
    """What adds to a measured number: white noise, a constant, a random walk."""
    return (
        _each(
            sensor, "noise", f"deviation of white noise on a measured {sensor.what}", sensor.unit,
            Uniform(low=0.0, high=sensor.noise), sensor.noise_source, minimum=0.0,
        ),
        _each(
            sensor, "bias", f"constant error of a measured {sensor.what}", sensor.unit,
            Uniform(low=-sensor.bias, high=sensor.bias), sensor.bias_source,
        ),
        _each(
            sensor, "drift",
            f"random walk of a measured {sensor.what}: its deviation one second after the episode's start",
            f"({sensor.unit})/sqrt(s)", Uniform(low=0.0, high=sensor.drift), _OPEN_DRIFT, minimum=0.0,
        ),
    )  # fmt: skip


def _scale(sensor: _Sensor) -> tuple[Quantity, ...]:
    """An orientation has no size that could be wrong."""
    if sensor.prefix == "orientation":
        return ()
    source = "open: DeXtreme widens up to a deviation of 4; 5 % is a sensor that was calibrated once"
    law = Uniform(low=0.95, high=1.05)
    return (
        _each(sensor, "scale", f"measured over true {sensor.what}", "x true", law, source, nominal=1.0, minimum=0.0),
    )


def _resolution(sensor: _Sensor) -> Quantity:
    meaning = f"step of a measured {sensor.what}; 0 is continuous"
    if sensor.prefix == "orientation":
        meaning = "step of the measured roll (x), pitch (y) and yaw (z); 0 is continuous"
    law = Choice(values=(0.0, sensor.step, 4 * sensor.step))
    return _each(sensor, "resolution", meaning, sensor.unit, law, sensor.step_source, minimum=0.0)


def _timing(sensor: _Sensor) -> tuple[Quantity, ...]:
    """When a reading is taken and when it arrives: one value for the whole sensor."""
    return (
        _whole(
            sensor, "delay", "s", "age of a reading, rounded up to a physics step", Uniform(low=0.0, high=0.04), 0.0,
            "0 to 2 control steps of 20 ms (Menlo Asimov); MuJoCo Playground push_cube 6 to 12 of 5 ms",
            minimum=0.0, maximum=10.0,
        ),
        _whole(
            sensor, "dropout", "probability", "that a reading is lost and the one before stands",
            Uniform(low=0.0, high=0.1), 0.0, "open: a congested bus; DeXtreme repeats up to 0.7 of actions",
            minimum=0.0, maximum=1.0,
        ),
        _whole(
            sensor, "rate", "Hz", "how often it measures, if less than once a control period; inf is every period",
            LogUniform(low=10.0, high=100.0), inf, "open: DeXtreme widens a camera's period from 1 to 6 steps",
            minimum=0.0, strict=True,
        ),
    )  # fmt: skip


def _each(
    sensor: _Sensor, error: str, meaning: str, unit: str, law: Law, source: str, *,
    nominal: float = 0.0, minimum: float = -LARGEST,
) -> Quantity:  # fmt: skip
    largest = pi if sensor.prefix == "orientation" else LARGEST
    return Quantity(
        name=f"{sensor.prefix}_{error}", per=sensor.per, unit=unit, meaning=meaning, place="sensor",
        members=sensor.members, nominal=always(nominal), default=law, source=source,
        minimum=max(minimum, -largest), maximum=largest,
    )  # fmt: skip


def _whole(
    sensor: _Sensor, error: str, unit: str, meaning: str, law: Law, nominal: float, source: str, *,
    minimum: float, strict: bool = False, maximum: float = LARGEST,
) -> Quantity:  # fmt: skip
    return Quantity(
        name=f"{sensor.prefix}_{error}", per="sensor", unit=unit, meaning=f"{sensor.prefix}: {meaning}", place="sensor",
        members=_if_any(sensor.members), nominal=always(nominal), default=law, source=source,
        minimum=minimum, strict=strict, maximum=maximum,
    )  # fmt: skip


def _if_any(members: Members) -> Members:
    return lambda robot: ("",) if members(robot) else ()


_MOUNTING = tuple(
    Quantity(
        name=f"imu_{angle}", per="IMU", unit="rad", place="sensor", members=_if_any(imu_axes), nominal=always(0.0),
        meaning=f"turn of the IMU about {axis} of where it should sit (roll first, then pitch, then yaw)",
        default=Uniform(low=-0.05, high=0.05), source="open: 3 degrees, a board that is screwed on by eye",
        minimum=-pi, maximum=pi,
    )
    for angle, axis in zip(("roll", "pitch", "yaw"), AXES, strict=True)
)  # fmt: skip

SENSORS: tuple[Quantity, ...] = (
    *(
        quantity
        for sensor in _SENSORS
        for quantity in (*_analog(sensor), *_scale(sensor), _resolution(sensor), *_timing(sensor))
    ),
    *_MOUNTING,
)
