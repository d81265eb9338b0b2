"""The protocol of a task, vectorised over worlds, and the table that finds one by name."""

from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from sim2real.action import ActionMap
from sim2real.config import Strict
from sim2real.errors import ConfigError, nearest
from sim2real.observation import ObservationLayout
from sim2real.sim.engine import WorldState

Array = NDArray[np.float64]

TASKS = {"balance": "sim2real.tasks.balance:Balance"}
"""Task name -> "module:Class". A new task is one file and one entry; "module:Class" also works in place of a name."""


class Task(Protocol):
    """A task for one robot. Methods take and return arrays over worlds."""

    name: str
    config: Strict
    layout: ObservationLayout
    action_map: ActionMap
    episode_s: float

    def __init__(self, robot: Robot, options: dict[str, Any]) -> None:
        """Check that the robot has what the task needs; raise ConfigError or RobotError."""

    def start(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        """Draw first joint positions and velocities: (n, n_joints) each."""

    def reward(self, state: WorldState, action: Array, last_action: Array) -> dict[str, Array]:
        """Return the reward's terms by name, weighted, (n_worlds,) each; their sum is the reward of this period."""

    def failed(self, state: WorldState) -> NDArray[np.bool_]:
        """Return which worlds have failed: (n_worlds,)."""


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
