"""Where a RobotModel's links are, and what gravity asks of its joints: plain numpy, no engine.

Everything is given in the root link's frame, z up. Joint arrays are in canonical order; a joint that mimics another has
a position of its own in them, which `follow` sets.
"""

import numpy as np
from numpy.typing import NDArray

from robots.model import Inertial, Joint, Mimic, Pose, RobotModel, Vector3

Array = NDArray[np.float64]

GRAVITY = 9.81  # [m/s^2]


def rotation(rpy: Vector3) -> Array:
    """Return the matrix of URDF's fixed-axis roll, pitch, yaw [rad]: (3, 3), Rz(yaw) Ry(pitch) Rx(roll)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rpy_of(matrix: Array) -> Vector3:
    """Return the roll, pitch, yaw [rad] of a rotation matrix (3, 3), exact to rounding at every pitch."""
    yaw = np.arctan2(matrix[1, 0], matrix[0, 0])
    # Roll and pitch are read once the yaw is undone: at a pitch of 90 degrees any yaw then gives the right rotation.
    level = rotation((0.0, 0.0, -yaw)) @ matrix
    roll, pitch = np.arctan2(-level[1, 2], level[1, 1]), np.arctan2(-level[2, 0], level[0, 0])
    return float(roll), float(pitch), float(yaw)


def transform(pose: Pose) -> Array:
    """Return a Pose as a homogeneous matrix (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(pose.rpy), pose.xyz
    return matrix


def pose_of(matrix: Array) -> Pose:
    """Return a homogeneous matrix (4, 4) as a Pose."""
    x, y, z = matrix[:3, 3].tolist()
    return Pose((x, y, z), rpy_of(matrix[:3, :3]))


def motion(joint: Joint, q: float) -> Array:
    """Return what a movable joint does at position q [rad or m]: (4, 4), in the joint's frame."""
    matrix, axis = np.eye(4), np.array(joint.axis)
    if joint.type == "prismatic":
        matrix[:3, 3] = q * axis
        return matrix
    x, y, z = joint.axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    matrix[:3, :3] += np.sin(q) * cross + (1.0 - np.cos(q)) * (cross @ cross)  # Rodrigues
    return matrix


def link_poses(model: RobotModel, q: Array) -> dict[str, Array]:
    """Return the frame of every link in the root's frame: name -> (4, 4), homogeneous.

    q: (n_joints,) [rad or m], canonical order
    """
    position = dict(zip(model.joint_names, np.asarray(q, dtype=np.float64).tolist(), strict=True))
    poses = {model.root.name: np.eye(4)}
    for joint in model.joints:
        pose = poses[joint.parent] @ transform(joint.origin)
        poses[joint.child] = pose if joint.type == "fixed" else pose @ motion(joint, position[joint.name])
    return poses


def inertia_matrix(inertial: Inertial) -> Array:
    """Return the inertia about the centre of mass along the link's axes: (3, 3) [kg m^2]."""
    xx, xy, xz, yy, yz, zz = inertial.inertia
    turn = rotation(inertial.origin.rpy)
    matrix: Array = turn @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ turn.T
    return matrix


def compose(parts: list[tuple[float, Array, Array]]) -> tuple[float, Array, Array]:
    """Return mass, centre of mass (3,) and inertia about it (3, 3) of rigid parts, each given in the same way."""
    mass = sum(m for m, _, _ in parts)
    centre = sum((m * c for m, c, _ in parts), np.zeros(3)) / mass
    inertia = np.zeros((3, 3))
    for m, c, about_own in parts:
        arm = c - centre
        inertia += about_own + m * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return mass, centre, inertia


def _parts(model: RobotModel, poses: dict[str, Array]) -> dict[str, tuple[float, Array, Array]]:
    """Return mass, centre of mass and inertia about it of each link that has mass, in the root's frame."""
    parts = {}
    for link in model.links:
        if link.inertial is not None and link.inertial.mass > 0:
            turn, place = poses[link.name][:3, :3], poses[link.name][:3, 3]
            centre = turn @ link.inertial.origin.xyz + place
            parts[link.name] = link.inertial.mass, centre, turn @ inertia_matrix(link.inertial) @ turn.T
    return parts


def composite_inertia(model: RobotModel, q: Array) -> tuple[float, Array, Array]:
    """Return the whole robot's mass [kg], centre of mass (3,) [m] and inertia about it (3, 3) [kg m^2].

    q: (n_joints,) [rad or m]; in the root's frame. Raise ValueError for a robot without mass.
    """
    parts = list(_parts(model, link_poses(model, q)).values())
    if not parts:
        raise ValueError(f"robot '{model.name}' has no mass")
    return compose(parts)


def centre_of_mass(model: RobotModel, q: Array) -> Array:
    """Return the whole robot's centre of mass (3,) [m] in the root's frame; q: (n_joints,) [rad or m]."""
    return composite_inertia(model, q)[1]


def gravity_torques(model: RobotModel, q: Array, g: float = GRAVITY) -> Array:
    """Return the effort of each joint that holds the robot still against gravity: (n_joints,) [N m or N].

    q: (n_joints,) [rad or m]. The root is bolted to the world, upright. Joints are taken as a tree: a mimic joint has
    an effort of its own, which its source bears times the multiplier.
    """
    poses = link_poses(model, q)
    carried: dict[str, Array] = {link.name: np.zeros(4) for link in model.links}  # mass, mass times place
    for name, (mass, centre, _) in _parts(model, poses).items():
        carried[name] += [mass, *(mass * centre)]
    effort = {}
    for joint in reversed(model.joints):
        mass, moment = carried[joint.child][0], carried[joint.child][1:]
        carried[joint.parent] += carried[joint.child]
        if joint.type != "fixed":
            pose = poses[joint.child]
            axis, place = pose[:3, :3] @ joint.axis, pose[:3, 3]
            lift = axis * mass if joint.type == "prismatic" else np.cross(axis, moment - mass * place)
            effort[joint.name] = g * lift[2]
    return np.array([effort[name] for name in model.joint_names])


def mass_matrix(model: RobotModel, q: Array, floating: bool = False) -> Array:
    """Return the joint-space inertia: (n_joints, n_joints) [kg m^2, kg m or kg]; mimic joints are taken as free.

    q: (n_joints,) [rad or m]. With a floating root six rows and columns come first, its angular and linear velocity.
    """
    poses, index = link_poses(model, q), {name: k for k, name in enumerate(model.joint_names)}
    twists = {model.root.name: np.zeros((6, len(index)))}  # angular, then linear velocity at the root, of unit speeds
    for joint in model.joints:
        twist = twists[joint.child] = twists[joint.parent].copy()
        pose = poses[joint.child]
        axis = pose[:3, :3] @ joint.axis
        if joint.type == "prismatic":
            twist[3:, index[joint.name]] = axis
        elif joint.type != "fixed":
            twist[:3, index[joint.name]], twist[3:, index[joint.name]] = axis, np.cross(pose[:3, 3], axis)
    base = np.eye(6)[:, : 6 if floating else 0]
    matrix = np.zeros((base.shape[1] + len(index),) * 2)
    for name, part in _parts(model, poses).items():
        jacobian = np.hstack([base, twists[name]])
        matrix += jacobian.T @ _at_root(*part) @ jacobian
    return matrix


def _at_root(mass: float, centre: Array, inertia: Array) -> Array:
    """Return the spatial inertia (6, 6) of a body about the root's origin, for twists (angular, linear)."""
    x, y, z = centre
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.block([[inertia - mass * cross @ cross, mass * cross], [-mass * cross, mass * np.eye(3)]])


def sources(model: RobotModel) -> dict[str, Mimic]:
    """Return, for each joint that mimics another, the joint at the end of its chain and how it follows that one.

    Raise ValueError where joints mimic each other in a circle.
    """
    return {joint.name: _source(model, joint.mimic) for joint in model.movable if joint.mimic is not None}


def _source(model: RobotModel, mimic: Mimic) -> Mimic:
    passed = set[str]()
    while (further := model.joint(mimic.joint).mimic) is not None:
        if mimic.joint in passed:
            raise ValueError(f"robot '{model.name}': joint '{mimic.joint}' mimics itself")
        passed.add(mimic.joint)
        offset = mimic.multiplier * further.offset + mimic.offset
        mimic = Mimic(further.joint, mimic.multiplier * further.multiplier, offset)
    return mimic


def follow(model: RobotModel, q: Array, dq: Array) -> tuple[Array, Array]:
    """Return q and dq (..., n_joints) with every mimic joint where its source puts it; the others as given."""
    q, dq = q.copy(), dq.copy()
    index = model.joint_names.index
    for name, mimic in sources(model).items():
        joint, source = index(name), index(mimic.joint)
        q[..., joint] = mimic.multiplier * q[..., source] + mimic.offset
        dq[..., joint] = mimic.multiplier * dq[..., source]
    return q, dq
