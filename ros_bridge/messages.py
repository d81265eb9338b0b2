"""Between ROS messages and arrays: joints by name, never by index; nothing that is not finite."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, Twist
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.time import Time
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from sim2real.errors import Sim2RealError, nearest

Array = NDArray[np.float64]

LARGEST = 1e6  # [rad, rad/s | m, m/s] no joint is there; beyond, a message is as unusable as one with NaN


class MessageError(Sim2RealError):
    """A message cannot be used; the text says why."""


class JointReader:
    """Reads JointStates whose joints stand in any order.

    The order is looked up when a publisher's list of names is new, and compared with the last one otherwise.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        """`joints` is the order of the arrays to return: the canonical one."""
        self.joints = tuple(joints)
        self._names: list[str] = []
        self._order: NDArray[np.intp] = np.zeros(0, dtype=np.intp)

    def read(self, message: JointState) -> tuple[Array, Array]:
        """Return q [rad | m] and dq [rad/s | m/s], (n_joints,) each; raise MessageError if they are not all there."""
        if not self._names or message.name != self._names:
            self._order = self._find(message.name)
            self._names = list(message.name)
        q, dq = (self._values(message, field) for field in ("position", "velocity"))
        return q, dq

    def _find(self, names: Sequence[str]) -> NDArray[np.intp]:
        if len(names) != len(self.joints) or set(names) != set(self.joints):
            raise MessageError(f"joint_states: {difference(self.joints, names)}")
        return np.array([names.index(joint) for joint in self.joints], dtype=np.intp)

    def _values(self, message: JointState, field: str) -> Array:
        values = np.array(getattr(message, field), dtype=np.float64)
        if len(values) != len(self.joints):
            raise MessageError(f"joint_states: {len(values)} numbers in '{field}' for {len(self.joints)} joints")
        if not (np.abs(values) < LARGEST).all():  # also False for NaN
            joint = message.name[int(np.argmin(np.abs(values) < LARGEST))]
            raise MessageError(f"joint_states: {field} of '{joint}' is not finite, or absurd")
        return values[self._order]


def difference(wanted: Sequence[str], given: Sequence[str]) -> str:
    """Say in one line how a robot's joint names differ from the wanted ones."""
    missing, extra = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    double = sorted(name for name, count in Counter(given).items() if count > 1)
    found = {"missing": missing, "unknown": extra, "double": double}
    parts = [f"{word} {', '.join(shorten(names))}" for word, names in found.items() if names]
    return "; ".join(parts) + (nearest(missing[0], extra) if missing and extra else "")


def shorten(names: Sequence[str], limit: int = 8) -> list[str]:
    """Return at most `limit` names, each printable and of bounded length, and how many there are besides."""
    shown = [repr(name[:60]) for name in names[:limit]]
    return [*shown, f"and {len(names) - limit} more"] if len(names) > limit else shown


def read_imu(message: Imu) -> tuple[Array, Array]:
    """Return the orientation (4,) x, y, z, w and the angular velocity (3,) [rad/s]; raise MessageError if unusable."""
    o, w = message.orientation, message.angular_velocity
    quaternion, angular_velocity = np.array([o.x, o.y, o.z, o.w]), np.array([w.x, w.y, w.z])
    norm = float(np.linalg.norm(quaternion))
    if not abs(norm - 1.0) < 0.01:  # all zeros is ROS's word for "unknown"
        raise MessageError(f"imu/data: the orientation is no unit quaternion (its length is {norm:.3g})")
    if not (np.abs(angular_velocity) < LARGEST).all():
        raise MessageError("imu/data: the angular velocity is not finite, or absurd")
    return quaternion / norm, angular_velocity


def read_command(message: Float64MultiArray, n_actuators: int) -> Array:
    """Return a command (n_actuators,) in the controller's joint order; raise MessageError where it would drop it."""
    values = np.array(message.data, dtype=np.float64)
    if len(values) != n_actuators:
        raise MessageError(f"command: {len(values)} numbers for {n_actuators} motors")
    if not np.isfinite(values).all():
        raise MessageError("command: not finite")
    return values


def read_velocity(message: Twist) -> Array:
    """Return forward [m/s], left [m/s] and turn [rad/s]: (3,); a walking robot has no use for the rest."""
    return np.array([message.linear.x, message.linear.y, message.angular.z])


def read_target(message: PoseStamped, frame: str) -> Array:
    """Return x, y, z [m] in the frame of an arm's root link, (3,); a target's orientation is not looked at.

    frame: that link's name, "" if nobody knows it. Raise MessageError for a target in another frame.
    """
    given = message.header.frame_id
    if given and given != frame:
        ours = f"the arm's root link is {frame!r}" if frame else "and nothing says how the arm's root link is called"
        remedy = "send it in that frame, or with an empty frame_id; parameter target_frame names the root link"
        raise MessageError(f"target_pose: it is in frame {given[:60]!r}, {ours}: {remedy}")
    p = message.pose.position
    return np.array([p.x, p.y, p.z])


def joint_state(names: Sequence[str], position: Array, velocity: Array, stamp: Time) -> JointState:
    """Build a JointState of arrays (len(names),), without efforts."""
    message = JointState(name=list(names), position=position.tolist(), velocity=velocity.tolist())
    message.header.stamp = stamp.to_msg()
    return message


def imu(frame: str, quaternion: Array, angular_velocity: Array, stamp: Time) -> Imu:
    """Build an Imu without acceleration from arrays (4,) x, y, z, w and (3,) [rad/s]."""
    message = Imu()
    message.header.stamp, message.header.frame_id = stamp.to_msg(), frame
    o, w = message.orientation, message.angular_velocity
    o.x, o.y, o.z, o.w = quaternion.tolist()
    w.x, w.y, w.z = angular_velocity.tolist()
    message.linear_acceleration_covariance[0] = -1.0  # sensor_msgs' way to say that there is none
    return message


def odometry(base: str, position: Array, quaternion: Array, velocity: Array, spin: Array, stamp: Time) -> Odometry:
    """Build an Odometry, frame `odom`, of a link `base`.

    position (3,) [m] and quaternion (4,) x, y, z, w of the link; velocity (3,) [m/s] and spin (3,) [rad/s] in its own
    frame
    """
    message = Odometry(child_frame_id=base)
    message.header.stamp, message.header.frame_id = stamp.to_msg(), "odom"
    p, o, twist = message.pose.pose.position, message.pose.pose.orientation, message.twist.twist
    p.x, p.y, p.z = position.tolist()
    o.x, o.y, o.z, o.w = quaternion.tolist()
    v, w = twist.linear, twist.angular
    v.x, v.y, v.z = velocity.tolist()
    w.x, w.y, w.z = spin.tolist()
    return message


def command(values: Array) -> Float64MultiArray:
    """Build a command for a forwarding controller from (n_actuators,)."""
    return Float64MultiArray(data=values.tolist())


def diagnostic(
    level: bytes, name: str, hardware: str, text: str, values: dict[str, object], stamp: Time
) -> DiagnosticArray:
    """Build a DiagnosticArray of one status."""
    pairs = [
        KeyValue(key=key, value=f"{value:.6g}" if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    status = DiagnosticStatus(level=level, name=name, hardware_id=hardware, message=text, values=pairs)
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp.to_msg()
    return message
