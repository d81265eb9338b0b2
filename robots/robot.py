"""Robot: a RobotModel plus what its URDF cannot say, with every array in one canonical order."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robots.kinematics import follow
from robots.merge import Merged, merge_fixed
from robots.model import RobotModel
from robots.robot_file import Actuator, CommandMode, RobotFile
from robots.urdf.reader import digest
from sim2real.errors import RobotError


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
    def modes(self) -> tuple[CommandMode, ...]:
        """What each motor is commanded in, in the order of every command array."""
        return tuple(a.mode for a in self.actuators)

    @property
    def command_mode(self) -> CommandMode:
        """What all motors of this robot are commanded in; raise RobotError if they differ."""
        mode, *others = dict.fromkeys(self.modes)
        if others:
            each = ", ".join(f"{a.joint}: {a.mode}" for a in self.actuators)
            raise RobotError(f"{self.path}: actuators: one mode is needed here for all motors, but they have {each}")
        return mode

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
        """Default pose: (n_joints,) [rad or m]; mimic joints stand where those they follow put them."""
        q = np.array([self.file.default_pose.get(n, 0.0) for n in self.joint_names])
        return follow(self.model, q, np.zeros_like(q))[0]

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

    def at(self, physics_hz: float | None) -> "Robot":
        """Return the robot with another rate of physics [Hz], the same if None; raise RobotError for an unfit one."""
        if physics_hz is None or physics_hz == self.file.physics_hz:
            return self
        if physics_hz < self.file.control_hz or physics_hz % self.file.control_hz:
            raise RobotError(
                f"physics_hz: must be a multiple of robot '{self.name}'s control_hz, {self.file.control_hz:g}, got "
                f"{physics_hz:g}"
            )
        return replace(self, file=self.file.model_copy(update={"physics_hz": physics_hz}))

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
