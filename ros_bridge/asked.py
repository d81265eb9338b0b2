"""Asked: what is asked of the robot just now, in the units of the policy's commands. No ROS in it.

    cmd_vel      a velocity: limited to what the policy was trained for, and 0 again after a time of silence
    target_pose  a place for the end effector: it stays until another one comes; at first it is where the arm is

Times are monotonic seconds that the caller passes in.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.config import Strict, validate
from sim2real.errors import BridgeError
from sim2real.policy import Contract
from sim2real.tasks import reach, walk

Array = NDArray[np.float64]
Range = tuple[float, float]

CMD_VEL, TARGET_POSE = "cmd_vel", "target_pose"
TOPICS = {walk.COMMANDS: CMD_VEL, reach.COMMANDS: TARGET_POSE}
"""A policy's commands -> the topic that says them."""

INTERVENTIONS = ("asked_refused", "asked_limited", "asked_silence")
LARGEST = 1e6  # [m, m/s, rad/s] nobody means more; beyond, it is as unusable as NaN


class _Trained(Strict):
    """Options of a walking task: the velocities that were commanded in training [m/s, m/s, rad/s]."""

    forward: Range
    left: Range
    turn: Range


@dataclass(frozen=True)
class _Given:
    values: Array
    arrived: float


class Asked:
    """See the module. `values` (n_commands,) is what is asked; `counts` has every intervention so far.

    topic: where it comes from; "" for a policy that nothing is asked of
    """

    def __init__(self, contract: Contract, timeout_s: float = 0.5) -> None:
        """`timeout_s`: silence after which a velocity is 0 again [s].

        Raise BridgeError where no topic can say what the policy wants to be told, ConfigError where the contract lacks
        the velocities it was trained for, or the chain that says where its end effector is.
        """
        self._commands = contract.observation.commands
        self.topic = topic_of(contract)
        self.timeout_s = timeout_s if self.topic == CMD_VEL else np.inf
        self.values = np.zeros(len(self._commands))
        self.counts: Counter[str] = Counter(dict.fromkeys(INTERVENTIONS, 0))
        self._reach = contract.observation.reach if self.topic == TARGET_POSE else None
        self._ends = trained(contract) if self.topic == CMD_VEL else None
        self._given: _Given | None = None  # the newest that still holds
        self._at_rest = np.full_like(self.values, np.nan) if self._reach is not None else self.values

    def take(self, arrived: float, values: Array) -> None:
        """Ask for something from now on: (n_commands,).

        Raise BridgeError, and go on with what was asked before, for another number of values or one that is not finite.
        """
        if values.shape != self.values.shape or not (np.abs(values) < LARGEST).all():
            self.refuse()
            names = ", ".join(self._commands) or "none"
            raise BridgeError(f"command {values.tolist()}: must be one finite number for each of: {names}")
        limited = values.copy() if self._ends is None else np.clip(values, *self._ends)
        self.counts["asked_limited"] += bool((limited != values).any())
        self._given = _Given(limited, arrived)

    def refuse(self) -> None:
        """Count what could not be used."""
        self.counts["asked_refused"] += 1

    def start(self, q: Array) -> None:
        """Begin with a robot in measured joint positions (n_joints,): without a target it stays where it is."""
        if self._reach is not None:
            chain, columns = self._reach
            self._at_rest = chain.place(q[None, columns])[0]
            self._settle()

    def tick(self, now: float) -> None:
        """Bring `values` up to date."""
        if self._given is not None and now - self._given.arrived > self.timeout_s:
            self.counts["asked_silence"] += bool(self._given.values.any())
            self._given = None
        self._settle()

    def _settle(self) -> None:
        self.values = self._at_rest if self._given is None else self._given.values


def topic_of(contract: Contract) -> str:
    """Return the topic that says what a policy wants to be told; "" if that is nothing. Raise BridgeError."""
    commands = contract.observation.commands
    if not commands:
        return ""
    if commands not in TOPICS:
        there_are = "; ".join(f"'{topic}' has {', '.join(names)}" for names, topic in TOPICS.items())
        raise BridgeError(
            f"policy.yaml: observation.commands: no topic says {', '.join(commands)}: {there_are}; "
            "train a task with the commands of one of these"
        )
    return TOPICS[commands]


def trained(contract: Contract) -> tuple[Array, Array]:
    """Return the least and the largest velocities that a walking policy knows: (3,) each [m/s, m/s, rad/s].

    0 is always among them: a robot may always be stopped.
    """
    options = {key: value for key, value in contract.task_options.items() if key in _Trained.model_fields}
    ranges = validate(_Trained, options, "policy.yaml: task_options")
    ends = np.array([ranges.forward, ranges.left, ranges.turn])
    return np.minimum(ends.min(axis=1), 0.0), np.maximum(ends.max(axis=1), 0.0)
