"""Robot: a RobotModel plus what its URDF cannot say (motors, rates, default pose, sensors), read from a robot.yaml.

A robot is one folder under `robots/catalog/` or anywhere else; a name, a folder or a robot.yaml all load it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from robots.merge import Merged, merge_fixed
from robots.model import RobotModel
from robots.urdf import digest, read_urdf
from sim2real.config import Strict, load
from sim2real.errors import RobotError, nearest

CATALOG = Path(__file__).parent / "catalog"

CommandMode = Literal["position", "velocity", "effort"]


class Actuator(Strict):
    """One motor: which joint it moves, what it is commanded in, and its own servo.

    effort:   tau = clip(command, +-effort)
    velocity: tau = clip(kd (command - dq), +-effort)
    position: tau = clip(kp (command - q) - kd dq, +-effort)
    """

    joint: str
    mode: CommandMode = "position"
    effort: float = Field(gt=0, description="Largest effort of the motor [N m or N]")
    kp: float = Field(default=0.0, ge=0, description="Position gain [N m/rad or N/m]")
    kd: float = Field(default=0.0, ge=0, description="Velocity gain [N m s/rad or N s/m]")
    armature: float = Field(default=0.0, ge=0, description="Rotor inertia seen at the joint [kg m^2 or kg]")
    lower: float | None = Field(default=None, description="Soft position limit, inside the URDF's [rad or m]")
    upper: float | None = Field(default=None, description="Soft position limit, inside the URDF's [rad or m]")


class ImuMount(Strict):
    """An IMU fixed to a link; its frame is the link's frame."""

    link: str


class CameraMount(Strict):
    """A camera fixed to a link, looking along the link's +x with +z up, as REP-103 has it for a body frame."""

    link: str
    xyz: tuple[float, float, float] = Field(default=(0.0, 0.0, 0.0), description="Place in the link's frame [m]")
    fov_deg: float = Field(default=60.0, gt=0, lt=180, description="Vertical field of view [deg]")


class Loop(Strict):
    """Two points of two links held together, closing a chain that a URDF, a tree, cannot close."""

    links: tuple[str, str]
    points: tuple[tuple[float, float, float], tuple[float, float, float]] = Field(
        description="The point in each link's frame [m]"
    )


