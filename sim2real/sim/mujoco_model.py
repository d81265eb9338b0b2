"""The MuJoCo model of one world, built from the merged RobotModel and not from a URDF.

MuJoCo's own URDF reader fuses the root into the world and drops visuals, and would be a second opinion of what the file
means. Measured on MuJoCo 4.0:
- Its default cone of friction is a pyramid, which grips 1.4 times better along the diagonal; an elliptic one does not.
- A contact chatters under what slides: its box or sphere lifts by up to 0.5 mm at 2 m/s, whatever the stiffness. The
  mean friction is right, within 0.01 % of its angle over 1.5 s.
- A mimic joint (equality) and a loop (connect) are soft constraints; how soft is set here, see there.
"""

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots import Actuator, Joint, Link, Robot
from robots.kinematics import sources
from robots.model import Box, Capsule, Cylinder, Mesh, Mimic, Pose, Shape, Sphere
from sim2real.sim.actuators import servo
from sim2real.sim.bodies import Ends, apart, armature, engine_model, loop_points
from sim2real.sim.engine import GRAVITY
from sim2real.sim.mujoco_floor import add_floor
from sim2real.sim.rotations import from_rpy

_PLAY = 1e-6  # [rad or m] MuJoCo refuses a joint whose lower limit is its upper one
_HARD = [0.9999, 0.9999, 0.001, 0.5, 2]  # impedance, the largest that MuJoCo takes


def body_name(name: str) -> str:
    """Return what a body is called in MuJoCo, where `world` is taken."""
    return f"{name}/" if name == "world" else name


def build_spec(robot: Robot, uneven: bool = False) -> Any:
    """Return the MjSpec of one world: robot, gravity, and a floor, which can be `uneven`, where the base is free."""
    model, spec = engine_model(robot), _empty(robot)
    root = _add_link(spec, spec.worldbody, model.root, Pose((0.0, 0.0, robot.file.base_height)), robot)
    if not robot.fixed_base:
        root.add_freejoint()
        # Without friction and weight of its own in the mix: what a body has is what acts.
        add_floor(spec, _touch(robot, 0, 1) | {"friction": [0.0, 0.0, 0.0], "solmix": 0.0}, uneven)
    bodies = {model.root.name: root}
    for joint, rotor in zip(model.joints, armature(robot).tolist(), strict=True):
        bodies[joint.child] = _add_link(spec, bodies[joint.parent], model.link(joint.child), joint.origin, robot)
        _add_joint(spec, bodies[joint.child], joint, rotor)
    for actuator in robot.actuators:
        _add_motor(spec, actuator)
    if robot.file.self_collision:
        for a, b in apart(robot):  # MuJoCo itself lets a body that is bolted to the world touch its children
            spec.add_exclude(bodyname1=body_name(a), bodyname2=body_name(b))
    for name, mimic in sources(model).items():
        _add_mimic(spec, name, mimic)
    for number, ends in enumerate(loop_points(robot)):
        _add_loop(spec, bodies, number, ends)
    return spec


def _empty(robot: Robot) -> Any:
    spec = mujoco.MjSpec()
    spec.modelname = robot.name
    spec.option.timestep = robot.control_dt / robot.substeps
    spec.option.gravity = [0, 0, GRAVITY]
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    spec.option.disableflags = mujoco.mjtDisableBit.mjDSBL_AUTORESET  # a diverged world is ours to see
    spec.compiler.degree = False
    spec.compiler.autolimits = False
    spec.compiler.balanceinertia = False
    return spec


def _add_link(spec: Any, parent: Any, link: Link, pose: Pose, robot: Robot) -> Any:
    body = parent.add_body(name=body_name(link.name), pos=pose.xyz, quat=_wxyz(pose))
    if link.inertial and link.inertial.mass > 0:
        xx, _, _, yy, _, zz = link.inertial.inertia
        body.explicitinertial = True
        body.mass, body.ipos, body.iquat = link.inertial.mass, link.inertial.origin.xyz, _wxyz(link.inertial.origin)
        body.inertia = [xx, yy, zz]
    for number, shape in enumerate(link.collisions):
        _add_collision(spec, body, shape, f"{link.name}/{number}", _touch(robot, 1, int(robot.file.self_collision)))
    return body


