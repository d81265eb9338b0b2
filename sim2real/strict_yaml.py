"""Strict YAML: plain data in and out, nothing that its author did not write.

PyYAML alone keeps the last of two equal keys, reads `1e-3` as a string and `no` as False, expands aliases without bound
and builds Python objects on request. Here the first and the last two are refused, and numbers are YAML 1.2's: `1e-3` is
one, while `012` and `1:30`, which older YAML reads as 10 and 90, stay text.
"""

import re
from typing import Any, NoReturn

import yaml

from sim2real.errors import ConfigError

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000  # a second's work for PyYAML


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases, tags and duplicate keys, bounded in depth and size, with YAML 1.2's numbers."""

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            _refuse("aliases (*name) are not allowed; write the value out", event.start_mark)
        if getattr(event, "tag", None) is not None:
            _refuse(
                f"tags ({event.tag}) are not allowed; write plain text, numbers, lists and mappings", event.start_mark
            )
        self.depth, self.nodes = self.depth + 1, self.nodes + 1
        if self.depth > MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if self.nodes > MAX_NODES:
            _refuse(f"more than {MAX_NODES} keys and values", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[str, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                _refuse(f"key {key!r} is not text; put it in quotes", key_node.start_mark)
            if key == "<<":
                _refuse("merge keys (<<) are not allowed; write the keys out", key_node.start_mark)
            if key in first:
                _refuse(f"key '{key}' stands twice, in lines {first[key]} and {line}", key_node.start_mark)
            first[key] = line
        return super().construct_mapping(node, deep)


def _refuse(message: str, mark: Any) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, message, mark)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes no aliases and quotes what a YAML 1.1 reader or this loader would not take for text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_NUMBERS = {
    "bool": (r"true|True|false|False", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9]+(?:[eE][-+]?[0-9]+)?"
        r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag == "tag:yaml.org,2002:null"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, (_pattern, _first) in _NUMBERS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def parse_yaml(text: str | bytes, source: str) -> dict[str, Any]:
    """Parse one YAML mapping, UTF-8 if in bytes; raise ConfigError naming `source` and line."""
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader, stricter
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{source}:{line}: {error.problem or error.context}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: is not text: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source}: not YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        raise ConfigError(f"{source}: is empty; expected a mapping of keys to values")
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: expected a mapping of keys to values, got {type(data).__name__}")
    return data


def dump_yaml(data: dict[str, Any]) -> str:
    """Write plain data as YAML, in ASCII, that `parse_yaml` reads back equal."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=120)
