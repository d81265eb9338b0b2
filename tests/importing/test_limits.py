"""A child process may crash, hang, eat memory or lie; the caller gets the answer or one line."""

import json
import signal
import time
from pathlib import Path

import pytest

from sim2real.errors import ConfigError, RobotError
from sim2real.importing import Limits, run_limited

QUICK = Limits(seconds=20, megabytes=1024, file_megabytes=1)


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs `body` as the function `work(**arguments)` of a module in a limited child."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(body: str, limits: Limits = QUICK, environment=None, **arguments):
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        (tmp_path / "work.py").write_text(f"def work(**given):\n{lines}\n")
        return run_limited("work:work", arguments, "robot.xml", limits, environment)

    return run


def test_what_goes_in_comes_out(function):
    given = {"number": 1.5, "text": "ä\n", "rows": [[1, None], []], "flag": True}
    assert function("return given", **given) == given


def test_prints_and_warnings_do_not_spoil_the_answer(function):
    noise = "import os, sys, warnings\nprint('x' * 99999)\nos.write(1, b'noise')\nwarnings.warn('w')\n"
    assert function(f"{noise}return sys.stdin.read()") == ""


def test_own_errors_come_back_as_they_are(function):
    with pytest.raises(ConfigError, match=r"^a\.yaml: key: wrong$"):
        function("from sim2real.errors import ConfigError\nraise ConfigError('a.yaml: key: wrong')")


# what the child does, what the one line says
FAILURES = {
    "segfault": ("import ctypes\nctypes.string_at(0)", "the reader crashed with SIGSEGV on this file"),
    "abort": ("import os\nos.abort()", "the reader crashed with SIGABRT"),
    "exit": ("import os\nos._exit(3)", "the reader ended with status 3"),
    "exit without an answer": ("import os\nos._exit(0)", "ended without an answer"),
    "exception": ("raise KeyError('bumper')", "cannot be read (KeyError: 'bumper')"),
    "memory": ("return len(bytes(4 << 30))", "needs more than 1,024 MB of memory"),
    "file size": ("open(given['out'], 'wb').write(bytes(2 << 20))", "writes a file of more than 1 MB"),
    "answer size": ("return 'x' * (2 << 20)", "writes a file of more than 1 MB"),
    "recursion": ("work = lambda: work()\nwork()", "RecursionError"),
}


@pytest.mark.parametrize(("body", "says"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_one_line(function, tmp_path: Path, body: str, says: str):
    with pytest.raises(RobotError) as error:
        function(body, out=str(tmp_path / "big"))
    assert says in str(error.value)
    assert str(error.value).startswith("robot.xml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("body", ["while True: pass", "import time\ntime.sleep(60)"], ids=["busy", "asleep"])
def test_a_hang_ends_in_time(function, body: str):
    start = time.monotonic()
    with pytest.raises(RobotError, match=r"robot.xml: reading took longer than 1 s and was stopped"):
        function(body, Limits(seconds=1, megabytes=512))
    assert time.monotonic() - start < 4


def test_a_child_that_ignores_signals_and_its_own_children_are_killed(function, tmp_path: Path):
    pids = tmp_path / "pids"
    body = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nother = os.fork()\n"
        "if other: open(given['pids'], 'w').write(f'[{os.getpid()}, {other}]')\ntime.sleep(60)"
    )
    with pytest.raises(RobotError, match="took longer"):
        function(body, Limits(seconds=2, megabytes=512), pids=str(pids))
    for pid in json.loads(pids.read_text()):
        for _ in range(50):  # the orphan is reaped by init, not by us
            if not _runs(pid):
                break
            time.sleep(0.1)
        assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_an_orphan_ends_by_itself(function, tmp_path: Path):
    body = "import signal\nreturn signal.getitimer(signal.ITIMER_REAL)[0]"
    assert 0 < function(body, Limits(seconds=7, megabytes=512)) <= 8


def test_the_limits_hold_in_the_child(function):
    body = "import resource as r\nreturn [r.getrlimit(k)[0] for k in (r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_CORE)]"
    assert function(body) == [1024 << 20, 1 << 20, 0]


def test_the_environment_stays_outside(function, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONSHAPE_SECRET_KEY", "secret")
    seen = function("import os\nreturn dict(os.environ)", environment={"ROS_DISTRO": "jazzy"})
    assert "ONSHAPE_SECRET_KEY" not in seen
    assert seen["ROS_DISTRO"] == "jazzy"


def test_the_working_folder_is_not_searched_for_modules(function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "json.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(folder)
    assert function("import json\nreturn json.dumps(1)") == "1"


def test_no_file_descriptors_leak(function):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(RobotError):
            function(f"import os\nos.kill(os.getpid(), {int(signal.SIGSEGV)})")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
