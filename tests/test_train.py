"""Training as a whole: what a run leaves behind, how it is interrupted, resumed, refused and repeated."""

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from randomization import Randomization, VariantSpace
from robots import load_robot
from sim2real.a2c.agent import A2C
from sim2real.config import dump_yaml
from sim2real.env import RobotVectorEnv
from sim2real.errors import RandomizationError, Sim2RealError, TrainingError
from sim2real.policy import Policy
from sim2real.train import TrainResult, graceful_interrupt, train
from sim2real.training.checkpoint import CheckpointFolder
from sim2real.training.config import load_train_config
from sim2real.training.episode_log import read_episodes
from tests.trainings import BATCH, ENVIRONMENT, PICTURES, ROOT, SEEING, Plain, Recorder, gym, learner, same, tiny


def test_what_a_run_leaves_behind(tmp_path: Path):
    config, recorder = tiny(), Recorder()
    result = train(config, tmp_path, writers=[recorder])
    assert (result.folder, result.steps, result.interrupted) == (tmp_path, 5 * BATCH, False)
    assert load_train_config(tmp_path / "config.yaml") == config
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == [f"step-{5 * BATCH}"]
    with (tmp_path / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["step"]) == 5 * BATCH
    assert float(rows[-1]["train/std"]) == pytest.approx(0.5, abs=0.05)
    step, metrics = recorder.rows[-1]
    assert step == 5 * BATCH
    assert {"train/policy_loss", "train/entropy", "train/learning_rate", "time/steps_per_s"} <= metrics.keys()
    assert metrics["train/skipped"] == 0
    assert not list(tmp_path.rglob("*.tmp"))

    policy = Policy.load(tmp_path / "policy")
    policy.verify_golden()
    assert result.policy is not None
    observation = np.random.default_rng(0).normal(size=(20, policy.contract.observation.size))
    np.testing.assert_array_equal(policy.act(observation), result.policy.act(observation))
    agent = A2C(observation.shape[1], 0, gymnasium.spaces.Box(-1, 1, (1,)), config.a2c, config.updates, 0)
    found = CheckpointFolder(tmp_path / "checkpoints").newest()
    assert found is not None
    agent.load(io.BytesIO(found.learner))
    mean = agent.distribution.mode(agent.network.act(agent.normalize(observation)).numpy())
    np.testing.assert_allclose(policy.act(observation), mean, atol=1e-5)
    assert policy.contract.randomization["robot"] == "cartpole"
    assert policy.contract.training["steps"] == 5 * BATCH


def test_what_a_run_says_of_its_worlds(tmp_path: Path):
    config = tiny(steps=60 * BATCH, environment=ENVIRONMENT | {"options": {"episode_s": 0.4}})
    policy = train(config, tmp_path).policy
    assert policy is not None
    robot = load_robot("cartpole")
    assert not (tmp_path / "randomization-reached.yaml").exists(), "as nothing widens"
    resolved = Randomization.load(tmp_path / "randomization.yaml", robot)
    assert resolved.to_dict() == Randomization.load("cartpole", robot).to_dict() == policy.contract.randomization
    log = read_episodes(tmp_path / "episodes.csv")
    assert set(log) == {"step", "seed", "world", "length", "return", "success", *resolved.laws}
    assert set(log["world"]) == {0, 1, 2, 3}
    last = {world: log["latency"][log["world"] == world] for world in range(4)}
    assert len(np.unique(np.concatenate(list(last.values())))) == len(log["world"]), "a Variant for each episode"
    envs = RobotVectorEnv(
        1, seed=int(log["seed"][0]), first_world=3, **config.environment.model_dump(exclude_none=True)
    )
    envs.reset(seed=int(log["seed"][0]))
    assert f"{envs.simulation.variant['latency'][0]:.6g}" == f"{last[3][0]:.6g}", "which can be had again"
    envs.close()


def bounds_of(policy: Policy) -> np.ndarray:
    """The ranges of the Randomization that a policy names: (2, size of its space)."""
    return Randomization.from_dict(policy.contract.randomization, load_robot("cartpole")).bounds()


WIDENING = {"automatic": {"queue": 1, "boundary_fraction": 1.0, "low": 0.1, "high": 0.2, "step": 0.05}}


