"""What a compiled MuJoCo model says beside bodies and shapes: motors, poses, couplings, and what a URDF cannot hold."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.model import Mimic
from robots.robot_file import Loop
from sim2real.importing.mjcf_tree import UNLIMITED, Tree
from sim2real.importing.result import Motor

_HOME = ("home", "default", "stand", "standing", "init")  # keyframes of these names are a default pose by custom
_SCALAR = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
_EQ, _TRN, _OBJ = mujoco.mjtEq, mujoco.mjtTrn, mujoco.mjtObj


def motors(tree: Tree) -> tuple[Motor, ...]:
    """Return the motors on single joints, one a joint, and give their effort to the joint; the others are noted."""
    found: dict[str, Motor] = {}
    damping: dict[str, float] = {}
    for actuator in range(tree.model.nu):
        label = f"actuator '{_name(tree.model, _OBJ.mjOBJ_ACTUATOR, actuator)}'"
        reason = _unusable(tree.model, actuator)
        if reason:
            tree.notes.append(f"{label} is not taken over: {reason}")
            continue
        motor = _motor(tree, actuator, label)
        if motor.joint in found:
            tree.notes.append(f"{label} is not taken over: joint '{motor.joint}' has a motor already, and bears one")
        else:
            found[motor.joint] = motor
            damping[motor.joint] = _at_joint(tree.model, "actuator_damping", actuator)
    _note_armatures(tree, found)
    for index, joint in enumerate(tree.joints):
        if joint.name in found:
            effort = found[joint.name].effort or UNLIMITED
            limit = replace(joint.limit, effort=min(effort, joint.limit.effort))
            tree.joints[index] = replace(joint, limit=limit, damping=joint.damping + damping[joint.name])
    if any(joint.type != "fixed" for joint in tree.joints):
        tree.notes.append(f"velocity limits are {UNLIMITED:g}: MJCF has none; so are efforts that it does not bound")
    return tuple(found.values())


def _unusable(model: Any, actuator: int) -> str:
    kind = int(model.actuator_trntype[actuator])
    if kind not in (_TRN.mjTRN_JOINT, _TRN.mjTRN_JOINTINPARENT):
        return f"it drives no joint but a {_word(mujoco.mjtTrn(kind))}"
    if int(model.jnt_type[model.actuator_trnid[actuator, 0]]) not in _SCALAR:
        return "it drives a ball or free joint"
    if model.actuator_gaintype[actuator] != mujoco.mjtGain.mjGAIN_FIXED:
        return f"its gain is of type {_word(mujoco.mjtGain(int(model.actuator_gaintype[actuator])))}"
    if model.actuator_gear[actuator, 0] == 0 or model.actuator_gainprm[actuator, 0] == 0:
        return "its gear or gain is 0"
    return ""


def _motor(tree: Tree, actuator: int, label: str) -> Motor:
    """tau = gear (gain ctrl + bias0 + bias1 gear q + bias2 gear dq), clipped: MuJoCo's affine actuator at one joint."""
    model = tree.model
    joint = int(model.actuator_trnid[actuator, 0])
    gear, gain = float(model.actuator_gear[actuator, 0]), float(model.actuator_gainprm[actuator, 0])
    bias = np.zeros(3)
    if model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE:
        bias = model.actuator_biasprm[actuator, :3].astype(np.float64)
    if model.actuator_dyntype[actuator] != mujoco.mjtDyn.mjDYN_NONE:
        tree.notes.append(f"{label}: its activation dynamics are not taken over")
    effort = _effort(model, actuator, gear, gain if not bias.any() else None)
    armature = float(model.dof_armature[_dof(model, joint)]) + _at_joint(model, "actuator_armature", actuator)
    motor = Motor(tree.joint_names[joint][0], "effort", effort, armature=armature)
    kp, kd = float(gear**2 * -bias[1]), float(gear**2 * max(0.0, -bias[2]))
    if bias[1] < 0 and np.isclose(-bias[1], gain) and bias[0] == 0:
        lower, upper = _range(model, actuator, joint, gear)
        return replace(motor, mode="position", kp=kp, kd=kd, lower=lower, upper=upper)
    if bias[2] < 0 and np.isclose(-bias[2], gain) and not bias[:2].any():
        return replace(motor, mode="velocity", kd=kd)
    if bias.any():
        tree.notes.append(f"{label}: its bias is no servo's; it is taken for a motor commanded in effort")
    return motor


