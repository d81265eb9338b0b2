"""What an import gives: a URDF in a folder of its own, and what the format knew that a URDF cannot say."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robots.robot_file import CommandMode, Loop


@dataclass(frozen=True)
class Motor:
    """A motor as the format describes it; what it does not say is None or 0.

    `joint` is the name in the URDF; the other fields mean what they mean in a robot.yaml's `actuators`: effort [N m or
    N], kp [N m/rad or N/m], kd [N m s/rad or N s/m], armature [kg m^2 or kg], lower and upper [rad or m].
    """

    joint: str
    mode: CommandMode
    effort: float | None = None
    kp: float = 0.0
    kd: float = 0.0
    armature: float = 0.0
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Imported:
    """A description turned into `urdf`, with its meshes beside it.

    `notes` name each change and each loss in one line. `floating_base` is None where the format does not say (URDF,
    xacro). `base_height` [m] is the root link's height above the ground in the description, `default_pose` joint name
    -> [rad or m] (joints that it does not name are at 0), `loops` the points that close kinematic loops.
    """

    urdf: Path
    name: str
    notes: tuple[str, ...] = ()
    floating_base: bool | None = None
    base_height: float = 0.0
    actuators: tuple[Motor, ...] = ()
    default_pose: dict[str, float] = field(default_factory=dict)
    loops: tuple[Loop, ...] = ()


def from_plain(data: dict[str, Any], folder: Path) -> Imported:
    """Return the Imported whose plain form (of `dataclasses.asdict`, the URDF's name for its path) is `data`."""
    return Imported(
        urdf=folder / data["urdf"],
        name=data["name"],
        notes=tuple(data["notes"]),
        floating_base=data["floating_base"],
        base_height=data["base_height"],
        actuators=tuple(Motor(**motor) for motor in data["actuators"]),
        default_pose=data["default_pose"],
        loops=tuple(Loop(**loop) for loop in data["loops"]),
    )
