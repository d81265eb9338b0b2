"""STEP in: solids from a CAD system, and a YAML beside them that says what is a link and where the joints are.

A STEP file has shapes and names, but neither densities nor joints. `arm.step` is read with `arm.yaml`;
see docs/importing.md.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from robots.model import JointType
from sim2real.config import Strict, load
from sim2real.errors import RobotError, nearest
from sim2real.importing.limits import Limits, run_limited
from sim2real.importing.plain import robot_name
from sim2real.importing.result import Imported, from_plain

Vector = tuple[float, float, float]

MIN_EXTENT, MAX_EXTENT = 1e-3, 50.0  # [m], of a whole robot: beyond, the unit of length is wrong


class StepLink(Strict):
    """A link: the parts of the assembly that move as one, and what they weigh."""

    parts: tuple[str, ...] = Field(min_length=1, description="Names of parts or of sub-assemblies")
    density: float | None = Field(default=None, gt=0, le=25000, description="Of every part without a mass [kg/m^3]")
    mass: float | None = Field(default=None, gt=0, description="Of the whole link, in place of a density [kg]")
    masses: dict[str, float] = Field(default_factory=dict, description="part -> [kg], weighed; the others by density")


class StepOrigin(Strict):
    """A joint's frame in the assembly's: xyz [m]; rpy [rad], fixed-axis roll, pitch, yaw."""

    xyz: Vector = (0.0, 0.0, 0.0)
    rpy: Vector = (0.0, 0.0, 0.0)


class StepLimit(Strict):
    """Position bounds [rad or m], effort [N m or N] and velocity [rad/s or m/s]."""

    lower: float | None = None
    upper: float | None = None
    effort: float = Field(gt=0)
    velocity: float = Field(gt=0)


class StepJoint(Strict):
    """A joint, at position 0 as the assembly stands; `axis` is in the joint's frame."""

    parent: str
    child: str
    type: JointType
    origin: StepOrigin = StepOrigin()
    axis: Vector = (1.0, 0.0, 0.0)
    limits: StepLimit | None = None
    damping: float = Field(default=0.0, ge=0, description="[N m s/rad or N s/m]")
    friction: float = Field(default=0.0, ge=0, description="[N m or N]")


class StepFile(Strict):
    """The YAML beside a STEP file."""

    links: dict[str, StepLink] = Field(min_length=1)
    joints: dict[str, StepJoint] = Field(default_factory=dict)
    ignore: tuple[str, ...] = Field(default=(), description="Parts that are no part of the robot")
    floating_base: bool = False
    scale: float = Field(default=1.0, gt=0, description="Factor on lengths, where the file's unit is wrong")
    tolerance: float = Field(default=2e-4, gt=0, description="Largest distance between mesh and solid [m]")


def import_step(path: Path, out: Path, limits: Limits) -> Imported:
    """Read a STEP file and the YAML beside it into `out`; see `import_robot`."""
    if find_spec("OCP") is None:
        raise RobotError(f"{path}: STEP files need OpenCASCADE; pip install 'sim2real[step]'")
    settings = None
    beside = [path.with_suffix(suffix) for suffix in (".yaml", ".yml") if path.with_suffix(suffix).is_file()]
    if beside:
        file = load(StepFile, beside[0])
        _check(file, beside[0])
        settings = file.model_dump()
    request = {
        "file": str(path.resolve()),
        "name": robot_name(path.stem),
        "out": str(out.resolve()),
        "settings": settings,
        "source": str(beside[0] if beside else path.with_suffix(".yaml")),
    }
    return from_plain(run_limited("sim2real.importing.step_convert:convert", request, path, limits), out)


def _check(file: StepFile, path: Path) -> None:
    """Raise RobotError if the links and joints are not one tree, or a joint or link is not fully said."""
    for name, link in file.links.items():
        if link.mass is not None and (link.density is not None or link.masses):
            raise RobotError(f"{path}: links.{name}: give a mass or a density (with masses of single parts), not both")
        if link.mass is None and link.density is None and not link.masses:
            raise RobotError(f"{path}: links.{name}: needs a density [kg/m^3] or a mass [kg]")
    movers: dict[str, str] = {}
    for name, joint in file.joints.items():
        _check_joint(name, joint, path)
        for end in (joint.parent, joint.child):
            if end not in file.links:
                raise RobotError(f"{path}: joints.{name}: no link '{end}'{nearest(end, file.links)}")
        if joint.child in movers:
            both = f"joints '{movers[joint.child]}' and '{name}'"
            raise RobotError(f"{path}: joints.{name}: link '{joint.child}' is the child of {both}; a robot is a tree")
        movers[joint.child] = name
    roots = [link for link in file.links if link not in movers]
    reached = set(order(file))
    lost = [link for link in file.links if link not in reached]
    if len(roots) != 1 or lost:
        what = f"links without a parent: {', '.join(roots) or 'none'}"
        raise RobotError(f"{path}: joints: must connect all links into one tree with one root; {what}")


def _check_joint(name: str, joint: StepJoint, path: Path) -> None:
    where, limits = f"{path}: joints.{name}", joint.limits
    if joint.type != "fixed" and sum(part * part for part in joint.axis) < 1e-12:
        raise RobotError(f"{where}.axis: has no direction; write a vector of length 1, as [0, 0, 1]")
    if joint.type not in ("revolute", "prismatic"):
        return
    if limits is None or limits.lower is None or limits.upper is None:
        raise RobotError(f"{where}.limits: a {joint.type} joint needs lower, upper, effort and velocity")
    if limits.lower > limits.upper:
        raise RobotError(f"{where}.limits: lower {limits.lower:g} is larger than upper {limits.upper:g}; swap them")


def order(file: StepFile) -> Iterator[str]:
    """Yield the links depth first from the root, children in the order of the file."""
    children = {joint.child for joint in file.joints.values()}
    stack = [link for link in file.links if link not in children][:1]
    while stack:
        link = stack.pop()
        yield link
        stack += [joint.child for joint in file.joints.values() if joint.parent == link][::-1]
