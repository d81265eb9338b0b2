"""Whether a robot.yaml fits its URDF: what it names exists, and what it asks for can be."""

from collections.abc import Iterator

from robots.robot import Robot
from robots.robot_file import Actuator
from sim2real.errors import RobotError, nearest


def check_fit(robot: Robot) -> None:
    """Raise RobotError with one line (robot.yaml: key: what, allowed) if the robot.yaml does not fit its URDF."""
    for index, actuator in enumerate(robot.actuators):
        _check_actuator(robot, index, actuator)
    if len(set(robot.actuator_names)) != robot.n_actuators:
        raise RobotError(f"{robot.path}: actuators: a joint has two motors")
    _check_default_pose(robot)
    _check_roles(robot)
    _check_force_torque(robot)
    for key, link in _links_named(robot):
        if link not in robot.model.link_names:
            raise RobotError(f"{robot.path}: {key}: no link '{link}'{nearest(link, robot.model.link_names)}")
    ratio = robot.file.physics_hz / robot.file.control_hz
    if ratio < 1 or abs(ratio - round(ratio)) > 1e-9:
        given = f"{robot.file.physics_hz:g} / {robot.file.control_hz:g}"
        raise RobotError(f"{robot.path}: physics_hz: must be a whole multiple of control_hz, got {given}")


def _check_actuator(robot: Robot, index: int, actuator: Actuator) -> None:
    model, where = robot.model, f"{robot.path}: actuators.{index}"
    if actuator.joint not in model.joint_names:
        known = f"{nearest(actuator.joint, model.joint_names)}; it has {', '.join(model.joint_names)}"
        raise RobotError(f"{where}.joint: no movable joint '{actuator.joint}' in {robot.file.urdf}{known}")
    joint = model.joint(actuator.joint)
    if joint.mimic is not None:
        followed = f"'{joint.name}' mimics '{joint.mimic.joint}'"
        raise RobotError(f"{where}.joint: {followed} and has no motion of its own; give the motor to that one")
    gain = {"position": "kp", "velocity": "kd", "effort": None}[actuator.mode]
    if gain is not None and getattr(actuator, gain) == 0:
        raise RobotError(f"{where}.{gain}: a motor in mode '{actuator.mode}' does nothing with {gain} 0; give its gain")
    limit = joint.limit
    lower = limit.lower if actuator.lower is None else actuator.lower
    upper = limit.upper if actuator.upper is None else actuator.upper
    if not limit.lower <= lower < upper <= limit.upper:
        bounds = f"[{limit.lower}, {limit.upper}]"
        raise RobotError(f"{where}: soft limits [{lower}, {upper}] must lie in order inside the URDF's {bounds}")


def _check_default_pose(robot: Robot) -> None:
    model = robot.model
    for key in robot.file.default_pose:
        if key not in model.joint_names:
            hint = nearest(key, model.joint_names)
            raise RobotError(f"{robot.path}: default_pose.{key}: no such movable joint{hint}")
        mimic = model.joint(key).mimic
        if mimic is not None:
            raise RobotError(f"{robot.path}: default_pose.{key}: follows '{mimic.joint}'; leave it out")
    for name, q in zip(robot.joint_names, robot.default_q, strict=True):
        lower, upper = robot.joint_range(name)
        if not lower <= q <= upper:
            span = f"[{lower}, {upper}]"
            raise RobotError(f"{robot.path}: default_pose.{name}: {q:g} must lie in the joint's range {span}")


def _check_roles(robot: Robot) -> None:
    known = (*robot.joint_names, *robot.model.link_names)
    for role, name in robot.file.roles.items():
        if name not in known:
            raise RobotError(f"{robot.path}: roles.{role}: no joint or link '{name}'{nearest(name, known)}")


def _check_force_torque(robot: Robot) -> None:
    known = robot.joint_names
    for index, name in enumerate(robot.file.force_torque):
        where = f"{robot.path}: force_torque.{index}"
        if name not in known:
            rigid = any(joint.name == name for joint in robot.model.joints)
            why = f"'{name}' is fixed, and what it holds is one body" if rigid else f"no movable joint '{name}'"
            raise RobotError(f"{where}: {why}{nearest(name, known)}; it has {', '.join(known)}")
        if name in robot.file.force_torque[:index]:
            raise RobotError(f"{where}: '{name}' is listed twice; leave one out")


def _links_named(robot: Robot) -> Iterator[tuple[str, str]]:
    """Yield (key, link) for every link that the robot.yaml names."""
    file = robot.file
    if file.imu:
        yield "imu.link", file.imu.link
    for name, camera in file.cameras.items():
        yield f"cameras.{name}.link", camera.link
    for name, finder in file.rangefinders.items():
        yield f"rangefinders.{name}.link", finder.link
    for index, foot in enumerate(file.feet):
        yield f"feet.{index}", foot
    if file.end_effector is not None:
        yield "end_effector", file.end_effector
    for index, loop in enumerate(file.loops):
        for link in loop.links:
            yield f"loops.{index}.links", link
