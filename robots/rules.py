"""The rules of a sound robot description: one row each, with what the engines would do if nobody looked.

What the engines do was tried with PyBullet 3.2.7 and MuJoCo 4.0 on files that break one rule each.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Rule:
    """What a finding's code stands for. `pybullet` and `mujoco`: what loading the file as it is would silently do."""

    severity: Severity
    title: str
    pybullet: str
    mujoco: str


_REFUSED = "refuses the file"
_ERROR: Severity = "error"
_WARNING: Severity = "warning"
_NOTE: Severity = "note"

RULES: dict[str, Rule] = {
    # The file
    "file": Rule(_ERROR, "file missing, unreadable or empty", "cannot load URDF, no reason given", _REFUSED),
    "bounds": Rule(_ERROR, "larger or deeper than any robot", "reads on, for minutes or until it crashes", "reads on"),
    "xml": Rule(_ERROR, "not well-formed XML", "cannot load URDF, no reason given", _REFUSED),
    "doctype": Rule(_ERROR, "document type or entities", "reads an entity's number as 0", _REFUSED),
    "format": Rule(_ERROR, "not a URDF", "cannot load URDF, no reason given", "may read it as MJCF"),
    "xacro": Rule(_ERROR, "macros that are not expanded", "ignores the macros", "refuses them"),
    "spelling": Rule(_ERROR, "a word that is nearly a URDF word", "ignores it", "ignores it"),
    "ignored": Rule(_NOTE, "elements that no engine reads", "ignores them", "ignores them"),
    "element-missing": Rule(
        _ERROR, "an element that must be there", "takes a default or refuses", "takes a default or refuses"
    ),
    "element-twice": Rule(_ERROR, "an element that may stand once only", "takes the first one", "takes the first one"),
    "attribute-missing": Rule(_ERROR, "an attribute that must be there", "takes 0 or refuses", "takes 0 or refuses"),
    # Numbers
    "number": Rule(_ERROR, "not a number", "reads 1,5 as 1 and words as 0; NaN goes into physics", _REFUSED),
    "number-range": Rule(
        _ERROR, "beyond any robot, or infinite", "computes with it; physics overflows", "may refuse or overflow"
    ),
    "number-count": Rule(_ERROR, "too many or too few numbers", "takes the first ones, or zeros", _REFUSED),
    "negative": Rule(_ERROR, "a negative number that must not be", "takes it, or ignores it", "refuses or takes it"),
    # Names and the tree
    "name": Rule(_ERROR, "a name that tools choke on", "may crash in printf or cut it", "takes it"),
    "name-twice": Rule(
        _ERROR, "two links or two joints of one name", "crashes (two joints) or mixes them up", _REFUSED
    ),
    "no-link": Rule(_ERROR, "no link", _REFUSED, _REFUSED),
    "no-root": Rule(_ERROR, "no root link", _REFUSED, _REFUSED),
    "second-root": Rule(_ERROR, "more than one root link", "crashes", "makes two robots of it"),
    "two-parents": Rule(_ERROR, "a link with two parents", "crashes", _REFUSED),
    "cycle": Rule(_ERROR, "joints in a circle", "leaves the circle out", _REFUSED),
    "unknown-link": Rule(_ERROR, "a joint between links that do not exist", _REFUSED, _REFUSED),
    "too-many-joints": Rule(
        _ERROR, "more movable joints than PyBullet bears", "loads, but cannot read joint states", "takes them"
    ),
    # Joints
    "joint-type": Rule(_ERROR, "a joint of unknown or unsupported type", "refuses or guesses", "refuses or guesses"),
    "axis-zero": Rule(_ERROR, "an axis without direction", "physics turns into NaN at once", _REFUSED),
    "axis-length": Rule(_WARNING, "an axis whose length is not 1", "scales the motion by it", "makes it 1"),
    "limit-missing": Rule(_ERROR, "a joint without limits", _REFUSED, "leaves the joint free"),
    "limit-bounds": Rule(_ERROR, "a limit without lower and upper", "leaves the joint free", "locks the joint at 0"),
    "limit-order": Rule(_ERROR, "lower above upper", "leaves the joint free", _REFUSED),
    "limit-empty": Rule(_WARNING, "lower equal to upper", "locks the joint", "locks the joint, or refuses"),
    "limit-effort": Rule(
        _WARNING, "effort or velocity limit missing or 0", "takes 0 for a missing one; ignores it", "ignores both"
    ),
    "limit-default": Rule(
        _NOTE, "the default pose lies outside the limits", "jumps at the first step", "pushes with a large force"
    ),
    "mimic": Rule(_ERROR, "a mimic joint that follows nothing", "ignores mimic: the joint swings freely", _REFUSED),
    "mimic-joint": Rule(
        _NOTE, "a mimic joint", "ignores mimic: the joint swings freely", "makes an equality constraint of it"
    ),
    # Masses
    "mass-missing": Rule(_ERROR, "something that moves without mass", "makes it 1 kg", _REFUSED),
    "mass-negative": Rule(_ERROR, "a negative mass", "takes it; physics explodes", _REFUSED),
    "inertial-missing": Rule(
        _WARNING, "a moving link without <inertial>", "adds 1 kg and 1 kg m^2", "takes it as massless"
    ),
    "inertia-definite": Rule(
        _ERROR, "principal moments that are not positive", "takes 0: the body cannot be turned", _REFUSED
    ),
    "inertia-triangle": Rule(_ERROR, "moments that no body can have", "takes 0: the body cannot be turned", _REFUSED),
    "inertia-size": Rule(_WARNING, "moments that do not fit the link's size and mass", "takes them", "takes them"),
    "density": Rule(_WARNING, "lighter than cork or heavier than any metal", "takes it", "takes it"),
    # Shapes
    "geometry": Rule(_ERROR, "not exactly one shape that is known", "leaves the shape out", _REFUSED),
    "size": Rule(_ERROR, "a shape without extent", "makes a shape of margin size, or none", _REFUSED),
    "color": Rule(_ERROR, "a colour outside of 0 to 1", "clips it", "takes it"),
    "mesh-missing": Rule(_ERROR, "a mesh file that is not there", "leaves the shape out", _REFUSED),
    "mesh-outside": Rule(
        _ERROR, "a mesh outside of the robot's folders", "reads any file that it can reach", "reads it"
    ),
    "mesh-broken": Rule(_ERROR, "a mesh that is empty or broken", "leaves the shape out, or crashes", _REFUSED),
    "mesh-scale": Rule(_ERROR, "a mesh scaled to nothing", "makes a flat shape", _REFUSED),
    "mesh-mirrored": Rule(_NOTE, "a mesh with a negative scale", "mirrors it inside out", "mirrors it"),
    "mesh-units": Rule(_WARNING, "a mesh larger than 10 m: millimetres?", "takes metres", "takes metres"),
    "mesh-open": Rule(
        _NOTE, "a collision mesh that is not watertight", "takes its convex hull", "takes its convex hull"
    ),
    "mesh-detail": Rule(
        _NOTE, "a collision mesh of very many triangles", "is slow to load and to collide", "is slow to load"
    ),
    "collision-missing": Rule(
        _WARNING, "a link that is seen but cannot be touched", "falls through the floor", "falls through the floor"
    ),
    # The robot as a whole, in its default pose
    "pose-collision": Rule(
        _WARNING,
        "links that overlap in the default pose",
        "pushes them apart, if self-collision is on",
        "pushes them apart",
    ),
    "gravity-effort": Rule(_WARNING, "gravity asks for more than the effort limit", "sags", "sags"),
}
