"""What a xacro file may do while it is expanded: checked expressions, files of the search path, and nothing else.

xacro's own check looks at the names in the outermost expression only, so a lambda, a generator's frame or a format
string reach everything in the process. Here the whole expression is checked as a tree, and an audit hook refuses what
no description needs. Python is no sandbox: this makes accidents harmless and attacks hard, and is no more than that.
"""

import ast
import os
import string
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim2real.errors import RobotError
from sim2real.importing.packages import SearchPath

# What starts with these leads from a harmless object to its code or frame, and from there to everything.
_INNER = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_", "func_")
_FORBIDDEN = frozenset({"format_map", "mro", "vars"})
_EVENTS = ("compile", "exec", "import", "marshal.loads", "builtins.id", "object.__getattr__")
_LISTING = ("os.listdir", "os.scandir", "glob.glob", "glob.glob/2")
_READING = os.O_RDONLY | os.O_CLOEXEC


def check_expression(text: str) -> None:
    """Raise RobotError if an expression reaches behind the values that xacro gives it; SyntaxError if it is none."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Name):
            _check_name(node.id, text)
        elif isinstance(node, ast.Attribute):
            _check_name(node.attr, text)
            if node.attr == "format" and not _is_plain_format(node.value):
                _refuse("'format' of anything but a plain text", text)


def _check_name(name: str, text: str) -> None:
    if name.startswith(_INNER) or name in _FORBIDDEN:
        _refuse(f"the name '{name[:60]}'", text)


def _is_plain_format(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str) and _has_plain_fields(value.value)


def _has_plain_fields(text: str) -> bool:
    """Return whether the format string only places values, and looks up no attribute or item of them."""
    fields = [(name or "", spec or "") for _, name, spec, _ in string.Formatter().parse(text)]
    return all(not set(name) & set("._[") and (not spec or _has_plain_fields(spec)) for name, spec in fields)


def _refuse(what: str, text: str) -> None:
    raise RobotError(f"expression '{text.strip()[:100]}': {what} is not allowed in a description; compute without")


def guard(path: SearchPath) -> None:
    """Refuse, from here to the end of this process, to write, to start or to connect to anything.

    Files are opened for reading, in the search path and where Python itself lies. RobotError is raised by whatever else
    is tried.
    """
    python = tuple({os.path.realpath(entry) + os.sep for entry in (*sys.path, sys.prefix, sys.base_prefix) if entry})

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            _check_open(path, python, *arguments)
        elif event not in (*_EVENTS, *_LISTING) and not event.startswith(("cpython.", "sys.")):
            raise RobotError(f"a xacro file may not do this while it is expanded: {event}")

    sys.addaudithook(hook)


def _check_open(path: SearchPath, python: tuple[str, ...], file: Any, mode: Any, flags: int) -> None:
    if isinstance(file, int):  # already open
        return
    name = os.path.realpath(os.fsdecode(file))
    if flags & ~_READING:
        raise RobotError(f"a xacro file may not write files, and this one wants to write {name}")
    if not name.startswith(python) and not path.contains(Path(name)):
        places = ", ".join(map(str, path.allowed))
        raise RobotError(f"file {name} lies outside of the search path ({places}); give its folder to search")


def guarded(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that checks its first argument, an expression, before `evaluate` sees it."""

    def checked(text: str, *arguments: Any) -> Any:
        check_expression(text)
        return evaluate(text, *arguments)

    return checked
