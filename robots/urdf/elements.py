"""A bounded XML reader for robot descriptions: elements that know their place, and numbers that are numbers.

PyBullet reads "1,5" as 1.0, "heavy" as 0 and expands entities; ElementTree expands them too and forgets the lines.
Here a document type is refused, sizes are bounded, and every finding names file, line and element.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from xml.parsers import expat

from robots.findings import Edit, Fault, Finding, errors
from robots.urdf.edits import element_end, remove_element, replace_attribute, replace_element
from robots.urdf.numbers import NUMBER, meant

MAX_BYTES = 20_000_000
MAX_TAG_BYTES = 1_000_000  # one tag of 20 MB can hold millions of attributes: gigabytes once parsed
MAX_ELEMENTS = 100_000  # a robot of 1,000 links has some 20,000
MAX_DEPTH = 64
MAX_NAME = 200  # PyBullet keeps names in buffers of 1,024 bytes
MAX_NUMBER = 1e9  # the largest length, mass, ... of a robot; squares of it are still far from overflow
MAX_FINDINGS = 1000  # in one file; a broken generator repeats one fault thousands of times

_NAMED = ("link", "joint")
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")  # half of its bytes are 0
_DECLARATION = re.compile(rb"\s*<\?xml")
_CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f]+")  # characters that XML has no place for


@dataclass
class Document:
    """What belongs to the file as a whole: its path, its bytes and what was found in it."""

    source: Path
    data: bytes
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Keep a finding, up to MAX_FINDINGS; the first error always, so that none passes for sound."""
        first_error = finding.severity == "error" and not any(errors(self.findings))
        if len(self.findings) < MAX_FINDINGS or first_error:
            self.findings.append(finding)


