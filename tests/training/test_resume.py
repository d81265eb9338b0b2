"""A run that was killed and goes on gives the bits of one that was not; one of something else is refused."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from robots.catalog import CATALOG
from sim2real.a2c.config import A2CConfig
from sim2real.config import dump_yaml, read_yaml
from sim2real.errors import ConfigError, RandomizationError, Sim2RealError, TrainingError
from sim2real.policy import Policy
from sim2real.train import train
from sim2real.training.checkpoint import CheckpointFolder
from sim2real.training.config import RobotEnvironment, TrainConfig
from sim2real.training.counters import MAY_CHANGE, Counters, check_config
from sim2real.training.record import RecordState
from tests.trainings import BATCH, ENVIRONMENT, PICTURES, SEEING, gym, learner, same, tiny

AUTOMATIC = {"automatic": {"queue": 1, "boundary_fraction": 1.0, "low": 0.1, "high": 0.2, "step": 0.05}}
NATURAL = {"actor_step": "natural", "shared": False, "critic_passes": 1, "critic_parts": 1}
CASES: dict[str, dict[str, Any]] = {
    "bullet": {"engine": "bullet"},
    "mujoco": {"engine": "mujoco", "evaluation": {"every_eras": 2, "worlds": 4}},
    "automatic": {"widening": AUTOMATIC, "environment": ENVIRONMENT | {"options": {"episode_s": 0.12}}},
    "curriculum": {"widening": {"curriculum": {"steps": 20 * BATCH}}},
    "pictures": {
        "environment": PICTURES | {"randomization": "cartpole"},
        "a2c": SEEING | NATURAL | {"asymmetric": True},
    },
    "gymnasium": {"environment": {"gymnasium": "CartPole-v1"}, "a2c": NATURAL},
}


class KilledError(BaseException):
    """Stands for kill -9: nothing that comes after it is run."""


class Killer:
    """A metrics writer that ends a run once its checkpoint folder holds some step, as late as the next row."""

    def __init__(self, folder: Path, step: int) -> None:
        self._checkpoint = folder / "checkpoints" / f"step-{step}"

    def write(self, step: int, metrics: dict[str, float]) -> None:
        if self._checkpoint.exists():
            raise KilledError


@pytest.mark.parametrize("case", CASES)
def test_killed_and_resumed_is_unbroken(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch):
    """Ended between two checkpoints, in the middle of an era, the run goes on from the older one."""
    monkeypatch.setattr("sim2real.training.run.WRITE_EVERY_S", 0.0)
    config = tiny(steps=22 * BATCH, era_updates=5, checkpoint_s=1e-9, **CASES[case])
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = train(config, whole)
    with pytest.raises(KilledError):
        train(config, broken, writers=[Killer(broken, 10 * BATCH)])
    saved = CheckpointFolder(broken / "checkpoints").newest()
    assert saved is not None
    assert saved.counters["step"] == 10 * BATCH
    result = train(config, broken, resume=True)
    assert same(learner(whole), learner(broken))
    first, again = (CheckpointFolder(folder / "checkpoints").newest() for folder in (whole, broken))
    assert first == again, "curriculum, record and best too"
    assert [start["step"] for start in read_yaml(broken / "run.yaml")["starts"]] == [0, 10 * BATCH]
    assert (result.policy is None) == (case == "gymnasium")
    if expected.policy is not None:
        assert expected.metrics["rollout/return"] != 0.0
        weights = [(folder / "policy" / "weights.npz").read_bytes() for folder in (whole, broken)]
        assert weights[0] == weights[1]


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_two_hundred_updates_twice(tmp_path: Path, engine: str):
    """At whatever moments checkpoints are taken."""
    for name, seconds in (("first", 1e-9), ("again", 1e9)):
        config = tiny(steps=200 * 4, engine=engine, checkpoint_s=seconds, era_updates=50, worlds=2, a2c={"horizon": 2})
        train(config, tmp_path / name)
    assert learner(tmp_path / "first")["counters"][0] == 200
    assert same(learner(tmp_path / "first"), learner(tmp_path / "again"))


def test_checkpoints_wait_for_the_end_of_an_era_and_for_their_time(tmp_path: Path):
    for seconds, steps in ((1e-9, [10, 15, 18]), (1e9, [18])):
        folder = tmp_path / str(seconds)
        train(tiny(steps=18 * BATCH, era_updates=5, checkpoint_s=seconds), folder)
        names = {p.name for p in (folder / "checkpoints").iterdir()}
        assert names == {f"step-{step * BATCH}" for step in steps}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that widens its ranges."""
    folder = tmp_path_factory.mktemp("ended")
    train(tiny(steps=2 * BATCH, widening=AUTOMATIC), folder)
    return folder


