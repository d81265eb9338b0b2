"""The bodies and joints of a compiled MuJoCo model as the links and joints of a RobotModel.

A URDF link's frame lies in its joint, MuJoCo's body frame where its author put it: the link of a body whose joint is
elsewhere (`jnt_pos`) is the same body seen from there. Joint coordinates stay MuJoCo's: the pose that MuJoCo was given
at `qpos0` is the URDF's pose at those positions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.kinematics import motion, pose_of
from robots.model import Inertial, Joint, JointType, Limit, Link, RobotModel, Vector3
from robots.urdf.tree import MIN_INERTIA, MIN_MASS
from sim2real.errors import RobotError

Array = NDArray[np.float64]

UNLIMITED = 1e9  # [N m, N, rad/s, m/s or m]: MJCF has no word for it, URDF asks for a number

# Of a body with several joints, each link between them gets this part of the mass and of the largest moment, and the
# body gives the mass up: links that a joint moves need a mass in URDF, and 1e-8 of a robot is below any measurement.
_PART = 1e-8
_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


@dataclass
class Tree:
    """The robot while it is built: what each MuJoCo body and joint became, and what could not be kept."""

    model: Any
    links: list[Link] = field(default_factory=list)
    joints: list[Joint] = field(default_factory=list)
    link_of: dict[int, int] = field(default_factory=dict)  # body -> index of its link
    offset: dict[int, Array] = field(default_factory=dict)  # body -> its joint's place in the body's frame [m]
    joint_names: dict[int, tuple[str, ...]] = field(default_factory=dict)  # MuJoCo joint -> the URDF's
    notes: list[str] = field(default_factory=list)
    names: dict[str, set[str]] = field(default_factory=lambda: {"link": set(), "joint": set()})
    floating_base: bool = False
    base_height: float = 0.0

    def free(self, kind: str, wanted: str, own: str = "") -> str:
        """Return `wanted` as a name that no other link or joint (the `kind`) has, changed as little as URDF asks for.

        `own` is what the model calls it; a change of that is noted.
        """
        taken = self.names[kind]
        clean = "".join(c if c.isprintable() and c != "%" else "_" for c in wanted).strip()[:150] or kind
        names = (clean, *(f"{clean}_{number}" for number in range(2, len(taken) + 3)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        if own and name != own:
            self.notes.append(f"{kind} '{own}' is called '{name}': a URDF's names are printable and without %")
        return name


def build_tree(model: Any) -> Tree:
    """Return the links and joints of a compiled MjModel, depth first; RobotError if it is not one robot."""
    tree = Tree(model)
    root = _root(model)
    for joint in range(model.njnt):  # first, because commands go by the names of joints
        if model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE:
            tree.joint_names[joint] = _joint_names(tree, joint)
    _add_root(tree, root)
    for body in range(1, model.nbody):
        if body != root or not tree.floating_base:
            _add_body(tree, body)
    return tree


def robot_model(tree: Tree, name: str) -> RobotModel:
    """Return the finished RobotModel."""
    return RobotModel(name, tuple(tree.links), tuple(tree.joints))


def _root(model: Any) -> int:
    """Return the one body that hangs on the world."""
    roots = [body for body in range(1, model.nbody) if model.body_parentid[body] == 0]
    if len(roots) != 1:
        names = ", ".join(f"'{model.body(body).name or body}'" for body in roots[:20])
        many = f"{len(roots)} bodies hang on the world ({names}); a robot is one: move the others into another file"
        raise RobotError(many if roots else "there is no <body>; a robot has at least one")
    return roots[0]


def _joint_names(tree: Tree, joint: int) -> tuple[str, ...]:
    own = mujoco.mj_id2name(tree.model, mujoco.mjtObj.mjOBJ_JOINT, joint)
    body = mujoco.mj_id2name(tree.model, mujoco.mjtObj.mjOBJ_BODY, int(tree.model.jnt_bodyid[joint]))
    wanted = own or f"{body or 'body'}_joint"
    if tree.model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_BALL:
        return (tree.free("joint", wanted, own or ""),)
    names = tuple(tree.free("joint", f"{wanted}_{axis}") for axis in _AXES)
    tree.notes.append(f"ball joint '{wanted}' is three hinges, {', '.join(names)}: they lock at 90° of the second")
    return names


def _add_root(tree: Tree, root: int) -> None:
    """Add the link that the robot begins with: its free body, or the world itself."""
    model = tree.model
    joints = range(model.body_jntadr[root], model.body_jntadr[root] + model.body_jntnum[root])
    if any(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE for joint in joints):
        tree.floating_base, tree.base_height = True, float(model.body_pos[root][2])
        _add_link(tree, root, np.zeros(3))
    else:
        tree.link_of[0], tree.offset[0] = 0, np.zeros(3)
        tree.links.append(Link(tree.free("link", "world")))


def _add_body(tree: Tree, body: int) -> None:
    """Add a body with the joints that move it, each but the last on a link of its own."""
    model, parent = tree.model, int(tree.model.body_parentid[body])
    before = tree.links[tree.link_of[parent]].name
    # Where the next joint's frame starts, in the frame of the link before it.
    frame = placed(model.body_pos[body], model.body_quat[body])
    frame[:3, 3] -= tree.offset[parent]
    at, moves = np.zeros(3), list(_moves(tree, body))
    for index, move in enumerate(moves):
        frame = frame @ _shift(move.place - at)
        at = move.place
        last = index == len(moves) - 1
        child = _add_link(tree, body, at) if last else _add_between(tree, body, move.joint.name)
        joint = replace(move.joint, parent=before, child=child, origin=pose_of(frame @ motion(move.joint, -move.zero)))
        tree.joints.append(joint)
        before, frame = child, np.eye(4)
    if not moves:
        child = _add_link(tree, body, at)
        tree.joints.append(Joint(tree.free("joint", f"{child}_fixed"), "fixed", before, child, pose_of(frame)))
    elif len(moves) > 1:
        _take_parts(tree, body, len(moves) - 1)


@dataclass(frozen=True)
class _Move:
    """One axis of motion: the joint (its ends not yet known), its place in the body [m], its coordinate at rest."""

    joint: Joint
    place: Array
    zero: float


def _moves(tree: Tree, body: int) -> Iterator[_Move]:
    model = tree.model
    for index in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]):
        kind, place = int(model.jnt_type[index]), np.array(model.jnt_pos[index])
        if kind == mujoco.mjtJoint.mjJNT_BALL:
            for name, axis in zip(tree.joint_names[index], _AXES.values(), strict=True):
                yield _Move(_joint(tree, index, name, axis), place, 0.0)
        else:
            x, y, z = model.jnt_axis[index].tolist()
            zero = float(model.qpos0[model.jnt_qposadr[index]])
            yield _Move(_joint(tree, index, tree.joint_names[index][0], (x, y, z)), place, zero)


def _joint(tree: Tree, index: int, name: str, axis: Vector3) -> Joint:
    model, dof = tree.model, int(tree.model.jnt_dofadr[index])
    limited = bool(model.jnt_limited[index])
    lower, upper = map(float, model.jnt_range[index])
    kind: JointType = "revolute" if limited else "continuous"
    if model.jnt_type[index] == mujoco.mjtJoint.mjJNT_SLIDE:
        kind = "prismatic"
        if not limited:
            lower, upper = -UNLIMITED, UNLIMITED
    elif model.jnt_type[index] == mujoco.mjtJoint.mjJNT_BALL and limited:
        lower = -upper
        tree.notes.append(f"joint '{name}': the ball joint's cone of {upper:g} rad is each hinge's own range")
    if kind == "continuous":
        lower, upper = -np.inf, np.inf
    effort = UNLIMITED
    if model.jnt_actfrclimited[index]:
        effort = float(np.abs(model.jnt_actfrcrange[index]).max())
    damping, friction = float(model.dof_damping[dof]), float(model.dof_frictionloss[dof])
    return Joint(name, kind, "", "", axis=axis, limit=Limit(lower, upper, effort, UNLIMITED), damping=damping,
                 friction=friction)  # fmt: skip


def _add_link(tree: Tree, body: int, offset: Array) -> str:
    """Add the link of a body, whose frame is the body's moved by `offset`, without shapes; return its name."""
    model, own = tree.model, mujoco.mj_id2name(tree.model, mujoco.mjtObj.mjOBJ_BODY, body)
    name = tree.free("link", own or f"body_{body}", own or "")
    if np.any(offset):
        place = " ".join(f"{value:g}" for value in offset)
        tree.notes.append(f"link '{name}': its frame lies in its joint, at {place} m in the frame of the MJCF body")
    tree.link_of[body], tree.offset[body] = len(tree.links), offset
    mass = float(model.body_mass[body])
    inertial = None
    if mass > 0:
        xx, yy, zz = map(float, model.body_inertia[body])
        frame = _shift(-offset) @ placed(model.body_ipos[body], model.body_iquat[body])
        inertial = Inertial(mass, (xx, 0.0, 0.0, yy, 0.0, zz), pose_of(frame))
    tree.links.append(Link(name, inertial))
    return name


