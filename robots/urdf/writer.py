"""URDF out: one normal form of a RobotModel, for the engines to load, to publish, and to tell robots apart."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import file_digest, sha256
from math import isfinite
from pathlib import Path
from xml.sax.saxutils import quoteattr

from robots.model import Box, Capsule, Cylinder, Inertial, Joint, Link, Mesh, Pose, RobotModel, Shape, Sphere
from sim2real.errors import RobotError

_MASSLESS = Inertial(0.0, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))


def urdf_text(model: RobotModel, folder: Path | None = None) -> str:
    """Return the URDF in normal form: one element a line, floats to the last bit.

    Meshes are named by absolute path, or relative to `folder`. Reading it back gives an equal model. Raise RobotError
    if a revolute or prismatic joint has infinite limits.
    """
    return _text(model, str if folder is None else lambda path: os.path.relpath(path, folder))


def write_urdf(model: RobotModel, path: Path, relative: bool = False) -> None:
    """Write `urdf_text(model)`, meshes `relative` to the file's folder or absolute; raise RobotError if that fails."""
    try:
        path.write_text(urdf_text(model, path.parent if relative else None), encoding="utf-8")
    except OSError as error:
        raise RobotError(f"{path}: cannot be written: {error.strerror}") from None


def digest(model: RobotModel) -> str:
    """Return the SHA-256 (hex) of the normal form with each mesh file replaced by the SHA-256 of its content.

    The same robot has the same digest wherever its files lie. Raise RobotError if a mesh cannot be read.
    """
    return sha256(_text(model, cache(_content)).encode()).hexdigest()


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RobotError(f"mesh {path}: cannot be read: {error.strerror}") from None


def _text(model: RobotModel, mesh_name: Callable[[Path], str]) -> str:
    # PyBullet reads lines into a buffer of 8 KB and fails at random on longer ones.
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<robot name={quoteattr(model.name)}>"]
    for link in model.links:
        lines += _link(link, mesh_name)
    for joint in model.joints:
        lines += _joint(joint)
    return "\n".join([*lines, "</robot>", ""])


def _link(link: Link, mesh_name: Callable[[Path], str]) -> Iterator[str]:
    # Without <inertial> PyBullet invents a mass of 1 kg, so that a frame without mass says 0.
    inertial = link.inertial or _MASSLESS
    moments = dict(zip(("ixx", "ixy", "ixz", "iyy", "iyz", "izz"), inertial.inertia, strict=True))
    yield f"<link name={quoteattr(link.name)}>"
    yield "<inertial>"
    yield _origin(inertial.origin)
    yield f'<mass value="{_number(inertial.mass)}"/>'
    yield f"<inertia {_attributes(moments)}/>"
    yield "</inertial>"
    for tag, shapes in (("visual", link.visuals), ("collision", link.collisions)):
        for shape in shapes:
            yield f"<{tag}>"
            yield from _shape(shape, mesh_name)
            yield f"</{tag}>"
    yield "</link>"


def _shape(shape: Shape, mesh_name: Callable[[Path], str]) -> Iterator[str]:
    yield _origin(shape.origin)
    yield "<geometry>"
    match shape.geometry:
        case Box(size):
            yield f'<box size="{_numbers(size)}"/>'
        case Cylinder(radius, length):
            yield f'<cylinder radius="{_number(radius)}" length="{_number(length)}"/>'
        case Capsule(radius, length):
            yield f'<capsule radius="{_number(radius)}" length="{_number(length)}"/>'
        case Sphere(radius):
            yield f'<sphere radius="{_number(radius)}"/>'
        case Mesh(path, scale):
            yield f'<mesh filename={quoteattr(mesh_name(path))} scale="{_numbers(scale)}"/>'
    yield "</geometry>"
    if shape.rgba is not None:
        rgba = _numbers(shape.rgba)
        yield f'<material name="rgba {rgba}">'  # a name of its own for each colour: names are global in URDF
        yield f'<color rgba="{rgba}"/>'
        yield "</material>"


def _joint(joint: Joint) -> Iterator[str]:
    yield f'<joint name={quoteattr(joint.name)} type="{joint.type}">'
    yield _origin(joint.origin)
    yield f"<parent link={quoteattr(joint.parent)}/>"
    yield f"<child link={quoteattr(joint.child)}/>"
    if joint.type != "fixed":
        yield f'<axis xyz="{_numbers(joint.axis)}"/>'
        yield f'<dynamics damping="{_number(joint.damping)}" friction="{_number(joint.friction)}"/>'
        yield from _limit(joint)
        if joint.mimic is not None:
            factors = {"multiplier": joint.mimic.multiplier, "offset": joint.mimic.offset}
            yield f"<mimic joint={quoteattr(joint.mimic.joint)} {_attributes(factors)}/>"
    yield "</joint>"


def _limit(joint: Joint) -> Iterator[str]:
    limit = joint.limit
    strength = {"effort": limit.effort, "velocity": limit.velocity}
    values = {key: value for key, value in strength.items() if isfinite(value)}
    if joint.type != "continuous":
        if not (isfinite(limit.lower) and isfinite(limit.upper)):
            raise RobotError(f"joint '{joint.name}': a {joint.type} joint needs finite limits, got {limit}")
        values = {"lower": limit.lower, "upper": limit.upper, **values}
    if values:
        yield f"<limit {_attributes(values)}/>"


def _origin(pose: Pose) -> str:
    return f'<origin xyz="{_numbers(pose.xyz)}" rpy="{_numbers(pose.rpy)}"/>'


def _attributes(values: dict[str, float]) -> str:
    return " ".join(f'{key}="{_number(value)}"' for key, value in values.items())


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(map(_number, values))


def _number(value: float) -> str:
    # float() strips numpy's type from the repr; + 0.0 turns -0.0 into 0.0, which means the same robot.
    return repr(float(value) + 0.0)