class RobotFile(Strict):
    """The contents of a robot.yaml."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    urdf: str = Field(description="path relative to this file, or pybullet_data:<path inside that package>")
    source: str = Field(description="Where the description comes from")
    licence: str
    repair: tuple[str, ...] = Field(default=(), description="Codes of `sim2real robot check` mended at loading")
    inertia: Literal["from_file", "from_collision"] = "from_file"
    fixed_base: bool = True
    control_hz: float = Field(gt=0, le=1000)
    physics_hz: float = Field(gt=0, le=20000)
    base_height: float = Field(default=0.0, description="Height of the root link at reset [m]; 0 for a fixed base")
    default_pose: dict[str, float] = Field(default_factory=dict, description="joint name -> [rad or m]; others 0")
    actuators: tuple[Actuator, ...] = Field(min_length=1)
    imu: ImuMount | None = None
    cameras: dict[str, CameraMount] = Field(default_factory=dict)
    feet: tuple[str, ...] = Field(default=(), description="Links that the robot stands on")
    end_effector: str | None = Field(default=None, description="Link that reaches")
    loops: tuple[Loop, ...] = ()
    ground_friction: float = Field(default=0.8, ge=0, description="Friction coefficient between robot and ground")
    self_collision: bool = Field(default=False, description="Whether links that no joint connects can touch")
    fallback: Literal["hold", "damp", "zero"] = Field(description="What the bridge commands when it must stop")
    roles: dict[str, str] = Field(default_factory=dict, description="Names that tasks ask for, e.g. {pole: joint}")


@dataclass(frozen=True)
class Robot:
    """A robot ready for simulation, training and deployment. Arrays are in the model's canonical joint order."""

    name: str
    model: RobotModel
    file: RobotFile
    path: Path

    @cached_property
    def merged(self) -> Merged:
        """The model with the links of fixed joints made one body: what engines step and Variants name."""
        return merge_fixed(self.model)

    @property
    def n_joints(self) -> int:
        """Number of movable joints."""
        return len(self.model.movable)

    @property
    def n_actuators(self) -> int:
        """Number of motors."""
        return len(self.file.actuators)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Movable joints in canonical order."""
        return self.model.joint_names

    @property
    def actuators(self) -> tuple[Actuator, ...]:
        """Motors, in the order of every command array."""
        return self.file.actuators

    @property
    def actuator_names(self) -> tuple[str, ...]:
        """Joint of each motor, in the order of every command array."""
        return tuple(a.joint for a in self.actuators)

    @property
    def command_mode(self) -> CommandMode:
        """What all motors of this robot are commanded in."""
        return self.actuators[0].mode

    @property
    def control_dt(self) -> float:
        """Period of one command [s]."""
        return 1.0 / self.file.control_hz

    @property
    def substeps(self) -> int:
        """Physics steps in one control period."""
        return round(self.file.physics_hz / self.file.control_hz)

    @property
    def fixed_base(self) -> bool:
        """Whether the root link is bolted to the world."""
        return self.file.fixed_base

    @cached_property
    def actuated(self) -> NDArray[np.intp]:
        """Index of each motor's joint among the movable joints: (n_actuators,)."""
        return np.array([self.joint_names.index(n) for n in self.actuator_names], dtype=np.intp)

    @cached_property
    def default_q(self) -> NDArray[np.float64]:
        """Default pose: (n_joints,) [rad or m]."""
        return np.array([self.file.default_pose.get(n, 0.0) for n in self.joint_names])

    @cached_property
    def q_limits(self) -> NDArray[np.float64]:
        """Soft position limits of the motors' joints: (2, n_actuators) [rad or m], rows lower and upper."""
        limits = [self.model.joint(a.joint).limit for a in self.actuators]
        lower = [limit.lower if a.lower is None else a.lower for a, limit in zip(self.actuators, limits, strict=True)]
        upper = [limit.upper if a.upper is None else a.upper for a, limit in zip(self.actuators, limits, strict=True)]
        return np.array([lower, upper])

    @cached_property
    def dq_limits(self) -> NDArray[np.float64]:
        """Velocity limits of the motors' joints: (n_actuators,) [rad/s or m/s]."""
        return np.array([self.model.joint(a.joint).limit.velocity for a in self.actuators])

    @cached_property
    def effort_limits(self) -> NDArray[np.float64]:
        """Effort limits of the motors: (n_actuators,) [N m or N]."""
        return np.array([a.effort for a in self.actuators])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of description and mesh contents, with this robot's inertia rule: the same robot, the same digest."""
        return digest(self.model)

    def joint_index(self, name: str) -> int:
        """Return the place of a movable joint in every joint array."""
        return self.joint_names.index(name)

    def joint_range(self, name: str) -> tuple[float, float]:
        """Return the soft limits of a joint with a motor, else the URDF's [rad or m]."""
        if name in self.actuator_names:
            lower, upper = self.q_limits[:, self.actuator_names.index(name)].tolist()
            return lower, upper
        limit = self.model.joint(name).limit
        return limit.lower, limit.upper

    def role(self, name: str) -> str:
        """Return what the robot.yaml names for a task's role, e.g. the joint of `pole`."""
        if name not in self.file.roles:
            known = ", ".join(self.file.roles) or "none"
            raise RobotError(f"{self.path}: roles.{name}: missing; the task needs it (roles given: {known})")
        return self.file.roles[name]


def robot_names() -> list[str]:
    """Return the names of the catalog's robots."""
    return sorted(p.parent.name for p in CATALOG.glob("*/robot.yaml"))


def load_robot(name: str | Path) -> Robot:
    """Load a robot by catalog name, by folder, or by the path of its robot.yaml; raise RobotError or ConfigError."""
    path = _find(name)
    file = load(RobotFile, path)
    urdf, folder = _urdf_path(file.urdf, path)
    model = read_urdf(urdf, roots=(folder,), floating_base=not file.fixed_base, repair=file.repair)
    if file.inertia == "from_collision":
        model = model.with_inertia_from_collisions()
    robot = Robot(name=file.name, model=replace(model, name=file.name), file=file, path=path)
    _check(robot)
    return robot


