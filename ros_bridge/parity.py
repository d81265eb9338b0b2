"""Is this the robot that the policy was made for? Compared before the first command is sent; rclpy is not needed."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isclose
from pathlib import Path

from robots.catalog import CATALOG
from robots.urdf.elements import Element, read_xml
from robots.urdf.reader import digest, read_urdf
from ros_bridge.messages import difference
from sim2real.errors import BridgeError, RobotError
from sim2real.policy import Contract, RobotContract

LEAST_RATE = 0.8  # of the policy's: below it, more than one state in five would be used twice


@dataclass(frozen=True)
class Described:
    """A joint as a robot_description has it; None where it says nothing."""

    lower: float | None = None
    upper: float | None = None
    velocity: float | None = None


def check_joints(contract: Contract, names: Sequence[str]) -> None:
    """Refuse a robot that publishes other joints than the policy's; the order does not matter."""
    if sorted(names) != sorted(contract.robot.joints):
        table = _table("joint", contract.robot.joints, names)
        found = difference(contract.robot.joints, names)
        raise _other_robot(f"this is not robot '{contract.robot.name}': joint_states has other joints: {found}", table)


def rate_trouble(contract: Contract, rate_hz: float) -> str:
    """Return what is wrong with the rate of a robot's joint_states; "" if it is high enough."""
    least = LEAST_RATE * contract.rate_hz
    if rate_hz >= least:
        return ""
    need = f"the policy runs at {contract.rate_hz:g} Hz and needs {least:g}"
    return f"joint_states come at {rate_hz:.1f} Hz; {need}: raise the rate of the joint_state_broadcaster"


def check_description(contract: Contract, text: str) -> str:
    """Compare a robot_description; return a warning, "" when it is the very same robot, and refuse other limits."""
    with _written(text) as path:
        try:
            if digest(read_urdf(path, roots=(CATALOG,))) == contract.robot.digest:
                return ""
        except RobotError:
            pass  # other tools' elements, meshes that only the robot has: what matters here can be read all the same
        try:
            described = _described(read_xml(path))
        except RobotError as error:
            return f"robot_description cannot be read, so limits were not compared: {error}"
    _check_limits(contract.robot, described)
    return (
        "robot_description is another text than the policy's robot: joints and limits agree, masses were not compared"
    )


def root_link(text: str) -> str:
    """Return the name of a robot_description's root link; "" where it cannot be told."""
    with _written(text) as path:
        try:
            robot = read_xml(path)
            links = [link.name() for link in robot.all("link")]
            held = {child.text("link") for joint in robot.all("joint") for child in joint.all("child")}
        except RobotError:
            return ""
    roots = [name for name in links if name not in held]
    return roots[0] if len(roots) == 1 else ""


@contextmanager
def _written(text: str) -> Iterator[Path]:
    """Write a description to a file, as what reads it wants it, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "robot_description.urdf"
        path.write_text(text, encoding="utf-8")
        yield path


def _described(robot: Element) -> dict[str, Described]:
    """Return the movable joints by name."""
    joints = {}
    for joint in robot.all("joint"):
        if joint.attributes.get("type") not in ("fixed", None):
            limit = joint.optional("limit")
            travel = None if joint.attributes["type"] == "continuous" else limit  # whose bounds mean nothing
            joints[joint.name()] = Described(
                _number(travel, "lower"), _number(travel, "upper"), _number(limit, "velocity")
            )
    return joints


def _number(element: Element | None, key: str) -> float | None:
    return None if element is None or key not in element.attributes else element.number(key, bound=1e30)


def _check_limits(robot: RobotContract, described: dict[str, Described]) -> None:
    missing = [name for name in robot.joints if name not in described]
    if missing:
        table = _table("joint", robot.joints, list(described))
        raise _other_robot(f"this is not robot '{robot.name}': robot_description has no joint {missing[0]!r}", table)
    differ = []
    for k, name in enumerate(robot.joints):
        for key in ("lower", "upper", "velocity"):
            wanted, given = getattr(robot, key)[k], getattr(described[name], key)
            if wanted is not None and given is not None and not isclose(wanted, given, rel_tol=1e-6, abs_tol=1e-9):
                differ.append((f"{name}: {key}", wanted, given))
    if differ:
        table = render("limit", [(label, f"{wanted:g}", f"{given:g}") for label, wanted, given in differ])
        first = "{} is {:g} in the policy, {:g} on the robot".format(*differ[0])
        raise _other_robot(f"this is not robot '{robot.name}' as the policy knows it: {first}", table)


def _other_robot(message: str, table: str) -> BridgeError:
    """Return the error in one line, with the table of both sides as its note."""
    error = BridgeError(message)
    error.add_note(table)
    return error


def _table(title: str, wanted: Sequence[str], given: Sequence[str]) -> str:
    names = list(dict.fromkeys([*wanted, *given]))[:40]
    count = Counter(given)
    return render(title, [(name, "yes" if name in wanted else "-", str(count[name] or "-")) for name in names])


def render(title: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """Return a table of the policy's side and the robot's as plain text."""
    table = [(title, "policy", "robot"), *rows]
    cells = [[cell if cell.isprintable() else repr(cell) for cell in row] for row in table]
    widths = [min(80, max(len(row[column]) for row in cells)) for column in range(3)]
    return "\n".join(
        "  " + "  ".join(c[:w].ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )
