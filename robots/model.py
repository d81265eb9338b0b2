"""RobotModel: what a URDF says, as plain data in one canonical joint order. SI units and radians throughout."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

JointType = Literal["revolute", "continuous", "prismatic", "fixed"]
Vector3 = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """A frame in its parent: xyz [m]; rpy [rad], fixed-axis roll, pitch, yaw as URDF defines them."""

    xyz: Vector3 = (0.0, 0.0, 0.0)
    rpy: Vector3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Inertial:
    """Mass [kg] and inertia (ixx, ixy, ixz, iyy, iyz, izz) [kg m^2] in the frame `origin`, given in the link's."""

    mass: float
    inertia: tuple[float, float, float, float, float, float]
    origin: Pose = Pose()


@dataclass(frozen=True)
class Box:
    """A box, full edge lengths [m], centred."""

    size: Vector3

    def inertia(self, mass: float) -> tuple[float, float, float, float, float, float]:
        """Inertia of the solid of that mass about its centre [kg m^2]."""
        x, y, z = (s * s for s in self.size)
        return mass / 12 * (y + z), 0.0, 0.0, mass / 12 * (x + z), 0.0, mass / 12 * (x + y)


@dataclass(frozen=True)
class Cylinder:
    """A cylinder along z, centred [m]."""

    radius: float
    length: float

    def inertia(self, mass: float) -> tuple[float, float, float, float, float, float]:
        """Inertia of the solid of that mass about its centre [kg m^2]."""
        across = mass * (3 * self.radius**2 + self.length**2) / 12
        return across, 0.0, 0.0, across, 0.0, mass * self.radius**2 / 2


@dataclass(frozen=True)
class Sphere:
    """A sphere, centred [m]."""

    radius: float

    def inertia(self, mass: float) -> tuple[float, float, float, float, float, float]:
        """Inertia of the solid of that mass about its centre [kg m^2]."""
        i = 0.4 * mass * self.radius**2
        return i, 0.0, 0.0, i, 0.0, i


@dataclass(frozen=True)
class Capsule:
    """A cylinder along z with a half sphere at each end, centred; `length` is the cylinder's alone [m]."""

    radius: float
    length: float

    def inertia(self, mass: float) -> tuple[float, float, float, float, float, float]:
        """Inertia of the solid of that mass about its centre [kg m^2]."""
        r, h = self.radius, self.length
        cylinder = mass * h / (h + 4 / 3 * r)
        ends = mass - cylinder
        across = cylinder * (3 * r**2 + h**2) / 12 + ends * (0.4 * r**2 + h**2 / 4 + 3 / 8 * r * h)
        return across, 0.0, 0.0, across, 0.0, cylinder * r**2 / 2 + ends * 0.4 * r**2


@dataclass(frozen=True)
class Mesh:
    """A mesh file (absolute path) and its scale along each axis."""

    path: Path
    scale: Vector3 = (1.0, 1.0, 1.0)


Geometry = Box | Cylinder | Sphere | Capsule | Mesh


@dataclass(frozen=True)
class Shape:
    """One visual or collision element of a link; `rgba` in 0..1 is None for collisions and unpainted visuals."""

    geometry: Geometry
    origin: Pose = Pose()
    rgba: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Link:
    """A rigid body. `inertial` is None for a frame without mass (only in the root or held by fixed joints)."""

    name: str
    inertial: Inertial | None = None
    visuals: tuple[Shape, ...] = ()
    collisions: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Limit:
    """Position bounds [rad or m] (infinite for continuous joints), effort [N m or N] and velocity [rad/s or m/s]."""

    lower: float
    upper: float
    effort: float
    velocity: float


@dataclass(frozen=True)
class Mimic:
    """A joint that follows another: q = multiplier q_joint + offset [rad or m]."""

    joint: str
    multiplier: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Joint:
    """A joint from `parent` to `child`; `axis` is a unit vector in the joint frame.

    `damping` [N m s/rad or N s/m] and Coulomb `friction` [N m or N] are the URDF's `<dynamics>`. A joint with `mimic`
    has a position of its own, but no degree of freedom: both engines make it follow.
    """

    name: str
    type: JointType
    parent: str
    child: str
    origin: Pose = Pose()
    axis: Vector3 = (1.0, 0.0, 0.0)
    limit: Limit = field(default_factory=lambda: Limit(float("-inf"), float("inf"), float("inf"), float("inf")))
    damping: float = 0.0
    friction: float = 0.0
    mimic: Mimic | None = None


@dataclass(frozen=True)
class RobotModel:
    """Links and joints of one robot: a tree with one root.

    `links` and `joints` are in depth-first order from the root, children in the order of the file: the canonical order
    of every array in this project. `movable` are the joints that are not fixed; `joint_names` their names.
    """

    name: str
    links: tuple[Link, ...]
    joints: tuple[Joint, ...]

    @property
    def root(self) -> Link:
        """The one link that is no joint's child."""
        return self.links[0]

    @cached_property
    def movable(self) -> tuple[Joint, ...]:
        """The joints that are not fixed, in canonical order; those that mimic another are among them."""
        return tuple(j for j in self.joints if j.type != "fixed")

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the movable joints, in canonical order."""
        return tuple(j.name for j in self.movable)

    @cached_property
    def link_names(self) -> tuple[str, ...]:
        """Names of all links, in canonical order."""
        return tuple(link.name for link in self.links)

    @cached_property
    def bodies(self) -> tuple[str, ...]:
        """Names of the links that have mass, in canonical order."""
        return tuple(link.name for link in self.links if link.inertial and link.inertial.mass > 0)

    def link(self, name: str) -> Link:
        """Return the link of that name (KeyError if there is none)."""
        return self._links[name]

    def joint(self, name: str) -> Joint:
        """Return the joint of that name (KeyError if there is none)."""
        return self._joints[name]

    @cached_property
    def _links(self) -> dict[str, Link]:
        return {link.name: link for link in self.links}

    @cached_property
    def _joints(self) -> dict[str, Joint]:
        return {joint.name: joint for joint in self.joints}

    def children(self, link: str) -> Iterator[Joint]:
        """Yield the joints whose parent is `link`, in canonical order."""
        return (j for j in self.joints if j.parent == link)
