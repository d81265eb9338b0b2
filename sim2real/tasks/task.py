"""What every task gives, vectorised over worlds, and the table that finds one by name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from sim2real.action import ActionMap
from sim2real.config import Strict
from sim2real.errors import ConfigError, nearest
from sim2real.observation import ObservationLayout
from sim2real.sim.engine import WorldState

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

TASKS = {
    "balance": "sim2real.tasks.balance:Balance",
    "reach": "sim2real.tasks.reach:Reach",
    "walk": "sim2real.tasks.walk:Walk",
}
"""Task name -> "module:Class". A new task is one file and one entry; "module:Class" also works in place of a name."""


class Task(ABC):
    """A task for one robot. Methods take and return arrays over worlds.

    commands: what is asked of the robot, one name with its unit each; command_s: seconds until something else is asked
    settle_s: seconds after a command from which on deviations count; tolerances: the largest of each in a success
    steady_s: memory of the steady-state error, of which `reward` is told; 0 where it does not ask [s]
    deviation_names: what `deviation` gives
    """

    name: str
    config: Strict
    layout: ObservationLayout
    action_map: ActionMap
    episode_s: float
    commands: tuple[str, ...] = ()
    deviation_names: tuple[str, ...] = ()
    command_s: float = float("inf")
    settle_s: float = 0.0
    steady_s: float = 0.0
    tolerances: Mapping[str, float] = MappingProxyType({})

    @abstractmethod
    def __init__(self, robot: Robot, options: dict[str, Any]) -> None:
        """Check that the robot has what the task needs; raise ConfigError or RobotError."""

    @abstractmethod
    def start(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        """Draw first joint positions and velocities: (n, n_joints) each."""

    def command(self, rng: np.random.Generator) -> Array:
        """Draw what is asked of the robot: (n_commands,)."""
        return np.zeros(len(self.commands))

    @abstractmethod
    def reward(
        self, state: WorldState, action: Array, last_action: Array, command: Array, steady: Array
    ) -> dict[str, Array]:
        """Return the reward's terms by name, weighted, (n_worlds,) each; their sum is the reward of this period.

        action, last_action: (n, n_actuators), in -1..1; command: (n, n_commands)
        steady: (n, n_deviations), deviations low-passed over `steady_s`; (n, 0) where that is 0
        """

    @abstractmethod
    def failed(self, state: WorldState) -> Bools:
        """Return which worlds have failed: (n_worlds,)."""

    def privileged(self, state: WorldState, command: Array, steady: Array) -> Array:
        """Return what only a simulator knows and a critic may look at: (n_worlds, any number), all near 1 in size."""
        return np.zeros((len(state.q), 0))

    def mirror(self) -> "Mirror":
        """Return the robot's symmetry in this task; raise ConfigError where there is none."""
        raise ConfigError(f"a2c.symmetry: task '{self.name}' knows none; leave it out")

    def deviation(self, state: WorldState, command: Array) -> dict[str, Array]:
        """Return how far each world is from what was asked, with sign, by name with its unit: (n_worlds,) each."""
        return {}


class Mirror(NamedTuple):
    """A symmetry: what a mirrored robot sees and does. Places to read from, and signs, of observation and action.

    mirrored observation = observation[:, seen] * seen_sign: (layout.size,) each; the same of actions (n_actuators,)
    """

    seen: NDArray[np.intp]
    seen_sign: Array
    acts: NDArray[np.intp]
    acts_sign: Array

    def image(self, seen: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the mirror image of observations (n, layout.size or more); what follows them stays as it is."""
        image = seen.copy()
        image[:, : len(self.seen)] = seen[:, self.seen] * self.seen_sign
        return image


def load_task(name: str, robot: Robot, options: dict[str, Any] | None = None) -> Task:
    """Build a task by name or "module:Class" for a robot."""
    target = TASKS.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        raise ConfigError(
            f"task: no task '{name}'{nearest(name, TASKS)}; there are {', '.join(TASKS)}; or give 'module:Class'"
        )
    try:
        task: Task = getattr(import_module(module), attribute)(robot, options or {})
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"task: '{name}' cannot be imported: {error}") from None
    return task
