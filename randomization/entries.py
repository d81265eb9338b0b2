"""What a Randomization's YAML says of one key: a law, and how and when it is drawn.

payload/trunk: {law: uniform, low: -1.0, high: 1.0}
kp/*: {law: log_uniform, low: 0.8, high: 1.25, shared: true}
gravity_z: {law: normal, mean: 0.0, std: 0.4, low: -1.0, high: 1.0, relative: offset, when: interval, every: 8.0}
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from randomization.distributions import Choice, Fixed, Law, LogUniform, Mixture, TruncatedNormal, Uniform
from sim2real.config import Strict

When = Literal["world", "episode", "interval", "step"]
Relative = Literal["value", "scale", "offset"]


class Timing(Strict):
    """When a draw is made and what it is relative to.

    when: once a world, once an episode, at the start of an episode and then `every` so many seconds, or every step of
        the control loop
    relative: the draw is the `value` itself, a `scale` of the nominal value, or an `offset` to it; always from the
        nominal value, so that nothing compounds
    """

    when: When = "episode"
    every: float | None = Field(default=None, gt=0, description="seconds between two draws, for when: interval")
    relative: Relative = "value"

    @model_validator(mode="after")
    def _timed(self) -> "Timing":
        if (self.when == "interval") != (self.every is not None):
            raise ValueError("every (seconds) goes with when: interval, and only with it")
        return self


class Settings(Timing):
    """How and when a law is drawn. `shared`: one draw for all members of the key's pattern, else one for each."""

    shared: bool = False


class FixedEntry(Fixed, Settings):
    """A key with the law `fixed`."""


class UniformEntry(Uniform, Settings):
    """A key with the law `uniform`."""


class LogUniformEntry(LogUniform, Settings):
    """A key with the law `log_uniform`."""


class NormalEntry(TruncatedNormal, Settings):
    """A key with the law `normal`."""


class ChoiceEntry(Choice, Settings):
    """A key with the law `choice`."""


class MixtureEntry(Mixture, Settings):
    """A key with the law `mixture`."""


AnyEntry = FixedEntry | UniformEntry | LogUniformEntry | NormalEntry | ChoiceEntry | MixtureEntry
Entry = Annotated[AnyEntry, Field(discriminator="law")]

ENTRIES: dict[str, type[AnyEntry]] = {
    "fixed": FixedEntry,
    "uniform": UniformEntry,
    "log_uniform": LogUniformEntry,
    "normal": NormalEntry,
    "choice": ChoiceEntry,
    "mixture": MixtureEntry,
}


def entry_of(law: Law, settings: Settings) -> AnyEntry:
    """Return a law under the settings of another entry. Both are checked already."""
    data = {name: getattr(law, name) for name in type(law).model_fields}
    data |= {name: getattr(settings, name) for name in Settings.model_fields}
    return ENTRIES[data["law"]].model_construct(**data)


def plain(entry: Timing) -> dict[str, Any]:
    """Return an entry as it stands in a YAML, without the settings that are as they are when nothing is said."""
    data = entry.model_dump(mode="json", exclude_none=True)
    usual = {name: field.default for name, field in Settings.model_fields.items()}
    return {key: value for key, value in data.items() if key not in usual or value != usual[key]}