def _at_joint(model: Any, field: str, actuator: int) -> float:
    """Return an actuator's own inertia or damping as its joint sees it: times the gear squared (MuJoCo 4 and later)."""
    values = getattr(model, field, None)
    return 0.0 if values is None else float(values[actuator]) * float(model.actuator_gear[actuator, 0]) ** 2


def _effort(model: Any, actuator: int, gear: float, gain: float | None) -> float | None:
    """Return the largest effort at the joint [N m or N], None where nothing bounds it; `gain` is a pure motor's."""
    bounds = []
    if model.actuator_forcelimited[actuator]:
        bounds.append(abs(gear) * np.abs(model.actuator_forcerange[actuator]).max())
    if gain is not None and model.actuator_ctrllimited[actuator]:
        bounds.append(abs(gear * gain) * np.abs(model.actuator_ctrlrange[actuator]).max())
    joint = int(model.actuator_trnid[actuator, 0])
    if model.jnt_actfrclimited[joint]:
        bounds.append(np.abs(model.jnt_actfrcrange[joint]).max())
    positive = [float(bound) for bound in bounds if bound > 0]
    return min(positive) if positive else None


def _range(model: Any, actuator: int, joint: int, gear: float) -> tuple[float | None, float | None]:
    """Return the range of a position command [rad or m] inside the joint's, (None, None) where there is none."""
    if not model.actuator_ctrllimited[actuator]:
        return None, None
    lower, upper = sorted(map(float, model.actuator_ctrlrange[actuator] / gear))
    if model.jnt_limited[joint]:
        least, most = map(float, model.jnt_range[joint])
        lower, upper = max(lower, least), min(upper, most)
    return (lower, upper) if lower < upper else (None, None)


def _note_armatures(tree: Tree, found: dict[str, Motor]) -> None:
    model, passive, springs = tree.model, [], []
    for joint, names in tree.joint_names.items():
        if model.dof_armature[_dof(model, joint)] > 0 and not set(names) & found.keys():
            passive.append(names[0])
        if model.jnt_stiffness[joint] != 0:
            springs.append(names[0])
    for what, joints in (
        ("the armature of joints without a motor:", passive),
        ("the springs (stiffness) of joints", springs),
    ):
        if joints:
            tree.notes.append(f"lost: {what} {', '.join(joints)}")


def default_pose(tree: Tree) -> dict[str, float]:
    """Return the joint positions of the keyframe that looks like home, or else of the model, that are not 0."""
    model, qpos = tree.model, tree.model.qpos0
    keys = [mujoco.mj_id2name(model, _OBJ.mjOBJ_KEY, key) or "" for key in range(model.nkey)]
    if keys:
        chosen = next((index for index, key in enumerate(keys) if key.lower() in _HOME), 0)
        qpos = model.key_qpos[chosen]
        tree.notes.append(f"the default pose is keyframe {chosen} '{keys[chosen]}' of {len(keys)}")
        if tree.floating_base:
            tree.base_height = float(qpos[model.jnt_qposadr[_free_joint(model)] + 2])
    pose: dict[str, float] = {}
    for joint, names in tree.joint_names.items():
        first = int(model.jnt_qposadr[joint])
        scalar = int(model.jnt_type[joint]) in _SCALAR
        values = [float(qpos[first])] if scalar else _hinge_angles(qpos[first : first + 4])
        pose |= {name: value for name, value in zip(names, values, strict=True) if value != 0}
    return pose


def _free_joint(model: Any) -> int:
    return int(np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)[0])


def _hinge_angles(wxyz: NDArray[np.float64]) -> list[float]:
    """Return the angles [rad] of three hinges, x then y then z, that turn as the quaternion does."""
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, np.asarray(wxyz, dtype=np.float64))
    m = turn.reshape(3, 3)
    second = np.arctan2(m[0, 2], np.hypot(m[0, 0], m[0, 1]))
    return [float(np.arctan2(-m[1, 2], m[2, 2])), float(second), float(np.arctan2(-m[0, 1], m[0, 0]))]


def couplings(tree: Tree) -> tuple[Loop, ...]:
    """Make joints that follow another mimic it, return the loops that points close, and note all other equalities."""
    return tuple(loop for equality in range(tree.model.neq) for loop in _coupling(tree, equality))


