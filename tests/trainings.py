"""Trainings that take a moment, environments that misbehave on demand, and what a run has left behind."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from sim2real.config import validate
from sim2real.training.checkpoint import CheckpointFolder
from sim2real.training.config import TrainConfig

ROOT = Path(__file__).parents[1]
BATCH = 32
A2C_TINY = {"hidden": [8], "horizon": 8, "actor_step": "first_order", "shared": True}  # what compiles soonest
PICTURES = {
    "robot": "cartpole",
    "engine": "mujoco",
    "options": {"pixels": {"camera": "side", "width": 32, "height": 12}, "history": 2},
}
SEEING = {"convolutions": [{"filters": 4, "size": 4, "stride": 2}], "shared": False, "actor_step": "natural"}
ENVIRONMENT = {"robot": "cartpole", "engine": "mujoco", "randomization": "cartpole"}


def tiny(
    steps: int = 5 * BATCH, engine: str = "mujoco", a2c: dict[str, Any] | None = None, **changes: Any
) -> TrainConfig:
    """Four randomized cart-poles in two groups."""
    data = {"environment": ENVIRONMENT | {"engine": engine}, "worlds": 4, "steps": steps, "a2c": A2C_TINY | (a2c or {})}
    return validate(TrainConfig, data | changes, "test")


def gym(name: str, options: dict[str, Any] | None = None, **changes: Any) -> TrainConfig:
    """Four of Gymnasium's environments in two groups."""
    return tiny(environment={"gymnasium": name, "options": options or {}}, **changes)


class Plain(gymnasium.Env[Any, Any]):
    """Episodes of 5 steps; `reward` gives what a step brings, from the number of steps of this environment so far."""

    def __init__(self, reward: Callable[[int], float] | float = 1.0, discrete: bool = True) -> None:
        self.observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(3) if discrete else gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self._reward, self._steps = reward, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._left = 5
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space or not isinstance(self.action_space, gymnasium.spaces.Discrete)
        self._steps, self._left = self._steps + 1, self._left - 1
        reward = self._reward(self._steps) if callable(self._reward) else self._reward
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), reward, self._left == 0, False, {}


class Recorder:
    """A metrics writer that keeps all it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.notes: list[tuple[int, str]] = []

    def write(self, step: int, metrics: dict[str, float]) -> None:
        self.rows.append((step, metrics))

    def note(self, step: int, text: str) -> None:
        self.notes.append((step, text))


def learner(folder: Path) -> dict[str, np.ndarray]:
    """Everything in a run's newest checkpoint."""
    found = CheckpointFolder(folder / "checkpoints").newest()
    assert found is not None
    with np.load(io.BytesIO(found.learner), allow_pickle=False) as arrays:
        return dict(arrays)


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def litter(folder: Path) -> list[str]:
    """What a killed run leaves, and none that has started since."""
    return [p.name for p in folder.rglob("*") if p.name.endswith((".tmp", ".draft", ".replaced"))]


def children(pid: int | None = None) -> list[int]:
    """Processes that a process has started."""
    pid = os.getpid() if pid is None else pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
