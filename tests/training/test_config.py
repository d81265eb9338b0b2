"""A training run is checked before anything starts; a typo in an environment is one helpful line."""

import subprocess
import sys

import pytest

from randomization.curriculum import CurriculumSettings
from randomization.widening import AutomaticSettings
from sim2real.a2c.config import A2CConfig
from sim2real.config import dump_yaml, parse_yaml, validate
from sim2real.errors import ConfigError
from sim2real.training.config import (
    Goal,
    GymEnvironment,
    RobotEnvironment,
    TrainConfig,
    load_train_config,
    preset_names,
)


def refusal(environment: str, rest: str = "worlds: 2\nsteps: 10\n") -> str:
    with pytest.raises(ConfigError) as caught:
        validate(TrainConfig, parse_yaml(f"environment: {environment}\n{rest}", "t.yaml"), "t.yaml")
    return str(caught.value)


ROBOT_KEYS = "known keys: engine, options, physics_hz, randomization, robot, task"
WHICH = "must be a mapping with the key robot or gymnasium, e.g. {robot: cartpole, task: balance}"


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ("{robot: cartpole, engin: bullet}", f"environment.engin: unknown key (did you mean 'engine'?); {ROBOT_KEYS}"),
        (
            "{robot: cartpole, engine: bulet}",
            "environment.engine: must be 'bullet' or 'mujoco' (got 'bulet') (did you mean 'bullet'?)",
        ),
        ("{robt: cartpole}", f"environment.robt: unknown key (did you mean 'robot'?); {ROBOT_KEYS}"),
        ("{task: balance}", "environment.robot: is missing"),
        ("{options: {a: 1}}", "environment.robot: is missing"),
        ("{robot: 3}", "environment.robot: must be text (got 3)"),
        ("{robot: cartpole, options: 3}", "environment.options: must be a mapping of keys to values (got 3)"),
        (
            "{gymnasium: X-v1, optons: {}}",
            "environment.optons: unknown key (did you mean 'options'?); known keys: gymnasium, options",
        ),
        (
            "{gymnasum: X-v1}",
            "environment.gymnasum: unknown key (did you mean 'gymnasium'?); known keys: gymnasium, options",
        ),
        ("{gymnasium: X-v1, robot: cartpole}", "environment.robot: unknown key; known keys: gymnasium, options"),
        ("{}", f"environment: {WHICH}"),
        ("", f"environment: {WHICH} (got nothing)"),
        ("cartpole", f"environment: {WHICH} (got 'cartpole')"),
        ("[robot]", f"environment: {WHICH} (got a list)"),
    ],
)
def test_a_mistake_in_the_environment_is_one_sentence(environment, problem):
    assert refusal(environment) == f"t.yaml: {problem}"


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("worlds: 3\nsteps: 10\n", "worlds (3) must be a multiple of workers (2)"),
        ("worlds: 0\nsteps: 10\n", "worlds: must be greater than 0 (got 0)"),
        ("steps: 10\n", "worlds: is missing"),
        ("worlds: 2\nsteps: 10\na2c: {hiden: [8]}\n", "a2c.hiden: unknown key (did you mean 'hidden'?); known keys: "),
        ("worlds: 2\nsteps: 10\na2c: {hidden: [8, 0]}\n", "a2c.hidden.1: must be greater than 0 (got 0)"),
        ("worlds: 2\nsteps: 10\na2c: {shared: no}\n", "a2c.shared: must be true or false (got 'no')"),
        ("worlds: 2\nsteps: 10\na2c: {gamma: 1.5}\n", "a2c.gamma: must be less than or equal to 1 (got 1.5)"),
        ("worlds: 2\nsteps: 10\na2c:\n", "a2c: must be a mapping of keys to values (got nothing); known keys: "),
        ("worlds: 2\nsteps: 10\ngoal: {mean_retrn: 5}\n", "goal.mean_retrn: unknown key (did you mean 'mean_return'?)"),
        ("worlds: 2\nsteps: 10\nseed: -1\n", "seed: must be greater than or equal to 0 (got -1)"),
    ],
)
def test_a_mistake_elsewhere(rest, problem):
    assert refusal("{robot: cartpole}", rest).startswith(f"t.yaml: {problem}")


def test_widening_needs_ranges_to_reach(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "environment: {robot: cartpole, randomization: cartpole}\nworlds: 2\nsteps: 10\nwidening: {automatic: {}}\n"
    )
    load_train_config(file)
    with pytest.raises(ConfigError) as caught:
        load_train_config(file, {"environment.randomization": "none"})
    assert str(caught.value).startswith(
        f"{file}: widening: nothing to widen: environment.randomization is none; name the ranges to reach there"
    )


@pytest.mark.parametrize(
    ("widening", "problem"),
    [
        ("{}", "widening: give either automatic or curriculum, e.g. {automatic: {}}"),
        ("{automatic: {}, curriculum: {steps: 5}}", "widening: give either automatic or curriculum"),
        ("{automatik: {}}", "widening.automatik: unknown key (did you mean 'automatic'?)"),
        ("{automatic: {high: 0.05}}", "widening.automatic: low 0.1 must be below high 0.05"),
        ("{curriculum: {steps: 0}}", "widening.curriculum.steps: must be greater than 0"),
    ],
)
def test_a_mistake_in_widening(widening, problem):
    assert problem in refusal("{robot: cartpole}", f"worlds: 2\nsteps: 10\nwidening: {widening}\n")


def test_only_a_robot_s_ranges_widen():
    problem = refusal("{gymnasium: X-v1}", "worlds: 2\nsteps: 10\nwidening: {automatic: {}}\n")
    assert "widening needs a robot's environment" in problem


