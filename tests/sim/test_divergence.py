"""A world whose physics diverges is marked at once, harms nobody, and is rebuilt at its reset."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pybullet
import pytest

from randomization import Variant
from robots import Robot, load_robot
from sim2real.env import RobotEnv, RobotVectorEnv
from sim2real.errors import EngineError
from sim2real.sim import Engine, WorldState
from sim2real.sim.bullet import BulletEngine
from sim2real.sim.mujoco import MujocoEngine

Poison = Callable[[Engine, int, float], None]


def poison_q(engine: Engine, world: int, value: float) -> None:
    poison_joint(engine, world, value, 0.0)


def poison_dq(engine: Engine, world: int, value: float) -> None:
    poison_joint(engine, world, 0.0, value)


def poison_joint(engine: Engine, world: int, q: float, dq: float) -> None:
    """Write into the first joint behind the engine's back."""
    if isinstance(engine, BulletEngine):
        w = engine.worlds[world]
        pybullet.resetJointState(w.body, w.joint_ids[0], q, dq, physicsClientId=w.client)
    else:
        assert isinstance(engine, MujocoEngine)
        layout = engine._layout
        engine._physics[world, layout.qpos[0]], engine._physics[world, layout.qvel[0]] = q, dq


def poison_base(engine: Engine, world: int, value: float) -> None:
    """Write into the base's velocity behind the engine's back."""
    if isinstance(engine, BulletEngine):
        w = engine.worlds[world]
        pybullet.resetBaseVelocity(w.body, [value, 0, 0], [0, 0, 0], physicsClientId=w.client)
    else:
        assert isinstance(engine, MujocoEngine)
        engine._physics[world, 1 + engine._nominal.nq] = value


def snapshot(state: WorldState) -> dict[str, np.ndarray]:
    return {f.name: getattr(state, f.name).copy() for f in fields(state)}


