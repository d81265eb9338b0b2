"""The worlds of a training: an environment for each group of them, one seed and, if asked for, one widening for all."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from randomization import Randomization, stream
from randomization.ranges import widens
from robots import load_robot
from sim2real.env import RobotVectorEnv
from sim2real.errors import RandomizationError, TrainingError
from sim2real.tasks import load_task
from sim2real.training.config import GymEnvironment, RobotEnvironment, TrainConfig
from sim2real.training.same_step import SameStepCartPole, has_arrays
from sim2real.training.shared_widening import SharedWidening

Envs = VectorEnv[Any, Any, Any]
ARRAYS_FROM = 8  # worlds; fewer are faster one by one than as arrays


class TrainingWorlds:
    """Makes a config's worlds. World k is the same however many groups there are.

    full: the Randomization of the config, None for environments without a robot; widening: None if its ranges stay
    """

    def __init__(self, config: TrainConfig, widened: dict[str, Any] | None = None) -> None:
        """widened: the state of the widening in a run that goes on; raise an error of one line if it is another's."""
        self.config = config
        self.full = load_family(config)
        self.widening: SharedWidening | None = None
        if config.widening is not None and self.full is not None:
            self.widening = SharedWidening(self.full, config.widening.settings, config.seed, config.worlds)
            if widened is not None:
                self.widening.restore(widened)

    @property
    def randomization(self) -> Randomization | None:
        """What worlds are drawn from now."""
        return self.full if self.widening is None else self.widening.core.randomization

    def seed_of(self, step: int) -> int:
        """Return the seed of all random streams of the era that begins at a control step: no episode comes twice."""
        return int(stream(self.config.seed, "worlds", step).integers(2**31))

    def group(self, k: int, seed: int) -> tuple[Envs, int]:
        """Build the k-th group's environment; return it and the number of its first world."""
        n = self.config.worlds // self.config.workers
        part = None if self.widening is None else self.widening.part(k * n)
        if isinstance(self.config.environment, GymEnvironment):
            return make_envs(self.config, n, seed), k * n
        options = {
            "widening": part,
            "privileged": self.config.a2c.asymmetric,
            # An episode that begins late in its time counts as a success too soon, which ranges must not widen by.
            "stagger": part is None,
        }
        return make_envs(self.config, n, seed, first_world=k * n, **options), k * n


def load_family(config: TrainConfig) -> Randomization | None:
    """Load the Randomization of a config, None for environments without a robot.

    Raise RandomizationError where widening is asked for and there is nothing to widen.
    """
    environment = config.environment
    if isinstance(environment, GymEnvironment):
        return None
    robot = load_robot(environment.robot)
    task = load_task(environment.task, robot, environment.options)
    family = Randomization.load(environment.randomization, robot, task.episode_s)
    if config.widening is not None and not any(widens(term) for term in family.terms):
        raise RandomizationError(
            f"widening: nothing to widen: environment.randomization '{environment.randomization}' has no quantity with "
            "the law uniform, log_uniform or normal over some width; choose one that has, or leave widening out"
        )
    return family


def make_envs(config: TrainConfig, n: int, seed: int, **options: Any) -> Envs:
    """Build n of the config's worlds as one vector environment; `options` are further ones of RobotVectorEnv."""
    environment = config.environment
    if isinstance(environment, RobotEnvironment):
        workers = 1 if environment.engine == "bullet" else 0  # PyBullet, which holds the GIL, gets a process
        made_of = environment.model_dump(exclude_none=True)
        return RobotVectorEnv(num_envs=n, workers=workers, seed=seed, **made_of, **options)
    return _make_gym_envs(environment, n)


def _learnable(seen: gymnasium.spaces.Box) -> bool:
    return len(seen.shape) == 1 or (len(seen.shape) in (2, 3) and seen.dtype == np.uint8)


def _make_gym_envs(environment: GymEnvironment, n: int) -> Envs:
    name, vector = environment.gymnasium, {"autoreset_mode": AutoresetMode.SAME_STEP}
    try:
        if n >= ARRAYS_FROM and has_arrays(name):
            envs: Envs = SameStepCartPole(
                gymnasium.make_vec(name, num_envs=n, vectorization_mode="vector_entry_point", **environment.options)
            )
        else:
            envs = gymnasium.make_vec(
                name, num_envs=n, vectorization_mode="sync", vector_kwargs=vector, **environment.options
            )
    except (gymnasium.error.Error, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"environment: gymnasium cannot make '{name}' with its options: {reason}") from None
    seen = envs.single_observation_space
    if not (isinstance(seen, gymnasium.spaces.Box) and _learnable(seen)):
        envs.close()
        raise TrainingError(
            f"environment: '{name}' has observations {seen}; A2C here takes a Box of one dimension, or pictures: "
            "a Box of uint8 with (height, width, channels)"
        )
    return envs
