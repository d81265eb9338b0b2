"""What `sim2real robot show` and `list` print of a robot, and the pictures they draw."""

from collections.abc import Sequence
from math import ceil, isinf
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.image import imsave
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from robots import Actuator, Joint, Link, Robot, load_robot, robot_names
from sim2real.errors import RobotError
from sim2real.sim.portrait import portrait

COLUMNS = 4  # of the picture sheet
CELL = 340, 255  # [pixels] of each robot on it
CAPTION = 46  # [pixels] below each


def robot_list() -> Table:
    """Return one row for each robot of the catalog: name, joints, motors and their modes, mass, sensors."""
    table = Table(box=None, header_style="bold")
    for title in ("robot", "base", "joints", "motors", "mass [kg]", "sensors"):
        table.add_column(title, justify="right" if title in ("joints", "mass [kg]") else "left")
    for robot in _catalog():
        mass, base = f"{_mass(robot):.2f}", "fixed" if robot.fixed_base else "free"
        cameras = len(robot.file.cameras)
        sensors = [
            *(["IMU"] if robot.file.imu else []),
            *([f"{cameras} camera{'s'[: cameras > 1]}"] if cameras else []),
        ]
        table.add_row(*_cells(robot.name, base, str(robot.n_joints), _motors(robot), mass, ", ".join(sensors)))
    return table


def _catalog() -> list[Robot]:
    return [load_robot(name) for name in robot_names()]


def robot_table(robot: Robot) -> RenderableType:
    """Return all that there is to know of a robot: its rates and sources, its joints and motors, its links."""
    return Group(_about(robot), "", _joint_table(robot), "", _link_table(robot))


def _about(robot: Robot) -> Table:
    file = robot.file
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    base = "bolted to the world" if robot.fixed_base else f"free, at {file.base_height:g} m"
    loops = (
        f"{a} {_point(p)} to {b} {_point(q)}" for (a, b), (p, q) in ((loop.links, loop.points) for loop in file.loops)
    )
    rows = {
        "robot": f"{robot.name} ({robot.path})",
        "description": file.urdf,
        "mended": ", ".join(file.repair),
        "source": file.source,
        "licence": file.licence,
        "base": base,
        "mass": f"{_mass(robot):.3f} kg in {len(robot.merged.model.bodies)} bodies",
        "rates": f"control {file.control_hz:g} Hz, physics {file.physics_hz:g} Hz",
        "sensors": _sensors(robot),
        "feet": ", ".join(file.feet),
        "end effector": file.end_effector or "",
        "loops": "\n".join(loops),
        "when stopped": f"the bridge commands '{file.fallback}'",
        "roles": ", ".join(f"{role}: {name}" for role, name in file.roles.items()),
    }
    for title, text in rows.items():
        if text:
            table.add_row(*_cells(title, text))
    return table


def _joint_table(robot: Robot) -> Table:
    table = Table(box=None, header_style="bold")
    for title in ("joint", "range", "default", "velocity", "motor", "effort", "gains"):
        left = title in ("joint", "motor", "gains")
        table.add_column(title, justify="left" if left else "right", no_wrap=title == "joint", overflow="fold")
    motors = {actuator.joint: actuator for actuator in robot.actuators}
    for joint, default in zip(robot.model.movable, robot.default_q.tolist(), strict=True):
        unit = "m" if joint.type == "prismatic" else "rad"
        lower, upper = robot.joint_range(joint.name)
        span = "endless" if isinf(lower) and isinf(upper) else f"{lower:.3g} to {upper:.3g} {unit}"
        velocity = "" if isinf(joint.limit.velocity) else f"{joint.limit.velocity:.3g} {unit}/s"
        motor = _motor_cells(joint, motors.get(joint.name))
        table.add_row(*_cells(joint.name, span, f"{default:.3g}", velocity, *motor))
    return table


def _motor_cells(joint: Joint, motor: Actuator | None) -> tuple[str, str, str]:
    if motor is None and joint.mimic is not None:
        offset = f" {joint.mimic.offset:+g}" if joint.mimic.offset else ""
        return "follows", "", f"{joint.mimic.multiplier:g} {joint.mimic.joint}{offset}"
    if motor is None:
        return "none", "", ""
    gains = [f"{name} {value:g}" for name in ("kp", "kd", "armature") if (value := getattr(motor, name))]
    return motor.mode, f"{motor.effort:g} {'N' if joint.type == 'prismatic' else 'N m'}", " ".join(gains)


def _link_table(robot: Robot) -> Table:
    table = Table(box=None, header_style="bold")
    for title in ("link", "mass [kg]", "seen", "touched", "body"):
        table.add_column(title, justify="right" if title == "mass [kg]" else "left", overflow="fold")
    for link in robot.model.links:
        body, _ = robot.merged.frames[link.name]
        mass = f"{link.inertial.mass:.4g}" if link.inertial else ""
        seen, touched = ", ".join(_shapes(link, "visuals")), ", ".join(_shapes(link, "collisions"))
        table.add_row(*_cells(link.name, mass, seen, touched, "" if body == link.name else f"part of {body}"))
    table.add_section()
    table.add_row("all", f"{_mass(robot):.4g}")
    return table