def _add_between(tree: Tree, body: int, joint: str) -> str:
    """Add a link between two joints of a body, with a part of the body's mass in the joint; return its name."""
    name = tree.free("link", f"{joint}_part")
    mass, moment = float(tree.model.body_mass[body]), float(tree.model.body_inertia[body].max())
    part, inertia = max(_PART * mass, 2 * MIN_MASS), max(_PART * moment, 2 * MIN_INERTIA)
    tree.links.append(Link(name, Inertial(part, (inertia, 0.0, 0.0, inertia, 0.0, inertia))))
    return name


def _take_parts(tree: Tree, body: int, count: int) -> None:
    """Take the masses of the `count` links between a body's joints from the body, and say so."""
    index = tree.link_of[body]
    link = tree.links[index]
    parts = [between.inertial.mass for between in tree.links[index - count : index] if between.inertial]
    if link.inertial is not None and link.inertial.mass > 2 * sum(parts):
        tree.links[index] = replace(link, inertial=replace(link.inertial, mass=link.inertial.mass - sum(parts)))
    tree.notes.append(
        f"link '{link.name}': its {count + 1} joints have {count} link(s) of {parts[0]:.3g} kg between them, "
        "taken from its mass"
    )


def placed(position: Array, wxyz: Array) -> Array:
    """Return the homogeneous matrix (4, 4) of a position [m] and a quaternion in MuJoCo's order."""
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, np.asarray(wxyz, dtype=np.float64))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn.reshape(3, 3), position
    return matrix


def _shift(by: Array) -> Array:
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix
