"""From solids and the YAML beside them to links, joints and meshes."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.kinematics import pose_of, rotation
from robots.model import Inertial, Joint, Limit, Link, Mesh, Pose, RobotModel, Shape
from robots.urdf.writer import write_urdf
from sim2real.errors import RobotError, nearest
from sim2real.importing.meshes import FOLDER, file_name, write_stl
from sim2real.importing.step import MAX_EXTENT, MIN_EXTENT, StepFile, StepJoint, StepLink, order
from sim2real.importing.step_solids import Part, extent, read_parts, triangles, volume_properties

Array = NDArray[np.float64]
_MAX_NAMED = 40
_NOISE = 1e-13  # of an inertia: OpenCASCADE's rounding


def convert(file: str, name: str, out: str, settings: Mapping[str, Any] | None, source: str) -> dict[str, Any]:
    """Write the URDF and meshes of a STEP file into `out`; return the plain form of an Imported.

    To be called in a process of its own: OpenCASCADE may crash on what it reads. `settings` are those of the YAML
    `source`; without them, RobotError names the parts that the YAML must arrange.
    """
    parts, unit = read_parts(Path(file))
    if settings is None:
        needed = "with links (parts and densities) and joints"
        raise RobotError(f"{file}: needs {source} beside it, {needed}; its parts are: {_list(parts)}")
    step = StepFile.model_validate(dict(settings))
    try:
        chosen = _choose(step, parts)
        _check_extent(step, (part for made in chosen.values() for part in made))
        frames = _frames(step)
        links = [_link(link, step, chosen[link], frames[link], Path(out)) for link in order(step)]
    except RobotError as error:
        raise RobotError(f"{source}: {error}") from None
    movers = {joint.child: (key, joint) for key, joint in step.joints.items()}
    joints = [_joint(*movers[link.name], frames) for link in links[1:]]
    urdf = Path(out) / f"{name}.urdf"
    write_urdf(RobotModel(name, tuple(links), tuple(joints)), urdf, relative=True)
    notes = [
        f"unit of length in the STEP file: {unit or 'none named, millimetre taken'}",
        f"masses and inertias are those of the solids; meshes are within {step.tolerance:g} m of them",
    ]
    notes += [f"part '{part.name}' is left out, as {source} says" for part in parts if _is_ignored(step, part)]
    return {
        "urdf": urdf.name, "name": name, "notes": notes, "floating_base": step.floating_base, "base_height": 0.0,
        "actuators": [], "default_pose": {}, "loops": [],
    }  # fmt: skip


def _list(parts: tuple[Part, ...]) -> str:
    more = f" and {len(parts) - _MAX_NAMED} more" if len(parts) > _MAX_NAMED else ""
    return ", ".join(f"'{part.name}'" for part in parts[:_MAX_NAMED]) + more


def _is_ignored(step: StepFile, part: Part) -> bool:
    return any(part.matches(name) for name in step.ignore)


def _choose(step: StepFile, parts: tuple[Part, ...]) -> dict[str, list[Part]]:
    """Return the parts of each link; every part has exactly one place, and every name means a part."""
    named = [(f"links.{link}", name) for link, made in step.links.items() for name in (*made.parts, *made.masses)]
    for where, name in (*named, *(("ignore", name) for name in step.ignore)):
        if not any(part.matches(name) for part in parts):
            known = {part.name for part in parts}.union(*(part.inside for part in parts))
            raise RobotError(f"{where}: no part '{name}'{nearest(name, known)}; the parts are: {_list(parts)}")
    chosen: dict[str, list[Part]] = {link: [] for link in step.links}
    for part in parts:
        owners = [link for link, made in step.links.items() if any(part.matches(name) for name in made.parts)]
        if _is_ignored(step, part):
            owners.append("ignore")
        if len(owners) != 1:
            where = f"in {' and '.join(owners)}" if owners else "in no link"
            raise RobotError(f"links: part '{part.name}' is {where}; it must be in one link, or under ignore")
        if owners[0] != "ignore":
            chosen[owners[0]].append(part)
    return chosen


def _frames(step: StepFile) -> dict[str, Array]:
    """Return each link's frame in the assembly's, (4, 4): that of its joint; the root's is the assembly's own."""
    frames = {link: np.eye(4) for link in step.links}
    for joint in step.joints.values():
        frames[joint.child][:3, :3] = rotation(joint.origin.rpy)
        frames[joint.child][:3, 3] = joint.origin.xyz
    return frames


def _link(name: str, step: StepFile, parts: list[Part], frame: Array, out: Path) -> Link:
    inertial = _inertial(name, step.links[name], parts, step.scale, frame)
    vertices, faces, count = [], [], 0
    for part in parts:
        points, corners = triangles(part, step.scale, step.tolerance)
        vertices.append((points - frame[:3, 3]) @ frame[:3, :3])
        faces.append(corners + count)
        count += len(points)
    path = out / FOLDER / f"{file_name(name)}.stl"
    write_stl(path, np.concatenate(vertices), np.concatenate(faces))
    shape = Shape(Mesh(path))
    return Link(name, inertial, (shape,), (shape,))


def _inertial(name: str, link: StepLink, parts: list[Part], scale: float, frame: Array) -> Inertial:
    """Return mass, centre and inertia of the parts together, by the parallel axis theorem."""
    solids = [volume_properties(part, scale) for part in parts]
    masses = np.array(list(_masses(name, link, parts, [volume for volume, _, _ in solids])))
    centre = sum(mass * c for mass, (_, c, _) in zip(masses, solids, strict=True)) / masses.sum()
    inertia = np.zeros((3, 3))
    for mass, (volume, c, moment) in zip(masses, solids, strict=True):
        arm = c - centre
        inertia += mass / volume * moment + mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    turned = frame[:3, :3].T @ inertia @ frame[:3, :3]
    turned[np.abs(turned) < _NOISE * np.trace(turned)] = 0.0
    x, y, z = (frame[:3, :3].T @ (centre - frame[:3, 3])).tolist()
    xx, xy, xz, yy, yz, zz = turned[[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]].tolist()
    return Inertial(float(masses.sum()), (xx, xy, xz, yy, yz, zz), Pose((x, y, z)))


def _masses(name: str, link: StepLink, parts: list[Part], volumes: list[float]) -> Iterator[float]:
    """Yield each part's mass [kg]; a weighed name of several parts is shared out by volume."""
    density = link.density if link.mass is None else link.mass / sum(volumes)
    for part, volume in zip(parts, volumes, strict=True):
        weighed = next((key for key in link.masses if part.matches(key)), None)
        if weighed is not None:
            whole = sum(v for p, v in zip(parts, volumes, strict=True) if p.matches(weighed))
            yield link.masses[weighed] * volume / whole
        elif density is None:
            raise RobotError(f"links.{name}: part '{part.name}' has neither a mass nor a density; give one of them")
        else:
            yield density * volume


def _joint(name: str, joint: StepJoint, frames: Mapping[str, Array]) -> Joint:
    origin = pose_of(np.linalg.inv(frames[joint.parent]) @ frames[joint.child])
    if joint.type == "fixed":
        return Joint(name, "fixed", joint.parent, joint.child, origin)
    x, y, z = (np.array(joint.axis) / np.linalg.norm(joint.axis)).tolist()
    lower = upper = effort = velocity = None
    if joint.limits is not None:
        effort, velocity = joint.limits.effort, joint.limits.velocity
        if joint.type != "continuous":
            lower, upper = joint.limits.lower, joint.limits.upper
    limit = Limit(_or(lower, -np.inf), _or(upper, np.inf), _or(effort, np.inf), _or(velocity, np.inf))
    ends = joint.parent, joint.child
    return Joint(name, joint.type, *ends, origin, (x, y, z), limit, joint.damping, joint.friction)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _check_extent(step: StepFile, parts: Iterable[Part]) -> None:
    # Before any mesh is made: one that is fine for an arm is endless for an arm of a kilometre.
    size = extent(parts, step.scale)
    if not MIN_EXTENT <= size <= MAX_EXTENT:
        raise RobotError(
            f"scale: the robot is {size:g} m long, so the STEP file's unit of length is wrong; write scale: 0.001 "
            "(or 1000) to take it as millimetres (or metres)"
        )
