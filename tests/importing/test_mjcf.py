"""MJCF: what MuJoCo compiles and the URDF that comes out are the same robot, and what is lost is named."""

from importlib.resources import files
from pathlib import Path

import mujoco
import numpy as np
import pybullet_data
import pytest
from numpy.typing import NDArray

from robots.kinematics import inertia_matrix, link_poses, transform
from robots.model import Box, Capsule, Cylinder, Joint, Limit, Mesh, RobotModel, Sphere
from sim2real.errors import RobotError
from sim2real.importing import Imported, Limits, import_robot

PYBULLET = Path(pybullet_data.getDataPath()) / "mjcf"
GYMNASIUM = Path(str(files("gymnasium"))) / "envs/mujoco/assets"
Array = NDArray[np.float64]
QUICK = Limits(seconds=20, megabytes=2048)

# Everything that moves: several joints in a body, joints beside the body's origin, ref, tilted root, ball, slide.
CHAIN = """
<mujoco model="Chain 1">
  <compiler angle="radian" autolimits="true"/>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 1"/>
    <body name="base" pos="0.1 0.2 0.5" euler="0.3 -0.2 1">
      <geom type="box" size="0.1 0.2 0.05" pos="0.02 0 0.01" euler="0.1 0.2 0.3" mass="2"/>
      <body name="hip" pos="0 0.1 -0.1" euler="0 0.4 0">
        <joint name="roll" axis="1 0 0" pos="0 0.01 0.02" range="-1 2" damping="0.3" frictionloss="0.2"/>
        <joint name="pitch" axis="0 1 1" pos="0.03 0 -0.01" ref="0.4"/>
        <joint name="reach" type="slide" axis="0 0 -1" pos="0 0 0.1" ref="0.05" range="0 0.3"/>
        <geom type="capsule" fromto="0 0 0 0.1 0.2 -0.4" size="0.03" mass="1.5"/>
        <body name="hand" pos="0.1 0.2 -0.4">
          <joint name="wrist" type="ball" pos="0 0.05 0"/>
          <geom type="ellipsoid" size="0.03 0.05 0.02" euler="1 0.5 0" mass="0.5"/>
          <body name="tool" pos="0 0 0.1" quat="0.5 0.5 0.5 0.5">
            <geom type="sphere" size="0.02" pos="0 0 0.05" mass="0.1"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""

FLOATING = """
<mujoco model="dog">
  <compiler angle="radian"/>
  <worldbody>
    <geom type="plane" size="0 0 1"/>
    <body name="trunk" pos="0 0 0.6">
      <freejoint/>
      <geom type="box" size="0.2 0.1 0.05" mass="3"/>
      <body name="leg" pos="0.1 0.1 0">
        <joint name="hip" axis="0 1 0" pos="0 0 0.02" range="-1 1" armature="0.01" limited="true"/>
        <geom type="cylinder" size="0.02 0.1" pos="0 0 -0.1" mass="0.4"/>
      </body>
    </body>
  </worldbody>
  <actuator><position joint="hip" kp="40" kv="2" forcerange="-5 5" ctrlrange="-0.5 3" gear="2"/></actuator>
  <keyframe>
    <key name="fallen" qpos="0 0 0.1 1 0 0 0 0.9"/>
    <key name="home" qpos="0 0 0.55 1 0 0 0 0.25"/>
  </keyframe>
</mujoco>
"""


def dynamics(
    model: RobotModel, q: np.ndarray, base: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return mass, gravity torques, joint-space mass matrix and link poses, by Jacobians of each link's centre."""
    poses = {name: base @ pose for name, pose in link_poses(model, q).items()}
    moved_by: dict[str, list[Joint]] = {model.root.name: []}
    for joint in model.joints:
        moved_by[joint.child] = moved_by[joint.parent] + ([joint] if joint.type != "fixed" else [])
    n = len(model.movable)
    total, gravity, matrix = 0.0, np.zeros(n), np.zeros((n, n))
    for link in model.links:
        if link.inertial is None:
            continue
        frame = poses[link.name]
        centre = (frame @ transform(link.inertial.origin))[:3, 3]
        linear, angular = np.zeros((3, n)), np.zeros((3, n))
        for joint in moved_by[link.name]:
            at, index = poses[joint.child], model.joint_names.index(joint.name)
            axis = at[:3, :3] @ joint.axis
            linear[:, index] = axis if joint.type == "prismatic" else np.cross(axis, centre - at[:3, 3])
            angular[:, index] = 0.0 if joint.type == "prismatic" else axis
        inertia = frame[:3, :3] @ inertia_matrix(link.inertial) @ frame[:3, :3].T
        total += link.inertial.mass
        gravity += 9.81 * link.inertial.mass * linear[2]
        matrix += link.inertial.mass * linear.T @ linear + angular.T @ inertia @ angular
    return total, gravity, matrix, poses


