"""Walk: a quadruped follows a commanded velocity, forward, to the left and in turn.

The network's action is added to an open-loop trot (see `sim2real.action.Gait`) that the robot's geometry alone gives:
the robot steps from the first moment of training, and learns what is missing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from robots import Robot
from robots.kinematics import rotation
from robots.leg_odometry import LegOdometry
from robots.legs import legs, lifted, mirrored
from sim2real.action import ActionMap, Gait
from sim2real.config import Strict, validate
from sim2real.errors import RobotError
from sim2real.observation import ObservationLayout, Term
from sim2real.sim.engine import WorldState
from sim2real.sim.rotations import inverse, rotate
from sim2real.tasks.task import Mirror, Task

Array = NDArray[np.float64]
Range = tuple[float, float]
_ALIGNED = 0.01  # [1] that the matrix of the IMU's frame may differ from its mirror image's: half a degree
COMMANDS = ("forward [m/s]", "left [m/s]", "turn [rad/s]")


class WalkWeights(Strict):
    """Weights of the reward's terms, each a period. v, w: velocity of the base in its own frame; c: the command."""

    velocity: float = 0.2  # x exp(-|v_xy - c_xy|^2 / 0.05)
    turn: float = 0.15  # x exp(-(w_z - c_z)^2 / 0.1)
    steady: float = 0.2  # x exp(-|e_xy|^2 / 0.01), e: v - c and w_z - c_z, averaged as `Task.steady_s` says
    steady_turn: float = 0.15  # x exp(-e_z^2 / 0.02)
    lag: float = -0.1  # x |v_xy - c_xy|^2, which still pulls where the exponential is flat
    turn_lag: float = -0.1  # x (w_z - c_z)^2
    heave: float = -0.2  # x v_z^2
    sway: float = -0.005  # x w_xy^2
    tilt: float = -0.1  # x g_xy^2, g the direction of gravity
    height: float = -1.0  # x (z - standing height)^2 [m^2]
    effort: float = -4e-6  # x |tau|^2 [N^2 m^2]
    smooth: float = -3.0  # x |action - last action|^2
    fall: float = -1.0  # once


class WalkConfig(Strict):
    """Options of the task, all with defaults that suit a quadruped of 0.2 to 0.5 m."""

    episode_s: float = Field(default=20.0, gt=0)
    forward: Range = Field(default=(-0.3, 0.8), description="Commanded speed, forward [m/s]")
    left: Range = Field(default=(-0.3, 0.3), description="Commanded speed, to the left [m/s]")
    turn: Range = Field(default=(-0.8, 0.8), description="Commanded turn, counterclockwise [rad/s]")
    stand: float = Field(default=0.1, ge=0, le=1, description="Share of commands that are zero")
    command_s: float = Field(default=5.0, gt=0, description="Time until another velocity is commanded [s]")
    action_reach: float = Field(default=1.0, gt=0, description="Offset that an action of 1 asks of a motor [rad]")
    action_cutoff: float = Field(default=5.0, gt=0, description="Of the low pass on actions [Hz]")
    gait_hz: float = Field(default=2.5, gt=0, le=10)
    gait_lift: float = Field(default=0.25, ge=0, lt=1, description="Height of a swing, share of the leg's length")
    gait_sweep: float = Field(default=1.2, ge=0, le=2, description="Length of a step, share of what the command asks")
    fall_tilt: float = Field(
        default=0.93, gt=0, lt=3.15, description="A base tilted further than this has fallen [rad]"
    )
    fall_height: float = Field(default=0.5, gt=0, lt=1, description="So has one lower than this, share of standing")
    terms: tuple[Term, ...] = (
        Term(name="angular_velocity", scale=0.25),
        Term(name="gravity_direction"),
        Term(name="joint_position"),
        Term(name="joint_velocity", scale=0.05),
        Term(name="last_action", scale=4.0),
        Term(name="command", scale=2.0),
        Term(name="leg_odometry", scale=2.0),
        Term(name="gait_phase"),
    )
    history: int = Field(default=3, ge=1, le=100, description="Frames in the observation")
    stride: int = Field(default=1, ge=1, le=100, description="Control periods from one frame to the next")
    weights: WalkWeights = WalkWeights()


