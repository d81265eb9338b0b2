"""Seeded damage to real files: bytes, XML trees, numbers, lines and binary words, as accidents and malice do it."""

import re
import struct
from collections.abc import Callable
from copy import deepcopy
from xml.etree import ElementTree as ET

from numpy.random import Generator

Mutator = Callable[[bytes, Generator], bytes]

MAX_STEPS = 4  # mutations of one file
MAX_GROWTH = 2_000_000  # bytes that one mutation may add

_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_NUMBERS = (
    "nan", "inf", "-inf", "1e308", "1e309", "-1e308", "1e-308", "5e-324", "0", "-0.0", "-1", "1e6", "1e30", "1e100",
    "1,5", "0x10", "1_000", "٣", "", "1 2", "--1", "1e", "9" * 400, "1e999999999", "0.1" * 50,
)  # fmt: skip
_WORDS = (
    "", " ", "%n%s%p", "a" * 5000, "../../../etc/passwd", "package://../../x.stl", "/etc/passwd", "file:///etc/passwd",
    "é\u202e\u0000"[:2], "world", "base", "-", ".", "true", "None", "${x}", "$(find x)", "&amp;lt;",
)  # fmt: skip
_INSERTS = (
    b"<", b">", b"\x00", b"\xff\xfe", b"&x;", b"]]>", b"<!--", b'"', b"<link name='x'/>", b"\n", b"<?xml?>",
    b"<!DOCTYPE r [<!ENTITY x 'y'>]>", b"</robot>", b"</mujoco>", b"<a>" * 300, b"\xed\xa0\x80",
    b"f 1 1 1\n", b"v 0 0\n",
)  # fmt: skip
_U32 = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 0x7FC00000, 0x7F800000, 0x7F7FFFFF, 0x00000001)
_TAGS = (
    "link", "joint", "inertial", "mass", "inertia", "origin", "limit", "axis", "mimic", "mesh", "box", "geometry",
    "body", "geom", "freejoint", "site", "default", "option", "compiler", "include", "equality", "tendon", "robot",
)  # fmt: skip


def mutate(data: bytes, suffix: str, rng: Generator) -> bytes:
    """Return the contents of a file with 1 to `MAX_STEPS` mutations that suit its suffix (.urdf, .xml, .stl, ...)."""
    for _ in range(min(int(rng.geometric(0.5)), MAX_STEPS)):
        mutators = MUTATORS[suffix]
        changed = mutators[int(rng.integers(len(mutators)))](data, rng)
        data = changed if len(changed) <= len(data) + MAX_GROWTH else data
    return data


def _span(data: bytes, rng: Generator, longest: int = 4000) -> tuple[int, int]:
    start = int(rng.integers(len(data) + 1))
    return start, min(len(data), start + int(rng.integers(1, longest)))


def flip_bits(data: bytes, rng: Generator) -> bytes:
    """Flip up to 8 bits."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if data else 0):
        changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(data: bytes, rng: Generator) -> bytes:
    """Take a piece out."""
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def truncate(data: bytes, rng: Generator) -> bytes:
    """Break off the end, as a full disk or a broken download does."""
    return data[: int(rng.integers(len(data) + 1))]


def repeat(data: bytes, rng: Generator) -> bytes:
    """Repeat a piece, now and then very often."""
    start, end = _span(data, rng, 400)
    times = int(rng.choice([1, 2, 20, 2000]))
    return data[:end] + data[start:end] * times + data[end:]


def move(data: bytes, rng: Generator) -> bytes:
    """Put a piece elsewhere."""
    start, end = _span(data, rng)
    rest, at = data[:start] + data[end:], int(rng.integers(len(data) - (end - start) + 1))
    return rest[:at] + data[start:end] + rest[at:]


def insert(data: bytes, rng: Generator) -> bytes:
    """Insert what readers trip over, or noise."""
    at = int(rng.integers(len(data) + 1))
    choice = int(rng.integers(len(_INSERTS) + 1))
    piece = rng.bytes(int(rng.integers(1, 64))) if choice == len(_INSERTS) else _INSERTS[choice]
    return data[:at] + piece + data[at:]


def number(data: bytes, rng: Generator) -> bytes:
    """Replace one number of a text by one that is none, or of another world."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    at = found[int(rng.integers(len(found)))]
    return data[: at.start()] + _bad_number(at[0].decode(), rng).encode() + data[at.end() :]


def _bad_number(text: str, rng: Generator) -> str:
    choice = int(rng.integers(len(_NUMBERS) + 3))
    if choice == len(_NUMBERS):
        return "-" + text
    if choice == len(_NUMBERS) + 1:
        return text + f"e{int(rng.integers(-12, 13))}"
    return _NUMBERS[choice] if choice < len(_NUMBERS) else f"{rng.normal() * 10.0 ** rng.integers(-6, 7):g}"


def lines(data: bytes, rng: Generator) -> bytes:
    """Drop, repeat or move one line."""
    rows = data.split(b"\n")
    row = rows.pop(int(rng.integers(len(rows))))
    for _ in range(int(rng.integers(3))):
        rows.insert(int(rng.integers(len(rows) + 1)), row)
    return b"\n".join(rows)


def word(data: bytes, rng: Generator) -> bytes:
    """Make four bytes a count, an offset or a float that lies; half of the time among the first 200 bytes."""
    if len(data) < 4:
        return data
    end = min(len(data), 200) if rng.random() < 0.5 else len(data)
    at = int(rng.integers(max(1, end - 3)))
    at -= at % 4 if rng.random() < 0.8 else 0
    return data[:at] + struct.pack("<I", _U32[int(rng.integers(len(_U32)))]) + data[at + 4 :]