def _shapes(link: Link, kind: str) -> list[str]:
    return [getattr(s.geometry, "path", Path(type(s.geometry).__name__.lower())).name for s in getattr(link, kind)]


def _cells(*texts: str) -> list[Text]:
    """Return texts of strangers as what they are: no markup, and nothing that moves a terminal's cursor."""
    return [Text("".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)) for text in texts]


def _mass(robot: Robot) -> float:
    return sum(link.inertial.mass for link in robot.model.links if link.inertial)


def _motors(robot: Robot) -> str:
    modes = {mode: robot.modes.count(mode) for mode in robot.modes}
    return ", ".join(f"{count} {mode}" for mode, count in modes.items())


def _sensors(robot: Robot) -> str:
    imu = [f"IMU on {robot.file.imu.link}"] if robot.file.imu else []
    return ", ".join([*imu, *(f"camera '{name}' on {camera.link}" for name, camera in robot.file.cameras.items())])


def _point(point: Sequence[float]) -> str:
    return "({:g}, {:g}, {:g})".format(*point)


def robot_dict(robot: Robot) -> dict[str, Any]:
    """Return what `robot_table` shows as plain data for JSON; what has no limit is None."""
    motors = {actuator.joint: actuator.model_dump(exclude={"joint"}) for actuator in robot.actuators}
    joints = []
    for joint, default in zip(robot.model.movable, robot.default_q.tolist(), strict=True):
        lower, upper = robot.joint_range(joint.name)
        bounds = {"lower": lower, "upper": upper, "velocity": joint.limit.velocity}
        follows = joint.mimic and {
            "joint": joint.mimic.joint,
            "multiplier": joint.mimic.multiplier,
            "offset": joint.mimic.offset,
        }
        joints.append(
            {"name": joint.name, "type": joint.type, "parent": joint.parent, "child": joint.child, "default": default}
            | {key: None if isinf(bound) else bound for key, bound in bounds.items()}
            | {"motor": motors.get(joint.name), "follows": follows}
        )
    links = [
        {
            "name": link.name,
            "mass": link.inertial.mass if link.inertial else 0.0,
            "body": robot.merged.frames[link.name][0],
        }
        | {kind: _shapes(link, kind) for kind in ("visuals", "collisions")}
        for link in robot.model.links
    ]
    about = robot.file.model_dump(mode="json", exclude={"actuators", "default_pose"})
    return about | {
        "path": str(robot.path),
        "digest": robot.digest,
        "mass": _mass(robot),
        "joints": joints,
        "links": links,
    }


def robot_dicts() -> list[dict[str, Any]]:
    """Return the whole catalog as plain data for JSON."""
    return [robot_dict(robot) for robot in _catalog()]


def render_robot(robot: Robot, path: Path, width: int = 960, height: int = 720) -> None:
    """Draw the robot's default pose into a PNG file of that many pixels.

    Raise RobotError if a mesh cannot be read, or the file cannot be written.
    """
    _check_writable(path)
    imsave(path, portrait(robot, width, height))


def render_sheet(path: Path) -> None:
    """Draw the catalog into one PNG file, name, motors and mass below each robot; raise as `render_robot` does."""
    _check_writable(path)
    robots = _catalog()
    rows = ceil(len(robots) / COLUMNS)
    width, height = COLUMNS * CELL[0], rows * (CELL[1] + CAPTION)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=(247 / 255, 248 / 255, 250 / 255))
    for index, robot in enumerate(robots):
        row, column = divmod(index, COLUMNS)
        left, bottom = column * CELL[0], height - (row + 1) * (CELL[1] + CAPTION) + CAPTION
        axes = figure.add_axes((left / width, bottom / height, CELL[0] / width, CELL[1] / height))
        axes.imshow(portrait(robot, *CELL))
        axes.set_axis_off()
        middle = (left + CELL[0] / 2) / width
        figure.text(middle, (bottom - 16) / height, robot.name, ha="center", size=12, weight="bold", color="#1f2933")
        motors = "1 motor" if robot.n_actuators == 1 else f"{robot.n_actuators} motors"
        about = f"{robot.n_joints} joints, {motors}, {_mass(robot):.1f} kg"
        figure.text(middle, (bottom - 34) / height, about, ha="center", size=9, color="#66727f")
    figure.savefig(path)


def _check_writable(path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise RobotError(f"{path}: pictures are written as PNG; name it {path.with_suffix('.png').name}")
    if not path.parent.is_dir():
        raise RobotError(f"{path}: there is no folder {path.parent}; make it first")
