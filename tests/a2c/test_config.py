"""Settings that contradict each other are refused before anything starts."""

from typing import Any

import pytest

from sim2real.a2c.config import A2CConfig
from sim2real.config import validate
from sim2real.errors import ConfigError

FIRST: dict[str, Any] = {"actor_step": "first_order"}


def test_the_natural_step_and_separate_trunks_are_the_default():
    config = A2CConfig()
    assert (config.actor_step, config.shared, config.asymmetric, config.std) == ("natural", False, False, "independent")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"shared": True}, "shared: one trunk cannot take a natural step, "),
        (FIRST | {"shared": True, "asymmetric": True}, "shared: one trunk cannot"),
        (FIRST | {"shared": True, "critic_hidden": [8]}, "shared: one trunk cannot"),
        (FIRST | {"shared": True, "symmetry": True}, "shared: one trunk cannot"),
        ({"std": "dependent", "final_std": 0.1}, "final_std: a deviation that depends on the state is learned; leave"),
        ({"final_std": 0}, "final_std: must be greater than 0"),
        ({"schedule": "kl"}, "schedule: a natural step keeps to max_kl by itself; choose constant or linear"),
        ({"max_kl": 0}, "max_kl: must be greater than 0"),
        ({"fisher_share": 1.5}, "fisher_share: must be less than or equal to 1"),
        ({"actor_step": "newton"}, "actor_step: must be 'natural' or 'first_order' (got 'newton')"),
        ({"hiden": [4]}, "hiden: unknown key (did you mean 'hidden'?)"),
    ],
)
def test_what_cannot_be_is_refused(options, problem):
    with pytest.raises(ConfigError) as caught:
        validate(A2CConfig, options, "t.yaml")
    assert str(caught.value).startswith(f"t.yaml: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [FIRST | {"shared": True}, FIRST | {"schedule": "kl"}, {"asymmetric": True}, {"symmetry": True, "final_std": 0.1}],
    ids=str,
)
def test_what_can_be_is_taken(options):
    assert validate(A2CConfig, options, "t.yaml").model_dump(include=set(options)) == options
