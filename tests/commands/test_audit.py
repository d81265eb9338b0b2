"""`sim2real audit` from the outside: exit status, JSON, and what it says of bad input."""

import json

import pytest
import tyro
from rich.console import Console

from sim2real.commands import audit as audit_command
from sim2real.commands.audit import audit
from sim2real.errors import ConfigError, RandomizationError, RobotError


def run(*arguments: str) -> int:
    return tyro.cli(audit, args=arguments)


def test_json(capsys):
    assert run("cartpole", "balance", "--quantity", "mass", "gravity_?", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["ok"]
    assert [row["name"] for row in data["rows"]] == ["mass/cart", "mass/pole", "gravity_x", "gravity_y", "gravity_z"]


def test_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert run("cartpole", "--quantity", "mass", "--engine", "mujoco", "--members") == 0
    out = capsys.readouterr().out
    assert "mass" in out
    assert "MuJoCo" in out
    assert "PyBullet" not in out
    assert "2 coordinates of 1 quantity: 2 move as they should, 0 idle" in out
    assert "One member of each quantity" not in out


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (["cartpol"], RobotError, "cartpole"),
        (["cartpole", "balanc"], ConfigError, "balance"),
        (["cartpole", "--quantity", "mas"], RandomizationError, "mass"),
        (["cartpole", "--randomization", "cartpol"], RandomizationError, "cartpole"),
    ],
)
def test_bad_input_is_refused_with_the_nearest_name(arguments, error, text):
    with pytest.raises(error, match=f"did you mean '{text}'"):
        run(*arguments)


def test_progress_is_told_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(audit_command, "EVERY", 0.2)
    monkeypatch.setattr(audit_command, "err", Console(stderr=True, force_terminal=False))
    assert run("cartpole", "--quantity", "mass", "--json") == 0
    assert "auditing cartpole: " in capsys.readouterr().err