def _find(name: str | Path) -> Path:
    given = Path(name)
    if given.suffix in (".yaml", ".yml"):
        return given
    if (given / "robot.yaml").is_file():
        return given / "robot.yaml"
    if str(name) in robot_names():
        return CATALOG / str(name) / "robot.yaml"
    names = robot_names()
    known = f"the catalog has {', '.join(names)}; or give a folder with a robot.yaml"
    raise RobotError(f"no robot '{name}'{nearest(str(name), names)}; {known}")


def _urdf_path(urdf: str, robot_yaml: Path) -> tuple[Path, Path]:
    """Return the URDF's path and the folder that its meshes may lie in: the robot's, or the whole Python package."""
    package, _, inside = urdf.rpartition(":")
    if not package:
        return robot_yaml.parent / urdf, robot_yaml.parent
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        remedy = f"pip install {package.replace('_', '-')}"
        raise RobotError(f"{robot_yaml}: urdf: Python package '{package}' is not installed ({remedy})")
    folder = Path(spec.submodule_search_locations[0])
    return folder / inside, folder


def _check(robot: Robot) -> None:
    """Refuse a robot.yaml that does not fit its URDF; each message names file and key."""
    model, file = robot.model, robot.file
    for index, actuator in enumerate(file.actuators):
        _check_actuator(robot, index, actuator)
    if len(set(robot.actuator_names)) != robot.n_actuators:
        raise RobotError(f"{robot.path}: actuators: a joint has two motors")
    for key in file.default_pose:
        if key not in model.joint_names:
            hint = nearest(key, model.joint_names)
            raise RobotError(f"{robot.path}: default_pose.{key}: no such movable joint{hint}")
    for name, q in zip(robot.joint_names, robot.default_q, strict=True):
        lower, upper = robot.joint_range(name)
        if not lower <= q <= upper:
            raise RobotError(
                f"{robot.path}: default_pose.{name}: {q:g} must lie in the joint's range [{lower}, {upper}]"
            )
    for role, joint in file.roles.items():
        if joint not in model.joint_names and joint not in model.link_names:
            known = (*model.joint_names, *model.link_names)
            raise RobotError(f"{robot.path}: roles.{role}: no joint or link '{joint}'{nearest(joint, known)}")
    if file.imu and file.imu.link not in model.link_names:
        hint = nearest(file.imu.link, model.link_names)
        raise RobotError(f"{robot.path}: imu.link: no link '{file.imu.link}'{hint}")
    ratio = file.physics_hz / file.control_hz
    if ratio < 1 or abs(ratio - round(ratio)) > 1e-9:
        given = f"{file.physics_hz:g} / {file.control_hz:g}"
        raise RobotError(f"{robot.path}: physics_hz: must be a whole multiple of control_hz, got {given}")


def _check_actuator(robot: Robot, index: int, actuator: Actuator) -> None:
    model, where = robot.model, f"{robot.path}: actuators.{index}"
    if actuator.joint not in model.joint_names:
        known = f"{nearest(actuator.joint, model.joint_names)}; it has {', '.join(model.joint_names)}"
        raise RobotError(f"{where}.joint: no movable joint '{actuator.joint}' in {robot.file.urdf}{known}")
    if actuator.mode != robot.command_mode:
        first = f"the first has '{robot.command_mode}'"
        raise RobotError(f"{where}.mode: all motors of a robot are commanded in one mode; {first}")
    gain = {"position": "kp", "velocity": "kd", "effort": None}[actuator.mode]
    if gain is not None and getattr(actuator, gain) == 0:
        raise RobotError(f"{where}.{gain}: a motor in mode '{actuator.mode}' does nothing with {gain} 0; give its gain")
    limit = model.joint(actuator.joint).limit
    lower = limit.lower if actuator.lower is None else actuator.lower
    upper = limit.upper if actuator.upper is None else actuator.upper
    if not limit.lower <= lower < upper <= limit.upper:
        bounds = f"[{limit.lower}, {limit.upper}]"
        raise RobotError(f"{where}: soft limits [{lower}, {upper}] must lie in order inside the URDF's {bounds}")
