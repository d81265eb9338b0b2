"""Ideal sensors of MuJoCo worlds: sites and sensors put into the model, and their readings told apart.

What they mean is in `sim2real.sim.channels`. Facts behind them, measured on MuJoCo 4.0:
- `force` and `torque` of a site on the child give what the parent exerts on the child, about the site's place.
- `touch` adds up the normal forces of those contacts of a body whose points lie in the site: here, in all of space.
- A rangefinder looks along its site's z axis, does not see the body that bears it, and gives -1 where it sees nothing.
- Sensors of a rollout's step are those of the state before the step.
"""

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots import Robot
from robots.kinematics import pose_of, transform
from robots.model import Pose
from sim2real.sim.channels import check_channels
from sim2real.sim.mujoco_model import body_name
from sim2real.sim.rotations import from_rpy

Array = NDArray[np.float64]

_SPACE = 1e6  # [m] radius of a site that holds every point
_ALONG_X = Pose(rpy=(0.0, np.pi / 2, 0.0))  # a frame whose z axis is the x axis of its parent
_SITE, _JOINT = mujoco.mjtObj.mjOBJ_SITE, mujoco.mjtObj.mjOBJ_JOINT
_Sensor = mujoco.mjtSensor
_IMU = {
    "orientation": _Sensor.mjSENS_FRAMEQUAT,
    "gyro": _Sensor.mjSENS_GYRO,
    "accelerometer": _Sensor.mjSENS_ACCELEROMETER,
}


def add_instruments(spec: Any, robot: Robot, channels: Sequence[str]) -> None:
    """Put the sensors of some channels into the MjSpec of a robot; raise EngineError for one that the robot lacks."""
    for channel in check_channels(robot, channels):
        match channel:
            case "position" | "velocity":
                _add_encoders(spec, robot, channel)
            case "orientation" | "gyro" | "accelerometer" if robot.file.imu:
                _add(spec, robot, robot.file.imu.link, Pose(), channel, _IMU[channel])
            case "contact":
                for foot in robot.file.feet:
                    _add(spec, robot, foot, Pose(), f"contact/{foot}", _Sensor.mjSENS_TOUCH, size=[_SPACE, 0, 0])
            case "wrench":
                for joint in robot.file.force_torque:
                    _add_flange(spec, robot, joint)
            case "base_velocity":
                _add(spec, robot, robot.model.root.name, Pose(), channel, _Sensor.mjSENS_VELOCIMETER)
            case "range":
                for name, finder in robot.file.rangefinders.items():
                    pose = pose_of(transform(Pose(finder.xyz, finder.rpy)) @ transform(_ALONG_X))
                    _add(spec, robot, finder.link, pose, f"range/{name}", _Sensor.mjSENS_RANGEFINDER)


def _add_encoders(spec: Any, robot: Robot, channel: str) -> None:
    kind = _Sensor.mjSENS_JOINTPOS if channel == "position" else _Sensor.mjSENS_JOINTVEL
    for joint in robot.joint_names:
        spec.add_sensor(name=f"{channel}/{joint}", type=kind, objtype=_JOINT, objname=joint)


def _add(spec: Any, robot: Robot, link: str, pose: Pose, name: str, kind: Any, **options: Any) -> None:
    """Put a site at a pose in a link's frame, with `options`, and a sensor of the same name on it."""
    body, frame = robot.merged.frames[link]
    placed = pose_of(transform(frame) @ transform(pose))
    turn = from_rpy(np.array(placed.rpy))[[3, 0, 1, 2]]
    spec.body(body_name(body)).add_site(name=f"sensor/{name}", pos=placed.xyz, quat=turn, **options)
    sensor = spec.add_sensor(name=f"sensor/{name}", type=kind, objtype=_SITE, objname=f"sensor/{name}")
    if kind == _Sensor.mjSENS_RANGEFINDER:
        sensor.intprm[0] = 1  # of all that a ray can tell, the distance


def _add_flange(spec: Any, robot: Robot, joint: str) -> None:
    site = f"sensor/wrench/{joint}"
    spec.body(body_name(robot.merged.model.joint(joint).child)).add_site(name=site)
    for name, kind in (("force", _Sensor.mjSENS_FORCE), ("torque", _Sensor.mjSENS_TORQUE)):
        spec.add_sensor(name=f"{site}/{name}", type=kind, objtype=_SITE, objname=site)


class MujocoInstruments:
    """Where the readings of each channel lie in a model's `sensordata`."""

    def __init__(self, model: Any, robot: Robot, channels: Sequence[str]) -> None:
        """model: compiled from a spec that `add_instruments` was given for the same channels."""
        self.channels = check_channels(robot, channels)
        self._columns = {channel: _columns(model, _names(robot, channel)) for channel in self.channels}
        if "orientation" in self.channels:
            self._columns["orientation"] = self._columns["orientation"][[1, 2, 3, 0]]  # w comes first in MuJoCo
        self._reach = np.array([finder.max_range for finder in robot.file.rangefinders.values()])

    def readings(self, sensordata: Array) -> dict[str, Array]:
        """Return the readings of n worlds, by channel (n, width), from their sensordata (n, n_numbers)."""
        readings = {channel: sensordata[:, columns] for channel, columns in self._columns.items()}
        if "range" in readings:
            seen = readings["range"]
            readings["range"] = np.where(seen < 0, self._reach, np.minimum(seen, self._reach))
        return readings


def _names(robot: Robot, channel: str) -> list[str]:
    """Return the names of a channel's sensors, in the order of its columns."""
    file = robot.file
    match channel:
        case "position" | "velocity":
            return [f"{channel}/{joint}" for joint in robot.joint_names]
        case "contact":
            return [f"sensor/contact/{foot}" for foot in file.feet]
        case "wrench":
            return [f"sensor/wrench/{joint}/{part}" for joint in file.force_torque for part in ("force", "torque")]
        case "range":
            return [f"sensor/range/{name}" for name in file.rangefinders]
        case _:
            return [f"sensor/{channel}"]


def _columns(model: Any, names: list[str]) -> NDArray[np.intp]:
    sensors = [model.sensor(name) for name in names]
    return np.concatenate([np.arange(s.adr[0], s.adr[0] + s.dim[0]) for s in sensors])
