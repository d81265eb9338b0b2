"""Edits of a URDF's bytes that change one thing and leave comments, order and layout as they were.

Offsets are those of an XML parser. Where a tag is not found as expected (a file in UTF-16), there is no edit.
"""

import re
from xml.sax.saxutils import escape

from robots.findings import Edit

_TAG = re.compile(rb"""<[^\s<>/!?]+(?:\s+[^\s=<>/]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")


def tag_end(data: bytes, start: int) -> int | None:
    """Return where the start tag that begins at `start` ends, or None if there is none."""
    tag = _TAG.match(data, start)
    return tag.end() if tag else None


def element_end(data: bytes, start: int, end_tag: int) -> int:
    """Return where the element that begins at `start` and has its end tag (if any) at `end_tag` ends; 0 if unknown."""
    opened = tag_end(data, start)
    if opened is not None and data[opened - 2 : opened] == b"/>":
        return opened
    return data.find(b">", end_tag) + 1


def replace_attribute(data: bytes, start: int, name: str, value: str) -> Edit | None:
    """Give the tag at `start` the attribute name="value", in the place of the old value or after the last attribute."""
    end = tag_end(data, start)
    if end is None:
        return None
    written = escape(value, {'"': "&quot;"}).encode()
    old = re.compile(rb"""(\s%s\s*=\s*)("[^"]*"|'[^']*')""" % re.escape(name.encode())).search(data, start, end)
    if old:
        return Edit(old.start(2), old.end(2), b'"%s"' % written)
    closing = re.compile(rb"\s*/?>$").search(data[start:end])
    at = start + closing.start() if closing else end
    return Edit(at, at, b' %s="%s"' % (name.encode(), written))


def remove_element(data: bytes, start: int, end: int) -> Edit | None:
    """Take out the element from `start` to `end`, with its line if nothing else is on it."""
    if tag_end(data, start) is None or end <= start:
        return None
    first = start
    while first > 0 and data[first - 1] in b" \t":
        first -= 1
    after = re.compile(rb"[ \t]*\r?\n").match(data, end)
    if after and (first == 0 or data[first - 1 : first] == b"\n"):
        return Edit(first, after.end(), b"")
    return Edit(start, end, b"")


def replace_element(data: bytes, start: int, end: int, xml: str) -> Edit | None:
    """Put `xml` in the place of the element from `start` to `end`."""
    if tag_end(data, start) is None or end <= start:
        return None
    return Edit(start, end, xml.encode())


def append_child(data: bytes, start: int, end: int, xml: str) -> Edit | None:
    """Put `xml` in front of the end tag of the element from `start` to `end`, on a line of its own."""
    opened = tag_end(data, start)
    if opened is None or end <= start:
        return None
    indent = _indent(data, start)
    line = indent + b"  " + xml.encode() + b"\n" + indent
    if data[opened - 2 : opened] == b"/>":
        name = re.compile(rb"<([^\s/>]+)").match(data, start)
        tag = name[1] if name else b""
        return Edit(opened - 2, opened, b">\n" + line + b"</" + tag + b">")
    at = data.rfind(b"</", start, end)
    blanks = re.compile(rb"[ \t\r\n]*$").search(data[opened:at])
    first = opened + blanks.start() if blanks else at
    return Edit(first, at, b"\n" + line)


def insert_after(data: bytes, start: int, end: int, xml: str) -> Edit | None:
    """Put `xml` (lines) behind the element from `start` to `end`, indented as that is."""
    if tag_end(data, start) is None or end <= start:
        return None
    indent = _indent(data, start)
    return Edit(end, end, b"".join(b"\n" + indent + line.encode() for line in xml.splitlines()))


def _indent(data: bytes, start: int) -> bytes:
    blanks = re.compile(rb"(?:^|\n)([ \t]*)$").search(data[max(0, start - 200) : start])
    return blanks[1] if blanks else b""
