"""The numbers that PyBullet worlds of one robot share: its description, masses, rotors, and how long damping may wait.

PyBullet has no armature. A motor's rotor is added to the body that its joint moves, as inertia about the joint's axis:
exact as long as the joint's parent does not turn about that axis, else the rotor is also turned by the parent. On a
prismatic joint the rotor is added as mass, which is exact on a level rail bolted to the world; elsewhere it would have
a weight and is refused.

Nor can it move a centre of mass, or tilt the axes of an inertia, once a body is loaded: see `sim2real.sim.bullet_trim`.

A servo's torque is worked out before each physics step, from the state at its beginning. Where that would make it shake
(stiff gains on a light link), PyBullet takes several steps in the place of one: see `sim2real.sim.bullet_rate`.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from randomization import VariantSpace
from robots import Joint, Robot
from robots.kinematics import inertia_matrix, rotation, rpy_of
from robots.model import Inertial, Link, Pose, RobotModel
from sim2real.errors import EngineError
from sim2real.sim.bodies import armature, engine_model, inertial_frame, joint_inertia, principal_axes
from sim2real.sim.bullet_rate import ServoRate, lightest
from sim2real.sim.engine import Array
from sim2real.sim.terrain import Grounds

DAMPING_ERROR = 0.0025  # share of a damping torque that may be lost for speed


class Bodies:
    """The bodies of one robot as PyBullet takes them.

    description: the URDF to load. Its inertias only place the principal axes: PyBullet turns some that it dislikes into
    0 without a word, so that the true ones are set after loading.
    names: bodies with mass that can move, in the order of the Variant's; mass (n,), inertia (n, 3) about principal axes
    frames: body -> place (3,) and axes (3, 3) of its inertial frame; grounds: what Variants say of the floor
    """

    def __init__(self, robot: Robot, space: VariantSpace) -> None:
        model, rotors = engine_model(robot), armature(robot)
        turned = {j.child: (j, a) for j, a in zip(model.joints, rotors, strict=True) if a > 0}
        for joint, _ in turned.values():
            _check_rail(robot, model, joint)
        links = tuple(_with_rotor(link, *turned[link.name]) if link.name in turned else link for link in model.links)
        self.description = replace(model, links=tuple(_loadable(link) for link in links))
        self.space, self.grounds = space, Grounds(robot, space)
        self.names = space.members[space.block("mass")]
        self.frames = {link.name: inertial_frame(link.inertial) for link in links}
        own = {link.name: inertial for link in model.links if (inertial := link.inertial) is not None}
        self.mass = np.array([own[name].mass for name in self.names])
        self.axes = np.array([self.frames[name][1] for name in self.names]).reshape(-1, 3, 3)
        inertia = np.array([inertia_matrix(own[name]) for name in self.names]).reshape(-1, 3, 3)
        self._inertia = _seen_along(self.axes, inertia)
        self._rotor_mass = np.array([_slider(*turned[name]) if name in turned else 0.0 for name in self.names])
        self._add_rotors(model)
        turning = np.array([joint.type != "prismatic" for joint in model.joints])
        self.moved = joint_inertia(robot) - np.where(turning, rotors, 0.0)
        self.servo_rate = ServoRate(robot, space)

    def _add_rotors(self, model: RobotModel) -> None:
        """Lay out, for each rotor that a Variant names, the body that it turns and its inertia for 1 kg m^2."""
        joints = {joint.name: joint for joint in model.joints}
        turning = [joints[name] for name in self.space.members[self.space.block("armature")]]
        rows = [k for k, joint in enumerate(turning) if joint.child in self.names]
        self._rotor_columns = np.arange(self.space.size)[self.space.block("armature")][rows]
        self._rotor_bodies = np.array([self.names.index(turning[k].child) for k in rows], dtype=np.intp)
        axes = np.array([turning[k].axis for k in rows]).reshape(-1, 3)
        along = np.einsum("kji,kj->ki", self.axes[self._rotor_bodies], axes)
        self._rotor_inertia = along[:, :, None] * along[:, None, :]

    def loads(self, values: Array) -> tuple[Array, Array, Array]:
        """Return what a Variant makes of the bodies, along their principal axes: values (space.size,).

        mass (n,) [kg], shift of the centre of mass (n, 3) [m], inertia about it (n, 3, 3) [kg m^2]
        """
        block = self.space.block
        scale = values[block("mass")]
        mass = self.mass * scale + values[block("payload")] + self._rotor_mass
        shift = np.stack([values[block(f"com_{axis}")] for axis in "xyz"], axis=-1)
        if shift.any():
            shift = np.einsum("kji,kj->ki", self.axes, shift)
        inertia = self._inertia * (scale * values[block("inertia")])[:, None, None]
        np.add.at(inertia, self._rotor_bodies, self._rotor_inertia * values[self._rotor_columns][:, None, None])
        return mass, shift, inertia


def _seen_along(axes: Array, inertia: Array) -> Array:
    """Return inertias (n, 3, 3) along other axes (n, 3, 3); what rounding leaves beside the diagonal is 0."""
    seen = axes.transpose(0, 2, 1) @ inertia @ axes
    scale = np.trace(seen, axis1=1, axis2=2)[:, None, None]
    return np.where(np.abs(seen) < 1e-12 * scale, 0.0, seen)


def _slider(joint: Joint, rotor: float) -> float:
    return rotor if joint.type == "prismatic" else 0.0


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


def damping_span(robot: Robot, space: VariantSpace, moved: Array, values: Array) -> int:
    """Return how many physics steps may share one damping torque, which decays with damping / inertia in between.

    moved: what `joint_inertia` returns, less the rotors: (n_joints,); values: (space.size,), one world's Variant
    """
    damping = values[space.block("damping")]
    if not damping.any():
        return robot.substeps
    inertia = moved * lightest(space, values)
    inertia[_turning(space)] += values[space.block("armature")]
    with np.errstate(divide="ignore"):
        rate = (damping[damping > 0] / inertia[damping > 0]).max()
    return int(np.clip(2 * DAMPING_ERROR / (rate * robot.control_dt / robot.substeps), 1, robot.substeps))


def _turning(space: VariantSpace) -> list[int]:
    """Return the joints that `armature` is of, among all."""
    places = {name: k for k, name in enumerate(space.members[space.block("damping")])}
    return [places[name] for name in space.members[space.block("armature")]]


@cache
def spans(substeps: int, longest: int) -> tuple[int, ...]:
    """Divide physics steps into the fewest spans of at most `longest`, as even as can be: changing the length costs."""
    even = -(-substeps // -(-substeps // longest))
    return *((even,) * (substeps // even)), *((substeps % even,) if substeps % even else ())
