import dataclasses
import io
import json
import os
import shutil
import sys
import types
from pathlib import Path

import pytest
from rich.console import Console

from sim2real.commands import doctor
from sim2real.commands.doctor import Check, Probe


def probe(name: str) -> Probe:
    return next(p for p in doctor.PROBES if p.name == name)


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    return doctor.diagnose()


def test_finds_everything_in_this_environment(checks):
    names = ["Python", "sim2real", "TensorFlow", "PyBullet", "MuJoCo", "Gymnasium", "rclpy", "RMW", "ROS 2 discovery"]
    assert [c.name for c in checks] == [*names, "cores", "memory", "disk", "shared memory"]
    assert {c.name: c.found for c in checks if c.status == "fail"} == {}
    assert doctor.exit_status(checks) == 0


def test_names_devices_and_origins(checks):
    found = {c.name: c.found for c in checks}
    assert "CPU:0" in found["TensorFlow"]
    assert "numpy" in found["PyBullet"]
    assert sys.executable in found["Python"]
    assert ("from wheels" in found["rclpy"]) != ("sourced ROS 2" in found["rclpy"])
    assert found["RMW"].startswith("rmw_")


def test_every_line_that_is_not_ok_has_a_remedy(checks):
    assert all(bool(c.remedy) == (c.status != "ok") for c in checks)


def test_data_can_be_written_as_json(checks):
    assert [Check(**row) for row in json.loads(json.dumps(doctor.as_data(checks)))] == checks


def test_a_missing_library_fails_with_its_remedy(monkeypatch):
    missing = dataclasses.replace(probe("MuJoCo"), code="import mujoco_that_is_not_there")
    monkeypatch.setattr(doctor, "PROBES", (missing,))
    broken = next(c for c in doctor.diagnose() if c.name == "MuJoCo")
    assert broken.status == "fail"
    assert "mujoco_that_is_not_there" in broken.found
    assert broken.remedy == "make setup"
    assert doctor.exit_status([broken]) == 1


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import os; os.abort()", "exit status -6"),
        ("import time; time.sleep(60)", "no answer in 0.5 s"),
        ("raise OSError('librmw.so: cannot open')", "OSError: librmw.so: cannot open"),
    ],
)
def test_a_library_that_crashes_hangs_or_raises_costs_one_line(code, found):
    seen, error = doctor.run_probe(code, timeout=0.5 if "sleep" in code else 60.0)
    assert (seen, error) == (None, found)


def test_noise_around_the_answer_is_ignored():
    noise = "print('build time: today'); print('{\"version\": \"1\"}'); print('bye')"
    assert doctor.run_probe(noise) == ({"version": "1"}, "")


def sourced_rclpy(tmp_path: Path, body: str = "") -> Path:
    """Make a folder with an rclpy in it, as sourcing a ROS 2 puts one on PYTHONPATH."""
    (tmp_path / "rclpy").mkdir()
    (tmp_path / "rclpy" / "__init__.py").write_text(body)
    return tmp_path


def test_a_sourced_ros_wins_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(sourced_rclpy(tmp_path)))
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    check = probe("rclpy").check()
    assert f"from the sourced ROS 2 jazzy in {tmp_path / 'rclpy'}" in check.found


def test_wheels_beside_a_sourced_ros_are_a_warning():
    seen = {"version": "7.1", "distro": "jazzy", "place": "/opt/ros/jazzy/rclpy", "wheels": True}
    assert doctor._rclpy(seen)[0] == "warn"
    assert doctor._rclpy({**seen, "wheels": False})[0] == "ok"


def test_a_sourced_ros_for_another_python_fails(tmp_path, monkeypatch):
    body = "raise ModuleNotFoundError('No module named rclpy._rclpy_pybind11')"
    monkeypatch.setenv("PYTHONPATH", str(sourced_rclpy(tmp_path, body)))
    check = probe("rclpy").check()
    assert check.status == "fail"
    assert "_rclpy_pybind11" in check.found
    assert "source a ROS 2 made for this Python" in check.remedy


def test_an_rmw_that_is_not_installed_fails(monkeypatch):
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_that_is_not_there_cpp")
    check = probe("RMW").check()
    assert check.status == "fail"
    assert "RMW_IMPLEMENTATION" in check.remedy


def test_pybullet_without_numpy_is_a_warning():
    assert doctor._pybullet({"version": "3.2.7", "numpy": 0})[0] == "warn"


@pytest.mark.parametrize(
    ("discovery_range", "domain", "status"),
    [
        (None, None, "ok"),
        ("LOCALHOST", "5", "ok"),
        ("localhost", "101", "ok"),
        ("SUBNET", None, "warn"),
        ("SYSTEM_DEFAULT", None, "warn"),
        ("OFF", None, "warn"),
        ("LAN", None, "fail"),
        (None, "102", "warn"),
        (None, "232", "warn"),
        (None, "233", "fail"),
        (None, "-1", "fail"),
        (None, "seven", "fail"),
    ],
)
def test_discovery(monkeypatch, discovery_range, domain, status):
    for key, value in (("ROS_AUTOMATIC_DISCOVERY_RANGE", discovery_range), ("ROS_DOMAIN_ID", domain)):
        if value is None:
            monkeypatch.delenv(key, raising=False)
        else:
            monkeypatch.setenv(key, value)
    check = doctor.discovery()
    assert check.status == status
    assert bool(check.remedy) == (status != "ok")


def test_one_core_is_a_warning(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    assert doctor.cores().status == "warn"


@pytest.mark.parametrize(("available", "status"), [(8 * 2**20, "ok"), (2**20, "warn")])
def test_memory(tmp_path, available, status):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:       {16 * 2**20} kB\nMemFree: 1 kB\nMemAvailable:   {available} kB\n")
    check = doctor.memory(meminfo)
    assert check.status == status
    assert f"of {16:.1f} GiB" in check.found


def test_memory_of_another_system_is_unknown(tmp_path):
    assert doctor.memory(tmp_path / "none").found == "unknown on this system"


@pytest.mark.parametrize(("free", "status"), [(2 * 2**30, "ok"), (2**29, "warn"), (2**20, "fail")])
def test_disk(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=free))
    assert doctor.disk(tmp_path).status == status


def test_a_folder_that_cannot_be_written_to_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert doctor.disk(tmp_path).status == "fail"


def test_full_shared_memory_is_a_warning_that_counts_what_fast_dds_left(tmp_path, monkeypatch):
    (tmp_path / "fastrtps_0123").touch()
    (tmp_path / "sem.fastrtps_0123").touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=2**20))
    check = doctor.shared_memory(tmp_path)
    assert check.status == "warn"
    assert "2 Fast DDS files" in check.found
    assert doctor.shared_memory(tmp_path / "none").status == "ok"


def test_the_table_shows_status_finding_and_remedy_as_they_are():
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(doctor.render([Check("RMW", "fail", "[x] is no markup", "mend it")]))
    text = capture.get()
    assert all(word in text for word in ("fail", "RMW", "[x] is no markup", "mend it"))
