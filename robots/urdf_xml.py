"""A bounded XML reader for robot descriptions: elements that know their line, and numbers that are numbers.

PyBullet reads "1,5" as 1.0, "heavy" as 0 and expands entities; ElementTree expands them too and forgets the lines.
Here a document type is refused, sizes are bounded, and every error names file, line and element.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from xml.parsers import expat

from sim2real.errors import RobotError

MAX_BYTES = 20_000_000
MAX_TAG_BYTES = 1_000_000  # one tag of 20 MB can hold millions of attributes: gigabytes once parsed
MAX_ELEMENTS = 500_000
MAX_DEPTH = 64
MAX_NAME = 200  # PyBullet keeps names in buffers of 1,024 bytes
MAX_NUMBER = 1e9  # the largest length, mass, ... of a robot; squares of it are still far from overflow

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NAMED = ("link", "joint")


@dataclass(eq=False)
class Element:
    """One XML element of the file `source`: its 1-based `line`, attributes and children; text is not kept."""

    source: Path
    line: int
    tag: str
    attributes: dict[str, str]
    label: str = ""
    children: list["Element"] = field(default_factory=list)

    def error(self, message: str) -> RobotError:
        """Return (not raise) the error for this element: file, line, element, message."""
        return RobotError(f"{self.source}:{self.line}: {self.label}: {message}")

    def all(self, tag: str) -> Iterator["Element"]:
        """Yield the direct children with that tag."""
        return (child for child in self.children if child.tag == tag)

    def optional(self, tag: str) -> "Element | None":
        """Return the one child with that tag, or None; raise RobotError if there are several."""
        found = list(self.all(tag))
        if len(found) > 1:
            raise found[1].error(f"<{tag}> stands twice, first in line {found[0].line}; keep one of them")
        return found[0] if found else None

    def required(self, tag: str, remedy: str) -> "Element":
        """Return the one child with that tag; raise RobotError with `remedy` if there is none."""
        found = self.optional(tag)
        if found is None:
            raise self.error(f"<{tag}> is missing; {remedy}")
        return found

    def text(self, attribute: str) -> str:
        """Return an attribute that must be there and not be empty."""
        value = self.attributes.get(attribute, "")
        if not value.strip():
            raise self.error(f'attribute {attribute} is missing or empty; write <{self.tag} {attribute}="...">')
        return value

    def name(self) -> str:
        """Return the `name` attribute: printable, without %, at most 200 characters."""
        value = self.text("name")
        # PyBullet hands names to printf as the format, so a % in a name can crash it.
        if len(value) > MAX_NAME or not value.isprintable() or "%" in value:
            raise self.error(f"name {shorten(value)} must be at most {MAX_NAME} printable characters without %")
        return value

    def number(self, attribute: str, default: float | None = None, bound: float = MAX_NUMBER) -> float:
        """Return an attribute as a finite float of magnitude <= `bound`; `default` stands for a missing one."""
        if default is not None and attribute not in self.attributes:
            return default
        return self._float(attribute, self.text(attribute).strip(), bound)

    def numbers(self, attribute: str, count: int, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """Return an attribute as exactly `count` finite floats separated by blanks; `default` for a missing one."""
        if default is not None and attribute not in self.attributes:
            return default
        words = self.text(attribute).split()
        values = tuple(self._float(attribute, word, MAX_NUMBER) for word in words)
        if len(values) != count:
            given = shorten(" ".join(words))
            raise self.error(f"{attribute} must be {count} numbers separated by blanks, got {len(values)} in {given}")
        return values

    def _float(self, attribute: str, word: str, bound: float) -> float:
        if not _NUMBER.fullmatch(word):
            raise self.error(f"{attribute} {shorten(word)} is not a number; write digits with a decimal point, as 1.5")
        value = float(word)
        if not isfinite(value) or abs(value) > bound:
            raise self.error(f"{attribute} {shorten(word)} is out of range; allowed are finite numbers up to {bound:g}")
        return value

    def check_spelling(self, attributes: tuple[str, ...], children: tuple[str, ...]) -> None:
        """Refuse an attribute or child that is no known one but looks like a misspelling of one.

        Others are other tools' extensions and are left alone: URDF files are full of them.
        """
        missing = [name for name in attributes if name not in self.attributes]
        for given in self.attributes.keys() - attributes if missing else ():
            if near := get_close_matches(given.lower(), missing, n=1, cutoff=0.6):
                raise self.error(f"unknown attribute {shorten(given)} (did you mean '{near[0]}'?)")
        for child in self.children:
            if child.tag not in children and (near := get_close_matches(child.tag.lower(), children, n=1, cutoff=0.8)):
                raise child.error(f"unknown element {shorten(child.tag)} (did you mean '{near[0]}'?)")


def shorten(text: str, limit: int = 60) -> str:
    """Return `text` quoted on one line, cut to some `limit` characters."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def read_xml(path: Path) -> Element:
    """Read the file into its root Element; raise RobotError naming file and line if it is not plain, bounded XML."""
    data = _read_bytes(path)
    # A tag starts with "<" and holds no other "<"; comments and processing instructions may be as long as they like.
    if long := re.search(rb"<[^!?<][^<]{%d}" % MAX_TAG_BYTES, data):
        line = data.count(b"\n", 0, long.start()) + 1
        raise RobotError(f"{path}:{line}: one XML element is longer than {MAX_TAG_BYTES:,} bytes; not a robot")
    builder = _Builder(path)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise RobotError(f"{path}:{error.lineno}: not well-formed XML: {expat.ErrorString(error.code)}") from None
    except (ValueError, LookupError) as error:
        raise RobotError(f"{path}:1: XML in an encoding that cannot be read ({error}); save it as UTF-8") from None
    return builder.root


def _read_bytes(path: Path) -> bytes:
    try:
        # A named pipe or a device would block or never end.
        if not path.is_file():
            raise RobotError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}; give a URDF file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RobotError(
                f"{path}: {size:,} bytes; a URDF has at most {MAX_BYTES:,} (meshes go into files of their own)"
            )
        data = path.read_bytes()
    except OSError as error:
        raise RobotError(f"{path}: cannot be read: {error.strerror}") from None
    if not data.strip():
        raise RobotError(f"{path}:1: the file is empty; a URDF holds one <robot> element")
    return data


class _Builder:
    """Collects expat's events into Elements."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.root = Element(source, 1, "", {})
        self.open: list[Element] = []
        self.count = 0
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _doctype(self, *_: object) -> None:
        line = self.parser.CurrentLineNumber
        raise RobotError(
            f"{self.source}:{line}: <!DOCTYPE> and entities are not allowed in a robot description; remove it"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        self.count += 1
        if self.count > MAX_ELEMENTS or len(self.open) >= MAX_DEPTH:
            limit = f"{MAX_ELEMENTS:,} elements" if self.count > MAX_ELEMENTS else f"{MAX_DEPTH} levels of elements"
            raise RobotError(f"{self.source}:{line}: more than {limit}; not a robot description")
        if tag.startswith("xacro:"):
            raise RobotError(
                f"{self.source}:{line}: <{tag[:60]}> is a macro; expand the file first: xacro in.xacro > out.urdf"
            )
        element = Element(self.source, line, tag, attributes, self._label(tag, attributes))
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _end(self, _: str) -> None:
        self.open.pop()

    def _label(self, tag: str, attributes: dict[str, str]) -> str:
        name = f" {shorten(attributes['name'])}" if tag in _NAMED and "name" in attributes else ""
        inside = self.open[-1].label if len(self.open) > 1 else ""
        return f"{inside}: {tag}{name}" if inside else f"{tag}{name}"
