"""xacro in: expanded in a limited child process (see `xacro_guard`), because a xacro file is a program."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.dom import DOMException, expatbuilder
from xml.parsers import expat

import xacro
import yaml
from xacro import substitution_args

from robots.urdf.elements import MAX_BYTES
from sim2real.errors import RobotError, nearest
from sim2real.importing.packages import SearchPath, search_path
from sim2real.importing.xacro_guard import guard, guarded

MAX_MACROS = 3  # named in one message

# What a faulty file can make xacro raise: it evaluates the file's own expressions.
_FAULTS = (
    xacro.XacroException, substitution_args.SubstitutionException, expat.ExpatError, yaml.YAMLError, DOMException,
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NameError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, RobotError,
)  # fmt: skip


def expand(file: str, arguments: Mapping[str, str], search: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the URDF text of a xacro file. To be called in a process of its own: it changes xacro, and limits itself.

    Raise RobotError naming the file and line of the element that failed, where one is known.
    """
    source = Path(file)
    path = search_path(source, [Path(folder) for folder in search], environment)
    _prepare(path)
    try:
        xacro.init_stacks(file)
        document = _parse(None, file)
        _check_arguments(document, arguments, source)
        xacro.process_doc(document, mappings=dict(arguments), verbosity=0)
        return str(document.toprettyxml(indent="  "))
    except _FAULTS as error:
        raise RobotError(_message(error, file)) from None


def _prepare(path: SearchPath) -> None:
    """Give xacro our package finder, expression check and XML reader, then close the doors behind it."""
    find = lambda package: str(path.find(package))  # noqa: E731
    substitution_args._eval_find = find
    substitution_args._eval_dict["find"] = find
    substitution_args._eval = guarded(substitution_args._eval)
    xacro.safe_eval = guarded(xacro.safe_eval)
    xacro._global_symbols["python"].pop("vars", None)
    xacro.parse = _parse
    guard(path)


def _parse(_: None, filename: str) -> Any:
    """Read a file as xacro's own `parse` does, with each element's place, without document types, bounded in size."""
    try:
        with Path(filename).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        xacro.filestack.pop()  # the file that includes it is at fault
        raise xacro.XacroException(f"{filename}: {error.strerror}", exc=error) from None
    if len(data) > MAX_BYTES:
        raise RobotError(f"{filename}: longer than {MAX_BYTES:,} bytes; not a robot description")
    return _Builder(filename).parseString(data)


class _Builder(expatbuilder.ExpatBuilderNS):
    """minidom's builder, which notes where each element stands and refuses document types."""

    def __init__(self, filename: str) -> None:
        super().__init__()
        self.filename = filename

    def start_element_handler(self, name: str, attributes: Any) -> None:
        super().start_element_handler(name, attributes)
        setattr(self.curNode, "place", (self.filename, self.getParser().CurrentLineNumber))  # noqa: B010 - a note of ours on a DOM element

    def start_doctype_decl_handler(self, *_: Any) -> None:
        line = self.getParser().CurrentLineNumber
        raise RobotError(f"{self.filename}:{line}: <!DOCTYPE> and entities are not allowed; remove them")


def _check_arguments(document: Any, arguments: Mapping[str, str], file: Path) -> None:
    """Refuse an argument that the file itself does not declare while it includes no other: xacro would ignore it."""
    declared = {element.getAttribute("name") for element in document.getElementsByTagName("xacro:arg")}
    unknown = sorted(arguments.keys() - declared)
    if unknown and not document.getElementsByTagName("xacro:include"):
        known = ", ".join(sorted(declared)) or "none"
        raise RobotError(
            f"{file}: has no argument '{unknown[0]}'{nearest(unknown[0], declared)}; its arguments are: {known}"
        )


def _message(error: BaseException, file: str) -> str:
    """Return file, line and reason of what xacro raised, which wraps one exception in the next."""
    place = _place(error.__traceback__)
    reason = error
    while getattr(reason, "exc", None) is not None:
        reason = reason.exc  # type: ignore[attr-defined]
    if isinstance(reason, expat.ExpatError):
        return f"{xacro.filestack[-1]}:{reason.lineno}: not well-formed XML: {expat.ErrorString(reason.code)}"
    at = f"{place[0]}:{place[1]}" if place else (xacro.filestack or [file])[-1] or file
    text = _reason(reason)
    if isinstance(error, xacro.XacroException) and error.suffix and not isinstance(reason, RobotError):
        text += f" ({' '.join(str(error.suffix).split())})"
    macros = [str(macro.body.getAttribute("name")) for macro in reversed(xacro.macrostack or [])][:MAX_MACROS]
    inside = f" (in macro {', called by '.join(macros)})" if macros else ""
    return text if text.startswith((f"{at}:", f"{file}:")) else f"{at}: xacro: {text}{inside}"


def _reason(error: BaseException) -> str:
    if isinstance(error, RobotError | xacro.XacroException):
        return " ".join(str(error).split())
    if isinstance(error, substitution_args.ArgException):
        return f'argument \'{error}\' has no value; give one, or a default: <xacro:arg name="{error}" default=""/>'
    if isinstance(error, MemoryError):
        return "needs more memory than it may use; compute with smaller numbers"
    if isinstance(error, RecursionError):
        return "calls itself without end, or is nested too deep"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, SyntaxError):
        return f"not an expression: {error.msg}"
    if isinstance(error, KeyError):
        return f"unknown name {error}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _place(traceback: TracebackType | None) -> tuple[str, int] | None:
    """Return file and line of the innermost element that xacro was at; clones in macros have no place of their own."""
    found = None
    while traceback is not None:
        for name in ("node", "elt"):
            found = getattr(traceback.tb_frame.f_locals.get(name), "place", None) or found
        traceback = traceback.tb_next
    return found
