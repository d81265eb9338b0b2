"""The command line, in processes of its own: help is quick, JSON is JSON, bad input is one line and status 2."""

import json
import os
import signal
import subprocess
import sys

import pytest

from sim2real.cli import main
from tests.children import command as run
from tests.policies import trained_on
from tests.ros_bridge.lqr import balancing_policy

COMMANDS = (
    *("demo", "train", "tune", "evaluate", "coverage", "sensitivity", "curve", "ship"),
    *("deploy", "stand-in", "mirror", "record", "doctor"),
)


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that has imported nothing yet."""
    command = [sys.executable, "-m", "sim2real.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


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


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--list"), ("train", "--list", "--json")])
def test_a_pipe_that_nobody_reads_ends_it_quietly(arguments):
    """As `| head -1` does; by tyro's printing, by Rich's, and by our own."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "sim2real.cli", *arguments]
    with os.fdopen(writer, "wb") as pipe:
        result = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert result.stderr == ""
    assert result.returncode == 128 + signal.SIGPIPE


def test_another_broken_pipe_is_not_hidden(monkeypatch, capfd):
    def broken(*_: object, **__: object) -> int:
        raise BrokenPipeError("a worker's")

    monkeypatch.setattr("sim2real.cli.app.cli", broken)
    with pytest.raises(BrokenPipeError, match="a worker's"):
        main(["doctor"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["train", "tune", "evaluate", "ship"])
def test_help_loads_nothing_heavy(command):
    code = f"""
import sys
from sim2real.cli import main
try:
    main(["{command}", "--help"])
except SystemExit:
    pass
engines = {{"tensorflow", "keras", "pybullet", "mujoco", "rclpy", "gymnasium"}}
heavy = (engines | {{"matplotlib", "scipy", "optuna", "sqlalchemy"}}) & set(sys.modules)
assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


def test_evaluate_prints_json_and_nothing_else(policy):
    result = start("evaluate", str(policy), "--variants", "5", "--randomization", "none", "--workers", "0", "--json")
    data = json.loads(result.stdout)
    assert data["success_rate"] == 1.0
    assert data["variants"] == 5
    assert data["errors"] == {}
    assert data["figures"]["joint power [W]"] > 0
    assert result.stderr == ""


def test_evaluate_measures_and_films(policy, tmp_path):
    asked = ("evaluate", str(policy), "--variants", "2", "--randomization", "none", "--workers", "0", "--physics-hz")
    result = run(*asked, "250", "--film", str(tmp_path / "film.png"), "--film-world", "1")
    assert result.returncode == 0, result.stderr
    for words in ("joint power", "below 8 Hz", "2 held-out worlds"):
        assert words in result.stdout
    assert (tmp_path / "film.png").read_bytes().startswith(b"\x89PNG")
    assert run(*asked, "130").returncode == 2


def test_the_list_of_presets():
    result = run("train", "--list")
    assert result.returncode == 0, result.stderr
    data = json.loads(run("train", "--list", "--json").stdout)
    assert {"a1", "cartpole"} <= {row["preset"] for row in data}
    assert all(row["preset"] in result.stdout for row in data)


def test_curves_are_drawn(tmp_path):
    (tmp_path / "run").mkdir()
    header = "step,rollout/return,rollout/success,time/seconds"
    (tmp_path / "run" / "progress.csv").write_text(f"{header}\n100,1,0.5,1\n200,2,0.75,2\n")
    result = run("curve", "run", "--out", "curve.png", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["run"]["rollout/return"] == [1.0, 2.0]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def randomized(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "randomized"
    trained_on({"latency": {"law": "uniform", "low": 0.0, "high": 0.3}}, episode_s=1.0).save(folder)
    return folder


@pytest.mark.parametrize(("latency", "status"), [(0.02, 0), (0.4, 1)])
def test_coverage_exits_with_1_outside(randomized, tmp_path, latency, status):
    (tmp_path / "robot.yaml").write_text(f"latency: {latency}\n")
    asked = ("coverage", str(randomized), str(tmp_path / "robot.yaml"), "--variants", "3", "--workers", "0")
    result = run(*asked, "--json")
    assert result.returncode == status
    data = json.loads(result.stdout)
    assert data["coordinates"][0]["trained"] == [0.0, 0.3]
    assert data["inside"] == 1 - status
    text = run(*asked)
    assert "3 worlds in mujoco" in text.stdout
    assert ("does not lie inside in all quantities; outside: latency." in text.stdout) == bool(status)


def test_coverage_shows_what_is_given_and_counts_what_is_assumed(randomized, tmp_path):
    (tmp_path / "robot.yaml").write_text("mass/pole: 1.2\n")
    result = run("coverage", str(randomized), str(tmp_path / "robot.yaml"), "--variants", "1", "--workers", "0")
    assert result.returncode == 1
    assert "outside: mass/pole." in result.stdout
    assert "1 other is assumed nominal and lies inside." in result.stdout
    assert "0 .. 0.3" not in result.stdout


def test_sensitivity_leaves_pictures_and_numbers(randomized, tmp_path):
    asked = ("sensitivity", str(randomized), "--out", str(tmp_path / "made"), "--worlds", "2", "--workers", "0")
    result = run(*asked)
    assert result.returncode == 0, result.stderr
    assert "latency" in result.stdout
    assert "episodes in" in result.stdout
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["sensitivity.json", "sensitivity.png"]
    data = json.loads((tmp_path / "made" / "sensitivity.json").read_text())
    assert json.loads(run(*asked, "--json").stdout) == data
    assert [quantity["name"] for quantity in data["quantities"]] == ["latency"]


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
        (("train",), "name a preset or a .yaml file"),
        (("train", "cartpole", "--seeds", "0"), "--seeds: must be from 1"),
        (("tune", "cartpol"), "did you mean 'cartpole'?"),
        (("tune", "cartpole", "--trials", "0"), "--trials: must be from 1"),
        (("tune", "cartpole", "--minutes", "0"), "--minutes must be above 0"),
        (("tune", "cartpole", "--space", "missing.yaml"), "missing.yaml: no such file"),
        (("ship", "nowhere", "--preset", "cartpol"), "did you mean 'cartpole'?"),
        (("ship", "nowhere", "--preset", "cartpole", "--worlds", "bullett:none"), "did you mean 'bullet'?"),
        (("ship", "nowhere", "--preset", "cartpole", "--out", "made"), "config.yaml: no such file"),
        (("curve", "nowhere", "--out", "curve.png"), "nowhere: no such run folder"),
        (("curve", "nowhere", "--out", "curve.pdf"), "name it curve.png"),
        (("evaluate", "nowhere"), "nowhere: no such policy folder"),
        (("coverage", "nowhere", "robot.yaml"), "nowhere: no such policy folder"),
        (("sensitivity", "nowhere", "--out", "made"), "nowhere: no such policy folder"),
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