@dataclass(eq=False)
class Element:
    """One XML element: its 1-based `line`, byte offsets, attributes and children; text is not kept."""

    document: Document
    line: int
    tag: str
    attributes: dict[str, str]
    label: str = ""
    start: int = 0
    end: int = 0
    children: list["Element"] = field(default_factory=list)

    def finding(self, code: str, message: str, remedy: str = "", *edits: Edit | None) -> Finding:
        """Return a finding about this element; `edits` mend it, unless one of them is None (cannot be edited)."""
        done = tuple(edit for edit in edits if edit is not None)
        mends = done if len(done) == len(edits) else ()
        return Finding(code, self.document.source, self.line, self.label, message, remedy, mends)

    def fault(self, code: str, message: str, remedy: str = "", *edits: Edit | None) -> Fault:
        """Return (not raise) the exception for a finding that ends the reading of this element."""
        return Fault(self.finding(code, message, remedy, *edits))

    def report(self, code: str, message: str, remedy: str = "", *edits: Edit | None) -> None:
        """Keep a finding and go on."""
        self.document.add(self.finding(code, message, remedy, *edits))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep the finding of a Fault raised inside and go on after the block."""
        try:
            yield
        except Fault as fault:
            self.document.add(fault.finding)

    def all(self, tag: str) -> Iterator["Element"]:
        """Yield the direct children with that tag."""
        return (child for child in self.children if child.tag == tag)

    def optional(self, tag: str) -> "Element | None":
        """Return the one child with that tag, or None; raise Fault if there are several."""
        found = list(self.all(tag))
        if len(found) > 1:
            message = f"<{tag}> stands twice, first in line {found[0].line}"
            raise found[1].fault("element-twice", message, "keep one of them", *(e.removed() for e in found[1:]))
        return found[0] if found else None

    def required(self, tag: str, remedy: str, code: str = "element-missing", *edits: Edit | None) -> "Element":
        """Return the one child with that tag; raise Fault with `remedy` if there is none."""
        found = self.optional(tag)
        if found is None:
            raise self.fault(code, f"<{tag}> is missing", remedy, *edits)
        return found

    def text(self, attribute: str) -> str:
        """Return an attribute that must be there and not be empty."""
        value = self.attributes.get(attribute, "")
        if not value.strip():
            message = f"attribute {attribute} is missing or empty"
            raise self.fault("attribute-missing", message, f'write <{self.tag} {attribute}="...">')
        return value

    def name(self) -> str:
        """Return the `name` attribute: printable, without %, at most 200 characters."""
        value = self.text("name")
        # PyBullet hands names to printf as the format, so a % in a name can crash it.
        if len(value) > MAX_NAME or not value.isprintable() or "%" in value:
            raise self.fault("name", f"name {shorten(value)} must be at most {MAX_NAME} printable characters without %")
        return value

    def number(self, attribute: str, default: float | None = None, bound: float = MAX_NUMBER) -> float:
        """Return an attribute as a finite float of magnitude <= `bound`; `default` stands for a missing one."""
        if default is not None and attribute not in self.attributes:
            return default
        text = self.text(attribute)
        return self._float(attribute, text.strip(), bound, meant(text, 1))

    def numbers(self, attribute: str, count: int, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """Return an attribute as exactly `count` finite floats separated by blanks; `default` for a missing one."""
        if default is not None and attribute not in self.attributes:
            return default
        text = self.text(attribute)
        words, mended = text.split(), None
        if len(words) != count or not all(map(NUMBER.fullmatch, words)):
            mended = meant(text, count)
        values = tuple(self._float(attribute, word, MAX_NUMBER, mended) for word in words)
        if len(values) != count:
            given = shorten(" ".join(words))
            message = f"{attribute} must be {count} numbers separated by blanks, got {len(values)} in {given}"
            remedy, edits = self._write(attribute, mended, f"write {count} numbers")
            raise self.fault("number-count", message, remedy, *edits)
        return values

    def _write(self, attribute: str, value: str | None, otherwise: str) -> tuple[str, tuple[Edit | None, ...]]:
        """Return remedy and edits that give an attribute its value; the remedy `otherwise` if that is not known."""
        if value is None:
            return otherwise, ()
        return f'write {attribute}="{value}"', (self.with_attribute(attribute, value),)

    def _float(self, attribute: str, word: str, bound: float, mended: str | None = None) -> float:
        if not NUMBER.fullmatch(word):
            message = f"{attribute} {shorten(word)} is not a number"
            remedy, edits = self._write(attribute, mended, "write digits with a decimal point, as 1.5")
            raise self.fault("number", message, remedy, *edits)
        value = float(word)
        if not isfinite(value) or abs(value) > bound:
            message = f"{attribute} {shorten(word)} is out of range"
            raise self.fault("number-range", message, f"allowed are finite numbers up to {bound:g}")
        return value

    def with_attribute(self, name: str, value: str) -> Edit | None:
        """Return the edit that gives an attribute a value, or None where the file's encoding does not allow it."""
        return replace_attribute(self.document.data, self.start, name, value)

    def replaced(self, xml: str) -> Edit | None:
        """Return the edit that puts `xml` in the element's place."""
        return replace_element(self.document.data, self.start, self.end, xml)

    def removed(self) -> Edit | None:
        """Return the edit that takes the element out, with its line if nothing else is on it."""
        return remove_element(self.document.data, self.start, self.end)

    def check_spelling(self, attributes: tuple[str, ...], children: tuple[str, ...]) -> None:
        """Report an attribute or child that is no known one but looks like a misspelling of one.

        Others are other tools' extensions and are left alone: URDF files are full of them.
        """
        missing = [name for name in attributes if name not in self.attributes]
        for given in sorted(self.attributes.keys() - attributes) if missing else ():
            if near := get_close_matches(given.lower(), missing, n=1, cutoff=0.6):
                self.report("spelling", f"unknown attribute {shorten(given)} (did you mean '{near[0]}'?)")
        for child in self.children:
            if child.tag not in children and (near := get_close_matches(child.tag.lower(), children, n=1, cutoff=0.8)):
                child.report("spelling", f"unknown element {shorten(child.tag)} (did you mean '{near[0]}'?)")


