"""The worlds of a training: the same however many groups step them, and others after a resume."""

from typing import Any

import numpy as np

from sim2real.config import validate
from sim2real.env import RobotVectorEnv
from sim2real.training.config import TrainConfig
from sim2real.training.worlds import TrainingWorlds


def config(**changes: Any) -> TrainConfig:
    environment = {"robot": "cartpole", "engine": "mujoco", "randomization": "cartpole"}
    return validate(TrainConfig, {"environment": environment, "worlds": 4, "steps": 100} | changes, "test")


def truths(worlds: TrainingWorlds, step: int = 0) -> np.ndarray:
    """Build all groups and begin at a step; return the Variants of all worlds in order."""
    parts = []
    for k in range(worlds.config.workers):
        envs, first = worlds.group(k, worlds.seed_of(step))
        assert isinstance(envs, RobotVectorEnv)
        assert first == k * envs.num_envs
        envs.reset(seed=worlds.seed_of(step))
        parts.append(envs.simulation.variant.values)
        envs.close()
    return np.concatenate(parts)


def test_worlds_do_not_depend_on_the_number_of_groups():
    one, two = (truths(TrainingWorlds(config(workers=n))) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one, axis=0)) == 4


def test_no_era_meets_the_worlds_of_another():
    first, later = (truths(TrainingWorlds(config()), step) for step in (0, 64))
    assert not np.array_equal(first, later)


def test_ranges_that_widen_begin_at_the_nominal_robot():
    worlds = TrainingWorlds(config(widening={"automatic": {}}))
    assert worlds.full is not None
    assert worlds.randomization is not None
    begin = truths(worlds)
    low, high = worlds.randomization.bounds()
    assert ((begin >= low) & (begin <= high)).all()
    names = list(worlds.full.space.names)
    assert (begin[:, names.index("mass/pole")] == 1.0).all()
    assert (high[names.index("mass/pole")], worlds.full.bounds()[1, names.index("mass/pole")]) == (1.0, 3.0)


def test_environments_without_a_robot_have_no_randomization():
    worlds = TrainingWorlds(config(environment={"gymnasium": "CartPole-v1"}))
    assert worlds.full is None
    assert worlds.randomization is None
    assert worlds.widening is None