def test_ranges_widen_with_success_and_are_saved_with_the_policy(tmp_path: Path):
    """Episodes too short to fail in: every boundary moves out each time that it is tried."""
    environment = ENVIRONMENT | {"options": {"episode_s": 0.12}}
    config, recorder = tiny(steps=40 * BATCH, environment=environment, widening=WIDENING), Recorder()
    policy = train(config, tmp_path, writers=[recorder]).policy
    assert policy is not None
    robot = load_robot("cartpole")
    full, (low, high) = Randomization.load("cartpole", robot).bounds(), bounds_of(policy)
    assert ((low >= full[0]) & (high <= full[1])).all()
    wide = full[1] > full[0]
    reached = (high[wide] - low[wide]) / (full[1, wide] - full[0, wide])
    assert 0.2 < reached.mean() < 0.9
    figures = recorder.rows[-1][1]
    assert np.log(0.05) < figures["widening/entropy"] < 0.0
    assert figures["widening/high/latency"] == pytest.approx(high[VariantSpace(robot).index("latency")])
    with (tmp_path / "progress.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    assert float(row["widening/entropy"]) == pytest.approx(figures["widening/entropy"], rel=1e-4)
    assert float(row["widening/low/mass/pole"]) < 1.0 < float(row["widening/high/mass/pole"])
    aimed, reached_file = tmp_path / "randomization.yaml", tmp_path / "randomization-reached.yaml"
    np.testing.assert_array_equal(Randomization.load(aimed, robot).bounds(), full)
    np.testing.assert_array_equal(Randomization.load(reached_file, robot).bounds(), bounds_of(policy))
    for one, other in ((aimed, reached_file), (reached_file, aimed)):
        comment = one.read_text().splitlines()[0]
        assert comment.startswith("# ")
        assert other.name in comment

    more = train(config.model_copy(update={"steps": 41 * BATCH}), tmp_path, resume=True, writers=[recorder]).policy
    assert more is not None
    again = bounds_of(more)
    assert (again[0] <= low).all()
    assert (again[1] >= high).all()
    assert (again[1, wide] - again[0, wide]).sum() < 1.3 * (high[wide] - low[wide]).sum(), "it went on where it was"


def test_widening_gives_the_same_bits_whatever_the_threads_do(tmp_path: Path):
    config = tiny(steps=30 * BATCH, environment=ENVIRONMENT | {"options": {"episode_s": 0.12}}, widening=WIDENING)
    first, again = (train(config, tmp_path / name).policy for name in ("first", "again"))
    assert first is not None
    assert again is not None
    assert first.contract.randomization == again.contract.randomization
    assert same(learner(tmp_path / "first"), learner(tmp_path / "again"))


def test_widening_of_another_kind_cannot_be_resumed(tmp_path: Path):
    train(tiny(widening=WIDENING), tmp_path)
    with pytest.raises(Sim2RealError, match="widening"):
        train(tiny(steps=6 * BATCH, widening={"curriculum": {"steps": 100}}), tmp_path, resume=True)


def test_nothing_to_widen_leaves_no_folder(tmp_path: Path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("robot: cartpole\nquantities: {latency: {law: choice, values: [0.0, 0.01]}}\n")
    config = tiny(environment=ENVIRONMENT | {"randomization": str(mine)}, widening=WIDENING)
    with pytest.raises(RandomizationError, match=f"widening: nothing to widen: environment.randomization '{mine}' has"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_curriculum_ends_at_the_full_ranges(tmp_path: Path):
    config = tiny(steps=10 * BATCH, widening={"curriculum": {"steps": 4 * BATCH}})
    result = train(config, tmp_path)
    assert result.policy is not None
    np.testing.assert_array_equal(
        bounds_of(result.policy), Randomization.load("cartpole", load_robot("cartpole")).bounds()
    )
    assert result.widening == "15 of 15 ranges moved; 100% of the way to the full ranges"


def test_a_run_is_not_overwritten_but_resumed(tmp_path: Path):
    train(tiny(), tmp_path)
    before = learner(tmp_path)
    with pytest.raises(TrainingError, match="holds a run already; add --resume"):
        train(tiny(), tmp_path)
    assert same(learner(tmp_path), before)
    train(tiny(), tmp_path, resume=True)
    assert same(learner(tmp_path), before), "nothing was left to do"
    result = train(tiny(steps=8 * BATCH), tmp_path, resume=True)
    assert result.steps == 8 * BATCH
    after = learner(tmp_path)
    assert after["norm/count"] == 8 * BATCH
    assert after["optimizer/0"] == 8, "the optimizer has taken 5 steps and 3 more"
    assert not np.array_equal(after["network/0"], before["network/0"])


def test_resuming_nothing_starts(tmp_path: Path):
    assert train(tiny(), tmp_path, resume=True).steps == 5 * BATCH


def test_resume_passes_over_a_broken_checkpoint(tmp_path: Path):
    train(tiny(), tmp_path)
    train(tiny(steps=8 * BATCH), tmp_path, resume=True)
    newest = tmp_path / "checkpoints" / f"step-{8 * BATCH}" / "learner.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    assert train(tiny(steps=6 * BATCH), tmp_path, resume=True).steps == 6 * BATCH
    assert learner(tmp_path)["norm/count"] == 6 * BATCH


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_the_same_seed_gives_the_same_bits(tmp_path: Path, engine):
    config = tiny(steps=20 * BATCH, engine=engine)
    for name in ("first", "again"):
        train(config, tmp_path / name)
    assert same(learner(tmp_path / "first"), learner(tmp_path / "again"))
    for file in ("weights.npz", "golden.npz"):
        first, again = ((tmp_path / name / "policy" / file).read_bytes() for name in ("first", "again"))
        assert first == again


def test_another_seed_gives_another_policy(tmp_path: Path):
    for seed in (0, 1):
        train(tiny(seed=seed, steps=BATCH), tmp_path / str(seed))
    first, second = (learner(tmp_path / str(seed)) for seed in (0, 1))
    assert not np.array_equal(first["network/1"], second["network/1"])  # the first layer; 0 is the deviation


SCRIPT = """
import sys
from pathlib import Path
from sim2real.train import train
from sim2real.training.config import load_train_config
result = train(load_train_config(sys.argv[1]), Path(sys.argv[2]))
print(result.interrupted, result.steps)
"""


HOW = [
    (signal.SIGINT, "mujoco"),
    pytest.param(signal.SIGTERM, "bullet", marks=pytest.mark.slow),
    pytest.param(signal.SIGKILL, "bullet", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("how", "engine"), HOW)
def test_stopped_from_outside(tmp_path: Path, how, engine):
    """A run in another process: nobody else may use its folder; then it is stopped, and leaves what can go on."""
    run = tmp_path / "run"
    config = tiny(steps=10_000_000, checkpoint_s=0.05, era_updates=5, engine=engine)
    (tmp_path / "config.yaml").write_text(dump_yaml(config.model_dump(mode="json", exclude_none=True)))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "config.yaml"), str(run)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            deadline = time.monotonic() + 60
            while not list(run.glob("checkpoints/step-*0")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            with pytest.raises(TrainingError, match=f"in use by process {process.pid}"):
                train(config, run, resume=True)
            process.send_signal(how)
            output, _ = process.communicate(timeout=10)
        finally:
            process.kill()
    if how is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        steps = 0
    else:
        assert process.returncode == 0
        interrupted, steps_text = output.split()
        assert interrupted == "True"
        steps = int(steps_text)
        Policy.load(run / "policy").verify_golden()
    found = CheckpointFolder(run / "checkpoints").newest()
    assert found is not None
    assert found.counters["step"] >= max(steps, BATCH)
    more = found.counters["step"] + 2 * BATCH
    assert train(config.model_copy(update={"steps": more}), run, resume=True).steps == more


@pytest.fixture
def _heeds_ctrl_c() -> Iterator[None]:
    """Handle SIGINT as Python does, also where this process began in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeds_ctrl_c")
def test_the_first_signal_asks_and_the_second_ends():
    before = signal.getsignal(signal.SIGINT)
    with graceful_interrupt() as interrupted:
        assert not interrupted.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Any:
    gymnasium.register("Plain-v0", entry_point=lambda **options: Plain(**options), disable_env_checker=True)
    yield
    del gymnasium.registry["Plain-v0"]


@pytest.mark.parametrize("discrete", [True, False])
def test_any_gymnasium_environment(tmp_path: Path, discrete):
    result: TrainResult = train(gym("Plain-v0", {"discrete": discrete}), tmp_path)
    assert result.policy is None
    assert not (tmp_path / "policy").exists()
    assert result.metrics["rollout/return"] == result.metrics["rollout/length"] == 5
    assert learner(tmp_path)["norm/count"] == 5 * BATCH


@pytest.mark.parametrize("a2c", [{"asymmetric": True}, {"actor_step": "first_order", "shared": True}])
def test_a_run_that_sees_pictures(tmp_path: Path, a2c):
    config = tiny(environment=PICTURES, a2c=SEEING | a2c)
    result = train(config, tmp_path / "once")
    assert result.metrics["train/skipped"] == 0
    policy = Policy.load(tmp_path / "once" / "policy")
    policy.verify_golden()
    assert policy.contract.observation.picture == (12, 32, 2)
    train(config, tmp_path / "again")
    assert same(learner(tmp_path / "once"), learner(tmp_path / "again"))


class Painted(gymnasium.Env[Any, Any]):
    """Says in the colour of its picture which of two actions is rewarded; ten steps."""

    observation_space = gymnasium.spaces.Box(0, 255, (10, 12, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._left = 10
        return self._paint(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward, self._left = float(action == self._right), self._left - 1
        return self._paint(), reward, False, self._left == 0, {}

    def _paint(self) -> Any:
        self._right = int(self.np_random.integers(2))
        picture = self.np_random.integers(0, 100, (10, 12, 3), dtype=np.uint8)
        picture[2:8, 2:8, 2 * self._right] += 100  # red or blue
        return picture


def test_gymnasiums_environments_with_pictures(tmp_path: Path):
    gymnasium.register("Painted-v0", entry_point=lambda **options: Painted(**options), disable_env_checker=True)
    try:
        config = gym("Painted-v0", steps=60 * BATCH, a2c=SEEING | {"gamma": 0.5, "max_kl": 0.1})
        result = train(config, tmp_path)
    finally:
        del gymnasium.registry["Painted-v0"]
    assert result.metrics["evaluation/return"] > 9  # of 10; 5 by chance


def test_the_goal_ends_the_run(tmp_path: Path):
    reached = train(gym("Plain-v0", steps=100 * BATCH, goal={"mean_return": 5, "episodes": 20}), tmp_path / "a")
    assert reached.steps == 4 * BATCH  # 6 episodes of 5 steps in each batch of 32, 3 a group; 10 of each group
    missed = train(gym("Plain-v0", steps=8 * BATCH, goal={"mean_return": 5.1, "episodes": 20}), tmp_path / "b")
    assert missed.steps == 8 * BATCH


BAD = [
    ({"environment": {"gymnasium": "CartPole-v99"}}, "cannot make 'CartPole-v99'.*version"),
    ({"environment": {"gymnasium": "Plain-v0", "options": {"gravity": 3}}}, "cannot make 'Plain-v0'.*gravity"),
    ({"environment": {"gymnasium": "FrozenLake-v1"}}, "'FrozenLake-v1' has observations Discrete"),
    ({"environment": PICTURES}, r"a2c\.convolutions: filters of 8 x 8 on a picture of 12 x 32|convolutions: filters"),
    ({"environment": {"robot": "cartpol"}}, "did you mean 'cartpole'"),
    ({"environment": {"robot": "cartpole", "options": {"fall_angel": 1}}}, "fall_angle"),
    ({"a2c": {"shared": False, "symmetry": True}}, "a2c.symmetry: task 'balance' knows none; leave it out"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_a_run_that_cannot_be_leaves_nothing_half_written(tmp_path: Path, changes, message):
    with pytest.raises(Sim2RealError, match=message) as error:
        train(tiny(**changes), tmp_path)
    assert "\n" not in str(error.value)
    assert {p.name for p in tmp_path.iterdir()} <= {"lock"}
    train(tiny(), tmp_path)  # the same folder serves the mended config


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_tutorial_preset_solves_cartpole_v0(tmp_path: Path):
    config = load_train_config("cartpole-tutorial")
    assert train(config, tmp_path).metrics["evaluation/return"] >= 195
