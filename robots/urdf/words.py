"""The words of URDF that mean something to physics."""

INERTIA = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")

# Element: the attributes and the child elements that are read from it.
WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "robot": ((), ("link", "joint", "material")),
    "link": ((), ("inertial", "visual", "collision")),
    "joint": ((), ("origin", "parent", "child", "axis", "limit", "dynamics", "mimic")),
    "inertial": ((), ("origin", "mass", "inertia")),
    "visual": ((), ("origin", "geometry", "material")),
    "collision": ((), ("origin", "geometry")),
    "geometry": ((), ("box", "cylinder", "sphere", "capsule", "mesh")),
    "material": ((), ("color",)),
    "origin": (("xyz", "rpy"), ()),
    "parent": (("link",), ()),
    "child": (("link",), ()),
    "axis": (("xyz",), ()),
    "mass": (("value",), ()),
    "inertia": (INERTIA, ()),
    "limit": (("lower", "upper", "effort", "velocity"), ()),
    "dynamics": (("damping", "friction"), ()),
    "box": (("size",), ()),
    "cylinder": (("radius", "length"), ()),
    "sphere": (("radius",), ()),
    "capsule": (("radius", "length"), ()),
    "mimic": (("joint", "multiplier", "offset"), ()),
    "mesh": (("filename", "scale"), ()),
    "color": (("rgba",), ()),
}

# Elements that other tools read, and why physics does not.
UNREAD = {
    "transmission": "gear ratios belong to the motor's driver",
    "gazebo": "for Gazebo only",
    "ros2_control": "for ros2_control only",
    "safety_controller": "for the robot's own controller",
    "calibration": "for the robot's own controller",
    "contact": "friction and stiffness come from the robot.yaml and the Variant",
    "sensor": "sensors come from the robot.yaml",
    "texture": "for display only",
    "verbose": "for display only",
}
