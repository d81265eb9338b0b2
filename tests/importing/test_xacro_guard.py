"""Expressions: ordinary ones pass, those that look behind their values do not; and the doors are shut."""

from pathlib import Path

import pytest

from sim2real.errors import RobotError
from sim2real.importing import Limits, run_limited
from sim2real.importing.xacro_guard import check_expression

ORDINARY = [
    "1 + 2 * pi", "radians(30)", "arm.length if left else -arm.length", "sizes['upper'][0]",
    "[x * 2 for x in range(3)]",
    "'{:.3f} {}'.format(mass, name)", "'%d' % n", "max(a, key=lambda x: -x)", "prefix + '_link'", "math.atan2(y, x)",
]  # fmt: skip
FORBIDDEN = [
    "().__class__", "(lambda: [].__len__)()", "[c for c in ().__class__.mro()]", "_secret", "x.f_globals", "g.gi_code",
    "'{0.__class__}'.format(x)", "'{:{0.real}}'.format(x)", "'{0[a]}'.format(x)", "text.format(x)", "vars(x)",
    "str.format_map('{a}', x)", "f'{x.__dict__}'", "type.mro(int)", "(yield).cr_frame if 0 else e.tb_frame",
]  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_expressions_pass(text: str):
    check_expression(text)


@pytest.mark.parametrize("text", FORBIDDEN)
def test_expressions_that_look_behind_are_refused(text: str):
    with pytest.raises((RobotError, SyntaxError)):
        check_expression(text)


def shut(act: str, folder: str) -> str:
    """Do something after the doors are shut, in a child process; return what came of it."""
    import os
    import socket
    import subprocess

    from sim2real.importing.packages import search_path
    from sim2real.importing.xacro_guard import guard

    guard(search_path(Path(folder) / "robot.xacro", [], {}))
    acts = {
        "read": lambda: (Path(folder) / "here").read_text(),
        "read outside": lambda: Path("/etc/hostname").read_text(),
        "write": lambda: (Path(folder) / "new").write_text("x"),
        "append": lambda: (Path(folder) / "here").open("a"),
        "delete": lambda: (Path(folder) / "here").unlink(),
        "start": lambda: subprocess.run(["true"], check=True),
        "shell": lambda: os.system("true"),  # noqa: S605
        "fork": os.fork,
        "connect": lambda: socket.create_connection(("localhost", 9)),
        "library": lambda: __import__("ctypes").CDLL(None),
    }
    return str(acts[act]())


@pytest.mark.parametrize(
    "act", ["read outside", "write", "append", "delete", "start", "shell", "fork", "connect", "library"]
)
def test_the_doors_are_shut(tmp_path: Path, act: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    (tmp_path / "here").write_text("text")
    arguments = {"folder": str(tmp_path)}
    with pytest.raises(RobotError, match=r"may not|outside of the search path"):
        run_limited("test_xacro_guard:shut", {"act": act, **arguments}, "robot.xacro", Limits(20, 1024))
    assert [p.name for p in tmp_path.iterdir()] == ["here"]


def test_reading_in_the_search_path_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    (tmp_path / "here").write_text("text")
    assert (
        run_limited("test_xacro_guard:shut", {"act": "read", "folder": str(tmp_path)}, "r", Limits(20, 1024)) == "text"
    )