def _touch(robot: Robot, kind: int, meets: int) -> dict[str, Any]:
    """Return what a geom touches and how: of a pair, MuJoCo takes the larger friction.

    Stiffer than MuJoCo's default, with which a quadruped stands 3 mm deep in the floor, and not 1; with a higher
    impedance than its 0.95 light legs would never stop trembling. Friction is ten times harder (`impratio`): a block
    at 95 % of its friction angle creeps 0.03 mm/s and not 0.7.
    """
    friction, solref = [robot.file.ground_friction, 0.0, 0.0], [max(0.01, 2 * robot.control_dt / robot.substeps), 1]
    return {"contype": kind, "conaffinity": meets, "condim": 3, "friction": friction, "solref": solref}


def _add_collision(spec: Any, body: Any, shape: Shape, name: str, touch: dict[str, Any]) -> None:
    match shape.geometry:
        case Box(size):
            options = {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": [s / 2 for s in size]}
        case Cylinder(radius, length):
            options = {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "size": [radius, length / 2, 0]}
        case Capsule(radius, length):
            options = {"type": mujoco.mjtGeom.mjGEOM_CAPSULE, "size": [radius, length / 2, 0]}
        case Sphere(radius):
            options = {"type": mujoco.mjtGeom.mjGEOM_SPHERE, "size": [radius, 0, 0]}
        case Mesh(path, scale):
            spec.add_mesh(name=name, file=str(path), scale=scale, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
            options = {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": name}
    body.add_geom(name=name, pos=shape.origin.xyz, quat=_wxyz(shape.origin), mass=0, **touch, **options)


def _add_joint(spec: Any, body: Any, joint: Joint, rotor: float) -> None:
    kind = mujoco.mjtJoint.mjJNT_SLIDE if joint.type == "prismatic" else mujoco.mjtJoint.mjJNT_HINGE
    made = body.add_joint(name=joint.name, type=kind, axis=joint.axis, armature=rotor)
    made.damping[0], made.frictionloss = joint.damping, joint.friction
    # With MuJoCo's defaults a joint that is pushed with 90 % of its friction creeps 10,000 times faster.
    made.solref_friction, made.solimp_friction = [2 * spec.option.timestep, 1], _HARD
    # An end stop of MuJoCo's default gives way by 0.07 rad to a motor that can just push it there.
    made.solref_limit, made.solimp_limit = made.solref_friction, made.solimp_friction
    lower, upper = joint.limit.lower, joint.limit.upper
    if np.isfinite([lower, upper]).all():
        play = _PLAY if lower == upper else 0.0
        made.limited, made.range = True, [lower - play, upper + play]


def _add_motor(spec: Any, actuator: Actuator) -> None:
    motor = spec.add_actuator(name=actuator.joint, target=actuator.joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    motor.gainprm[0], *bias = servo(actuator)
    motor.biasprm[1:3] = bias
    motor.gaintype, motor.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    motor.forcelimited, motor.forcerange = True, [-actuator.effort, actuator.effort]
    spec.add_sensor(
        name=f"effort/{actuator.joint}",
        type=mujoco.mjtSensor.mjSENS_ACTUATORFRC,
        objtype=mujoco.mjtObj.mjOBJ_ACTUATOR,
        objname=actuator.joint,
    )


def _add_mimic(spec: Any, name: str, mimic: Mimic) -> None:
    joint, kind = mujoco.mjtObj.mjOBJ_JOINT, mujoco.mjtEq.mjEQ_JOINT
    equality = spec.add_equality(type=kind, objtype=joint, name1=name, name2=mimic.joint)
    equality.data[:5] = [mimic.offset, mimic.multiplier, 0, 0, 0]
    equality.solref, equality.solimp = [2 * spec.option.timestep, 1], _HARD


def _add_loop(spec: Any, bodies: dict[str, Any], number: int, ends: Ends) -> None:
    sites = [f"loop/{number}/{end}" for end in (0, 1)]
    for site, (body, point) in zip(sites, ends, strict=True):
        bodies[body].add_site(name=site, pos=point)
    site, kind = mujoco.mjtObj.mjOBJ_SITE, mujoco.mjtEq.mjEQ_CONNECT
    equality = spec.add_equality(type=kind, objtype=site, name1=sites[0], name2=sites[1])
    # Softer than a mimic joint: what a linkage is not flat by, it cannot close, and a hard loop would force it to.
    equality.solref, equality.solimp = [2 * spec.option.timestep, 1], [0.99, 0.99, 0.001, 0.5, 2]


def _wxyz(pose: Pose) -> NDArray[np.float64]:
    return from_rpy(np.array(pose.rpy))[[3, 0, 1, 2]]