@pytest.fixture
def run(ended: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return shutil.copytree(ended, tmp_path / "run")


def forge(run: Path, **changes: Any) -> None:
    """Save the checkpoint again with a digest that fits."""
    checkpoints = CheckpointFolder(run / "checkpoints")
    found = checkpoints.newest()
    assert found is not None
    shutil.rmtree(checkpoints.path)
    counters = found.counters | changes.pop("counters", {})
    checkpoints.save(type(found)(counters, found.learner, found.best, changes.pop("worlds", found.worlds)))


ANOTHER = {
    "robot": ("robot", "furuta", "of another robot: furuta, and here it is cartpole; go on with what they were made"),
    "description": ("robot's description", "0" * 64, "of another robot's description: 00"),
    "task": ("task", "reach", "of another task: reach, and here it is balance"),
    "version": ("sim2real", "9.9.9", "of another sim2real: 9.9.9, and here it is "),
    "format": ("checkpoint format", "1", "its checkpoints have format 1, and sim2real .* goes on from format 3 only"),
}


@pytest.mark.parametrize("what", ANOTHER)
def test_a_checkpoint_of_something_else_is_refused_and_stays(run: Path, what: str):
    key, value, message = ANOTHER[what]
    found = CheckpointFolder(run / "checkpoints").newest()
    assert found is not None
    forge(run, counters={"made_by": found.counters["made_by"] | {key: value}})
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    with pytest.raises(TrainingError, match=message) as caught:
        train(tiny(steps=9 * BATCH, widening=AUTOMATIC), run, resume=True)
    assert caught.value.exit_status == 2
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"} == before


def test_a_checkpoint_of_another_environment_is_refused(tmp_path: Path):
    train(gym("CartPole-v1"), tmp_path)
    with pytest.raises(TrainingError, match="of another environment: CartPole-v1, and here it is MountainCar-v0"):
        train(gym("MountainCar-v0", steps=9 * BATCH), tmp_path, resume=True)


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "network": ({"a2c": {"hidden": [9]}}, r"a2c\.hidden: \[8\], and here \[9\]; resume"),
    "activation": ({"a2c": {"activation": "elu"}}, r'a2c\.activation: "tanh", and here "elu"; resume'),
    "symmetry": ({"a2c": {"shared": False}}, r"a2c\.shared: true, and here false; resume"),
    "discount": ({"a2c": {"gamma": 0.9}}, r"a2c\.gamma: 0\.99, and here 0\.9; resume"),
    "seed": ({"seed": 3}, r"seed: 0, and here 3; resume"),
    "engine": ({"engine": "bullet"}, r'environment\.engine: "mujoco", and here "bullet"; resume'),
    "reward": (
        {"environment": ENVIRONMENT | {"options": {"episode_s": 7.0}}},
        r"environment\.options\.episode_s: 10\.0, and here 7\.0; resume",
    ),
    "ranges": (
        {"environment": ENVIRONMENT | {"randomization": "none"}},
        r"environment\.randomization\.quantities\..*: .*, and here null; .*; and \d+ more; resume",
    ),
    "widening": ({"widening": {"curriculum": {"steps": 99}}}, r'widening: null, and here \{.*"steps": 99'),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose ranges stay."""
    folder = tmp_path_factory.mktemp("plain")
    train(tiny(steps=2 * BATCH), folder)
    return folder


@pytest.mark.parametrize("what", CHANGED)
def test_another_config_is_refused_in_one_line_with_both_values(plain: Path, what: str):
    changes, message = CHANGED[what]
    before = {path: path.read_bytes() for path in plain.rglob("*") if path.is_file() and path.name != "lock"}
    with pytest.raises(TrainingError, match="its checkpoints were made with " + message) as caught:
        train(tiny(steps=9 * BATCH, **changes), plain, resume=True)
    assert caught.value.exit_status == 2
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in plain.rglob("*") if path.is_file() and path.name != "lock"} == before


def test_what_may_change_may(plain: Path, tmp_path: Path):
    run = shutil.copytree(plain, tmp_path / "run")
    free: dict[str, Any] = {
        "goal": {"mean_return": 1e9},
        "evaluation": {"every_eras": 1, "worlds": 2},
        "checkpoint_s": 5.0,
        "workers": 1,
        "a2c": {"learning_rate": 1e-4, "max_kl": 0.01},
        "environment": ENVIRONMENT | {"robot": str(CATALOG / "cartpole")},
    }
    assert train(tiny(steps=4 * BATCH, **free), run, resume=True).steps == 4 * BATCH
    assert {key.split(".")[0] for key in MAY_CHANGE} == {*free, "steps", "device"}


def test_every_key_of_a_config_is_either_free_or_refused(tmp_path: Path):
    """Of the agent's too: one that a later version adds must not slip through."""
    counters = Counters(step=0, made_by={}, config=tiny().model_dump(mode="json"), record=RecordState(), put_back=False)
    here = tiny().model_dump(mode="json")
    check_config(counters, here, tmp_path)
    keys = [*(f"a2c.{name}" for name in A2CConfig.model_fields), *set(TrainConfig.model_fields) - {"a2c"}]
    keys += [f"environment.{name}" for name in RobotEnvironment.model_fields]
    for key in keys:
        *parents, name = key.split(".")
        changed = {**here, "a2c": {**here["a2c"]}, "environment": {**here["environment"]}}
        (changed[parents[0]] if parents else changed)[name] = "something else"
        if key in MAY_CHANGE:
            check_config(counters, changed, tmp_path)
        else:
            with pytest.raises(TrainingError, match=rf"made with {re.escape(key)}[:.]"):
                check_config(counters, changed, tmp_path)


FORGED: dict[str, Any] = {
    "other kind": {"kind": "curriculum"},
    "no kind": {"kind": None},
    "text for numbers": {"queues": [["x"]]},
    "places outside": {"places": [[2.0]]},
    "another number of worlds": {"episodes": [1]},
    "too large": {"moves": [10**30]},
    "unknown key": {"more": 1},
    "negative": {"since": [-5]},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_widening_is_one_line(run: Path, what: str):
    found = CheckpointFolder(run / "checkpoints").newest()
    assert found is not None
    assert found.worlds is not None
    forge(run, worlds=found.worlds | FORGED[what])
    with pytest.raises((ConfigError, RandomizationError), match=r"widening|worlds\.json") as caught:
        train(tiny(steps=9 * BATCH, widening=AUTOMATIC), run, resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "counters",
    [{"put_back": None}, {"config": []}, {"record": {"returns": 3}}, {"more": 1}, {"made_by": 3}],
)
def test_forged_counters_are_one_line(run: Path, counters: dict[str, Any]):
    forge(run, counters=counters)
    with pytest.raises(Sim2RealError, match=r"counters\.yaml|format") as caught:
        train(tiny(steps=9 * BATCH, widening=AUTOMATIC), run, resume=True)
    assert "\n" not in str(caught.value)


def test_a_policy_is_no_checkpoint(run: Path):
    """What was exported does not decide how training goes on."""
    Policy.load(run / "policy")
    (run / "policy" / "policy.yaml").write_text(dump_yaml({"format": "mine"}))
    assert train(tiny(steps=3 * BATCH, widening=AUTOMATIC), run, resume=True).steps == 3 * BATCH
