"""The numbers that PyBullet worlds of one robot share: its description, masses, rotors, and how long damping may wait.

PyBullet has no armature. A motor's rotor is added to the body that its joint moves, as inertia about the joint's axis:
exact as long as the joint's parent does not turn about that axis, else the rotor is also turned by the parent. On a
prismatic joint the rotor is added as mass, which is exact on a level rail bolted to the world; elsewhere it would have
a weight and is refused.

A servo's torque is worked out before each physics step, from the state at its beginning. Where that would make it shake
(stiff gains on a light link), PyBullet takes several steps in the place of one: see `servo_rate`.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from randomization import VariantSpace
from robots import Joint, Robot
from robots.kinematics import inertia_matrix, mass_matrix, rotation, rpy_of, sources
from robots.model import Inertial, Link, Pose, RobotModel
from sim2real.errors import EngineError
from sim2real.sim.actuators import servo
from sim2real.sim.bodies import armature, engine_model, inertial_frame, joint_inertia, principal_axes
from sim2real.sim.engine import Array

DAMPING_ERROR = 0.0025  # share of a damping torque that may be lost for speed


class Bodies:
    """The bodies of one robot as PyBullet takes them.

    description: the URDF to load. Its inertias only place the principal axes: PyBullet turns some that it dislikes into
    0 without a word, so that the true ones are set after loading.
    names: bodies with mass, canonical order; mass (n,), inertia (n, 3) about principal axes; rotor_mass (n,) and
    rotor_inertia (n, 3) are what motors add.
    """

    def __init__(self, robot: Robot) -> None:
        model, rotors = engine_model(robot), armature(robot)
        turned = {j.child: (j, a) for j, a in zip(model.joints, rotors, strict=True) if a > 0}
        for joint, _ in turned.values():
            _check_rail(robot, model, joint)
        links = tuple(_with_rotor(link, *turned[link.name]) if link.name in turned else link for link in model.links)
        self.description = replace(model, links=tuple(_loadable(link) for link in links))
        self.names = model.bodies
        own = {link.name: inertial for link in model.links if (inertial := link.inertial) is not None}
        self.frames = {link.name: inertial_frame(link.inertial) for link in links}
        self.mass = np.array([own[name].mass for name in self.names])
        self.inertia = np.zeros((len(self.names), 3))
        self.rotor_mass, self.rotor_inertia = np.zeros(len(self.names)), np.zeros((len(self.names), 3))
        for k, name in enumerate(self.names):
            axes = self.frames[name][1]
            # A frame that a rotor has turned is not the body's own: of the body's inertia its diagonal is kept there.
            self.inertia[k] = np.diag(axes.T @ inertia_matrix(own[name]) @ axes)
            if name in turned:
                joint, added = turned[name]
                if joint.type == "prismatic":
                    self.rotor_mass[k] = added
                else:
                    self.rotor_inertia[k] = added * (axes.T @ joint.axis) ** 2
        self.moved = joint_inertia(robot)
        self.servo_rate = servo_rate(robot)


def _check_rail(robot: Robot, model: RobotModel, joint: Joint) -> None:
    bolted = robot.fixed_base and joint.parent == model.root.name
    rise = (rotation(joint.origin.rpy) @ joint.axis)[2]
    if joint.type == "prismatic" and not (bolted and abs(rise) < 1e-9):
        where = f"{robot.path}: actuators: armature on prismatic joint '{joint.name}'"
        limit = "PyBullet bears it on a level rail bolted to the world only"
        raise EngineError(f"{where}: {limit}; leave it out or take engine mujoco")


def _with_rotor(link: Link, joint: Joint, added: float) -> Link:
    """Return the link in the principal axes that it has together with the rotor."""
    inertial = link.inertial
    if inertial is None or joint.type == "prismatic":
        return link
    together = inertia_matrix(inertial) + added * np.outer(joint.axis, joint.axis)
    axes = inertial_frame(inertial)[1]
    if np.count_nonzero(np.abs(axes.T @ joint.axis) > 1e-9) == 1:
        return link  # it turns about a principal axis
    moments, axes = principal_axes(together)
    x, y, z = moments.tolist()
    return replace(link, inertial=Inertial(inertial.mass, (x, 0, 0, y, 0, z), Pose(inertial.origin.xyz, rpy_of(axes))))


def _loadable(link: Link) -> Link:
    if link.inertial is None:
        return link
    mass = link.inertial.mass
    return replace(link, inertial=replace(link.inertial, inertia=(mass, 0.0, 0.0, mass, 0.0, mass)))


def servo_rate(robot: Robot) -> float:
    """Return how much of what moves a servo's own damping and stiffness undo in one physics step; explicit limit 2.

    The largest eigenvalue of M^-1 (kd dt + kp dt^2 / 2) in the default pose: what semi-implicit Euler bears.
    """
    model, q, dt = robot.merged.model, robot.default_q, robot.control_dt / robot.substeps
    laws = np.array([servo(actuator) for actuator in robot.actuators]).reshape(-1, 3)
    pull = np.zeros(robot.n_joints)
    pull[robot.actuated] = -laws[:, 2] * dt - laws[:, 1] * dt**2 / 2
    if not pull.any():
        return 0.0
    matrix = mass_matrix(model, q, floating=not robot.fixed_base)
    root = len(matrix) - robot.n_joints
    matrix[root:, root:] += np.diag(armature(robot))
    tie = np.eye(len(matrix))  # mimic joints move along with the joint they follow
    for name, mimic in sources(model).items():
        tie[root + robot.joint_index(name), root + robot.joint_index(mimic.joint)] = mimic.multiplier
    free = [k for k in range(len(matrix)) if k < root or model.movable[k - root].mimic is None]
    matrix = tie[:, free].T @ matrix @ tie[:, free]
    pulled = np.diag(np.concatenate([np.zeros(root), pull]))[np.ix_(free, free)]
    return float(np.abs(np.linalg.eigvals(np.linalg.pinv(matrix, hermitian=True) @ pulled)).max())


def damping_span(robot: Robot, space: VariantSpace, inertia: Array, values: Array) -> int:
    """Return how many physics steps may share one damping torque, which decays with damping / inertia in between.

    inertia: what `joint_inertia` returns; values: (space.size,), one world's Variant
    """
    damping = values[space.block("damping")]
    if not damping.any():
        return robot.substeps
    lightest = _lightest(space, values)
    with np.errstate(divide="ignore"):
        rate = (damping[damping > 0] / (inertia[damping > 0] * lightest)).max()
    return int(np.clip(2 * DAMPING_ERROR / (rate * robot.control_dt / robot.substeps), 1, robot.substeps))


def strongest(space: VariantSpace, values: Array) -> float:
    """Return by how much a Variant can raise `servo_rate`: stronger motors on lighter bodies."""
    return float(values[space.block("strength")].max(initial=1.0)) / _lightest(space, values)


def _lightest(space: VariantSpace, values: Array) -> float:
    inertia = min(1.0, values[space.block("inertia")].min(initial=1.0))
    return float(values[space.block("mass")].min(initial=1.0) * inertia)


@cache
def spans(substeps: int, longest: int) -> tuple[int, ...]:
    """Divide physics steps into the fewest spans of at most `longest`, as even as can be: changing the length costs."""
    even = -(-substeps // -(-substeps // longest))
    return *((even,) * (substeps // even)), *((substeps % even,) if substeps % even else ())
