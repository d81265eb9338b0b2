"""What `sim2real tune` searches: for each key of a training config, the values that it may have. Read from YAML.

As in `spaces/`; laws are uniform, log_uniform, integer (with an optional step) and choice, of values of any kind:

a2c.learning_rate: {law: log_uniform, low: 1e-4, high: 1e-2}
a2c.hidden: {law: choice, values: [[64, 64], [128, 64]]}
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sim2real.config import Strict, load
from sim2real.errors import ConfigError
from sim2real.training.config import TrainConfig, load_train_config

if TYPE_CHECKING:
    from optuna.trial import Trial

SPACES = Path(__file__).parent / "spaces"


class _Range(Strict):
    @model_validator(mode="after")
    def _wide(self) -> Self:
        low, high = (getattr(self, end) for end in ("low", "high"))
        if low >= high:
            raise ValueError(f"low ({low:g}) must be below high ({high:g})")
        return self

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values at the ends, which a config must take."""
        return getattr(self, "low"), getattr(self, "high")  # noqa: B009


class Uniform(_Range):
    """Any number from low to high."""

    law: Literal["uniform"]
    low: float
    high: float

    def suggest(self, trial: "Trial", key: str) -> float:
        """Let a trial choose."""
        return trial.suggest_float(key, self.low, self.high)


class LogUniform(_Range):
    """Any number from low to high, each factor as likely."""

    law: Literal["log_uniform"]
    low: float = Field(gt=0)
    high: float

    def suggest(self, trial: "Trial", key: str) -> float:
        """Let a trial choose."""
        return trial.suggest_float(key, self.low, self.high, log=True)


class Integer(_Range):
    """A whole number from low to high, in steps."""

    law: Literal["integer"]
    low: int
    high: int
    step: int = Field(default=1, gt=0)

    def suggest(self, trial: "Trial", key: str) -> int:
        """Let a trial choose."""
        return trial.suggest_int(key, self.low, self.high, step=self.step)


class Choice(Strict):
    """One of some values of any kind."""

    law: Literal["choice"]
    values: tuple[Any, ...] = Field(min_length=1)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """All values: a config must take each."""
        return self.values

    def suggest(self, trial: "Trial", key: str) -> Any:
        """Let a trial choose; what is written down is JSON, which holds lists too."""
        return json.loads(trial.suggest_categorical(key, [json.dumps(value) for value in self.values]))


Dimension = Annotated[Uniform | LogUniform | Integer | Choice, Field(discriminator="law")]


class SearchSpace(Strict):
    """Key path of a training config -> law of its values."""

    space: dict[str, Dimension] = Field(min_length=1)

    def suggest(self, trial: "Trial") -> dict[str, Any]:
        """Let a trial choose a value for each key."""
        return {key: dimension.suggest(trial, key) for key, dimension in self.space.items()}


def load_space(path: Path | None, name: str, overrides: Mapping[str, Any]) -> SearchSpace:
    """Load a search space, the default for the config's kind of step if None, and try each extreme in the config alone.

    name, overrides: of the config, as `sim2real.training.config.load_train_config` takes them
    Raise ConfigError for a key that a config does not have, or a value that it does not take.
    """
    config = load_train_config(name, dict(overrides))
    source = path or default_space(config)
    found = load(SearchSpace, source)
    for key, dimension in found.space.items():
        for value in dimension.extremes:
            try:
                load_train_config(name, {**overrides, key: value})
            except ConfigError as error:
                raise ConfigError(f"{source}: space: {key}: {error}") from None
    return found


def default_space(config: TrainConfig) -> Path:
    """Return the file of the shipped search space for a config."""
    return SPACES / f"{config.a2c.actor_step}.yaml"