def pack_glb(tree: bytes, blob: bytes) -> bytes:
    """Return a GLB file of its JSON and its binary part."""
    tree += b" " * (-len(tree) % 4)
    chunks = b"".join(struct.pack("<I4s", len(part), kind) + part for part, kind in ((tree, b"JSON"), (blob, b"BIN\0")))
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def glb(data: bytes, rng: Generator) -> bytes:
    """Damage the JSON or the binary part of a GLB and pack it well; one that is none any more gets a bad word."""
    if len(data) < 20 or len(data) < (start := 20 + int.from_bytes(data[12:16], "little")):
        return word(data, rng)
    tree, blob = data[20:start], data[start + 8 :]
    if rng.random() < 0.3:
        return pack_glb(tree, word(blob, rng))
    damage = (number, number, number, flip_bits, insert, cut)[int(rng.integers(6))]
    return pack_glb(damage(tree, rng), blob)


def tree(data: bytes, rng: Generator) -> bytes:
    """Change the tree of an XML file in one to three places; a file that is no XML any more gets another bad number."""
    try:
        root = ET.fromstring(data)  # noqa: S314 - of our own seeds; mutated ones define no entities
    except (ET.ParseError, ValueError, LookupError):
        return number(data, rng)
    for _ in range(int(rng.integers(1, 4))):
        _TREE[int(rng.integers(len(_TREE)))](root, rng)
    try:
        changed: bytes = ET.tostring(root, encoding="utf-8")
    except (ValueError, TypeError, RecursionError):  # a name or depth that cannot be written
        return data
    return changed


def _pick(root: ET.Element, rng: Generator) -> ET.Element:
    elements = list(root.iter())
    return elements[int(rng.integers(len(elements)))]


def _parent(root: ET.Element, rng: Generator) -> ET.Element:
    """Return an element that has children, the root if no other has."""
    parents = [element for element in root.iter() if len(element)]
    return parents[int(rng.integers(len(parents)))] if parents else root


def _drop(root: ET.Element, rng: Generator) -> None:
    if len(parent := _parent(root, rng)):
        parent.remove(parent[int(rng.integers(len(parent)))])


def _double(root: ET.Element, rng: Generator) -> None:
    if len(parent := _parent(root, rng)):
        child = parent[int(rng.integers(len(parent)))]
        parent.extend([deepcopy(child) for _ in range(int(rng.choice([1, 1, 2, 200])))])


def _shift(root: ET.Element, rng: Generator) -> None:
    if len(parent := _parent(root, rng)):
        child = parent[int(rng.integers(len(parent)))]
        parent.remove(child)
        _pick(root, rng).append(child) if rng.random() < 0.7 else root.append(child)


def _nest(root: ET.Element, rng: Generator) -> None:
    at, tag = _pick(root, rng), _TAGS[int(rng.integers(len(_TAGS)))]
    for _ in range(int(rng.choice([1, 3, 100]))):
        at = ET.SubElement(at, tag)


def _retag(root: ET.Element, rng: Generator) -> None:
    _pick(root, rng).tag = _TAGS[int(rng.integers(len(_TAGS)))]


def _attribute(root: ET.Element, rng: Generator) -> tuple[ET.Element, str] | None:
    named = [(element, key) for element in root.iter() for key in element.attrib]
    return named[int(rng.integers(len(named)))] if named else None


def _rename(root: ET.Element, rng: Generator) -> None:
    if found := _attribute(root, rng):
        element, key = found
        element.attrib[key + "s" if rng.random() < 0.5 else key[:-1] or "x"] = element.attrib.pop(key)


def _forget(root: ET.Element, rng: Generator) -> None:
    if found := _attribute(root, rng):
        del found[0].attrib[found[1]]


def _exchange(root: ET.Element, rng: Generator) -> None:
    one, other = _attribute(root, rng), _attribute(root, rng)
    if one and other:
        a, b = one[0].attrib[one[1]], other[0].attrib[other[1]]
        one[0].attrib[one[1]], other[0].attrib[other[1]] = b, a


def _reword(root: ET.Element, rng: Generator) -> None:
    if found := _attribute(root, rng):
        found[0].attrib[found[1]] = _WORDS[int(rng.integers(len(_WORDS)))]


def _renumber(root: ET.Element, rng: Generator) -> None:
    named = [(e, key) for e in root.iter() for key, value in e.attrib.items() if _NUMBER.search(value.encode())]
    if named:
        element, key = named[int(rng.integers(len(named)))]
        parts = element.attrib[key].split() or [""]
        at = int(rng.integers(len(parts)))
        parts[at] = _bad_number(parts[at], rng)
        element.attrib[key] = " ".join(parts)


_TREE = (_drop, _double, _shift, _nest, _retag, _rename, _forget, _exchange, _reword, _renumber, _renumber, _renumber)
_BYTES: tuple[Mutator, ...] = (flip_bits, cut, truncate, repeat, move, insert)
_TEXT: tuple[Mutator, ...] = (*_BYTES, number, number, lines)
_XML: tuple[Mutator, ...] = (*_TEXT, *((tree,) * 12))
_BINARY: tuple[Mutator, ...] = (*_BYTES, *((word,) * 6))

MUTATORS: dict[str, tuple[Mutator, ...]] = {
    ".urdf": _XML,
    ".xml": _XML,
    ".dae": _XML,
    ".obj": (*_TEXT, number, lines),
    ".stl": _BINARY,
    ".glb": (*_BINARY, *((glb,) * 12)),
}
