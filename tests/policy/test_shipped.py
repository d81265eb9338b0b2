"""The policies that ship: each loads by name, verifies its golden pairs, and is of its preset; others are refused."""

import json
from pathlib import Path

import pytest

from sim2real.commands.preset_list import load_evaluation, preset_tables, presets
from sim2real.config import validate
from sim2real.errors import PolicyError, TrainingError
from sim2real.evaluate import policy_robot
from sim2real.policy import Policy, shipped
from sim2real.policy.shipped import (
    CURVE,
    EVALUATION,
    POLICY,
    README,
    SHOWCASE,
    curve_file,
    policy_folder,
    shipped_names,
)
from sim2real.training.config import TrainConfig, load_train_config, preset_names
from sim2real.training.curve import training_seconds
from sim2real.training.ship import command, page
from tests.commands.test_console import text
from tests.policies import trained_on

MAX_BYTES = 2_000_000  # of one shipped folder


@pytest.mark.parametrize("name", shipped_names())
class TestEachShippedPolicy:
    def test_it_runs_here(self, name):
        policy = Policy.load(name)
        policy.verify_golden()
        assert policy_robot(policy).name == policy.contract.robot.name

    def test_it_is_of_its_preset(self, name):
        contract = Policy.load(name).contract
        trained = validate(TrainConfig, contract.training["config"], "policy.yaml: training: config")
        assert trained == load_train_config(name, {"seed": trained.seed})
        environment = trained.environment.model_dump()
        assert (contract.robot.name, contract.task) == (environment["robot"], environment["task"])
        assert load_evaluation(name)["command"] == command(name, trained.seed)
        assert load_evaluation(name)["training"]["steps"] == contract.training["steps"] <= trained.steps + 100_000

    def test_its_page_is_of_its_evaluations(self, name):
        about = load_evaluation(name)
        assert about["preset"] == name
        assert len(about["evaluations"]) > 0
        assert (SHOWCASE / name / README).read_text() == page(about)

    def test_its_folder_is_complete_and_small(self, name):
        folder = SHOWCASE / name
        assert {path.name for path in folder.iterdir()} == {POLICY, CURVE, EVALUATION, README}
        assert training_seconds(curve_file(Path(name))) > 0
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < MAX_BYTES


@pytest.fixture
def showcase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A showcase with one policy, named cartpole, in the place of the package's."""
    folder = tmp_path / "showcase"
    trained_on({}).save(folder / "cartpole" / POLICY)
    (folder / "cartpole" / CURVE).write_text("step,time/seconds\n1,2\n")
    monkeypatch.setattr(shipped, "SHOWCASE", folder)
    monkeypatch.setattr("sim2real.commands.preset_list.SHOWCASE", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_name_stands_for_a_folder(showcase: Path):
    assert shipped_names() == ["cartpole"]
    assert policy_folder(Path("cartpole")) == showcase / "cartpole" / POLICY
    assert Policy.load("cartpole").contract.robot.name == "cartpole"
    assert curve_file(Path("cartpole")) == showcase / "cartpole" / CURVE


def test_a_folder_of_that_name_goes_first(showcase: Path):
    trained_on({}, episode_s=7.0).save(Path("cartpole"))
    assert Policy.load("cartpole").contract.task_options["episode_s"] == 7.0
    assert Policy.load(Path("sub/../cartpole").resolve()).contract.task_options["episode_s"] == 7.0


@pytest.mark.parametrize("path", ["./nothing/cartpole", "nothing/cartpole"])
def test_a_path_is_no_name(showcase: Path, path):
    assert policy_folder(Path(path)) == Path(path)
    with pytest.raises(PolicyError, match=r"no such policy folder$"):
        Policy.load(path)


def test_another_name_is_refused_with_the_nearest(showcase: Path):
    with pytest.raises(
        PolicyError, match=r"cartpol: no such policy folder \(did you mean 'cartpole'\?\); shipped: cart"
    ):
        Policy.load("cartpol")
    with pytest.raises(TrainingError, match="did you mean 'cartpole'"):
        curve_file(Path("cartpol"))


def test_the_list_of_presets(showcase: Path):
    evaluation = {"engine": "mujoco", "randomization": "cartpole", "success_rate": 0.97, "variants": 200}
    about = {"training": {"seconds": 90.0}, "evaluations": [evaluation | {"errors": {"a [m]": 0.1}}]}
    (showcase / "cartpole" / EVALUATION).write_text(json.dumps(about))
    found = {row["preset"]: row for row in presets()}
    assert list(found) == preset_names()
    assert found["cartpole"]["shipped"] == about
    assert found["cartpole-tutorial"]["shipped"] is None
    shown = text(preset_tables())
    for words in ("1.5", "200 of cartpole", "97.0%", "a [m] 0.1", "CartPole-v1", "800,000"):
        assert words in shown
    (showcase / "cartpole" / EVALUATION).write_text("[")
    with pytest.raises(PolicyError, match="cannot be read"):
        presets()