class Walk(Task):
    """See `sim2real.tasks.task.Task`. The robot.yaml names the `feet`, each at the end of a leg of three motors."""

    name = "walk"
    config: WalkConfig
    commands = COMMANDS
    deviation_names = COMMANDS
    settle_s = 1.0
    steady_s = 0.4

    def __init__(self, robot: Robot, options: dict[str, Any]) -> None:
        self.config = c = validate(WalkConfig, options, "task.options")
        self.robot = robot
        if robot.fixed_base or len(robot.file.feet) != 4 or robot.file.imu is None:
            raise RobotError(
                f"{robot.path}: task 'walk' needs a free base, four feet and an imu; this has not all three"
            )
        self.episode_s, self.command_s = c.episode_s, c.command_s
        self.gait = trot(robot, c.gait_hz, c.gait_lift, c.gait_sweep)
        asks = any(term.name == "leg_odometry" for term in c.terms)
        odometry = LegOdometry.of(robot, _groups(robot, self.gait), 1.0 / c.gait_hz) if asks else None
        self.layout = ObservationLayout.of(robot, c.terms, c.history, c.stride, COMMANDS, c.gait_hz, odometry=odometry)
        self.action_map = ActionMap.of(robot, 1.0, c.action_reach, self.gait, c.action_cutoff)
        self._height = robot.file.base_height
        self._upright = np.cos(c.fall_tilt)

    def start(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        """Draw first states near the default pose."""
        q = np.tile(self.robot.default_q, (n, 1))
        q[:, self.robot.actuated] += rng.uniform(-0.05, 0.05, (n, self.robot.n_actuators))
        return q, np.zeros_like(q)

    def command(self, rng: np.random.Generator) -> Array:
        """Draw a velocity: (3,) [m/s, m/s, rad/s]."""
        c = self.config
        asked = np.array([rng.uniform(*c.forward), rng.uniform(*c.left), rng.uniform(*c.turn)])
        return np.zeros(3) if rng.random() < c.stand else asked

    def reward(
        self, state: WorldState, action: Array, last_action: Array, command: Array, steady: Array
    ) -> dict[str, Array]:
        """Return the terms of `WalkWeights`."""
        w = self.config.weights
        moving = _Moving(state)
        off = ((moving.velocity[:, :2] - command[:, :2]) ** 2).sum(axis=1)
        turned_off = (moving.spin[:, 2] - command[:, 2]) ** 2
        return {
            "velocity": w.velocity * np.exp(-off / 0.05),
            "turn": w.turn * np.exp(-turned_off / 0.1),
            "steady": w.steady * np.exp(-(steady[:, :2] ** 2).sum(axis=1) / 0.01),
            "steady_turn": w.steady_turn * np.exp(-(steady[:, 2] ** 2) / 0.02),
            "lag": w.lag * off,
            "turn_lag": w.turn_lag * turned_off,
            "heave": w.heave * moving.velocity[:, 2] ** 2,
            "sway": w.sway * (moving.spin[:, :2] ** 2).sum(axis=1),
            "tilt": w.tilt * (moving.down[:, :2] ** 2).sum(axis=1),
            "height": w.height * (state.height - self._height) ** 2,
            "effort": w.effort * (state.tau**2).sum(axis=1),
            "smooth": w.smooth * ((action - last_action) ** 2).sum(axis=1),
            "fall": w.fall * self.failed(state),
        }

    def failed(self, state: WorldState) -> NDArray[np.bool_]:
        """Return where the robot lies on its side, or on its belly."""
        x, y = state.base_quaternion[:, 0], state.base_quaternion[:, 1]
        low = state.height < self.config.fall_height * self._height
        fallen: NDArray[np.bool_] = low | (1.0 - 2.0 * (x * x + y * y) < self._upright)
        return fallen

    def privileged(self, state: WorldState, command: Array, steady: Array) -> Array:
        """Return velocity, height and spin of the base, free of noise and delay, and steady-state errors: (n, 10)."""
        moving = _Moving(state)
        height = (state.height[:, None] - self._height) * 10.0
        return np.concatenate([moving.velocity * 2.0, moving.spin * 0.5, height, steady * 10.0], axis=1)

    def mirror(self) -> Mirror:
        """Return the symmetry of left and right; raise RobotError where legs or IMU are not mirror images.

        Masses are not looked at, so a robot that is heavier on one side (mini_cheetah's centre of mass is 13 mm to the
        left, which its trot alone turns into 0.1 rad/s) is one that a symmetric actor corrects only once it sees it
        roll or turn.
        """
        _check_imu(self.robot)
        partner, sign = mirrored(self.robot)
        joints = np.arange(self.robot.n_joints)
        joint_sign = np.ones(len(joints))
        joints[self.robot.actuated], joint_sign[self.robot.actuated] = self.robot.actuated[partner], sign
        shapes = {
            "joint_position": (joints, joint_sign),
            "joint_velocity": (joints, joint_sign),
            "last_action": (partner, sign),
            "angular_velocity": (np.arange(3), np.array([-1.0, 1.0, -1.0])),
            "gravity_direction": (np.arange(3), np.array([1.0, -1.0, 1.0])),
            "command": (np.arange(3), np.array([1.0, -1.0, -1.0])),
            "leg_odometry": (np.arange(3), np.array([1.0, -1.0, -1.0])),
            "gait_phase": (np.arange(2), np.array([-1.0, -1.0])),  # the other pair of legs swings
        }
        places, signs, start = [], [], 0
        for term in self.config.terms * self.layout.history:
            index, flips = shapes[term.name]
            places.append(start + index)
            signs.append(flips)
            start += len(index)
        return Mirror(np.concatenate(places), np.concatenate(signs), partner, sign)

    def deviation(self, state: WorldState, command: Array) -> dict[str, Array]:
        """Return how much faster than commanded the base moves, in its own frame."""
        moving = _Moving(state)
        actual = (moving.velocity[:, 0], moving.velocity[:, 1], moving.spin[:, 2])
        return {name: v - command[:, k] for k, (name, v) in enumerate(zip(COMMANDS, actual, strict=True))}


def _check_imu(robot: Robot) -> None:
    """Raise RobotError unless a mirror across the base's x-z plane does to the IMU's axes what it does to the base's.

    It does where half a turn about y, which is what the mirror does to turns, and the IMU's own commute: so where the
    IMU is turned about y alone.
    """
    assert robot.file.imu is not None  # noqa: S101 - the task has refused such a robot
    link = robot.file.imu.link
    body, pose = robot.merged.frames[link]
    turn, half = rotation(pose.rpy), np.array([-1.0, 1.0, -1.0])
    if body != robot.model.root.name or np.abs(half[:, None] * turn * half - turn).max() > _ALIGNED:
        raise RobotError(
            f"{robot.path}: imu: link '{link}' is turned against the root link about more than its y axis, or moves; "
            "the task's symmetry needs one that is not: mount it on another link, or set a2c.symmetry: false"
        )


class _Moving:
    """How bases move, in their own frames: velocity, spin, and the direction of gravity, `down`: (n, 3) each."""

    def __init__(self, state: WorldState) -> None:
        down = np.broadcast_to(np.array([0.0, 0.0, -1.0]), state.base_velocity.shape)
        seen = np.stack([state.base_velocity, state.base_angular_velocity, down])  # turned in one go
        self.velocity, self.spin, self.down = rotate(inverse(state.base_quaternion), seen)


def trot(robot: Robot, hz: float, lift: float, sweep: float) -> Gait:
    """Return a robot's trot: diagonal pairs of legs in turn, feet lifted by `lift` of the leg's length.

    sweep: length of a step, as a share of what carries the foot at the commanded velocity while it stands
    """
    phase, raised, swept = np.zeros(robot.n_actuators), np.zeros(robot.n_actuators), np.zeros((robot.n_actuators, 3))
    for leg in legs(robot):
        motors, (x, y, z) = list(leg.motors), leg.place.tolist()
        phase[motors] = 0.5 if x * y > 0 else 0.0
        raised[motors] = lifted(robot, leg, -lift * z)
        # A foot that stands moves against the base: by -(v + w x r), for half a turn, from the front to the back.
        travel = np.array([[1.0, 0.0, -y], [0.0, 1.0, x], [0.0, 0.0, 0.0]])
        swept[motors] = np.linalg.pinv(leg.jacobian) @ travel * (sweep / (4.0 * hz))
    rows = tuple((float(a), float(b), float(c)) for a, b, c in swept)
    return Gait(hz=hz, phase=tuple(phase.tolist()), lift=tuple(raised.tolist()), sweep=rows)


def _groups(robot: Robot, gait: Gait) -> tuple[int, ...]:
    """Return which legs, in the order of the robot's feet, step together."""
    phases = [gait.phase[leg.motors[0]] for leg in legs(robot)]
    return tuple(sorted(set(phases)).index(phase) for phase in phases)
