"""A small bounded XML reader for meshes: the wanted elements alone, with their text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from robots.mesh.data import MeshError

_MAX_ELEMENTS = 100_000
_MAX_DEPTH = 200
_MAX_TAG = 1_000_000
_CHUNK = 100_000  # bytes


@dataclass(eq=False)
class XmlNode:
    """An element: tag without prefix, attributes, text, children."""

    tag: str
    attributes: dict[str, str]
    pieces: list[str] = field(default_factory=list)
    children: list["XmlNode"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text directly inside the element."""
        return "".join(self.pieces)

    def all(self, tag: str) -> Iterator["XmlNode"]:
        """Yield the direct children of that tag."""
        return (child for child in self.children if child.tag == tag)

    def path(self, *tags: str) -> "XmlNode | None":
        """Return the first descendant along that path of tags, None if there is none."""
        node: XmlNode | None = self
        for tag in tags:
            node = next(node.all(tag), None) if node else None
        return node

    def walk(self) -> Iterator["XmlNode"]:
        """Yield the element and everything in it."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


def read_xml(data: bytes, kept: frozenset[str]) -> XmlNode:
    """Return the root of a document; below it only elements of the `kept` tags. Raise MeshError if it is malformed.

    A document type is refused, and with it every entity and every reference to another file.
    """
    reader = _Reader(kept)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 1 << 20
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        for start in range(0, len(data), _CHUNK):
            parser.Parse(data[start : start + _CHUNK], False)
            # The parser holds back a tag until it is complete: one of 50 MB may hold millions of attributes.
            if start + _CHUNK - parser.CurrentByteIndex > _MAX_TAG:
                raise MeshError(f"a tag of more than {_MAX_TAG:,} bytes; export it again")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise MeshError(f"line {error.lineno}: not well-formed XML ({expat.ErrorString(error.code)})") from None
    except (ValueError, LookupError) as error:  # an encoding that Python does not know, or that expat cannot use
        if isinstance(error, MeshError):
            raise
        raise MeshError("an encoding other than UTF-8; save it as UTF-8") from None
    if reader.root is None:
        raise MeshError("not well-formed XML (no element)")
    return reader.root


def _refuse_doctype(*_: object) -> None:
    raise MeshError("<!DOCTYPE> is not allowed in a mesh; remove it")


class _Reader:
    def __init__(self, kept: frozenset[str]) -> None:
        self.root: XmlNode | None = None
        self._kept = kept
        self._open: list[XmlNode] = []
        self._skipped = 0
        self._elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise MeshError(f"more than {_MAX_ELEMENTS:,} elements; simplify it")
        if len(self._open) + self._skipped >= _MAX_DEPTH:
            raise MeshError(f"elements nested more than {_MAX_DEPTH} deep; flatten it")
        tag = tag.rpartition(":")[2]
        if self._skipped or (self._open and tag not in self._kept):
            self._skipped += 1
            return
        node = XmlNode(tag, attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _: str) -> None:
        if self._skipped:
            self._skipped -= 1
        else:
            self._open.pop()

    def data(self, text: str) -> None:
        if not self._skipped:
            self._open[-1].pieces.append(text)
