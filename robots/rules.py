"""The rules of a sound robot description: one row each, with what the engines would do if nobody looked.

What the engines do was tried with PyBullet 3.2.7 (URDF_USE_INERTIA_FROM_FILE; without it PyBullet takes the inertia of
the collision shapes, whatever the file says) and MuJoCo 4.0, on files that break one rule each: the planted faults of
the tests. "Refuses" is meant of the whole file; PyBullet then says "Cannot load URDF file." and no more.
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


_REFUSED = "refuses"
_ERROR: Severity = "error"
_WARNING: Severity = "warning"
_NOTE: Severity = "note"

RULES: dict[str, Rule] = {
    # The file
    "file": Rule(_ERROR, "file missing, unreadable or empty", _REFUSED, _REFUSED),
    "bounds": Rule(
        _ERROR, "larger or deeper than any robot", "reads on, refuses or crashes", "reads on, for gigabytes; or refuses"
    ),
    "xml": Rule(_ERROR, "not well-formed XML", "refuses, or reads a part of it", "refuses, or reads a part of it"),
    "doctype": Rule(_ERROR, "document type or entities", "reads an entity's number as 0", "refuses an entity's number"),
    "format": Rule(_ERROR, "not a URDF", _REFUSED, "refuses, or reads MJCF"),
    "xacro": Rule(_ERROR, "macros that are not expanded", "ignores them", "ignores them"),
    "spelling": Rule(_ERROR, "a word that is nearly a URDF word", "ignores it", "ignores it, or refuses"),
    "ignored": Rule(_NOTE, "elements that no engine reads", "ignores them", "ignores them"),
    "element-missing": Rule(_ERROR, "an element that must be there", _REFUSED, _REFUSED),
    "element-twice": Rule(_ERROR, "an element that may stand once only", "takes the first one", _REFUSED),
    "attribute-missing": Rule(_ERROR, "an attribute that must be there", "refuses or crashes", _REFUSED),
    # Numbers
    "number": Rule(
        _ERROR,
        "not a number",
        "reads 1,5 as 1 and words as 0; NaN makes the robot NaN",
        "refuses; but NaN makes the robot NaN",
    ),
    "number-range": Rule(_ERROR, "beyond any robot, or infinite", "physics overflows", "refuses, or physics overflows"),
    "number-count": Rule(_ERROR, "too many or too few numbers", "takes the first ones; zeros if too few", _REFUSED),
    "negative": Rule(_ERROR, "a negative number that must not be", "takes it", "ignores it, or takes it"),
    # Names and the tree
    "name": Rule(_ERROR, "a name that tools choke on", "crashes if it prints a %, or takes it", "takes it"),
    "name-twice": Rule(
        _ERROR, "two links or two joints of one name", "refuses links, crashes on joints", "refuses, or takes it"
    ),
    "name-shared": Rule(_NOTE, "a link and a joint of one name", "takes it", "takes it"),
    "no-link": Rule(_ERROR, "no link", _REFUSED, "makes an empty world of it"),
    "no-root": Rule(_ERROR, "no root link", _REFUSED, _REFUSED),
    "second-root": Rule(_ERROR, "more than one root link", "crashes", "takes both"),
    "two-parents": Rule(_ERROR, "a link with two parents", "crashes", _REFUSED),
    "cycle": Rule(_ERROR, "joints in a circle", "leaves the circle out", _REFUSED),
    "unknown-link": Rule(_ERROR, "a joint between links that do not exist", _REFUSED, _REFUSED),
    "too-many-joints": Rule(
        _ERROR, "more movable joints than PyBullet bears", "loads, but cannot read joint states", "takes them"
    ),
    # Joints
    "joint-type": Rule(
        _ERROR,
        "a joint of unknown or unsupported type",
        "loads planar and spherical joints, with no axis; or refuses",
        "makes sliders and hinges of a planar joint; or refuses",
    ),
    "axis-zero": Rule(_ERROR, "an axis without direction", "the robot becomes NaN at once", _REFUSED),
    "axis-length": Rule(_WARNING, "an axis whose length is not 1", "takes it as it is", "makes it 1"),
    "limit-missing": Rule(_ERROR, "a joint without limits", _REFUSED, "leaves the joint free"),
    "limit-bounds": Rule(_ERROR, "a limit without lower and upper", "leaves the joint free", "leaves the joint free"),
    "limit-order": Rule(_ERROR, "lower above upper", "leaves the joint free", "leaves the joint free"),
    "limit-empty": Rule(_WARNING, "lower equal to upper", "locks the joint", "leaves it free at 0, else refuses"),
    "limit-effort": Rule(
        _WARNING, "effort or velocity limit missing or 0", "reports 0, and does not limit", "does not limit"
    ),
    "limit-default": Rule(
        _WARNING, "the default pose lies outside the limits", "pushes the joint back", "pushes the joint back, hard"
    ),
    "limit-degrees": Rule(_WARNING, "limits of many turns: degrees?", "takes radians", "takes radians"),
    "angle-degrees": Rule(_WARNING, "an angle of more than a turn: degrees?", "takes radians", "takes radians"),
    "origin-far": Rule(_WARNING, "a joint more than 10 m from its link: millimetres?", "takes metres", "takes metres"),
    "limit-zero": Rule(
        _NOTE, "limits that exclude 0, where engines start", "starts at 0 all the same", "starts at 0 all the same"
    ),
    "mimic": Rule(
        _ERROR, "a mimic joint that follows nothing", "ignores mimic: the joint swings freely", "refuses, or ignores it"
    ),
    "mimic-joint": Rule(
        _NOTE, "a mimic joint", "ignores mimic: the joint swings freely", "makes an equality constraint of it"
    ),
    # Masses
    "mass-missing": Rule(
        _ERROR,
        "something that moves without mass",
        "adds 1 kg and 1 kg m^2 if <inertial> is missing, else takes 0",
        "fills its collision shapes with water, or refuses",
    ),
    "mass-negative": Rule(_ERROR, "a negative mass", "takes it", _REFUSED),
    "inertial-missing": Rule(
        _WARNING, "a moving link without <inertial>", "adds 1 kg and 1 kg m^2", "fills its collision shapes with water"
    ),
    "inertial-frame": Rule(
        _NOTE, "frames without mass and shape", "adds 1 kg and 1 kg m^2 for each", "merges them into their parent"
    ),
    "inertia-definite": Rule(_ERROR, "principal moments that are not positive", "takes 0 for all", _REFUSED),
    "inertia-triangle": Rule(_ERROR, "moments that no body can have", "takes 0 for all", _REFUSED),
    "inertia-part": Rule(
        _NOTE,
        "a part of a welded body with moments that no body can have",
        "takes 0 for the part",
        "refuses, or merges it",
    ),
    "inertia-massless": Rule(_NOTE, "moments without a mass", "takes them", "leaves them out, or refuses"),
    "inertia-size": Rule(_WARNING, "moments that do not fit the link's size and mass", "takes them", "takes them"),
    "centre-outside": Rule(_WARNING, "a centre of mass far outside of the link's shapes", "takes it", "takes it"),
    "density": Rule(_WARNING, "lighter than cork or heavier than any metal", "takes it", "takes it"),
    # Shapes
    "geometry": Rule(
        _ERROR, "not exactly one shape that is known", "refuses, or takes the first", "refuses, or ignores a visual"
    ),
    "size": Rule(_ERROR, "a shape without extent", "takes it; what touches it falls through or jumps", _REFUSED),
    "color": Rule(_ERROR, "a colour outside of 0 to 1", "takes it", "takes it"),
    "mesh-missing": Rule(_ERROR, "a mesh file that is not there", _REFUSED, "refuses, or ignores a visual"),
    "mesh-outside": Rule(
        _ERROR, "a mesh outside of the robot's folders", "reads it, if it is a mesh; or refuses", "reads it or refuses"
    ),
    "mesh-broken": Rule(
        _ERROR, "a mesh that is empty or broken", "leaves the shape out, or crashes", "refuses, or ignores a visual"
    ),
    "mesh-scale": Rule(_ERROR, "a mesh scaled to nothing", "takes a flat shape", "refuses, or ignores a visual"),
    "mesh-mirrored": Rule(_NOTE, "a mesh with a negative scale", "mirrors it inside out", "mirrors it"),
    "mesh-units": Rule(_WARNING, "a mesh over 10 m or under 1 mm: other units?", "takes metres", "takes metres"),
    "mesh-open": Rule(
        _NOTE, "a collision mesh that is not watertight", "takes its convex hull", "takes its convex hull, or refuses"
    ),
    "mesh-detail": Rule(
        _NOTE,
        "a collision mesh of very many triangles",
        "is slow to load and to collide",
        "is slow to load; refuses over 200,000",
    ),
    "collision-missing": Rule(
        _WARNING, "a link that is seen but cannot be touched", "falls through the floor", "falls through the floor"
    ),
    # The robot as a whole
    "robot-yaml": Rule(_ERROR, "a robot.yaml that does not fit its URDF", "reads no robot.yaml", "reads no robot.yaml"),
    "pose-collision": Rule(
        _WARNING,
        "links that overlap in the default pose",
        "pushes them apart, if self-collision is on",
        "pushes them apart",
    ),
    "gravity-effort": Rule(_WARNING, "gravity asks for more than the effort limit", "sags", "sags"),
}


def rules_table() -> str:
    """Return the rules as the Markdown table of docs/rules.md."""
    rows = [f"| `{code}` | {r.severity} | {r.title} | {r.pybullet} | {r.mujoco} |" for code, r in RULES.items()]
    head = ("| code | severity | what | PyBullet alone | MuJoCo alone |", "| --- | --- | --- | --- | --- |")
    return "\n".join([*head, *rows, ""])