def test_only_a_robot_has_a_symmetry():
    problem = refusal("{gymnasium: X-v1}", "worlds: 2\nsteps: 10\na2c: {symmetry: true}\n")
    assert problem == ("t.yaml: a2c.symmetry needs a robot's environment; Gymnasium's others name no mirrored joints")


def test_widening_settings():
    changes = {"widening.automatic.queue": 7}
    config = load_train_config("cartpole", changes)
    assert config.widening is not None
    assert config.widening.settings == AutomaticSettings(queue=7)
    plain = load_train_config("cartpole", {"widening.curriculum.steps": 100}).widening
    assert plain is not None
    assert plain.settings == CurriculumSettings(steps=100)


def test_presets():
    assert {"cartpole", "cartpole-tutorial"} <= set(preset_names())
    for name in preset_names():
        config = load_train_config(name)
        assert config.updates >= 1
        again = parse_yaml(dump_yaml(config.model_dump(mode="json", exclude_none=True)), name)
        assert validate(TrainConfig, again, name) == config


def test_the_two_kinds_of_environment():
    robot = load_train_config("cartpole").environment
    assert isinstance(robot, RobotEnvironment)
    assert (robot.robot, robot.task, robot.randomization) == ("cartpole", "balance", "cartpole")
    gym = load_train_config("cartpole-tutorial").environment
    assert gym == GymEnvironment(gymnasium="CartPole-v1", options={"max_episode_steps": 200})
    for environment in (gym, robot):
        assert TrainConfig(environment=environment, worlds=2, steps=10).environment == environment


def test_the_tutorial_preset_is_the_published_setting():
    a2c = load_train_config("cartpole-tutorial").a2c
    assert (a2c.hidden, a2c.activation, a2c.init, a2c.shared, a2c.horizon) == ((64, 64), "relu", "he_normal", True, 64)
    assert (a2c.gamma, a2c.lam, a2c.policy_weight, a2c.value_weight, a2c.entropy_weight) == (0.95, 1.0, 1.0, 0.5, 0.05)
    assert load_train_config("cartpole-tutorial").batch_size == 64


def test_batches_and_updates():
    config = TrainConfig(environment=RobotEnvironment(robot="a"), worlds=8, steps=1000, a2c=A2CConfig(horizon=5))
    assert (config.batch_size, config.updates) == (40, 25)
    assert config.model_copy(update={"steps": 39}).updates == 1


def test_overrides_replace_at_any_depth():
    plain = load_train_config("cartpole")
    changes = {"steps": 1000, "environment.engine": "mujoco", "environment.options.history": 7, "goal.mean_return": 3}
    config = load_train_config("cartpole", changes)
    assert (config.steps, config.goal) == (1000, Goal(mean_return=3))
    assert config.a2c == plain.a2c
    assert isinstance(plain.environment, RobotEnvironment)
    changed = {"engine": "mujoco", "options": {**plain.environment.options, "history": 7}}
    assert config.environment == plain.environment.model_copy(update=changed)
    assert load_train_config("cartpole") == plain


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"stesp": 5}, "stesp: unknown key (did you mean 'steps'?)"),
        ({"environment.engine": "gazebo"}, "environment.engine: must be 'bullet' or 'mujoco' (got 'gazebo')"),
        ({"steps": "5"}, "steps: must be a whole number (got '5')"),
        ({"worlds.a": 1}, "worlds: must be a mapping to replace worlds.a in it"),
        ({"environment.robot.name": 1}, "robot: must be a mapping to replace environment.robot.name in it"),
    ],
)
def test_a_wrong_override_names_its_key(overrides, problem):
    with pytest.raises(ConfigError) as caught:
        load_train_config("cartpole", overrides)
    assert f"cartpole.yaml: {problem}" in str(caught.value)


def test_files(tmp_path):
    with pytest.raises(ConfigError, match=r"^no preset 'cartpol' \(did you mean 'cartpole'\?\); shipped: .*cartpole, "):
        load_train_config("cartpol")
    with pytest.raises(ConfigError, match=r"missing\.yaml: no such file$"):
        load_train_config(tmp_path / "missing.yaml")
    (tmp_path / "mine.yml").write_text("environment: {gymnasium: X-v1}\nworlds: 2\nsteps: 1e4\n")
    assert load_train_config(str(tmp_path / "mine.yml")).steps == 10_000


def test_a_config_is_checked_without_anything_heavy():
    heavy = {"tensorflow", "gymnasium", "pybullet", "mujoco", "scipy", "rclpy"}
    code = f"""
import sys
from sim2real.training.config import load_train_config
load_train_config("cartpole")
print(sorted({heavy!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_goal_in_evaluation_needs_evaluations():
    rest = "worlds: 2\nsteps: 10\ngoal: {mean_return: 1, on: evaluation}\n"
    message = "goal: on evaluation, and there is none; add evaluation: {}, or set goal.on: training"
    assert message in refusal("{robot: cartpole}", rest)
    config = validate(TrainConfig, parse_yaml(f"environment: {{robot: cartpole}}\n{rest}evaluation: {{}}\n", "t"), "t")
    assert config.evaluation is not None
    assert (config.evaluation.every_eras, config.evaluation.worlds) == (10, 32)


def test_a_device_is_a_cpu_or_a_gpu():
    assert "device: must be 'cpu' or 'gpu' (got 'cuda')" in refusal(
        "{robot: cartpole}", "worlds: 2\nsteps: 1\ndevice: cuda\n"
    )
