"""First loads in child processes: an engine that crashes, hangs or refuses is one line, and the caller lives on."""

import os
import resource
import tempfile
import time
from pathlib import Path

import pybullet_data
import pytest

from robots import load_robot, read_urdf
from robots.model import Inertial, Link, RobotModel
from sim2real.errors import RobotError
from sim2real.sim.probe import bare_robot, probe, try_engine

DATA = Path(pybullet_data.getDataPath())
FINE = {"bullet": "ok", "mujoco": "ok"}


def _break(monkeypatch: pytest.MonkeyPatch, folder: Path, engine: str, body: str) -> None:
    """Make one engine do `body` in the child when it is built: crashes on demand are rare in sound files."""
    class_name = {"bullet": "BulletEngine", "mujoco": "MujocoEngine"}[engine]
    (folder / "sitecustomize.py").write_text(
        "import importlib.abc, importlib.machinery, os, signal, sys, time\n"
        "def broken(*_, **__):\n"
        f"    {body}\n"
        "class Finder(importlib.machinery.PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        f"        if name != 'sim2real.sim.{engine}': return None\n"
        "        spec = super().find_spec(name, path, target)\n"
        "        run = spec.loader.exec_module\n"
        "        def exec_module(module):\n"
        f"            run(module); module.{class_name} = broken\n"
        "        spec.loader.exec_module = exec_module\n"
        "        return spec\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    monkeypatch.syspath_prepend(folder)  # the child searches where this process does


@pytest.mark.parametrize("file", ["a1/a1.urdf", "cartpole.urdf", "block.urdf", "plane.urdf"])
def test_a_model_loads_in_both_engines(file: str):
    assert probe(read_urdf(DATA / file, (DATA,)), DATA / file, fixed_base=file != "a1/a1.urdf") == FINE


def test_a_robot_with_motors_loads_in_both_engines():
    assert probe(load_robot("cartpole")) == FINE


def test_a_typical_robot_takes_little_time():
    """The two children run side by side; what each works is counted, since other tests share the cores."""
    robot = load_robot("a1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert probe(robot) == FINE
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 2 < 1.5


def test_what_an_engine_refuses_is_a_reason():
    """A free body that cannot be turned: its inertia is right for a bolted one only."""
    flat = RobotModel("flat", (Link("base", Inertial(1.0, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))),), ())
    answer = probe(flat, "flat.urdf", fixed_base=False)
    assert answer["mujoco"].startswith("MuJoCo refused robot 'flat'")
    assert "\n" not in answer["mujoco"]


@pytest.mark.parametrize(("engine", "name"), [("bullet", "PyBullet"), ("mujoco", "MuJoCo")])
def test_a_crash_is_one_line_that_names_engine_and_file(
    engine: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _break(monkeypatch, tmp_path, engine, "os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(RobotError, match=rf"^robot\.urdf: {name}: .*SIGSEGV") as error:
        probe(read_urdf(DATA / "cartpole.urdf", (DATA,)), "robot.urdf")
    assert "\n" not in str(error.value)


def test_a_hang_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _break(monkeypatch, tmp_path, "bullet", "time.sleep(100)")
    started = time.monotonic()
    with pytest.raises(RobotError, match=r"^robot\.urdf: PyBullet: .*2 s"):
        probe(read_urdf(DATA / "cartpole.urdf", (DATA,)), "robot.urdf", seconds=2.0)
    assert time.monotonic() - started < 5


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _break(monkeypatch, tmp_path, "mujoco", "bytearray(3 << 30)")
    with pytest.raises(RobotError, match=r"^robot\.urdf: MuJoCo: .*2,000 MB"):
        probe(read_urdf(DATA / "cartpole.urdf", (DATA,)), "robot.urdf", megabytes=2000)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()
    probe(read_urdf(DATA / "cartpole.urdf", (DATA,)))
    assert children.read_text() == before
    assert list(tmp_path.iterdir()) == []


def test_a_free_base_starts_on_the_floor():
    robot = bare_robot(read_urdf(DATA / "a1/a1.urdf", (DATA,)), fixed_base=False)
    assert 0.3 < robot.file.base_height < 0.6
    assert try_engine("mujoco", robot) == "ok"
