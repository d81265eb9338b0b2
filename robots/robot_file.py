"""What a robot.yaml says: motors, rates, default pose, sensors, and where all of it comes from."""

from typing import Literal

from pydantic import Field

from sim2real.config import Strict

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
    """A camera fixed to a link, looking along its own +x with +z up, as REP-103 has it for a body frame."""

    link: str
    xyz: tuple[float, float, float] = Field(default=(0.0, 0.0, 0.0), description="Place in the link's frame [m]")
    rpy: tuple[float, float, float] = Field(default=(0.0, 0.0, 0.0), description="Its frame in the link's [rad]")
    fov_deg: float = Field(default=60.0, gt=0, lt=180, description="Vertical field of view [deg]")


class RangeMount(Strict):
    """A rangefinder fixed to a link: one ray along the +x axis of its own frame, as ROS has it for a range sensor."""

    link: str
    xyz: tuple[float, float, float] = Field(default=(0.0, 0.0, 0.0), description="Place in the link's frame [m]")
    rpy: tuple[float, float, float] = Field(default=(0.0, 0.0, 0.0), description="Turn in the link's frame [rad]")
    max_range: float = Field(gt=0, description="What it reads where nothing is nearer [m]")


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
    scale: float = Field(default=1.0, gt=0, description="The URDF's unit of length [m]")
    up: Literal["x", "y", "z"] = Field(default="z", description="The axis that points up in the URDF")
    inertia: Literal["from_file", "from_collision"] = "from_file"
    fixed_base: bool = True
    control_hz: float = Field(gt=0, le=1000)
    physics_hz: float = Field(gt=0, le=20000)
    base_height: float = Field(default=0.0, description="Height of the root link at reset [m]; 0 for a fixed base")
    default_pose: dict[str, float] = Field(default_factory=dict, description="joint name -> [rad or m]; others 0")
    actuators: tuple[Actuator, ...] = Field(min_length=1)
    imu: ImuMount | None = None
    cameras: dict[str, CameraMount] = Field(default_factory=dict)
    force_torque: tuple[str, ...] = Field(default=(), description="Movable joints that measure the wrench they carry")
    rangefinders: dict[str, RangeMount] = Field(default_factory=dict)
    feet: tuple[str, ...] = Field(default=(), description="Links that the robot stands on")
    end_effector: str | None = Field(default=None, description="Link that reaches")
    loops: tuple[Loop, ...] = ()
    ground_friction: float = Field(default=0.8, ge=0, description="Friction coefficient between robot and ground")
    self_collision: bool = Field(default=False, description="Whether links that no joint connects can touch")
    fallback: Literal["hold", "damp", "zero"] = Field(description="What the bridge commands when it must stop")
    roles: dict[str, str] = Field(default_factory=dict, description="Names that tasks ask for, e.g. {pole: joint}")
