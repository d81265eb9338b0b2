"""What both engines are given: the same bodies, inertias and convex shapes, and the same rule of what may touch.

Neither engine sees a file that is not ours: primitives are numbers, meshes are the convex parts of our own cache.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from robots import Robot
from robots.kinematics import inertia_matrix, link_poses, rotation, rpy_of, transform
from robots.mesh.convex import convex_parts
from robots.model import Inertial, Link, Mesh, Pose, RobotModel, Shape
from sim2real.errors import EngineError
from sim2real.sim.engine import Array

CLOSED = 1e-3  # [m] how far apart the two ends of a loop may be in the default pose


def engine_model(robot: Robot) -> RobotModel:
    """Return the merged model as engines take it: inertias along principal axes, convex collisions, no visuals."""
    merged = robot.merged.model
    return replace(merged, links=tuple(_link(link) for link in merged.links))


def _link(link: Link) -> Link:
    inertial = None if link.inertial is None else principal(link.inertial)
    return Link(link.name, inertial, (), tuple(part for shape in link.collisions for part in _convex(shape)))


def _convex(shape: Shape) -> Iterator[Shape]:
    if not isinstance(shape.geometry, Mesh):
        yield shape
        return
    for path in convex_parts(shape.geometry):
        yield replace(shape, geometry=Mesh(path))


def principal(inertial: Inertial) -> Inertial:
    """Return the same inertia in a frame along its principal axes; one without products of inertia as it stands."""
    _, xy, xz, _, yz, _ = inertial.inertia
    if xy == xz == yz == 0.0:
        return inertial
    moments, axes = principal_axes(inertia_matrix(inertial))
    x, y, z = moments.tolist()
    return Inertial(inertial.mass, (x, 0.0, 0.0, y, 0.0, z), Pose(inertial.origin.xyz, rpy_of(axes)))


def principal_axes(matrix: Array) -> tuple[Array, Array]:
    """Return the moments (3,) and the axes, columns of a rotation (3, 3), of an inertia (3, 3)."""
    moments, axes = np.linalg.eigh(matrix)
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return moments, axes


def apart(robot: Robot) -> set[tuple[str, str]]:
    """Return the pairs of bodies that never touch, even with self-collision: those that a joint or a loop connects."""
    pairs = {(joint.parent, joint.child) for joint in robot.merged.model.joints}
    return pairs | {(a, b) for (a, _), (b, _) in loop_points(robot)}


Ends = tuple[tuple[str, Array], tuple[str, Array]]


def loop_points(robot: Robot) -> list[Ends]:
    """Return the two ends of every loop of the robot.yaml: (body, point (3,) [m] in the body's frame) each.

    They meet exactly in the default pose: a description is rounded, and the joints of a flat linkage cannot close a gap
    across it, however hard an engine pulls. Raise EngineError if they are further apart there than `CLOSED`.
    """
    poses = link_poses(robot.merged.model, robot.default_q)
    return [_closed(robot, number, poses) for number in range(len(robot.file.loops))]


def _closed(robot: Robot, number: int, poses: dict[str, Array]) -> Ends:
    loop = robot.file.loops[number]
    bodies, places = [], []
    for link, point in zip(loop.links, loop.points, strict=True):
        body, pose = robot.merged.frames[link]
        bodies.append(body)
        places.append(poses[body] @ transform(pose) @ [*point, 1.0])
    gap = float(np.linalg.norm(places[0] - places[1]))
    if gap > CLOSED:
        apart = f"its points are {1000 * gap:.3g} mm apart in the default pose, allowed are {1000 * CLOSED:g}"
        raise EngineError(f"{robot.path}: loops.{number}: {apart}; give a default_pose that closes it")
    first, second = ((np.linalg.inv(poses[body]) @ places[0])[:3] for body in bodies)
    return (bodies[0], first), (bodies[1], second)


def armature(robot: Robot) -> Array:
    """Return the rotor inertia at each joint: (n_joints,) [kg m^2 or kg], 0 where there is no motor."""
    rotor = np.zeros(robot.n_joints)
    rotor[robot.actuated] = [actuator.armature for actuator in robot.actuators]
    return rotor


def joint_inertia(robot: Robot) -> Array:
    """Return what each joint moves at least, its own body and rotor: (n_joints,) [kg m^2 or kg]."""
    moved = armature(robot)
    for k, joint in enumerate(robot.merged.model.joints):
        inertial = robot.merged.model.link(joint.child).inertial
        if inertial is None:
            continue
        if joint.type == "prismatic":
            moved[k] += inertial.mass
            continue
        axis, centre = np.array(joint.axis), np.array(inertial.origin.xyz)
        arm = centre - (centre @ axis) * axis
        moved[k] += axis @ inertia_matrix(inertial) @ axis + inertial.mass * (arm @ arm)
    return moved


def inertial_frame(inertial: Inertial | None) -> tuple[Array, Array]:
    """Return place (3,) and axes (3, 3) of a body's centre of mass in its frame; the frame itself without mass."""
    pose = Pose() if inertial is None else inertial.origin
    return np.array(pose.xyz), rotation(pose.rpy)