def assert_same(robot: RobotModel, path: Path, done: Imported, rng: np.random.Generator) -> None:
    """Compare a robot of hinges and slides with its MJCF at random configurations, to 1e-6 of the largest entry."""
    model = mujoco.MjModel.from_xml_path(str(path))
    model.opt.gravity[:] = 0, 0, -9.81
    data = mujoco.MjData(model)
    joints = [model.joint(name).id for name in robot.joint_names]
    dofs = model.jnt_dofadr[joints]
    for _ in range(5):
        low, high = np.where(model.jnt_limited[joints, None], model.jnt_range[joints], [-2.0, 2.0]).T
        q = rng.uniform(low, high)
        data.qpos[model.jnt_qposadr[joints]] = q
        base = np.eye(4)
        if done.floating_base:
            data.qpos[3:7] = rng.normal(size=4)
        mujoco.mj_forward(model, data)
        if done.floating_base:
            base[:3, :3], base[:3, 3] = data.xmat[1].reshape(3, 3), data.xpos[1]
        total, gravity, matrix, poses = dynamics(robot, q, base)
        assert total == pytest.approx(model.body_subtreemass[0], rel=1e-6)
        assert gravity == pytest.approx(data.qfrc_bias[dofs], abs=1e-6 * abs(data.qfrc_bias[dofs]).max())
        full = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, full)
        full = (full - np.diag(model.dof_armature))[np.ix_(dofs, dofs)]
        assert matrix == pytest.approx(full, abs=1e-6 * full.max())
        for body in range(1, model.nbody):
            name = model.body(body).name or f"body_{body}"
            turn, pose = data.xmat[body].reshape(3, 3), poses[name]
            assert pose[:3, :3] == pytest.approx(turn, abs=1e-9)
            assert pose[:3, 3] == pytest.approx(data.xpos[body] + turn @ _anchor(model, body), abs=1e-9)


def _anchor(model, body: int) -> Array:
    """Return where the link's frame is in the body's: in its last joint, if that is no free one."""
    last = model.body_jntadr[body] + model.body_jntnum[body] - 1
    free = model.body_jntnum[body] == 0 or model.jnt_type[last] == mujoco.mjtJoint.mjJNT_FREE
    return np.zeros(3) if free else model.jnt_pos[last]


# an MJCF that others wrote, and how many motors it has
ROBOTS = {
    PYBULLET / "ant.xml": 8,
    PYBULLET / "humanoid.xml": 21,
    PYBULLET / "inverted_double_pendulum.xml": 1,
    PYBULLET / "inverted_pendulum.xml": 1,
    GYMNASIUM / "ant.xml": 8,  # on a free joint
    GYMNASIUM / "hopper.xml": 3,  # on three joints in one body, one of them with a ref
}


@pytest.mark.parametrize(("path", "motors"), ROBOTS.items(), ids=lambda value: getattr(value, "stem", ""))
def test_the_mjcf_of_others_is_the_same_robot(read, path: Path, motors: int, tmp_path: Path):
    done = import_robot(path, tmp_path / "out", limits=QUICK)
    robot = read(done)
    assert_same(robot, path, done, np.random.default_rng(1))
    assert len(done.actuators) == motors
    assert {motor.joint for motor in done.actuators} <= set(robot.joint_names)


