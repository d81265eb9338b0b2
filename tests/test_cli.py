"""The command line, in processes of its own: help is quick, JSON is JSON, bad input is one line and status 2."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ros_bridge.lqr import balancing_policy

COMMANDS = ("demo", "train", "evaluate", "deploy", "stand-in", "mirror", "record", "doctor")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sim2real.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "policy"
    balancing_policy().save(folder)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command):
    result = run(command, "--help")
    assert result.returncode == 0
    assert f"Example: sim2real {command}" in result.stdout


def test_help_loads_nothing_heavy():
    code = """
import sys
from sim2real.cli import main
try:
    main(["train", "--help"])
except SystemExit:
    pass
heavy = {"tensorflow", "keras", "pybullet", "mujoco", "rclpy", "gymnasium", "matplotlib", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


def test_evaluate_prints_json_and_nothing_else(policy):
    result = run("evaluate", str(policy), "--variants", "5", "--randomization", "none", "--workers", "0", "--json")
    data = json.loads(result.stdout)
    assert data["success_rate"] == 1.0
    assert data["variants"] == 5
    assert result.stderr == ""


def test_evaluate_exits_with_1_below_the_asked_success(policy, tmp_path):
    family = tmp_path / "late.yaml"
    family.write_text("robot: cartpole\nquantities:\n  latency: {law: fixed, value: 0.4}\n")
    late = ("evaluate", str(policy), "--variants", "3", "--workers", "0", "--randomization", str(family))
    assert run(*late).returncode == 0
    assert run(*late, "--min-success", "0.5").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "cartpol"), "did you mean 'cartpole'?"),
        (("train", "missing.yaml"), "missing.yaml: no such file"),
        (("train", "cartpole", "--randomization", "cartpoles"), "no randomization 'cartpoles'"),
        (("train", "cartpole", "--worlds", "3"), "must be a multiple of workers"),
        (("evaluate", "nowhere"), "nowhere: no such policy folder"),
        (("deploy", "nowhere", "--quiet"), "nowhere: no such policy folder"),
        (("deploy", "nowhere", "--ros-args", "joint_states"), "is not a remapping"),
        (("stand-in", "cartpol"), "did you mean 'cartpole'?"),
        (("mirror", "cartpol"), "did you mean 'cartpole'?"),
        (("mirror", "cartpole", "--horizon-s", "-1"), "horizon_s"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, words, tmp_path):
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_a_misspelt_option_is_pointed_out():
    result = run("evaluate", "somewhere", "--jsn")
    assert result.returncode == 2
    assert "--json" in result.stderr


def test_version():
    assert run("--version").stdout.startswith("sim2real ")