def shorten(text: str, limit: int = 60) -> str:
    """Return `text` quoted on one line, cut to some `limit` characters."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def read_bytes(path: Path) -> bytes:
    """Return the contents of a description; raise Fault if it is no file, too large, empty or cannot be read."""
    try:
        # A named pipe or a device would block or never end.
        if not path.is_file():
            message = "not a regular file" if path.exists() else "no such file"
            raise _file_fault(path, "file", message, "give a URDF file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            message = f"{size:,} bytes; a URDF has at most {MAX_BYTES:,}"
            raise _file_fault(path, "bounds", message, "meshes go into files of their own")
        data = path.read_bytes()
    except OSError as error:
        raise _file_fault(path, "file", f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # a path with a NUL
        raise _file_fault(path, "file", f"cannot be read: {error}") from None
    if not data.strip():
        raise _file_fault(path, "file", "the file is empty", "a URDF holds one <robot> element", line=1)
    return data


def read_xml(path: Path) -> Element:
    """Read the file into its root Element; raise Fault naming file and line if it is not plain, bounded XML."""
    return parse_xml(read_bytes(path), path)


def parse_xml(data: bytes, source: Path) -> Element:
    """Parse the bytes of the file `source` into the root Element; raise Fault if they are not plain, bounded XML."""
    # A tag starts with "<" and holds no other "<"; comments and processing instructions may be as long as they like.
    if long := re.search(rb"<[^!?<][^<]{%d}" % MAX_TAG_BYTES, data):
        line = data.count(b"\n", 0, long.start()) + 1
        raise _file_fault(source, "bounds", f"one XML element is longer than {MAX_TAG_BYTES:,} bytes", line=line)
    builder = _Builder(Document(source, data))
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _malformed(source, data, error) from None
    except (ValueError, LookupError) as error:
        message = f"XML in an encoding that cannot be read ({error})"
        raise _file_fault(source, "xml", message, "save it as UTF-8", line=1) from None
    return builder.root


def _malformed(source: Path, data: bytes, error: expat.ExpatError) -> Fault:
    """Return the fault for XML that is none; two mistakes have a sure remedy."""
    message = f"not well-formed XML: {expat.ErrorString(error.code)}"
    edits: tuple[Edit, ...] = ()
    remedy = ""
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI] and _DECLARATION.match(data):
        blanks = data.index(b"<")
        edits = (Edit(0, blanks, b""),) if blanks else ()
        remedy = "remove the blanks in front of the declaration"
    elif (control := _CONTROL.search(data)) and not data.startswith(_UTF16):
        edits = tuple(Edit(found.start(), found.end(), b"") for found in _CONTROL.finditer(data))
        line = data.count(b"\n", 0, control.start()) + 1
        remedy = f"remove the control characters, the first in line {line}"
    return Fault(Finding("xml", source, error.lineno, "", message, remedy, edits))


def _file_fault(path: Path, code: str, message: str, remedy: str = "", line: int = 0) -> Fault:
    return Fault(Finding(code, path, line, "", message, remedy))


class _Builder:
    """Collects expat's events into Elements."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.root = Element(document, 1, "", {})
        self.open: list[Element] = []
        self.count = 0
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _fault(self, code: str, message: str, remedy: str) -> Fault:
        return _file_fault(self.document.source, code, message, remedy, self.parser.CurrentLineNumber)

    def _doctype(self, *_: object) -> None:
        raise self._fault("doctype", "<!DOCTYPE> and entities are not allowed in a robot description", "remove it")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > MAX_ELEMENTS or len(self.open) >= MAX_DEPTH:
            limit = f"{MAX_ELEMENTS:,} elements" if self.count > MAX_ELEMENTS else f"{MAX_DEPTH} levels of elements"
            raise self._fault("bounds", f"more than {limit}", "not a robot description")
        if tag.startswith("xacro:"):
            remedy = "expand the file first: sim2real robot import FILE --out FOLDER"
            raise self._fault("xacro", f"<{tag[:60]}> is a macro", remedy)
        line, start = self.parser.CurrentLineNumber, self.parser.CurrentByteIndex
        element = Element(self.document, line, tag, attributes, self._label(tag, attributes), start)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _end(self, _: str) -> None:
        element = self.open.pop()
        element.end = element_end(self.document.data, element.start, self.parser.CurrentByteIndex)

    def _label(self, tag: str, attributes: dict[str, str]) -> str:
        name = f" {shorten(attributes['name'])}" if tag in _NAMED and "name" in attributes else ""
        inside = self.open[-1].label if len(self.open) > 1 else ""
        return f"{inside}: {tag}{name}" if inside else f"{tag}{name}"
