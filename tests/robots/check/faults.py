"""Faults planted in one sound robot: each is a small edit, the code that must be found, and the line that it is in."""
# ruff: noqa: E501 - a fault is a row

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from struct import pack

SOUND = """<?xml version="1.0"?>
<robot name="sound">
  <material name="grey">
    <color rgba="0.5 0.5 0.5 1"/>
  </material>
  <link name="base">
    <visual>
      <geometry>
        <box size="0.2 0.2 0.1"/>
      </geometry>
      <material name="grey"/>
    </visual>
    <collision>
      <geometry>
        <box size="0.2 0.2 0.12"/>
      </geometry>
    </collision>
  </link>
  <link name="upper">
    <inertial>
      <origin xyz="0 0 0.2"/>
      <mass value="1.5"/>
      <inertia ixx="0.016" ixy="0" ixz="0" iyy="0.0161" iyz="0" izz="0.00068"/>
    </inertial>
    <visual>
      <origin xyz="0 0 0.2"/>
      <geometry>
        <cylinder radius="0.03" length="0.34"/>
      </geometry>
    </visual>
    <collision>
      <origin xyz="0 0 0.2" rpy="0 0 0"/>
      <geometry>
        <cylinder radius="0.031" length="0.35"/>
      </geometry>
    </collision>
  </link>
  <link name="lower">
    <inertial>
      <origin xyz="0 0 0.15"/>
      <mass value="0.8"/>
      <inertia ixx="0.0065" ixy="0" ixz="0" iyy="0.0066" iyz="0" izz="0.0004"/>
    </inertial>
    <visual>
      <origin xyz="0 0 0.15"/>
      <geometry>
        <mesh filename="seen.stl" scale="0.05 0.05 0.3"/>
      </geometry>
    </visual>
    <collision>
      <origin xyz="0 0 0.16"/>
      <geometry>
        <mesh filename="touched.stl" scale="0.05 0.05 0.31"/>
      </geometry>
    </collision>
  </link>
  <link name="tool"/>
  <link name="finger">
    <inertial>
      <origin xyz="0 0 0.025"/>
      <mass value="0.03"/>
      <inertia ixx="8e-6" ixy="0" ixz="0" iyy="8.1e-6" iyz="0" izz="5e-7"/>
    </inertial>
    <collision>
      <origin xyz="0 0 0.025"/>
      <geometry>
        <sphere radius="0.01"/>
      </geometry>
    </collision>
  </link>
  <joint name="shoulder" type="revolute">
    <origin xyz="0 0 0.06"/>
    <parent link="base"/>
    <child link="upper"/>
    <axis xyz="0 1 0"/>
    <limit lower="-1.5" upper="1.5" effort="40" velocity="3"/>
    <dynamics damping="0.1" friction="0.2"/>
  </joint>
  <joint name="elbow" type="revolute">
    <origin xyz="0 0 0.4"/>
    <parent link="upper"/>
    <child link="lower"/>
    <axis xyz="1 0 0"/>
    <limit lower="-2" upper="2.1" effort="20" velocity="4"/>
  </joint>
  <joint name="flange" type="fixed">
    <origin xyz="0 0 0.33"/>
    <parent link="lower"/>
    <child link="tool"/>
  </joint>
  <joint name="grip" type="prismatic">
    <parent link="tool"/>
    <child link="finger"/>
    <axis xyz="0 0 1"/>
    <limit lower="0" upper="0.05" effort="5" velocity="0.1"/>
  </joint>
</robot>
"""


@dataclass(frozen=True)
class Planted:
    """One fault: `old` in the sound robot becomes `new`; the finding must be in the line of `at` (else of `new`)."""

    code: str
    old: str
    new: str
    at: str = ""
    floating: bool | None = None
    pose: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The faulty URDF."""
        assert SOUND.count(self.old) == 1, (self.code, self.old, SOUND.count(self.old))
        return SOUND.replace(self.old, self.new)

    @property
    def line(self) -> int:
        """Where the fault is; 0 if it is the whole file's."""
        if self.at == "-":
            return 0
        start = self.text.find(self.at) if self.at else SOUND.find(self.old)
        assert start >= 0, (self.code, self.at)
        return self.text.count("\n", 0, start) + 1

    def write(self, folder: Path) -> Path:
        """Write the URDF and its meshes; return the URDF's path."""
        write_meshes(folder)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        path = folder / "planted.urdf"
        path.write_text(self.text)
        return path


