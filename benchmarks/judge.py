"""Pinocchio as the outside judge of a robot: what it reads from a URDF, and how far an engine's opinion is from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from robots.model import Mimic
from sim2real.sim.inspect import Inspection

Array = NDArray[np.float64]

# Largest errors of what must be the same robot; see `differences`.
BARS = {
    "limits": 1e-5,
    "masses": 1e-6,
    "poses": 1e-5,
    "turns": 1e-5,
    "centre_of_mass": 1e-5,
    "mass_matrix": 1e-4,
    "gravity_torques": 1e-4,
    "inverse_dynamics": 1e-4,
    "mimics": 0.0,
}
_NOISE = 1e-6  # of the largest torque of a moving robot: what a joint below that needs is rounding


def judge(urdf: Path, joint_names: tuple[str, ...], q: Array, dq: Array, ddq: Array) -> Inspection:
    """Return what Pinocchio reads from a URDF; raise ValueError where it cannot, or has not these movable joints.

    q, dq, ddq: (n, n_joints) in the order of `joint_names`, as in `sim2real.sim.inspect`
    """
    model = pin.buildModelFromUrdf(str(urdf))
    if set(model.names[1:]) != set(joint_names):
        names = ", ".join(sorted(set(model.names[1:]) ^ set(joint_names)))
        raise ValueError(f"Pinocchio reads other joints: {names}")
    data, joints = model.createData(), [model.joints[model.getJointId(name)] for name in joint_names]
    order = [joint.idx_v for joint in joints]
    # By index: a joint may have the name of a link.
    links = {frame.name: k for k, frame in enumerate(model.frames) if frame.type == pin.FrameType.BODY}
    poses: dict[str, list[Array]] = {name: [] for name in links}
    rows: list[tuple[Array, ...]] = []
    for position, velocity, acceleration in zip(q, dq, ddq, strict=True):
        configuration = _configuration(model, joints, position)
        v, a = np.zeros(model.nv), np.zeros(model.nv)
        v[order], a[order] = velocity, acceleration
        pin.framesForwardKinematics(model, data, configuration)
        for name, index in links.items():
            poses[name].append(data.oMf[index].homogeneous)
        upper = np.triu(pin.crba(model, data, configuration))
        matrix = upper + np.triu(upper, 1).T
        gravity = pin.computeGeneralizedGravity(model, data, configuration).copy()
        torques = pin.rnea(model, data, configuration, v, a).copy()
        rows.append((_centre(model, data), matrix[np.ix_(order, order)], gravity[order], torques[order]))
    centres, matrices, gravities, efforts = (np.array(column) for column in zip(*rows, strict=True))
    return Inspection(
        joint_names=joint_names,
        limits=np.array([_limits(model, joint) for joint in joints]).reshape(-1, 2).T,
        mimics=_mimics(urdf),
        masses=_masses(model),
        link_poses={name: np.array(each) for name, each in poses.items()},
        centre_of_mass=centres,
        mass_matrix=matrices,
        gravity_torques=gravities,
        inverse_dynamics=efforts,
    )


def _configuration(model: pin.Model, joints: list[pin.JointModel], position: Array) -> Array:
    """Return Pinocchio's q: a continuous joint has a cosine and a sine in it."""
    configuration: Array = pin.neutral(model)
    for joint, value in zip(joints, position, strict=True):
        pair = (np.cos(value), np.sin(value)) if joint.nq == 2 else (value,)
        configuration[joint.idx_q : joint.idx_q + joint.nq] = pair
    return configuration


def _centre(model: pin.Model, data: pin.Data) -> Array:
    """Return the centre of mass with the root's part, which Pinocchio's own leaves out."""
    mass, moment = 0.0, np.zeros(3)
    for joint, inertia in enumerate(model.inertias):
        mass += inertia.mass
        moment += inertia.mass * data.oMi[joint].act(inertia.lever)
    centre: Array = moment / (mass or 1.0)
    return centre


def _limits(model: pin.Model, joint: pin.JointModel) -> tuple[float, float]:
    if joint.nq == 2:
        return -np.inf, np.inf
    return float(model.lowerPositionLimit[joint.idx_q]), float(model.upperPositionLimit[joint.idx_q])


def _tops(model: pin.Model) -> dict[int, str]:
    """Return the name of the topmost link that each joint carries; 0 stands for the world."""
    tops: dict[int, str] = {}
    for frame in model.frames:
        if frame.type == pin.FrameType.BODY:
            tops.setdefault(frame.parentJoint, frame.name)
    return tops


