"""What is wrong with a configuration, in the words of its file: pydantic's errors, each as one helpful sentence."""

import re
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from sim2real.errors import closest, nearest

Key = str | int

MAPPING = "a mapping of keys to values"
WANTED = {
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dict_type": MAPPING,
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
}
"""Pydantic's error type -> what the value must be."""


def explain(model: type[BaseModel], errors: list[ErrorDetails]) -> list[str]:
    """Return what is wrong, one sentence for each mistake: an error that only follows from another is left out."""
    places = [e["loc"] for e in errors]
    misspelt = {(*e["loc"][:-1], _meant(model, e)) for e in errors if e["type"] == "extra_forbidden"}
    follows = {
        "missing": lambda place: place in misspelt,
        "too_short": lambda place: any(p[: len(place)] == place and p != place for p in places),
    }
    return [_sentence(model, e) for e in errors if not follows.get(e["type"], lambda _: False)(e["loc"])]


def dotted(path: Iterable[Key]) -> str:
    """Return a key path as `a.b.0: `, or an empty string for an empty path."""
    text = ".".join(str(part) for part in path)
    return f"{text}: " if text else ""


def given(value: Any) -> str:
    """Return ` (got ...)` for a value, in few words."""
    if value is None or isinstance(value, dict | list | tuple):
        return f" (got {'nothing' if value is None else 'a mapping' if isinstance(value, dict) else 'a list'})"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return f" (got {text if len(text) <= 60 else f'{text[:57]}...'})"


def _sentence(model: type[BaseModel], error: ErrorDetails) -> str:
    kind, value = error["type"], error.get("input")
    path, annotation = _follow(model, error["loc"])
    if kind == "missing":
        return f"{dotted(path)}is missing"
    if kind == "extra_forbidden":
        keys = _keys(_follow(model, error["loc"][:-1])[1])
        return f"{dotted(path)}unknown key{nearest(path[-1], keys)}; known keys: {', '.join(keys)}"
    if kind.startswith("union_tag"):
        return _tag_sentence(path, annotation, error["ctx"])
    if kind in WANTED:
        keys = _keys(annotation)
        known = f"; known keys: {', '.join(keys)}" if keys else ""
        return f"{dotted(path)}must be {WANTED[kind]}{given(value)}{known}"
    message = error["msg"].removeprefix("Value error, ")
    if kind == "too_short":
        least = error["ctx"]["min_length"]
        message = "must not be empty" if least == 1 else f"must have at least {least} entries"
    if kind == "too_long":
        message = f"must have at most {error['ctx']['max_length']} entries"
    message = re.sub(r"^(Input|String) should ", "must ", message)
    hint = nearest(str(value), re.findall(r"'([^']*)'", message)) if kind == "literal_error" else ""
    return f"{dotted(path)}{message}{'' if isinstance(value, dict) else given(value)}{hint}"


def _tag_sentence(path: list[str], annotation: Any, context: dict[str, Any]) -> str:
    """Say which values are allowed for the key that tells the members of a union apart."""
    key = context["discriminator"].strip("'")
    tags = [tag for member in _members(annotation) for tag in _tags(member, key)]
    allowed = f"must be one of {', '.join(tags)}"
    if "tag" not in context:
        return f"{dotted([*path, key])}is missing; {allowed}"
    return f"{dotted([*path, key])}{allowed}{given(context['tag'])}{nearest(context['tag'], tags)}"


def _meant(model: type[BaseModel], error: ErrorDetails) -> str | None:
    """Return the known key that an unknown one most likely means."""
    return closest(str(error["loc"][-1]), _keys(_follow(model, error["loc"][:-1])[1]))


def _follow(model: type[BaseModel], location: tuple[Key, ...]) -> tuple[list[str], Any]:
    """Walk an error's location through the annotations: return the keys as the file has them, and what belongs there.

    Pydantic's locations also name the member of a union that was tried, which is no key of the file.
    """
    path: list[str] = []
    here: Any = model
    for part in location:
        members = _members(here)
        if len(members) > 1:
            here = next((m for m in members if part in _tags(m)), None)
        else:
            path.append(str(part))
            here = _inside(members[0], part)
    return path, here


def _inside(annotation: Any, part: Key) -> Any:
    """Return the annotation of one key or index of a model, mapping or list; None where there is none."""
    annotation = _bare(annotation)
    if _is_model(annotation):
        field = annotation.model_fields.get(str(part))
        return field.annotation if field else None
    position = {dict: 1, tuple: 0, list: 0}.get(get_origin(annotation) or str)
    return None if position is None else get_args(annotation)[position]


def _members(annotation: Any) -> list[Any]:
    """Return the alternatives of a union, None apart; of anything else, the annotation itself."""
    if get_origin(_bare(annotation)) in (Union, UnionType):
        return [m for m in get_args(_bare(annotation)) if m is not type(None)]
    return [annotation]


def _tags(member: Any, key: str | None = None) -> list[str]:
    """Return what tells a member of a union from others: its Tag, or what its Literal fields (the one `key`) allow."""
    tags = [m.tag for m in get_args(member)[1:] if isinstance(m, Tag)]
    if tags or not _is_model(_bare(member)):
        return tags
    fields = [field.annotation for name, field in _bare(member).model_fields.items() if key in (None, name)]
    return [str(value) for f in fields if get_origin(f) is Literal for value in get_args(f)]


def _keys(annotation: Any) -> list[str]:
    """Return the keys of a model, sorted; none for anything else."""
    models = [_bare(m) for m in _members(annotation) if _is_model(_bare(m))]
    return sorted({name for m in models for name in m.model_fields})


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
