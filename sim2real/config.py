"""Configuration: YAML files read into validated pydantic models, with errors that name file, key and remedy.

A configuration that is not what its author meant trains the wrong robot. So an unknown key is refused, and no value is
converted on the way: text is not a number, and `no` is not False.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sim2real.errors import ConfigError
from sim2real.explain import dotted, explain, given
from sim2real.strict_yaml import MAX_BYTES, dump_yaml, parse_yaml

__all__ = ["Strict", "attempt", "dump_yaml", "load", "parse_yaml", "read_yaml", "validate"]

MAX_PROBLEMS = 5  # named in one message

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every configuration model: frozen, finite, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping from `path`; raise ConfigError naming file and line when it is not strict YAML."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device might never end
            raise ConfigError(f"{path}: is a {'folder' if path.is_dir() else 'device'}, expected a YAML file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{path}: is longer than {MAX_BYTES} bytes, the most for a configuration")
        return parse_yaml(data, str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a path with a NUL
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def validate(model: type[Model], data: dict[str, Any], source: str) -> Model:
    """Build `model` from plain `data`; raise ConfigError naming `source`, the key path and what is allowed there."""
    result, problems = attempt(model, data)
    if result is not None:
        return result
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    raise ConfigError(f"{source}: {'; '.join(problems[:MAX_PROBLEMS])}{more}")


def attempt(model: type[Model], data: dict[str, Any]) -> tuple[Model | None, list[str]]:
    """Build `model` from plain `data`, or return None and every mistake as "key.path: what is wrong"."""
    try:
        result = model.model_validate(data)
    except ValidationError as error:
        return None, explain(model, error.errors())
    problems = list(_converted(data, result, ()))
    return (None, problems) if problems else (result, [])


def load(model: type[Model], path: Path) -> Model:
    """Read and validate one YAML file."""
    return validate(model, read_yaml(path), str(path))


def _converted(data: Any, value: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """Yield where pydantic, which takes "5" for 5, "no" for False and true for 1, has made another kind of value."""
    if isinstance(data, dict) and isinstance(value, BaseModel | dict):
        for key, item in data.items():
            yield from _converted(
                item, getattr(value, key) if isinstance(value, BaseModel) else value[key], (*path, key)
            )
    elif isinstance(data, list | tuple) and isinstance(value, list | tuple):
        for index, (item, inner) in enumerate(zip(data, value, strict=True)):
            yield from _converted(item, inner, (*path, index))
    elif isinstance(value, bool) != isinstance(data, bool) or (
        isinstance(value, int | float) and isinstance(data, str)
    ):
        wanted = {bool: "true or false", int: "a whole number"}.get(type(value), "a number")
        yield f"{dotted(path)}must be {wanted}{given(data)}"
