"""`sim2real randomization`: what ships, and what it makes vary, as a table, as YAML and as JSON."""

import json

import pytest

from randomization import Randomization, family_names
from randomization.randomization import preset_names
from robots import load_robot
from sim2real.cli import main
from sim2real.config import parse_yaml


def test_list_names_families_and_presets(capsys):
    assert main(["randomization", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows if row["kind"] == "family"} == set(family_names())
    assert {row["name"] for row in rows if row["kind"] == "preset"} == set(preset_names())
    assert all(len(row["summary"]) > 20 for row in rows), "a shipped file begins with what it is"
    assert main(["randomization", "list"]) == 0
    assert "tan2018" in capsys.readouterr().out


def test_show_says_the_same_in_three_forms(capsys):
    robot = load_robot("cartpole")
    resolved = Randomization.load("cartpole", robot).to_dict()
    assert main(["randomization", "show", "cartpole", "--robot", "cartpole"]) == 0
    table = capsys.readouterr().out
    assert "log_uniform" in table
    assert "drawn each episode" in table
    assert "quantities:" not in table
    assert main(["randomization", "show", "cartpole", "--robot", "cartpole", "--yaml"]) == 0
    assert parse_yaml(capsys.readouterr().out, "shown") == resolved
    assert main(["randomization", "show", "cartpole", "--robot", "cartpole", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["resolved"] == resolved
    assert len(data["table"]) == len(Randomization.load("cartpole", robot).table())
    assert set(data["table"][0]) == {"quantity", "law", "range", "nominal", "unit", "when"}
    assert data["warnings"] == []


def test_a_range_hardly_meant_is_a_warning(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("robot: cartpole\nquantities: {latency: {law: uniform, low: 0, high: 9}}\n")
    assert main(["randomization", "show", str(tmp_path / "mine.yaml"), "--robot", "cartpole"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "warning: quantities.latency: can draw 9 s; is it meant in milliseconds?\n"
    assert "latency" in captured.out


def test_nothing_varies_in_none(capsys):
    assert main(["randomization", "show", "none", "--robot", "cartpole"]) == 0
    assert "Nothing varies" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cartpol", "--robot", "cartpole"), "did you mean 'cartpole'"),
        (("cartpole", "--robot", "furuta"), "is for 'cartpole', the robot is 'furuta'"),
        (("cartpole", "--robot", "cartpole", "--task", "balanc"), "no task 'balanc'"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, words):
    assert main(["randomization", "show", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
