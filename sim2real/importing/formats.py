"""Which format a robot description is in, by what is in it."""

from pathlib import Path
from typing import Literal
from xml.parsers import expat

from robots.urdf.elements import MAX_BYTES
from sim2real.errors import RobotError

Format = Literal["urdf", "xacro", "mjcf", "step", "onshape"]

ALLOWED = "URDF, xacro, MJCF, STEP, or a folder that onshape-to-robot wrote"
_STEP = b"ISO-10303-21"
_HEAD = 4096
# The namespace alone says nothing: xacro leaves it in what it has expanded.
_MACROS = (b"<xacro:", b"${", b"$(")


def detect_format(path: Path) -> Format:
    """Return the format of a description by its contents; raise RobotError if it is none that can be imported."""
    if path.is_dir():
        return _folder(path)
    try:
        if not path.is_file():
            raise RobotError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}; give {ALLOWED}")
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            data = head + (stream.read(MAX_BYTES - _HEAD) if b"<" in head else b"")
    except OSError as error:
        raise RobotError(f"{path}: cannot be read: {error.strerror}") from None
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_STEP):
        return "step"
    root = _root_tag(data.lstrip())
    if root == "robot":
        return "xacro" if any(mark in data for mark in _MACROS) else "urdf"
    if root == "mujoco":
        return "mjcf"
    what = f"its root element is <{root[:60]}>" if root else "it is neither XML nor STEP"
    raise RobotError(f"{path}: {what}; allowed are {ALLOWED}")


def _folder(path: Path) -> Format:
    if any((path / name).is_file() for name in ("robot.urdf", "robot.xml", "config.json")):
        return "onshape"
    raise RobotError(f"{path}: a folder without robot.urdf, robot.xml or config.json; give the description file itself")


def _root_tag(data: bytes) -> str:
    """Return the tag of the first element, or an empty string where the text before it is not XML."""
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _: found.append(tag)
    step = 65536
    try:
        for start in range(0, len(data), step):
            parser.Parse(data[start : start + step])
            if found:
                return found[0]
    except (expat.ExpatError, ValueError, LookupError):
        return found[0] if found else ""
    return ""