def _masses(model: pin.Model) -> dict[str, float]:
    """Return the mass that each joint carries, and the root, by the name of the topmost link."""
    return {top: mass for joint, top in _tops(model).items() if (mass := model.inertias[joint].mass) > 0}


def _mimics(urdf: Path) -> dict[str, Mimic]:
    """Return what follows what, as Pinocchio has it when it is asked to look at mimic joints; it cannot read all."""
    if b"<mimic" not in urdf.read_bytes():
        return {}
    try:
        model = pin.buildModelFromUrdf(str(urdf), True)
    except ValueError:
        return {}
    pairs = zip(model.mimicking_joints, model.mimicked_joints, strict=True)
    joints = {name: (model.names[source], model.joints[name].extract()) for name, source in pairs}
    return {model.names[k]: Mimic(source, joint.scaling, joint.offset) for k, (source, joint) in joints.items()}


def changed(urdf: Path, original: Path) -> tuple[set[str], set[str]]:
    """Return the names of the bodies (topmost links) and of the movable joints that Pinocchio reads differently.

    A body by its mass, centre or inertia, a joint by its place, limits or existence. Raise ValueError as `judge` does.
    """
    (bodies, joints), (others, other_joints) = (_elements(pin.buildModelFromUrdf(str(p))) for p in (urdf, original))
    return _unequal(bodies, others), _unequal(joints, other_joints)


def _elements(model: pin.Model) -> tuple[dict[str, Array], dict[str, Array]]:
    tops = _tops(model)
    bodies = {
        top: model.inertias[joint].toDynamicParameters()
        for joint, top in tops.items()
        if model.inertias[joint].mass > 0 or joint
    }
    joints = {
        name: np.append(model.jointPlacements[k].homogeneous.ravel(), _limits(model, model.joints[k]))
        for k, name in enumerate(model.names)
        if k
    }
    return bodies, joints


def _unequal(one: dict[str, Array], other: dict[str, Array]) -> set[str]:
    both = one.keys() & other.keys()
    different = {name for name in both if not np.allclose(one[name], other[name], rtol=1e-6, atol=1e-9)}
    return different | (one.keys() ^ other.keys())


def differences(given: Inspection, truth: Inspection) -> dict[str, float]:
    """Return the largest error of each quantity in `BARS`: infinite where the two have not the same joints or bodies.

    Poses and centre of mass [m], turns [rad], limits [rad or m]; masses
    relative; torques relative to the largest of that joint over all configurations; the mass matrix relative to the
    geometric mean of both joints' own inertias.
    """
    names = [(tuple(i.joint_names), i.masses.keys(), i.link_poses.keys()) for i in (given, truth)]
    if names[0] != names[1]:
        return dict.fromkeys(BARS, np.inf)
    poses = np.array([(given.link_poses[link], pose) for link, pose in truth.link_poses.items()])
    limits = given.limits != truth.limits  # two infinite ones are equal, but have no difference
    noise = _NOISE * float(np.abs(truth.inverse_dynamics).max(initial=0.0))
    own = np.sqrt(np.diagonal(truth.mass_matrix, axis1=1, axis2=2))
    return {
        "limits": _worst(given.limits[limits] - truth.limits[limits]),
        "masses": _worst([given.masses[body] / mass - 1.0 for body, mass in truth.masses.items()]),
        "poses": _worst(poses[:, 0, :, :3, 3] - poses[:, 1, :, :3, 3]),
        "turns": _worst(poses[:, 0, :, :3, :3] - poses[:, 1, :, :3, :3]),
        "centre_of_mass": _worst(given.centre_of_mass - truth.centre_of_mass),
        "mass_matrix": _worst((given.mass_matrix - truth.mass_matrix) / (own[:, :, None] * own[:, None, :])),
        "gravity_torques": _relative(given.gravity_torques, truth.gravity_torques, noise),
        "inverse_dynamics": _relative(given.inverse_dynamics, truth.inverse_dynamics, noise),
        # Of joints that mimic mimics, and of some others, Pinocchio reads nothing.
        "mimics": float(bool(truth.mimics) and given.mimics != truth.mimics),
    }


def _worst(errors: Any) -> float:
    """Return the largest absolute value, infinite if one is no number; 0 of nothing."""
    return float(np.nan_to_num(np.abs(errors), nan=np.inf, posinf=np.inf).max(initial=0.0))


def _relative(given: Array, truth: Array, noise: float) -> float:
    largest = np.maximum(np.abs(truth).max(axis=0, initial=0.0), max(noise, np.finfo(np.float64).tiny))
    return _worst((given - truth) / largest)
