"""Strict YAML: plain data in, validated pydantic models out, and errors that name file, key and remedy.

PyYAML alone keeps the last of two equal keys, reads `1e-3` as a string, expands aliases without bound and builds Python
objects on request. A configuration that is not what its author meant trains the wrong robot, so each of these is refused
(or, for `1e-3`, read as the number it is).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from sim2real.errors import ConfigError, nearest

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every configuration model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases and duplicate keys, with bounded depth and YAML 1.2 numbers."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.constructor.ConstructorError(None, None, "aliases (*name) are not allowed", event.start_mark)
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > MAX_DEPTH:
            mark = self.peek_event().start_mark
            raise yaml.constructor.ConstructorError(None, None, f"nested deeper than {MAX_DEPTH} levels", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not a string", key_node.start_mark)
            if key in first:
                message = f"key '{key}' stands twice, in lines {first[key]} and {line}"
                raise yaml.constructor.ConstructorError(None, None, message, key_node.start_mark)
            first[key] = line
        return super().construct_mapping(node, deep)


# YAML 1.2's number and boolean grammar: 1e-3 is a number; no/yes/on/off are words; 012 and 1:30 stay strings.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag.rsplit(":", 1)[1] in ("null", "merge")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9]+(?:[eE][-+]?[0-9]+)?)$"),
    list("-+0123456789."),
)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(str(loader.construct_scalar(node)).replace("_", ""))


_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping from `path`; raise ConfigError naming file and line when it is not strict YAML."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(f"{path}: {size} bytes; a configuration has at most {MAX_BYTES}")
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from None


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Parse one YAML mapping; `source` names it in errors."""
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader, stricter
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{source}:{line}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: expected a mapping of keys to values, got {type(data).__name__}")
    return data


def validate(model: type[Model], data: dict[str, Any], source: str) -> Model:
    """Build `model` from plain `data`; raise ConfigError naming `source`, the key path and what is allowed there."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(model, e, source) for e in error.errors())) from None


def load(model: type[Model], path: Path) -> Model:
    """Read and validate one YAML file."""
    return validate(model, read_yaml(path), str(path))


def dump_yaml(data: dict[str, Any]) -> str:
    """Write plain data as YAML that `parse_yaml` reads back equal."""
    return yaml.safe_dump(data, sort_keys=False, width=120, allow_unicode=True)


def _explain(model: type[BaseModel], error: ErrorDetails, source: str) -> str:
    location = [str(part) for part in error["loc"]]
    where = f"{source}: {'.'.join(location)}" if location else source
    if error["type"] == "extra_forbidden":
        allowed = _keys_at(model, location[:-1])
        known = f"; known keys: {', '.join(sorted(allowed))}" if allowed else ""
        return f"{where}: unknown key{nearest(location[-1], allowed)}{known}"
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = "" if isinstance(given, dict) or error["type"] == "missing" else f" (got {given!r})"
    hint = nearest(given, re.findall(r"'([^']*)'", message)) if error["type"] in ("literal_error", "enum") and isinstance(given, str) else ""
    return f"{where}: {message[0].lower()}{message[1:]}{shown}{hint}"


def _keys_at(model: type[BaseModel], location: Iterable[str]) -> set[str]:
    """Return the keys allowed at a path inside `model`, looking through dict, list and union annotations."""
    models = [model]
    for part in location:
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        found = [m for annotation in fields for m in _models_in(annotation)]
        models = found or models
    return {name for m in models for name in m.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in get_args(annotation) for m in _models_in(argument)]
