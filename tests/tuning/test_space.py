"""Search spaces: each law chooses within it, and keys and extremes are tried in the config before any training."""

from pathlib import Path

import optuna
import pytest

from sim2real.errors import ConfigError
from sim2real.training.config import load_train_config, preset_names
from sim2real.tuning.space import SPACES, SearchSpace, load_space

LAWS = {
    "a2c.learning_rate": {"law": "log_uniform", "low": 1e-4, "high": 1e-2},
    "a2c.gamma": {"law": "uniform", "low": 0.9, "high": 0.99},
    "a2c.horizon": {"law": "integer", "low": 4, "high": 16, "step": 4},
    "a2c.hidden": {"law": "choice", "values": [[8], [16, 16]]},
}


def test_values_lie_within_their_laws_and_make_a_config():
    space = SearchSpace(space=LAWS)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    chosen = [space.suggest(study.ask()) for _ in range(40)]
    for values in chosen:
        config = load_train_config("cartpole", values)
        assert config.a2c.horizon in (4, 8, 12, 16)
        assert list(config.a2c.hidden) in ([8], [16, 16])
        assert 1e-4 <= config.a2c.learning_rate <= 1e-2
    assert {tuple(values["a2c.hidden"]) for values in chosen} == {(8,), (16, 16)}
    assert sum(values["a2c.learning_rate"] < 1e-3 for values in chosen) == pytest.approx(20, abs=10), "by factors"


@pytest.mark.parametrize("preset", preset_names())
def test_the_shipped_spaces_fit_the_shipped_configs(preset):
    space = load_space(None, preset, {})
    step = load_train_config(preset).a2c.actor_step
    assert ("a2c.max_kl" in space.space) == (step == "natural")
    assert {path.stem for path in SPACES.iterdir()} == {"natural", "first_order"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("space: {}", "space"),
        ("a2c.gamma: {law: uniform, low: 0, high: 1}", "space"),
        ("space: {a2c.gama: {law: uniform, low: 0.9, high: 0.99}}", "did you mean 'gamma'?"),
        ("space: {a2c.gamma: {law: uniform, low: 0.9, high: 1.5}}", "a2c.gamma"),
        ("space: {a2c.gamma: {law: uniform, low: 0.9, high: 0.9}}", "must be below high"),
        ("space: {a2c.learning_rate: {law: log_uniform, low: 0, high: 0.9}}", "low"),
        ("space: {a2c.gamma: {law: gauss, low: 0.9, high: 0.99}}", "law"),
        ("space: {worlds: {law: integer, low: 127, high: 128}}", "must be a multiple of workers"),
        ("space: {a2c.hidden: {law: choice, values: []}}", "values"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_key(tmp_path: Path, text, words):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_space(path, "cartpole", {})
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