# the reason that each of pybullet_data's other robots gives
REFUSED = {
    "half_cheetah": r"half_cheetah.xml:61: MuJoCo refuses it: XML Error: required attribute missing: 'pos'",
    "hopper": r"hopper.xml:2: MuJoCo refuses it: XML Error: global coordinates no longer supported",
    "reacher": r"2 bodies hang on the world \('body0', 'target'\); a robot is one",
    "swimmer": r"swimmer.xml:3: MuJoCo refuses it: XML Error: Schema violation",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_mujoco_refuses_is_one_line(name: str, tmp_path: Path):
    with pytest.raises(RobotError, match=REFUSED[name]) as error:
        import_robot(PYBULLET / f"{name}.xml", tmp_path / "out", limits=QUICK)
    assert "\n" not in str(error.value)
    assert not any(tmp_path.iterdir())


def test_a_floating_base_with_its_motor_and_pose(read, write, tmp_path: Path):
    path = write("dog.xml", FLOATING)
    done = import_robot(path, tmp_path / "out", limits=QUICK)
    robot = read(done)
    assert_same(robot, path, done, np.random.default_rng(2))
    assert (done.name, done.floating_base, done.base_height) == ("dog", True, 0.55)
    assert done.default_pose == {"hip": 0.25}
    (motor,) = done.actuators
    assert (motor.joint, motor.mode, motor.effort) == ("hip", "position", 10.0)
    assert (motor.kp, motor.kd, motor.armature) == (160.0, 8.0, 0.01)
    assert (motor.lower, motor.upper) == (-0.25, 1.0)
    assert robot.joint("hip").limit == Limit(-1.0, 1.0, 10.0, 1e9)
    assert "1 geom(s) of the world (floor, scenery) are left out" in done.notes
    assert "the default pose is keyframe 1 'home' of 2" in done.notes


def test_a_chain_with_everything_moves_as_in_mujoco(read, write, tmp_path: Path):
    """With the ball joint at rest and turned by its three hinges: mass, poses, and gravity by the potential energy."""
    path = write("chain.xml", CHAIN)
    done = import_robot(path, tmp_path / "out", limits=QUICK)
    robot = read(done)
    assert robot.name == done.name == "chain_1"
    assert robot.joint_names == ("roll", "pitch", "reach", "wrist_x", "wrist_y", "wrist_z")
    assert done.default_pose == {"pitch": 0.4, "reach": 0.05}
    model = mujoco.MjModel.from_xml_path(str(path))
    data, rng = mujoco.MjData(model), np.random.default_rng(3)
    model.opt.gravity[:] = 0, 0, -9.81
    for _ in range(10):
        q = rng.uniform([-1, -2, 0, -1, -1, -1], [2, 2, 0.3, 1, 1, 1])
        data.qpos[:3] = q[:3]
        turn = np.eye(3)
        for axis, angle in zip(np.eye(3), q[3:], strict=True):
            quaternion, matrix = np.zeros(4), np.zeros(9)
            mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
            mujoco.mju_quat2Mat(matrix, quaternion)
            turn = turn @ matrix.reshape(3, 3)
        mujoco.mju_mat2Quat(data.qpos[3:7], turn.flatten())
        mujoco.mj_forward(model, data)
        total, gravity, _, poses = dynamics(robot, q, np.eye(4))
        assert total == pytest.approx(4.1, rel=1e-9)
        assert gravity[:3] == pytest.approx(data.qfrc_bias[:3], abs=1e-6 * abs(data.qfrc_bias).max())
        for body in range(1, model.nbody):
            mine, theirs = poses[model.body(body).name], data.xmat[body].reshape(3, 3)
            assert mine[:3, :3] == pytest.approx(theirs, abs=1e-9)
            assert mine[:3, 3] == pytest.approx(data.xpos[body] + theirs @ _anchor(model, body), abs=1e-9)


def test_joints_keep_what_the_file_says_of_them(read, write, tmp_path: Path):
    done = import_robot(write("chain.xml", CHAIN), tmp_path / "out", limits=QUICK)
    robot = read(done)
    roll, reach = robot.joint("roll"), robot.joint("reach")
    assert (roll.type, roll.limit.lower, roll.limit.upper, roll.damping, roll.friction) == ("revolute", -1, 2, 0.3, 0.2)
    assert (reach.type, reach.limit.lower, reach.limit.upper) == ("prismatic", 0, 0.3)
    assert robot.joint("pitch").type == "continuous"
    between = [link for link in robot.links if link.name.endswith("_part")]
    assert [link.name for link in between] == ["roll_part", "pitch_part", "wrist_x_part", "wrist_y_part"]
    assert all(0 < link.inertial.mass < 2e-8 and not link.collisions for link in between)
    text = "\n".join(done.notes)
    for note in ("ball joint 'wrist' is three hinges", "its 3 joints have 2 link(s) of 1.5e-08 kg", "the ellipsoid is"):
        assert note in text


SHAPES = """
<mujoco>
  <asset>
    <material name="red" rgba="1 0 0 1"/>
    <mesh name="wedge" file="wedge.stl" scale="2 1 1"/>
  </asset>
  <worldbody>
    <geom type="box" size="0.2 0.2 0.01" contype="0" conaffinity="0"/>
    <body name="base">
      <joint name="turn" axis="0 0 1"/>
      <geom type="box" size="0.1 0.2 0.3" material="red"/>
      <geom type="sphere" size="0.1" contype="0" conaffinity="0" rgba="0 1 0 0.5"/>
      <geom type="cylinder" size="0.1 0.2" group="3"/>
      <geom type="capsule" size="0.1 0.2" pos="0 0 1"/>
      <geom type="mesh" mesh="wedge" pos="0.3 0 0"/>
    </body>
    <geom name="floor" type="plane" size="1 1 1"/>
  </worldbody>
</mujoco>
"""


def test_shapes_are_seen_and_felt_as_the_file_says(read, write, tetrahedron: bytes, tmp_path: Path):
    write("wedge.stl", tetrahedron)
    done = import_robot(write("shapes.xml", SHAPES), tmp_path / "out", limits=QUICK)
    world, base = read(done).links
    assert [shape.geometry for shape in world.visuals] == [Box((0.4, 0.4, 0.02))]
    assert world.collisions == ()
    mesh = Mesh(tmp_path / "out/meshes/wedge_0.stl")
    assert [s.geometry for s in base.visuals] == [Box((0.2, 0.4, 0.6)), Sphere(0.1), Capsule(0.1, 0.4), mesh]
    assert [s.geometry for s in base.collisions] == [Box((0.2, 0.4, 0.6)), Cylinder(0.1, 0.4), Capsule(0.1, 0.4), mesh]
    assert [s.rgba for s in base.visuals][:2] == [(1, 0, 0, 1), (0, 1, 0, 0.5)]
    assert any("geom 'floor': a plane is no shape of a URDF" in note for note in done.notes)
    corners = np.frombuffer(
        mesh.path.read_bytes()[84:], np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")])
    )["v"]
    placed = corners.reshape(-1, 3) @ transform(base.visuals[3].origin)[:3, :3].T + base.visuals[3].origin.xyz
    assert placed.min(axis=0) == pytest.approx([0.3, 0, 0], abs=1e-6)
    assert placed.max(axis=0) == pytest.approx([2.3, 1, 1], abs=1e-6)


COUPLED = """
<mujoco>
  <worldbody>
    <body name="base">
      <geom size="0.1"/>
      <body name="a"><joint name="a" axis="0 0 1" ref="10"/><geom size="0.1"/></body>
      <body name="b"><joint name="b" axis="0 0 1"/><geom size="0.1"/></body>
      <body name="c" pos="1 0 0"><joint name="c" axis="0 1 0" pos="0 0 0.5" stiffness="3" armature="0.1"/>
        <geom size="0.1"/></body>
    </body>
  </worldbody>
  <equality>
    <joint joint1="b" joint2="a" polycoef="0.5 -2 0 0 0"/>
    <joint name="back" joint1="a" joint2="b"/>
    <joint name="curved" joint1="c" joint2="a" polycoef="0 1 1 0 0"/>
    <connect body1="a" body2="c" anchor="0.2 0 0"/>
    <weld name="glue" body1="b" body2="c"/>
  </equality>
  <actuator>
    <motor name="m" joint="a" gear="10" ctrlrange="-2 2" ctrllimited="true"/>
    <velocity name="v" joint="b" kv="3"/>
    <motor name="twice" joint="a"/>
    <muscle name="flesh" joint="c" lengthrange="0 1"/>
  </actuator>
</mujoco>
"""


def test_couplings_motors_and_losses_are_said(read, write, tmp_path: Path):
    done = import_robot(write("r.xml", COUPLED), tmp_path / "out", limits=QUICK)
    mimic = read(done).joint("b").mimic
    assert (mimic.joint, mimic.multiplier) == ("a", -2.0)
    assert mimic.offset == pytest.approx(0.5 + 2 * np.radians(10))
    assert [(m.joint, m.mode, m.effort, m.kd) for m in done.actuators] == [
        ("a", "effort", 20, 0),
        ("b", "velocity", None, 3),
    ]
    (loop,) = done.loops
    assert loop.links == ("a", "c")
    assert loop.points[0] == pytest.approx((0.2, 0, 0))
    assert loop.points[1] == pytest.approx((-0.8, 0, -0.5))  # the link's frame is in its joint
    text = "\n".join(done.notes)
    for note in (
        "joint 'b' mimics joint 'a'",
        "equality 'back' is lost: joints 'a' and 'b' would follow each other",
        "equality 'curved' is lost: its polynomial is not linear",
        "equality 'glue' is lost: a weld has no place in a URDF",
        "actuator 'twice' is not taken over: joint 'a' has a motor already",
        "actuator 'flesh' is not taken over: its gain is of type muscle",
        "lost: the springs (stiffness) of joints c",
        "lost: the armature of joints without a motor: c",
    ):
        assert note in text


def test_a_leash_to_the_world_is_lost_where_the_base_floats(write, tmp_path: Path):
    leash = '<equality><connect name="leash" body1="leg" anchor="0 0 0"/></equality></mujoco>'
    done = import_robot(write("r.xml", FLOATING.replace("</mujoco>", leash)), tmp_path / "out", limits=QUICK)
    assert done.loops == ()
    assert "equality 'leash' is lost: it holds a floating robot to the world" in done.notes


def test_files_outside_are_refused(write, tmp_path: Path):
    for body, says in {
        '<asset><mesh name="m" file="/etc/passwd"/></asset>': "file '/etc/passwd' lies outside of the search path",
        '<compiler meshdir=".."/><asset><mesh name="m" file="x.stl"/></asset>': "file 'x.stl' lies outside",
        '<include file="../x.xml"/>': "file '../x.xml' lies outside of the search path",
        '<include file="gone.xml"/>': "file 'gone.xml': there is no file",
    }.items():
        path = write("robot/r.xml", f"<mujoco>\n{body}<worldbody/></mujoco>")
        with pytest.raises(RobotError) as error:
            import_robot(path, tmp_path / "out", limits=QUICK)
        assert str(error.value).startswith(f"{path}:2: ")
        assert says in str(error.value)


def test_included_files_and_given_folders_are_read(read, write, tetrahedron: bytes, tmp_path: Path):
    write("assets/wedge.stl", tetrahedron)
    write("robot/body.xml", '<mujocoinclude><body name="b"><geom type="mesh" mesh="m"/></body></mujocoinclude>')
    text = '<mujoco><compiler meshdir="../assets"/><asset><mesh name="m" file="wedge.stl"/></asset><worldbody>'
    path = write("robot/r.xml", f'{text}<include file="body.xml"/></worldbody></mujoco>')
    done = import_robot(path, tmp_path / "out", search=[tmp_path / "assets"], limits=QUICK)
    assert read(done).link_names == ("world", "b")


def test_a_motors_own_inertia_and_damping_come_through_its_gear(read, write, tmp_path: Path):
    text = FLOATING.replace('gear="2"', 'gear="2" armature="0.1" damping="0.5"')
    done = import_robot(write("dog.xml", text), tmp_path / "out", limits=QUICK)
    assert done.actuators[0].armature == pytest.approx(0.01 + 4 * 0.1)
    assert read(done).joint("hip").damping == pytest.approx(4 * 0.5)


@pytest.mark.parametrize(("old", "new"), [('mass="3"', 'mass="1e300"'), ('gear="2"', 'gear="1e200"')])
def test_numbers_beyond_reason_are_refused(write, tmp_path: Path, old: str, new: str):
    with pytest.raises(RobotError, match=r"number \d+ has \w+ .*; allowed are up to 1e\+09"):
        import_robot(write("r.xml", FLOATING.replace(old, new)), tmp_path / "out", limits=QUICK)


def test_an_empty_world_is_no_robot(write, tmp_path: Path):
    with pytest.raises(RobotError, match="there is no <body>; a robot has at least one"):
        import_robot(write("r.xml", "<mujoco><worldbody/></mujoco>"), tmp_path / "out", limits=QUICK)