_BOX_FACES = (
    (0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
    (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5),
)  # fmt: skip


def stl(faces: tuple[tuple[int, int, int], ...] = _BOX_FACES, size: float = 1.0, repeat: int = 1) -> bytes:
    """Return a binary STL of a cube's triangles, `repeat` times."""
    corners = [(x * size / 2, y * size / 2, z * size / 2) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]
    rows = [pack("<12fH", 0, 0, 0, *corners[a], *corners[b], *corners[c], 0) for a, b, c in faces]
    return bytes(80) + pack("<I", len(rows) * repeat) + b"".join(rows) * repeat


def write_meshes(folder: Path) -> None:
    """Write the meshes of the sound robot."""
    for name in ("seen.stl", "touched.stl"):
        (folder / name).write_bytes(stl())


_SEEN = 'filename="seen.stl" scale="0.05 0.05 0.3"'
_TOUCHED = 'filename="touched.stl" scale="0.05 0.05 0.31"'
_INERTIA = 'ixx="0.016" ixy="0" ixz="0" iyy="0.0161" iyz="0" izz="0.00068"'
_INERTIAL = SOUND[
    SOUND.index('    <inertial>\n      <origin xyz="0 0 0.15"') : SOUND.index(
        '    <visual>\n      <origin xyz="0 0 0.15"'
    )
]
_FINGER = SOUND[
    SOUND.index('    <inertial>\n      <origin xyz="0 0 0.025"') : SOUND.index('  </link>\n  <joint name="shoulder"')
]
_ELBOW_LIMIT = '<limit lower="-2" upper="2.1" effort="20" velocity="4"/>'
_GRIP_LIMIT = '<limit lower="0" upper="0.05" effort="5" velocity="0.1"/>'
_TOOL = '<link name="tool"/>'
_BACK = '  <joint name="back" type="{}"><parent link="finger"/><child link="base"/></joint>\n</robot>'
_PLATE = '<inertial><mass value="0.1"/><inertia ixx="{0}" ixy="0" ixz="0" iyy="{1}" iyz="0" izz="{2}"/></inertial>'

FAULTS = (
    # The file
    Planted("file", SOUND, "", at=""),
    Planted("file", SOUND, " \n\n "),
    Planted("bounds", _TOOL, "<a>" * 70 + "</a>" * 70),
    Planted("bounds", '<robot name="sound">', f'<robot name="sound" long="{"x" * 1_100_000}">'),
    Planted("xml", '<?xml version="1.0"?>', '\n<?xml version="1.0"?>', at="<?xml"),
    Planted("xml", '<link name="tool"/>', '<link name="tool">', at="</robot>"),
    Planted("xml", "</robot>\n", "</robot>\0\n"),
    Planted("doctype", '<?xml version="1.0"?>', '<!DOCTYPE robot [<!ENTITY m "1.5">]>'),
    Planted("doctype", '<?xml version="1.0"?>', '<!DOCTYPE robot SYSTEM "file:///etc/passwd">'),
    Planted("format", SOUND, '<sdf version="1.6"><model name="a"/></sdf>'),
    Planted("format", SOUND, '<mujoco><worldbody/></mujoco>'),
    Planted("xacro", _TOOL, "<xacro:tool/>" + _TOOL),
    Planted("xacro", _TOOL, '<xacro:property name="m" value="1"/>' + _TOOL),
    Planted("spelling", 'lower="-2"', 'lowr="-2"'),
    Planted("spelling", '    <inertial>\n      <origin xyz="0 0 0.2"/>', '    <inertail/>\n    <inertial>\n      <origin xyz="0 0 0.2"/>'),
    Planted("ignored", _TOOL, _TOOL + "\n  <gazebo><turnGravityOff/></gazebo>", at="<gazebo>"),
    Planted("ignored", '<axis xyz="1 0 0"/>', '<axis xyz="1 0 0"/>\n    <safety_controller k_velocity="1"/>', at="<safety"),
    Planted("element-missing", '      <mass value="1.5"/>\n', "", at="<inertial>"),
    Planted("element-missing", '    <parent link="upper"/>\n', "", at='<joint name="elbow"'),
    Planted("element-twice", '<axis xyz="1 0 0"/>', '<axis xyz="1 0 0"/>\n    <axis xyz="0 0 1"/>', at='<axis xyz="0 0 1"/>\n    <limit lower="-2"'),
    Planted("element-twice", '<mass value="0.8"/>', '<mass value="0.8"/><mass value="0.9"/>'),
    Planted("attribute-missing", ' type="fixed"', "", at='<joint name="flange"'),
    Planted("attribute-missing", 'izz="0.00068"', "", at='ixx="0.016"'),
    # Numbers
    Planted("number", '<mass value="1.5"/>', '<mass value="1,5"/>'),
    Planted("number", '<mass value="1.5"/>', '<mass value="heavy"/>'),
    Planted("number", 'xyz="0 0 0.33"', 'xyz="0 nan 0.33"'),
    Planted("number", 'xyz="0 0 0.33"', 'xyz="0, 0, 0.33"'),
    Planted("number-range", 'xyz="0 0 0.33"', 'xyz="0 0 1e999"'),
    Planted("number-range", '<mass value="1.5"/>', '<mass value="1e300"/>'),
    Planted("number-count", 'xyz="0 0 0.33"', 'xyz="0 0.33"'),
    Planted("number-count", 'xyz="0 0 0.33"', 'xyz="0 0 0.33 1"'),
    Planted("negative", 'effort="20"', 'effort="-20"'),
    Planted("negative", 'damping="0.1"', 'damping="-0.1"'),
    # Names and the tree
    Planted("name", 'joint name="grip"', 'joint name="%n%s"'),
    Planted("name", 'joint name="grip"', 'joint name="a&#10;b"'),
    Planted("name-twice", _TOOL, '<link name="lower"/>'),
    Planted("name-twice", 'joint name="flange"', 'joint name="shoulder"'),
    Planted("name-shared", 'joint name="flange"', 'joint name="tool"'),
    Planted("name-shared", 'joint name="grip"', 'joint name="upper"'),
    Planted("no-link", SOUND, '<robot name="a"/>'),
    Planted("no-link", SOUND, '<robot name="a"><material name="b"/></robot>'),
    Planted("no-root", "</robot>", _BACK.format("fixed"), at="<robot"),
    Planted("no-root", "</robot>", _BACK.format("continuous"), at="<robot"),
    Planted("second-root", _TOOL, _TOOL + '\n  <link name="lost"/>', at='<link name="lost"'),
    Planted("second-root", _TOOL, '<link name="lost">\n  </link>' + _TOOL),
    Planted("two-parents", 'child link="tool"', 'child link="upper"', at='<joint name="flange"'),
    Planted("two-parents", 'child link="finger"', 'child link="lower"', at='<joint name="grip"'),
    Planted("cycle", 'parent link="upper"', 'parent link="finger"', at='<joint name="elbow"'),
    Planted("cycle", 'parent link="lower"', 'parent link="tool"', at='<joint name="flange"'),
    Planted("unknown-link", 'parent link="upper"', 'parent link="uper"', at='<joint name="elbow"'),
    Planted("unknown-link", 'child link="tool"', 'child link="nowhere"', at='<joint name="flange"'),
    # Joints
    Planted("joint-type", 'type="prismatic"', 'type="planar"'),
    Planted("joint-type", 'name="elbow" type="revolute"', 'name="elbow" type="revolut"'),
    Planted("joint-type", 'name="elbow" type="revolute"', 'name="elbow" type="spherical"'),
    Planted("axis-zero", '<axis xyz="1 0 0"/>', '<axis xyz="0 0 0"/>'),
    Planted("axis-zero", '<axis xyz="0 1 0"/>', '<axis xyz="0 1e-12 0"/>'),
    Planted("axis-length", '<axis xyz="1 0 0"/>', '<axis xyz="2 0 0"/>'),
    Planted("axis-length", '<axis xyz="0 1 0"/>', '<axis xyz="0 1 0.5"/>'),
    Planted("limit-missing", f"    {_ELBOW_LIMIT}\n", "", at='<joint name="elbow"'),
    Planted("limit-missing", f"    {_GRIP_LIMIT}\n", "", at='<joint name="grip"'),
    Planted("limit-bounds", 'lower="-2" upper="2.1" ', ""),
    Planted("limit-bounds", 'lower="0" upper="0.05" ', ""),
    Planted("limit-order", 'lower="-2" upper="2.1"', 'lower="2" upper="-2.1"'),
    Planted("limit-order", 'lower="-2" upper="2.1"', 'lower="0" upper="-1"'),
    Planted("limit-empty", 'lower="-2" upper="2.1"', 'lower="0" upper="0"'),
    Planted("limit-empty", 'upper="0.05"', 'upper="0"'),
    Planted("limit-effort", ' effort="20"', ""),
    Planted("limit-effort", 'velocity="0.1"', 'velocity="0"'),
    Planted("limit-effort", 'effort="5"', 'effort="0"'),
    Planted("limit-default", 'lower="-2"', 'lower="-2.0"', pose={"elbow": 2.5}),
    Planted("limit-default", 'lower="-2" upper="2.1"', 'lower="0.5" upper="2.1"', pose={"elbow": 0.0}),
    Planted("limit-zero", 'lower="-2" upper="2.1"', 'lower="0.5" upper="2.1"'),
    Planted("limit-zero", 'lower="0" upper="0.05"', 'lower="-0.05" upper="-0.01"'),
    Planted("mimic", _ELBOW_LIMIT, f'{_ELBOW_LIMIT}\n    <mimic joint="wrist"/>', at='<joint name="elbow"'),
    Planted("mimic", _ELBOW_LIMIT, f'{_ELBOW_LIMIT}\n    <mimic joint="elbow"/>', at='<joint name="elbow"'),
    Planted("mimic-joint", _ELBOW_LIMIT, f'{_ELBOW_LIMIT}\n    <mimic joint="shoulder" multiplier="0.5"/>', at="<mimic"),
    Planted("mimic-joint", _GRIP_LIMIT, f'{_GRIP_LIMIT}\n    <mimic joint="elbow" multiplier="0.01"/>', at="<mimic"),
    # Masses
    Planted("mass-missing", _INERTIAL, "", at='<link name="lower"'),
    Planted("mass-missing", '<mass value="1.5"/>', '<mass value="0"/>', at='<link name="upper"'),
    Planted("mass-missing", '<link name="base">', '<link name="base" >', floating=True),
    Planted("mass-negative", '<mass value="1.5"/>', '<mass value="-1.5"/>'),
    Planted("mass-negative", '<mass value="0.8"/>', '<mass value="-1e-9"/>'),
    Planted("inertial-missing", _TOOL, '<link name="tool"><visual><geometry><sphere radius="0.01"/></geometry></visual></link>'),
    Planted("inertial-missing", _TOOL, '<link name="tool"><collision><geometry><box size="0.01 0.01 0.01"/></geometry></collision></link>'),
    Planted("inertial-frame", _TOOL, '<link name="tool" />'),
    Planted("inertial-frame", _TOOL, '<link name="tool"><gazebo/></link>'),
    Planted("limit-degrees", 'lower="-1.5" upper="1.5"', 'lower="-86" upper="86"'),
    Planted("limit-degrees", 'lower="-2" upper="2.1"', 'lower="-2" upper="120"'),
    Planted("angle-degrees", '<origin xyz="0 0 0.4"/>', '<origin xyz="0 0 0.4" rpy="0 0 180"/>'),
    Planted("angle-degrees", '<origin xyz="0 0 0.33"/>', '<origin xyz="0 0 0.33" rpy="-90 0 0"/>'),
    Planted("origin-far", '<origin xyz="0 0 0.4"/>', '<origin xyz="0 0 400"/>'),
    Planted("origin-far", '<origin xyz="0 0 0.33"/>', '<origin xyz="12 0 0.33"/>'),
    Planted("centre-outside", '<origin xyz="0 0 0.15"/>\n      <mass', '<origin xyz="0 0 150"/>\n      <mass', at='<inertial>\n      <origin xyz="0 0 150"/>'),
    Planted("centre-outside", '<origin xyz="0 0 0.025"/>\n      <mass', '<origin xyz="0 0.3 0"/>\n      <mass', at='<inertial>\n      <origin xyz="0 0.3 0"/>'),
    Planted("inertia-definite", _INERTIA, 'ixx="0" ixy="0" ixz="0" iyy="0" iyz="0" izz="0"'),
    Planted("inertia-definite", _INERTIA, 'ixx="0.016" ixy="0" ixz="0" iyy="-0.016" iyz="0" izz="0.001"'),
    Planted("inertia-definite", 'iyy="0.0161" iyz="0"', 'iyy="0.0161" iyz="0.02"'),
    Planted("inertia-triangle", 'izz="0.00068"', 'izz="0.06"'),
    Planted("inertia-triangle", 'ixx="0.0065"', 'ixx="0.065"'),
    Planted("inertia-part", _TOOL, f'<link name="tool">{_PLATE.format(0, 0, 0)}</link>'),
    Planted("inertia-part", _TOOL, f'<link name="tool">{_PLATE.format(1e-4, 1e-4, 1e-3)}</link>'),
    Planted("inertia-massless", '<link name="base">', f'<link name="base">{_PLATE.format(1e-4, 1e-4, 1e-4).replace("0.1", "0", 1)}'),
    Planted("inertia-massless", _TOOL, f'<link name="tool">{_PLATE.format(1e-4, 1e-4, 1e-4).replace("0.1", "0", 1)}</link>'),
    Planted("inertia-size", _INERTIA, 'ixx="1.6" ixy="0" ixz="0" iyy="1.6" iyz="0" izz="1.6"'),
    Planted("inertia-size", _INERTIA, 'ixx="1e-5" ixy="0" ixz="0" iyy="1e-5" iyz="0" izz="1e-5"'),
    Planted("density", '<mass value="1.5"/>', '<mass value="150"/>', at='<inertial>\n      <origin xyz="0 0 0.2"/>'),
    Planted("density", '<mass value="0.8"/>', '<mass value="0.001"/>', at='<inertial>\n      <origin xyz="0 0 0.15"/>'),
    # Shapes
    Planted("geometry", '<box size="0.2 0.2 0.1"/>', '<cone radius="1"/>', at="<geometry>"),
    Planted("geometry", '<sphere radius="0.01"/>', '<sphere radius="0.01"/><sphere radius="0.01"/>', at="<geometry>\n        <sphere"),
    Planted("size", '<box size="0.2 0.2 0.12"/>', '<box size="0.2 0.2 0"/>'),
    Planted("size", '<sphere radius="0.01"/>', '<sphere radius="-0.01"/>'),
    Planted("color", 'rgba="0.5 0.5 0.5 1"', 'rgba="128 128 128 255"'),
    Planted("color", 'rgba="0.5 0.5 0.5 1"', 'rgba="0.5 0.5 0.5 -1"'),
    Planted("mesh-missing", "seen.stl", "absent.stl"),
    Planted("mesh-missing", "touched.stl", "package://arm/touched.stl"),
    Planted("mesh-outside", "seen.stl", "/etc/passwd"),
    Planted("mesh-outside", "touched.stl", "../../../../../../../../etc/hostname"),
    Planted("mesh-broken", "seen.stl", "broken.stl", files={"broken.stl": stl()[:-10]}),
    Planted("mesh-broken", "touched.stl", "empty.stl", files={"empty.stl": stl(())}),
    Planted("mesh-scale", 'scale="0.05 0.05 0.3"', 'scale="0.05 0.05 0"'),
    Planted("mesh-scale", 'scale="0.05 0.05 0.31"', 'scale="0 0.05 0.31"'),
    Planted("mesh-mirrored", 'scale="0.05 0.05 0.31"', 'scale="-0.05 0.05 0.31"'),
    Planted("mesh-mirrored", 'scale="0.05 0.05 0.3"', 'scale="-0.05 -0.05 -0.3"'),
    Planted("mesh-units", 'scale="0.05 0.05 0.3"', 'scale="50 50 300"'),
    Planted("mesh-units", 'scale="0.05 0.05 0.3"', 'scale="5e-5 5e-5 3e-4"'),
    Planted("mesh-units", "touched.stl", "mm.stl", files={"mm.stl": stl(size=1000.0)}),
    Planted("mesh-open", "touched.stl", "open.stl", files={"open.stl": stl(_BOX_FACES[:-1])}),
    Planted("mesh-open", "touched.stl", "half.stl", files={"half.stl": stl(_BOX_FACES[:8])}),
    Planted("mesh-detail", "touched.stl", "fine.stl", files={"fine.stl": stl(repeat=5_000)}),
    Planted("mesh-detail", "touched.stl", "finer.stl", files={"finer.stl": stl(repeat=10_000)}),
    Planted("collision-missing", SOUND[SOUND.index('    <collision>\n      <origin xyz="0 0 0.16"') : SOUND.index('  </link>\n  <link name="tool"')], "", at='<link name="lower"'),
    Planted("collision-missing", SOUND[SOUND.index('    <collision>\n      <origin xyz="0 0 0.2"') : SOUND.index('  </link>\n  <link name="lower"')], "", at='<link name="upper"'),
    # The robot as a whole
    Planted("pose-collision", 'xyz="0 0 0.4"', 'xyz="0 0 -0.1"', at='<link name="base"'),
    Planted("pose-collision", 'xyz="0 0 0.33"', 'xyz="0 0 -0.1"', at='<link name="upper"'),
    Planted("gravity-effort", 'effort="40"', 'effort="0.5"', pose={"shoulder": 1.5}),
    Planted("gravity-effort", 'effort="5"', 'effort="0.1"'),
)  # fmt: skip
