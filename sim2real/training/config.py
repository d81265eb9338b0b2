"""What a training run is made of, read from YAML. Imports nothing heavy: a config is checked before anything starts."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from randomization.curriculum import CurriculumSettings
from randomization.widening import AutomaticSettings
from sim2real.a2c.config import A2CConfig
from sim2real.config import Strict, read_yaml, validate
from sim2real.errors import ConfigError, closest, nearest

PRESETS = Path(__file__).parents[1] / "presets"


class RobotEnvironment(Strict):
    """Worlds of a robot and a task."""

    robot: str = Field(description="Catalog name, folder or robot.yaml")
    task: str = "balance"
    engine: Literal["bullet", "mujoco"] = "bullet"
    physics_hz: float | None = Field(default=None, gt=0, description="Rate of physics in training; null: the robot's")
    randomization: str = Field(default="none", description="Shipped name, .yaml file, or none")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the task")


class GymEnvironment(Strict):
    """Any environment that Gymnasium knows by an id."""

    gymnasium: str
    options: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of gymnasium.make")


def _kind(environment: Any) -> str | None:
    """Tell a robot's environment from Gymnasium's by its keys, so that an error speaks of one of them only."""
    if isinstance(environment, RobotEnvironment | GymEnvironment):
        return "gymnasium" if isinstance(environment, GymEnvironment) else "robot"
    if not isinstance(environment, dict) or not environment:
        return None
    if "gymnasium" in environment or "robot" in environment:
        return "gymnasium" if "gymnasium" in environment else "robot"
    meant = {closest(str(key), [*RobotEnvironment.model_fields, "gymnasium"]) for key in environment}
    return "gymnasium" if "gymnasium" in meant else "robot"


Environment = Annotated[
    Annotated[RobotEnvironment, Tag("robot")] | Annotated[GymEnvironment, Tag("gymnasium")],
    Discriminator(
        _kind,
        custom_error_type="environment",
        custom_error_message="must be a mapping with the key robot or gymnasium, e.g. {robot: cartpole, task: balance}",
    ),
]


class Goal(Strict):
    """Stop early once the mean return reaches `mean_return`: of the last `episodes` of training, or in evaluation."""

    mean_return: float
    episodes: int = Field(default=100, gt=0, le=100, description="Of training")
    on: Literal["training", "evaluation"] = "training"


class Evaluations(Strict):
    """Episodes in held-out worlds of the training's engine now and then; the policy that does best there is kept.

    They are counted in eras, not in seconds, so that the same seed keeps the same policy whatever the machine's speed.
    """

    every_eras: int = Field(default=10, gt=0, description="Eras from one evaluation to the next")
    worlds: int = Field(default=32, gt=0, le=4096, description="Worlds, one episode each; the same each time")


class Widening(Strict):
    """Ranges that begin at the nominal robot and widen in training to those of the environment's Randomization."""

    automatic: AutomaticSettings | None = Field(default=None, description="Each end of each range follows success")
    curriculum: CurriculumSettings | None = Field(default=None, description="All grow with the steps taken")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.automatic is None) == (self.curriculum is None):
            raise ValueError("give either automatic or curriculum, e.g. {automatic: {}}")
        return self

    @property
    def settings(self) -> AutomaticSettings | CurriculumSettings:
        """The settings of the kind chosen."""
        return self.automatic or self.curriculum or AutomaticSettings()


class TrainConfig(Strict):
    """One training run."""

    environment: Environment
    worlds: int = Field(gt=0, le=16384)
    steps: int = Field(gt=0, description="Control steps in all worlds together")
    seed: int = Field(default=0, ge=0)
    workers: int = Field(default=2, ge=1, le=256, description="Groups of worlds that run side by side; one a core")
    device: Literal["cpu", "gpu"] = Field(default="cpu", description="Where TensorFlow computes")
    checkpoint_s: float = Field(default=60.0, gt=0, description="Seconds between checkpoints, rounded up to eras")
    era_updates: int = Field(
        default=100,
        gt=0,
        description="Updates after which all worlds begin anew. Only there are checkpoints taken: what an engine holds "
        "cannot be saved, so a resumed run gives the bits of an unbroken one only where both begin their worlds alike",
    )
    goal: Goal | None = None
    evaluation: Evaluations | None = Field(default=None, description="None: the last policy is the one that is kept")
    widening: Widening | None = None
    a2c: A2CConfig = A2CConfig()

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.worlds % self.workers:
            raise ValueError(f"worlds ({self.worlds}) must be a multiple of workers ({self.workers})")
        return self

    @model_validator(mode="after")
    def _widenable(self) -> Self:
        if self.widening is not None and isinstance(self.environment, GymEnvironment):
            raise ValueError("widening needs a robot's environment; Gymnasium's others have no Randomization")
        if self.widening is not None and getattr(self.environment, "randomization", None) == "none":
            raise ValueError(
                "widening: nothing to widen: environment.randomization is none; name the ranges to reach there "
                "(--randomization), or leave widening out"
            )
        return self

    @model_validator(mode="after")
    def _symmetric(self) -> Self:
        if self.a2c.symmetry and isinstance(self.environment, GymEnvironment):
            raise ValueError("a2c.symmetry needs a robot's environment; Gymnasium's others name no mirrored joints")
        return self

    @model_validator(mode="after")
    def _goal_is_measured(self) -> Self:
        if self.goal is not None and self.goal.on == "evaluation" and self.evaluation is None:
            raise ValueError("goal: on evaluation, and there is none; add evaluation: {}, or set goal.on: training")
        return self

    @property
    def batch_size(self) -> int:
        """Steps in one update."""
        return self.worlds * self.a2c.horizon

    @property
    def updates(self) -> int:
        """Updates in the whole run."""
        return max(1, self.steps // self.batch_size)


def preset_names() -> list[str]:
    """Return the names of the configs that ship with the package."""
    return sorted(p.stem for p in PRESETS.glob("*.yaml"))


def load_train_config(name: str | Path, overrides: dict[str, Any] | None = None) -> TrainConfig:
    """Load a config by preset name or path, with some keys replaced: {"environment.engine": "mujoco"}."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        names = preset_names()
        if str(name) not in names:
            known = f"shipped: {', '.join(names)}; or give a .yaml file"
            raise ConfigError(f"no preset '{name}'{nearest(str(name), names)}; {known}")
        path = PRESETS / f"{name}.yaml"
    data = read_yaml(path)
    for dotted, value in (overrides or {}).items():
        _replace(data, dotted, value, str(path))
    return validate(TrainConfig, data, str(path))


def _replace(data: dict[str, Any], dotted: str, value: Any, source: str) -> None:
    *parents, key = dotted.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{source}: {parent}: must be a mapping to replace {dotted} in it")
    data[key] = value