def walk(engine: Engine, periods: int, seed: int = 0) -> np.ndarray:
    """Step all worlds under one random command a period; return q and dq: (periods, n_worlds, 2 n_joints)."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(periods):
        engine.step(
            np.full((engine.n_worlds, engine.robot.n_actuators), rng.uniform(-0.3, 0.3)), np.zeros(engine.n_worlds)
        )
        rows.append(np.concatenate([engine.state.q, engine.state.dq], axis=1))
    return np.array(rows)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize(
    ("name", "poison"),
    [(n, p) for n in ("cartpole", "furuta") for p in (poison_q, poison_dq)] + [("box", poison_base)],
)
def test_only_the_poisoned_world_is_quarantined(make, make_robot, name, poison, value):
    robot = make_robot("box", {"joint": "axle"}, fixed_base=False, base_height=1) if name == "box" else load_robot(name)
    poisoned, sound = make(robot, 3), make(robot, 3)
    for engine in (poisoned, sound):
        walk(engine, 5)
    poison(poisoned, 1, value)
    walk(poisoned, 1, seed=1)
    walk(sound, 1, seed=1)
    assert poisoned.state.healthy.tolist() == [True, False, True]
    for field, array in snapshot(poisoned.state).items():
        assert np.isfinite(array).all(), field
        np.testing.assert_array_equal(array[[0, 2]], getattr(sound.state, field)[[0, 2]], err_msg=field)
    np.testing.assert_array_equal(walk(poisoned, 20, seed=2)[:, [0, 2]], walk(sound, 20, seed=2)[:, [0, 2]])
    assert poisoned.state.healthy.tolist() == [True, False, True], "it stays marked until it is reset"
    assert poisoned.rebuilt == 0

    start = np.tile(robot.default_q + 0.1, (3, 1))
    fresh = make(robot, 3)
    for engine in (poisoned, fresh):
        engine.reset(start, np.zeros_like(start), np.arange(3))
    assert poisoned.rebuilt == 1
    assert poisoned.state.healthy.all()
    np.testing.assert_array_equal(walk(poisoned, 50, seed=3), walk(fresh, 50, seed=3))


def test_a_rebuilt_world_keeps_its_variant(make):
    robot = load_robot("cartpole")
    variant = Variant.of(
        make(robot).space, {"mass/pole": 3.0, "friction/slider_to_cart": 0.5, "strength/slider_to_cart": 0.7}
    )
    engines = []
    for diverges in (True, False):
        engine = make(robot)
        engine.apply(variant, np.arange(1))
        if diverges:
            poison_q(engine, 0, np.nan)
            walk(engine, 1)
        engine.reset(np.full((1, 2), 0.1), np.zeros((1, 2)), np.arange(1))
        engines.append(engine)
    assert [engine.rebuilt for engine in engines] == [1, 0]
    np.testing.assert_array_equal(walk(engines[0], 50), walk(engines[1], 50))


def test_a_variant_given_to_a_diverged_world_counts(make):
    robot = load_robot("cartpole")
    diverged, sound = make(robot), make(robot)
    poison_q(diverged, 0, np.nan)
    walk(diverged, 1)
    for engine in (diverged, sound):
        engine.apply(Variant.of(engine.space, {"mass/pole": 3.0}), np.arange(1))
        engine.reset(np.full((1, 2), 0.1), np.zeros((1, 2)), np.arange(1))
    np.testing.assert_array_equal(walk(diverged, 50), walk(sound, 50))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_command_that_is_not_finite_is_refused(build, engine_name, bad, workers):
    engine, sound = (build(engine_name, load_robot("cartpole"), 2, workers) for _ in range(2))
    before = snapshot(engine.state)
    with pytest.raises(EngineError, match="command is not finite; nothing was simulated"):
        engine.step(np.array([[0.0], [bad]]), np.zeros(2))
    for field, array in before.items():
        np.testing.assert_array_equal(getattr(engine.state, field), array)
    np.testing.assert_array_equal(walk(engine, 5), walk(sound, 5))


@pytest.fixture
def make_env(engine_name: str) -> Any:
    made: list[Any] = []

    def _make(kind: Any, **options: Any) -> Any:
        made.append(kind(robot="cartpole", engine=engine_name, randomization="cartpole", **options))
        return made[-1]

    yield _make
    for env in made:
        env.close()


def test_env_ends_the_episode_and_goes_on(make_env):
    envs, twin = make_env(RobotVectorEnv, num_envs=3), make_env(RobotVectorEnv, num_envs=3)
    for e in (envs, twin):
        e.reset(seed=0)
        e.step(np.full((3, 1), 0.1, np.float32))
    engine = envs.simulation.engine
    poison_q(engine, 1, np.nan)
    observation, reward, terminated, truncated, infos = envs.step(np.zeros((3, 1), np.float32))
    expected, _, others_terminated, _, other_infos = twin.step(np.zeros((3, 1), np.float32))
    assert not others_terminated.any()
    assert not other_infos["diverged"].any()
    assert terminated.tolist() == infos["diverged"].tolist() == infos["_final_obs"].tolist() == [False, True, False]
    assert not truncated.any()
    assert not infos["success"].any()
    np.testing.assert_array_equal(observation[[0, 2]], expected[[0, 2]])
    for array in (observation, reward, infos["final_obs"], *infos["reward_terms"].values()):
        assert np.isfinite(array).all()
    assert engine.rebuilt == 1
    assert engine.state.healthy.all()
    for _ in range(20):
        observation, _, terminated, _, infos = envs.step(np.zeros((3, 1), np.float32))
        assert np.isfinite(observation).all()
        assert not infos["diverged"].any()


def test_single_env_says_that_it_diverged(make_env):
    env = make_env(RobotEnv)
    env.reset(seed=0)
    *_, info = env.step(np.zeros(1, np.float32))
    assert info["diverged"] is False
    poison_dq(env.worlds.simulation.engine, 0, np.inf)
    observation, reward, terminated, truncated, info = env.step(np.zeros(1, np.float32))
    assert (terminated, truncated, info["diverged"], info["success"]) == (True, False, True, False)
    assert np.isfinite(observation).all()
    assert np.isfinite(reward)


def test_env_survives_an_action_that_is_not_finite(make_env):
    envs = make_env(RobotVectorEnv, num_envs=2)
    envs.reset(seed=0)
    with pytest.raises(EngineError, match="not finite"):
        envs.step(np.array([[np.nan], [0.0]], np.float32))
    observation, *_ = envs.step(np.zeros((2, 1), np.float32))
    assert np.isfinite(observation).all()


def test_quarantine_looks_at_every_quantity(make_robot):
    robot: Robot = make_robot("box", {"joint": "axle"}, fixed_base=False)
    for field in ("q", "dq", "tau", "base_position", "base_velocity", "base_angular_velocity"):
        for value in (np.nan, np.inf, -np.inf):
            state = WorldState.zeros(robot, 2)
            getattr(state, field)[1, 0] = value
            state.quarantine(robot)
            assert state.healthy.tolist() == [True, False], field
            assert not getattr(state, field)[1, 0], "the default pose at rest is shown"
