"""From a run of a preset to what ships: judged, complete, and refused where the run is another one."""

import json
from pathlib import Path

import pytest

from sim2real.config import dump_yaml, read_yaml
from sim2real.errors import Sim2RealError, TrainingError
from sim2real.policy import Policy
from sim2real.train import train
from sim2real.training import ship as shipping
from sim2real.training.config import PRESETS, load_train_config
from sim2real.training.ship import OWN, Judging, page, ship
from tests.trainings import BATCH, tiny

JUDGINGS = [Judging("mujoco", OWN, 3), Judging("bullet", "none", 2, seed=1)]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("ship")
    config = tiny(steps=2 * BATCH, seed=3)
    (folder / "small.yaml").write_text(dump_yaml(config.model_dump(mode="json", exclude_none=True) | {"seed": 0}))
    train(config, folder / "run")
    return folder / "run"


@pytest.fixture(autouse=True)
def presets(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `small` be a preset: the shipped ones train for minutes."""
    monkeypatch.setattr("sim2real.training.config.PRESETS", run.parent)


def test_a_run_becomes_what_ships(run: Path, tmp_path: Path):
    seen = []
    about = ship(run, "small", JUDGINGS, tmp_path / "small", lambda judging: lambda done, total: seen.append(judging))
    assert {path.name for path in (tmp_path / "small").iterdir()} == {
        "policy",
        "curve.csv",
        "evaluation.json",
        "README.md",
    }
    Policy.load(tmp_path / "small" / "policy").verify_golden()
    assert json.loads((tmp_path / "small" / "evaluation.json").read_text()) == about
    assert about["command"] == "sim2real train small --seed 3 --out runs/small"
    assert about["training"]["steps"] == 2 * BATCH
    assert [(e["engine"], e["randomization"], e["variants"]) for e in about["evaluations"]] == [
        ("mujoco", OWN, 3),
        ("bullet", "none", 2),
    ]
    assert set(seen) == set(JUDGINGS)
    text = (tmp_path / "small" / "README.md").read_text()
    assert text == page(about)
    for words in (about["command"], "| mujoco | 3 of its own |", "joint power [W]", "sim2real evaluate small"):
        assert words in text
    ship(run, "small", JUDGINGS[1:], tmp_path / "small")
    assert "its own" not in (tmp_path / "small" / "README.md").read_text(), "in place of the one before"


def test_a_run_of_another_config_is_refused(run: Path, tmp_path: Path):
    data = read_yaml(run.parent / "small.yaml")
    data["a2c"]["gamma"] = 0.5
    (run.parent / "other.yaml").write_text(dump_yaml(data))
    with pytest.raises(TrainingError, match=r"config\.yaml: a2c\.gamma: is 0\.99, and preset 'other' has 0\.5"):
        ship(run, "other", JUDGINGS, tmp_path / "made")
    with pytest.raises(TrainingError, match="did you mean 'small'"):
        ship(run, "smal", JUDGINGS, tmp_path / "made")
    with pytest.raises(Sim2RealError, match="nowhere"):
        ship(tmp_path / "nowhere", "small", JUDGINGS, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_command_names_a_seed_only_where_it_is_another(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sim2real.training.config.PRESETS", PRESETS)
    seed = load_train_config("cartpole").seed
    assert shipping.command("cartpole", seed) == "sim2real train cartpole --out runs/cartpole"
    assert shipping.command("cartpole", seed + 1) == f"sim2real train cartpole --seed {seed + 1} --out runs/cartpole"
