"""Sound robots written by code: of each the linter must say neither error nor warning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from robots.model import Box, Capsule, Cylinder, Sphere
from robots.urdf.words import INERTIA
from tests.robots.check.faults import SOUND

Solid = Box | Cylinder | Sphere | Capsule


@dataclass(frozen=True)
class Sound:
    """A URDF, how its base is held, and its default pose."""

    text: str
    floating: bool | None = None
    pose: Mapping[str, float] = field(default_factory=dict)


def shape(solid: Solid) -> str:
    match solid:
        case Box((x, y, z)):
            return f'<box size="{x} {y} {z}"/>'
        case Cylinder(radius, length):
            return f'<cylinder radius="{radius}" length="{length}"/>'
        case Capsule(radius, length):
            return f'<capsule radius="{radius}" length="{length}"/>'
        case Sphere(radius):
            return f'<sphere radius="{radius}"/>'


def link(name: str, mass: float, solid: Solid, at: str = "0 0 0", rpy: str = "0 0 0", visual: str = "") -> str:
    """Return a link that is one solid, seen and touched."""
    origin = f'<origin xyz="{at}" rpy="{rpy}"/>'
    moments = " ".join(f'{key}="{value!r}"' for key, value in zip(INERTIA, solid.inertia(mass), strict=True))
    inertial = f'<inertial>{origin}<mass value="{mass}"/><inertia {moments}/></inertial>'
    seen = f"<visual>{origin}<geometry>{visual or shape(solid)}</geometry></visual>"
    touched = f"<collision>{origin}<geometry>{shape(solid)}</geometry></collision>"
    return f'<link name="{name}">\n{inertial}\n{seen}\n{touched}\n</link>'


def joint(name: str, kind: str, ends: str, at: str = "0 0 0", axis: str = "0 0 1", more: str = "") -> str:
    """Return a joint between the two links of `ends`, "parent child"."""
    parent, child = ends.split()
    limit = {
        "revolute": '<limit lower="-1.2" upper="1.2" effort="60" velocity="5"/>',
        "prismatic": '<limit lower="0" upper="0.3" effort="200" velocity="1"/>',
    }.get(kind, "")
    axis = "" if kind == "fixed" else f'<axis xyz="{axis}"/>'
    tied = f'<origin xyz="{at}"/><parent link="{parent}"/><child link="{child}"/>{axis}'
    return f'<joint name="{name}" type="{kind}">{tied}{limit if "<limit" not in more else ""}{more}</joint>'


def robot(*parts: str) -> str:
    return "\n".join(['<?xml version="1.0"?>', '<robot name="sound">', *parts, "</robot>", ""])


def quadruped() -> Iterator[str]:
    yield link("trunk", 6.0, Box((0.5, 0.2, 0.1)))
    for leg, (x, y) in {"FL": (0.25, 0.16), "FR": (0.25, -0.16), "RL": (-0.25, 0.16), "RR": (-0.25, -0.16)}.items():
        yield link(f"{leg}_hip", 0.5, Cylinder(0.04, 0.06), rpy="1.5708 0 0")
        yield link(f"{leg}_thigh", 0.9, Box((0.04, 0.03, 0.2)), at="0 0 -0.11")
        yield link(f"{leg}_calf", 0.2, Capsule(0.012, 0.16), at="0 0 -0.1")
        yield f'<link name="{leg}_imu_frame"/>'
        yield joint(f"{leg}_hip_joint", "revolute", f"trunk {leg}_hip", f"{x} {y} 0", "1 0 0")
        yield joint(f"{leg}_thigh_joint", "revolute", f"{leg}_hip {leg}_thigh", f"0 {y / 4} 0", "0 1 0")
        yield joint(f"{leg}_calf_joint", "revolute", f"{leg}_thigh {leg}_calf", "0 0 -0.22", "0 1 0")
        yield joint(f"{leg}_imu_joint", "fixed", f"{leg}_calf {leg}_imu_frame")


def gripper() -> Iterator[str]:
    yield link("palm", 0.4, Box((0.08, 0.1, 0.04)))
    for side in ("left", "right"):
        yield link(f"{side}_finger", 0.05, Box((0.02, 0.01, 0.06)), at="0 0 0.055")
    yield joint("left_joint", "prismatic", "palm left_finger", "0 0.01 0", "0 1 0")
    follow = '<mimic joint="left_joint" multiplier="1.0"/>'
    yield joint("right_joint", "prismatic", "palm right_finger", "0 -0.01 0", "0 -1 0", follow)


def rover() -> Iterator[str]:
    yield '<link name="base_footprint"/>'
    yield link("chassis", 8.0, Box((0.6, 0.3, 0.12)))
    yield joint("ground", "fixed", "base_footprint chassis", "0 0 0.1")
    for name, (x, y) in {"fl": (0.2, 0.2), "fr": (0.2, -0.2), "rl": (-0.2, 0.2), "rr": (-0.2, -0.2)}.items():
        yield link(f"{name}_wheel", 0.7, Cylinder(0.1, 0.05), rpy="1.5708 0 0")
        yield joint(f"{name}_axle", "continuous", f"chassis {name}_wheel", f"{x} {y} 0", "0 1 0")


def ros_arm() -> Iterator[str]:
    yield '<link name="world"/>'
    yield link("base_link", 3.0, Cylinder(0.08, 0.1), at="0 0 0.05")
    yield joint("world_joint", "fixed", "world base_link")
    before, z = "base_link", 0.1
    for k in range(1, 7):
        yield link(f"link_{k}", 2.0 / k, Cylinder(0.04, 0.18), at="0 0 0.1")
        effort = '<limit lower="-2.9" upper="2.9" effort="150" velocity="3.1"/>'
        yield joint(f"joint_{k}", "revolute", f"{before} link_{k}", f"0 0 {z}", "0 0 1" if k % 2 else "0 1 0", effort)
        before, z = f"link_{k}", 0.2
    for frame in ("flange", "tool0", "camera_mount", "camera_optical_frame"):
        yield f'<link name="{frame}"/>'
        yield joint(f"{frame}_joint", "fixed", f"{before} {frame}", "0 0 0.1")
        before = frame
    yield '<transmission name="t"><type>SimpleTransmission</type><joint name="joint_1"/></transmission>'
    yield '<gazebo reference="link_1"><material>Gazebo/Grey</material></gazebo>'
    yield '<ros2_control name="arm" type="system"><hardware/></ros2_control>'


def scara() -> Iterator[str]:
    yield link("post", 5.0, Cylinder(0.06, 0.5), at="0 0 0.25")
    yield link("inner", 2.0, Box((0.3, 0.06, 0.05)), at="0.15 0 0")
    yield link("outer", 1.5, Box((0.25, 0.05, 0.04)), at="0.125 0 0")
    yield link("quill", 0.4, Cylinder(0.01, 0.3))
    yield joint("inner_joint", "revolute", "post inner", "0 0 0.53")
    bent = '<limit lower="0.3" upper="2.4" effort="20" velocity="6"/>'
    yield joint("outer_joint", "revolute", "inner outer", "0.3 0 0.05", more=bent)
    yield joint("quill_joint", "prismatic", "outer quill", "0.25 0 0", "0 0 -1")


def meshes(prefix: str) -> Iterator[str]:
    seen = f'<mesh filename="{prefix}seen.stl" scale="0.06 0.06 0.2"/>'
    yield link("stand", 2.0, Box((0.2, 0.2, 0.05)))
    yield link("tower", 1.0, Box((0.06, 0.06, 0.2)), at="0 0 0.1", visual=seen)
    yield joint("turn", "revolute", "stand tower", "0 0 0.03")


def humanoid() -> Iterator[str]:
    yield link("pelvis", 8.0, Box((0.2, 0.25, 0.15)))
    yield link("torso", 20.0, Capsule(0.12, 0.3), at="0 0 0.3")
    yield joint("waist", "revolute", "pelvis torso", "0 0 0.08")
    for side, y in (("left", 0.09), ("right", -0.09)):
        yield link(f"{side}_thigh", 6.0, Capsule(0.06, 0.25), at="0 0 -0.2")
        yield link(f"{side}_shin", 3.5, Capsule(0.05, 0.25), at="0 0 -0.2")
        yield joint(f"{side}_hip", "revolute", f"pelvis {side}_thigh", f"0 {y} -0.08", "0 1 0")
        yield joint(f"{side}_knee", "revolute", f"{side}_thigh {side}_shin", "0 0 -0.4", "0 1 0")


def slender() -> Iterator[str]:
    yield link("plate", 1.5, Box((0.5, 0.5, 0.002)))
    yield link("mast", 0.05, Cylinder(0.003, 1.0), at="0 0 0.5")
    yield joint("mast_joint", "revolute", "plate mast", "0 0 0.001", "0 1 0")


def pendulum() -> Iterator[str]:
    yield '<link name="world"/>'
    yield link("bob", 1.0, Sphere(0.05), at="0 0 -0.5")
    yield joint("pivot", "continuous", "world bob", axis="0 1 0")


SOUND_ROBOTS = {
    "arm with meshes": Sound(SOUND),
    "one free box": Sound(robot(link("box", 1.0, Box((0.1, 0.1, 0.1)))), floating=True),
    "pendulum": Sound(robot(*pendulum())),
    "quadruped": Sound(robot(*quadruped()), floating=True),
    "gripper with a mimic joint": Sound(robot(*gripper())),
    "rover": Sound(robot(*rover()), floating=True),
    "arm with frames and extensions": Sound(robot(*ros_arm())),
    "scara in a pose": Sound(robot(*scara()), floating=False, pose={"outer_joint": 1.0}),
    "relative meshes": Sound(robot(*meshes(""))),
    "meshes of a package": Sound(robot(*meshes("package://tower_description/"))),
    "humanoid": Sound(robot(*humanoid()), floating=True),
    "plate and thin mast": Sound(robot(*slender())),
}
