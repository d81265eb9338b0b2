"""`sim2real audit` from the outside: exit status, JSON, and what it says of bad input."""

import json

import pytest
import tyro

from sim2real.audit_command import audit
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
    assert "every quantity does what it says" in out


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