def _coupling(tree: Tree, equality: int) -> Iterator[Loop]:
    model, kind = tree.model, int(tree.model.eq_type[equality])
    label = f"equality '{_name(model, _OBJ.mjOBJ_EQUALITY, equality)}'"
    if not model.eq_active0[equality]:
        tree.notes.append(f"{label} is lost: it is not active at the start")
    elif kind == _EQ.mjEQ_JOINT:
        reason = _mimic(tree, equality)
        if reason:
            tree.notes.append(f"{label} is lost: {reason}")
    elif kind == _EQ.mjEQ_CONNECT:
        loop = _loop(tree, equality)
        if loop is None:
            tree.notes.append(f"{label} is lost: it holds a floating robot to the world")
        else:
            tree.notes.append(f"{label} is a loop of robot.yaml between links '{loop.links[0]}' and '{loop.links[1]}'")
            yield loop
    else:
        tree.notes.append(f"{label} is lost: a {_word(_EQ(kind))} has no place in a URDF")


def _mimic(tree: Tree, equality: int) -> str:
    """Make joint 1 follow joint 2: y - y0 = a0 + a1 (x - x0); return why not where that cannot be."""
    model = tree.model
    follower, leader = int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality])
    if leader < 0:
        return "it holds a joint in place; make the joint fixed"
    if int(model.jnt_type[follower]) not in _SCALAR or int(model.jnt_type[leader]) not in _SCALAR:
        return "it couples a ball or free joint"
    constant, factor, *higher = map(float, model.eq_data[equality, :5])
    if any(higher) or factor == 0:
        return "its polynomial is not linear"
    y0, x0 = (float(model.qpos0[model.jnt_qposadr[joint]]) for joint in (follower, leader))
    name = tree.joint_names[follower][0]
    mimic = Mimic(tree.joint_names[leader][0], factor, y0 + constant - factor * x0)
    index = next(index for index, joint in enumerate(tree.joints) if joint.name == name)
    if tree.joints[index].mimic is not None:
        return f"joint '{name}' follows another already"
    if name in _followed(tree, mimic.joint):
        return f"joints '{name}' and '{mimic.joint}' would follow each other"
    tree.joints[index] = replace(tree.joints[index], mimic=mimic)
    tree.notes.append(f"joint '{name}' mimics joint '{mimic.joint}' (an equality in the MJCF)")
    return ""


def _followed(tree: Tree, joint: str) -> Iterator[str]:
    """Yield a joint and those that it follows, one by way of the other."""
    leaders = {made.name: made.mimic.joint for made in tree.joints if made.mimic is not None}
    yield joint
    while joint in leaders:
        joint = leaders[joint]
        yield joint


def _loop(tree: Tree, equality: int) -> Loop | None:
    """Return the two points that a connect holds together, None if one is the world's and no link is there for it."""
    model = tree.model
    objects = int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality])
    if model.eq_objtype[equality] == _OBJ.mjOBJ_SITE:
        bodies = [int(model.site_bodyid[site]) for site in objects]
        points = [model.site_pos[site] for site in objects]
    else:
        bodies, points = list(objects), [model.eq_data[equality, :3], model.eq_data[equality, 3:6]]
    if any(body not in tree.link_of for body in bodies):
        return None
    first, second = (tree.links[tree.link_of[body]].name for body in bodies)
    a, b = (point - tree.offset[body] for body, point in zip(bodies, points, strict=True))
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return Loop(links=(first, second), points=((ax, ay, az), (bx, by, bz)))


def note_losses(tree: Tree) -> None:
    """Note what else the model holds that a RobotModel has no place for."""
    model = tree.model
    polynomial = [getattr(model, field, np.zeros(1)) for field in ("dof_dampingpoly", "jnt_stiffnesspoly")]
    losses = {
        f"{model.ntendon} tendon(s)": model.ntendon,
        f"{model.nsensor} sensor(s)": model.nsensor,
        "the gravity compensation of bodies": np.any(model.body_gravcomp),
        "the non-linear part of dampings and springs": any(np.any(values) for values in polynomial),
        f"{model.npair + model.nexclude} contact pair(s) and exclusion(s)": model.npair + model.nexclude,
        f"{model.nflex + model.nskin} flexible or skinned bodies": model.nflex + model.nskin,
        "textures": model.ntex,
    }  # fmt: skip
    tree.notes += [f"{what}: not taken over, a URDF has no place for them" for what, there in losses.items() if there]


def _word(kind: Any) -> str:
    """Return what MuJoCo's enumeration calls a kind: weld of mjEQ_WELD."""
    return str(kind.name).partition("_")[2].lower()


def _dof(model: Any, joint: int) -> int:
    return int(model.jnt_dofadr[joint])


def _name(model: Any, kind: Any, index: int) -> str:
    return mujoco.mj_id2name(model, kind, index) or str(index)
