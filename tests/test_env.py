"""The environments as Gymnasium and its users see them: checks, seeds, automatic resets, messages, another learner."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import sim2real
from randomization import Randomization, Variant, VariantSpace
from robots import load_robot
from sim2real.env import RobotEnv, RobotVectorEnv
from sim2real.errors import Sim2RealError
from sim2real.observation import LIMIT

ENV_ID = "sim2real/Balance-v0"
MakeEnvs = Callable[..., RobotVectorEnv]


@pytest.fixture(params=["bullet", "mujoco"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make() -> Iterator[MakeEnvs]:
    """A function that makes a RobotVectorEnv, closed after the test."""
    made: list[RobotVectorEnv] = []

    def _make(num_envs: int = 4, **options: Any) -> RobotVectorEnv:
        made.append(RobotVectorEnv(num_envs, **options))
        return made[-1]

    yield _make
    for envs in made:
        envs.close()


def play(envs: RobotVectorEnv, seed: int, steps: int) -> list[np.ndarray]:
    """Reset with a seed and act at random; return everything that came out, in order."""
    rng = np.random.default_rng(0)
    out: list[np.ndarray] = [envs.reset(seed=seed)[0]]
    for _ in range(steps):
        observation, reward, terminated, truncated, infos = envs.step(
            rng.uniform(-1, 1, (envs.num_envs, 1)).astype(np.float32)
        )
        out += [observation, reward, terminated, truncated, *infos["reward_terms"].values()]
        out += [infos["final_obs"]] if "final_obs" in infos else []
    return out


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("randomization", ["none", "cartpole"])
def test_gymnasium_has_nothing_to_complain_of(engine, randomization):
    env = gymnasium.make(ENV_ID, engine=engine, randomization=randomization)
    check_env(env.unwrapped)  # its warnings are errors here


def test_import_alone_registers_and_loads_neither_gymnasium_nor_an_engine():
    code = "import sim2real, sys; assert not {'gymnasium', 'pybullet', 'mujoco'} & set(sys.modules); "
    code += f"import gymnasium; print(gymnasium.spec({ENV_ID!r}).entry_point)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "sim2real.env:RobotEnv"
    assert ENV_ID in sim2real.ENVIRONMENTS


def test_make_vec_gives_worlds_in_one_engine(engine):
    envs = gymnasium.make_vec(ENV_ID, num_envs=3, engine=engine, randomization="cartpole")
    try:
        assert isinstance(envs.unwrapped, RobotVectorEnv)
        assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        observation, _ = envs.reset(seed=0)
        assert observation in envs.observation_space
        observation, reward, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert observation in envs.observation_space
        assert reward.shape == terminated.shape == truncated.shape == (3,)
        assert (terminated.dtype, truncated.dtype) == (np.bool_, np.bool_)
    finally:
        envs.close()


def test_one_env_is_one_world_of_the_vector(engine, make):
    options = {"engine": engine, "randomization": "cartpole"}
    single, vector = RobotEnv(**options), make(1, **options)
    rng = np.random.default_rng(0)
    try:
        observation, info = single.reset(seed=5)
        assert np.array_equal(observation, vector.reset(seed=5)[0][0])
        assert info["variant"] == vector.simulation.variant.as_dict()
        for _ in range(300):
            action = rng.uniform(-1, 1, 1).astype(np.float32)
            observation, reward, terminated, truncated, info = single.step(action)
            _, rewards, terminations, truncations, infos = vector.step(action[None])
            if terminated or truncated:
                break
            assert reward == rewards[0]
        assert (terminated, truncated) == (terminations[0], truncations[0])
        assert terminated
        np.testing.assert_array_equal(observation, infos["final_obs"][0])
        assert reward == pytest.approx(sum(value for key, value in info.items() if key.startswith("reward/")))
    finally:
        single.close()


def test_same_seed_same_bits(engine, make):
    options = {"engine": engine, "randomization": "cartpole"}
    envs = make(**options)
    first = play(envs, 7, 200)
    assert any(terminated.any() for terminated in first[3::8]), "an automatic reset is part of the run"
    assert same(first, play(envs, 7, 200)), "the same worlds, played again"
    assert same(first, play(make(**options), 7, 200)), "other worlds"
    assert same(first, play(make(**options, workers=2), 7, 200)), "other worlds, in processes or threads"
    assert not same(first, play(envs, 8, 200))


WITHIN: dict[str, Any] = {
    "robot": "cartpole",
    "quantities": {
        "mass/*": {"law": "log_uniform", "low": 0.5, "high": 2.0},
        "latency": {"law": "uniform", "low": 0.0, "high": 0.03},
        "jitter": {"law": "fixed", "value": 0.01},
        "encoder_noise/*": {"law": "uniform", "low": 0.0, "high": 0.01},
        "damping/slider_to_cart": {"law": "uniform", "low": 0.0, "high": 1.0, "when": "interval", "every": 0.1},
        "gravity_x": {"law": "uniform", "low": -0.5, "high": 0.5, "when": "step"},
        "strength/*": {"law": "uniform", "low": 0.8, "high": 1.2, "when": "world"},
    },
}
"""Something drawn at each of the four times, and noise."""


def lives(envs: RobotVectorEnv, world: int, steps: int = 80) -> list[np.ndarray]:
    """Act the same in every world; return what one of them observed and what it was, step by step."""
    rng, variant = np.random.default_rng(0), envs.simulation
    out = [envs.reset(seed=9)[0][world], variant.variant.values[world]]
    for action in rng.uniform(-1, 1, (steps, 1, 1)).astype(np.float32):
        observation, reward, terminated, *_ = envs.step(np.tile(action, (envs.num_envs, 1)))
        out += [observation[world], reward[world], terminated[world], variant.variant.values[world]]
    return out


def test_a_world_is_the_same_alone_and_among_64(engine, make):
    options = {"engine": engine, "randomization": Randomization.from_dict(WITHIN, load_robot("cartpole"))}
    alone = {world: lives(make(1, first_world=world, **options), 0) for world in (0, 5, 15, 63)}
    assert any(alone[0][4::4]), "it ended and began again"
    assert same(alone[0], lives(make(6, **options), 0))
    assert same(alone[5], lives(make(6, **options), 5))
    n = 64 if engine == "mujoco" else 16  # worlds of PyBullet take their time to build
    assert same(alone[n - 1], lives(make(n, workers=2, **options), n - 1)), "in processes or threads"
    assert not same(alone[0], alone[5])


def test_an_all_nominal_randomization_changes_no_bit(engine, make):
    robot = load_robot("cartpole")
    space = VariantSpace(robot)
    values = {name: float(v) for name, v in zip(space.names, space.nominal, strict=True) if np.isfinite(v)}
    laws = {name: {"law": "fixed", "value": value} for name, value in values.items()}
    family = Randomization.from_dict({"robot": "cartpole", "quantities": laws}, robot)
    assert len(family.laws) > 20
    plain, made = make(3, engine=engine), make(3, engine=engine, randomization=family)
    assert same(play(plain, 3, 150), play(made, 3, 150))


def test_what_is_drawn_when(make):
    envs = make(
        2, engine="mujoco", randomization=Randomization.from_dict(WITHIN, load_robot("cartpole")),
        options={"episode_s": 0.2},
    )  # fmt: skip
    envs.reset(seed=0)
    names = ("strength/slider_to_cart", "mass/cart", "damping/slider_to_cart", "gravity_x")
    rows = []
    for _ in range(21):
        rows.append([envs.simulation.variant[name] for name in names])
        envs.step(np.zeros((2, 1), np.float32))
    changed = np.diff(np.array(rows), axis=0) != 0  # (20 steps, 4 quantities, 2 worlds)
    assert (changed == changed[:, :, :1]).all()
    assert not changed[:, 0].any(), "once a world"
    assert np.flatnonzero(changed[:, 1, 0]).tolist() == [9, 19], "once an episode, of 10 steps"
    assert np.flatnonzero(changed[:, 2, 0]).tolist() == [4, 9, 14, 19], "every 5 steps, and at the beginning"
    assert changed[:, 3].all(), "every step"


def test_the_truth_of_an_episode_that_ended(make):
    envs = make(3, engine="mujoco", randomization="cartpole", options={"episode_s": 0.12})
    envs.reset(seed=0)
    truth = envs.simulation.variant.values.copy()
    for step in range(6):
        *_, infos = envs.step(np.zeros((3, 1), np.float32))
        assert ("episode_variant" in infos) == (step == 5)
    np.testing.assert_array_equal(infos["episode_variant"], truth)
    assert infos["_episode_variant"].all()
    assert not np.array_equal(envs.simulation.variant.values, truth)


def test_without_a_seed_no_two_are_alike(make):
    first, second = (make(2, randomization="cartpole", engine="mujoco").reset()[0] for _ in range(2))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])
    seeded = [make(2, randomization="cartpole", engine="mujoco", seed=3).reset()[0] for _ in range(2)]
    np.testing.assert_array_equal(*seeded)


def test_a_new_variant_for_each_episode(make):
    envs = make(3, engine="mujoco", randomization="cartpole", options={"episode_s": 0.12})
    envs.reset(seed=0)
    before = envs.simulation.variant.values.copy()
    for _ in range(6):
        np.testing.assert_array_equal(envs.simulation.variant.values, before)
        *_, truncated, _ = envs.step(np.zeros((3, 1), np.float32))
    assert truncated.all()
    changed = (envs.simulation.variant.values != before).all(axis=0)
    assert changed[envs.simulation.variant.space.index("mass/pole")]
    assert not changed[envs.simulation.variant.space.index("inertia/cart")]


def test_given_variants_stay(make):
    space = VariantSpace(load_robot("cartpole"))
    given = Variant.of(space, {"mass/pole": np.array([1.0, 2.0, 3.0])}, 3)
    envs = make(3, engine="mujoco", variants=given, options={"episode_s": 0.1})
    envs.reset(seed=0)
    for _ in range(12):
        envs.step(np.zeros((3, 1), np.float32))
    np.testing.assert_array_equal(envs.simulation.variant.values, given.values)


def test_autoreset_in_the_same_step(engine, make):
    """Two worlds; one falls at once, the other goes on; then both reach the end of time."""
    envs = make(2, engine=engine, options={"episode_s": 0.2, "history": 2, "start_speed": 0, "start_angle": 0})
    envs.reset(seed=0)
    engine_ = envs.simulation.engine
    engine_.reset(np.array([[0.0, 0.7]]), np.zeros((1, 2)), np.array([0]))  # beyond fall_angle
    action = np.full((2, 1), 0.5, np.float32)
    observation, reward, terminated, truncated, infos = envs.step(action)
    assert terminated.tolist() == infos["_final_obs"].tolist() == [True, False]
    assert truncated.tolist() == infos["success"].tolist() == [False, False]
    frame = envs.task.layout.frame_size
    assert infos["final_obs"][0, 1] == pytest.approx(0.7, abs=0.05), "the ended episode's last"
    assert infos["final_obs"][0, frame - 1] == 0.5, "with the action that led there"
    assert observation[0, 1] == engine_.state.q[0, 1] == 0.0, "the new episode's first"
    np.testing.assert_array_equal(observation[0, :frame], observation[0, frame:], "which fills the history")
    assert observation[0, frame - 1] == 0.0, "and no action has led to it"
    np.testing.assert_array_equal(infos["final_obs"][1], observation[1])
    assert observation[1, frame - 1] == 0.5
    assert reward[0] < reward[1]
    ends = []
    for _ in range(10):
        *_, terminated, truncated, infos = envs.step(action)
        assert not terminated.any()
        np.testing.assert_array_equal(truncated, infos["success"])
        assert ("_final_obs" in infos) == truncated.any()
        ends.append(truncated.tolist())
    assert ends[8] == [False, True], "10 steps of 20 ms, counted from the episode's own beginning"
    assert ends[9] == [True, False]
    assert not np.any(ends[:8])


def test_a_fall_in_the_last_step_is_a_termination(make):
    envs = make(2, engine="mujoco", options={"episode_s": 0.02, "start_speed": 0, "start_angle": 0})
    envs.reset(seed=0)
    envs.simulation.engine.reset(np.array([[0.0, 0.7]]), np.zeros((1, 2)), np.array([0]))
    *_, terminated, truncated, infos = envs.step(np.zeros((2, 1), np.float32))
    assert terminated.tolist() == [True, False]
    assert truncated.tolist() == infos["success"].tolist() == [False, True]


def test_leaving_the_rail_ends_the_episode(make):
    envs = make(2, engine="mujoco")
    envs.reset(seed=0)
    envs.simulation.engine.reset(np.array([[2.5, 0.0]]), np.zeros((1, 2)), np.array([1]))
    *_, terminated, _, _ = envs.step(np.zeros((2, 1), np.float32))
    assert terminated.tolist() == [False, True]


def test_reward_by_hand(make):
    weights = {"alive": 1.0, "upright": -2.0, "centre": -3.0, "effort": -5.0, "smooth": -7.0}
    envs = make(1, engine="mujoco", options={"weights": weights})
    envs.reset(seed=0)
    envs.step(np.full((1, 1), 0.5, np.float32))
    _, reward, _, _, infos = envs.step(np.full((1, 1), -0.25, np.float32))
    x, angle = envs.simulation.state.q[0]
    expected = {"alive": 1.0, "upright": -2 * angle**2, "centre": -3 * (x / 2.4) ** 2}
    expected |= {"effort": -5 * 0.0625, "smooth": -7 * 0.5625}
    assert {name: float(value[0]) for name, value in infos["reward_terms"].items()} == pytest.approx(expected)
    assert reward[0] == pytest.approx(sum(expected.values()))


def test_the_target_of_a_servo_moves_on_from_the_last_one(engine, make):
    """At its velocity limit it takes 8 periods to the end of its range; from the first target it would never come."""
    envs = make(1, robot="furuta", engine=engine, options={"start_offset": 0, "fall_angle": 100})
    envs.reset(seed=0)
    arm, reached = envs.robot.joint_index("arm_joint"), []
    for _ in range(15):
        envs.step(np.ones((1, 1), np.float32))
        reached.append(envs.simulation.state.q[0, arm])
    step = envs.task.action_map.max_step[0]
    assert step == pytest.approx(0.32)
    assert reached[0] < step
    assert max(reached) > 2.0


def test_actions_beyond_the_space_are_clipped(engine, make):
    a, b = make(2, engine=engine), make(2, engine=engine)
    for envs, action in ((a, 50.0), (b, 1.0)):
        envs.reset(seed=0)
        envs.step(np.full((2, 1), action, np.float32))
    np.testing.assert_array_equal(a.simulation.state.q, b.simulation.state.q)
    np.testing.assert_array_equal(a.simulation.state.tau, 20.0)


WALK: dict[str, Any] = {"robot": "a1", "task": "walk", "engine": "mujoco", "physics_hz": 250}
"""A task that commands velocities, at a rate of physics that is quick to run."""


def commands_of(envs: RobotVectorEnv, steps: int) -> np.ndarray:
    """What was asked in each period of a run, (steps, n_worlds, 3), read off the newest frame of the observation."""
    place, rows = -8, [envs.reset(seed=4)[0]]
    for _ in range(steps - 1):
        rows.append(envs.step(np.zeros((envs.num_envs, 12), np.float32))[0])
    assert [term.name for term in envs.task.layout.terms[-3:]] == ["command", "leg_odometry", "gait_phase"]
    frame = np.array(rows)[:, :, : envs.task.layout.frame_size]
    return frame[:, :, place : place + 3] / envs.task.layout.terms[-3].scale


def test_something_else_is_asked_every_so_often_and_in_every_episode(make):
    envs = make(2, options={"command_s": 0.1, "episode_s": 0.24, "stand": 0}, **WALK)
    asked = commands_of(envs, 30)
    for world in range(2):
        changes = (np.flatnonzero((np.diff(asked[:, world], axis=0) != 0).any(axis=1)) + 1).tolist()
        assert changes == [5, 10, 12, 17, 22, 24, 29], "every 5 periods, and as an episode of 12 begins"
    assert (np.abs(asked) <= [0.8, 0.3, 0.8]).all()


def test_a_world_is_asked_the_same_alone_and_among_others(make):
    options = {"options": {"command_s": 0.1, "stand": 0}} | WALK
    among, alone = commands_of(make(3, **options), 12), commands_of(make(1, first_world=2, **options), 12)
    np.testing.assert_array_equal(among[:, 2], alone[:, 0])
    assert not np.array_equal(among[:, 1], among[:, 2])


def test_the_reward_is_that_of_what_was_asked_in_that_period(make):
    """Also in the last period under a command, whose observation shows the next one already."""
    envs = make(1, options={"command_s": 0.04, "stand": 0, "weights": {"lag": 1.0}}, **WALK)
    asked = commands_of(envs, 1)[0, 0]
    for period in range(6):
        observation, _, _, _, infos = envs.step(np.zeros((1, 12), np.float32))
        moving = envs.task.deviation(envs.simulation.state, asked[None])
        expected = sum(float(moving[name][0]) ** 2 for name in list(moving)[:2])
        assert infos["reward_terms"]["lag"][0] == pytest.approx(expected, rel=1e-4)
        before, frame = asked, observation[0, : envs.task.layout.frame_size]
        asked = frame[-8:-5] / envs.task.layout.terms[-3].scale
        assert np.array_equal(asked, before) == (period % 2 == 0)


def test_what_a_critic_may_see(make):
    options = {"privileged": True, "options": {"episode_s": 0.1}} | WALK
    envs = make(3, randomization="quadruped_ordinary", **options)
    low, high = envs.randomization.bounds()
    varied = np.flatnonzero(np.isfinite(low) & np.isfinite(high) & (high > low)).tolist()
    column = 10 + varied.index(envs.simulation.variant.space.index("ground_friction"))
    _, infos = envs.reset(seed=0)
    first = infos["privileged"]
    for _ in range(5):
        seen = infos["privileged"]
        assert (seen.shape, seen.dtype) == ((3, 10 + len(varied)), np.float32)
        assert (np.abs(seen[:, 10:]) <= 1.0 + 1e-6).all()
        friction = envs.simulation.variant["ground_friction"]
        np.testing.assert_allclose(seen[:, column], (friction - 0.75) / 0.35, atol=1e-5)  # 0.4 to 1.1
        *_, infos = envs.step(np.zeros((3, 12), np.float32))
    assert infos["_final_obs"].all()
    np.testing.assert_array_equal(infos["final_privileged"][:, 10:], first[:, 10:])
    assert np.abs(infos["final_privileged"][:, :6]).max() > 1e-3
    assert not np.array_equal(infos["privileged"][:, 10:], first[:, 10:]), "the new episode's"
    np.testing.assert_allclose(infos["privileged"][:, :6], 0.0, atol=1e-6)  # at rest


def test_nothing_privileged_unless_asked_for(make):
    envs = make(1, engine="mujoco")
    assert envs.reset(seed=0)[1] == {}
    assert "privileged" not in envs.step(np.zeros((1, 1), np.float32))[-1]


def test_staggered_episodes_end_at_different_times(make):
    """As if under way already: the first ones are cut short, those that follow are whole."""
    options = {"engine": "mujoco", "options": {"episode_s": 0.4, "start_angle": 0, "start_speed": 0, "start_offset": 0}}

    def ends(envs: RobotVectorEnv) -> list[list[int]]:
        envs.reset(seed=0)
        rows = [envs.step(np.zeros((envs.num_envs, 1), np.float32))[3] for _ in range(41)]
        return [np.flatnonzero(row).tolist() for row in np.array(rows).T]

    together = ends(make(8, stagger=True, **options))
    firsts = [world[0] for world in together]
    assert len(set(firsts)) > 4
    assert all(0 <= first < 20 for first in firsts)
    assert all(world == list(range(world[0], 41, 20)) for world in together)
    assert ends(make(1, stagger=True, first_world=5, **options)) == [together[5]]
    assert ends(make(2, **options)) == [[19, 39]] * 2


def test_another_rate_of_physics(make):
    envs = make(1, engine="mujoco", physics_hz=250)
    assert (envs.robot.substeps, envs.robot.control_dt) == (5, 0.02)
    assert envs.robot.digest == load_robot("cartpole").digest
    assert not same(play(envs, 0, 5), play(make(1, engine="mujoco"), 0, 5))
    with pytest.raises(
        Sim2RealError, match=r"^physics_hz: must be a multiple of robot 'cartpole's control_hz, 50, got 60"
    ):
        RobotVectorEnv(1, physics_hz=60)


def test_observations_stay_in_their_space(make):
    envs = make(1, engine="mujoco", options={"fall_angle": 100})
    envs.reset(seed=0)
    envs.simulation.engine.reset(np.zeros((1, 2)), np.array([[0.0, 900.0]]), np.array([0]))
    observation, *_ = envs.step(np.zeros((1, 1), np.float32))
    assert observation[0, 3] == LIMIT
    assert observation in envs.observation_space


def test_gymnasiums_own_wrapper_counts_episodes(make):
    envs: VectorEnv[Any, Any, Any] = RecordEpisodeStatistics(make(2, engine="mujoco", options={"episode_s": 0.1}))
    envs.reset(seed=0)
    for k in range(1, 11):
        *_, infos = envs.step(np.zeros((2, 1), np.float32))
        assert ("episode" in infos) == (k % 5 == 0)
    assert infos["episode"]["l"].tolist() == [5, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"robot": "cartpol"}, "no robot 'cartpol'.*did you mean 'cartpole'"),
        ({"engine": "mujoko"}, "no engine 'mujoko'.*did you mean 'mujoco'"),
        ({"task": "balanse"}, "no task 'balanse'.*did you mean 'balance'"),
        ({"task": "no.such:Task"}, "'no.such:Task' cannot be imported"),
        ({"randomization": "cartpol"}, "no randomization 'cartpol'.*did you mean 'cartpole'"),
        ({"options": {"fall_angel": 1.0}}, "fall_angel.*fall_angle"),
        ({"options": {"weights": {"alive": "much"}}}, r"weights\.alive"),
        ({"options": {"terms": [{"name": "joint_positon"}]}}, "terms.*did you mean 'joint_position'.*joint_positon"),
        ({"options": {"terms": [{"name": "gravity_direction"}]}}, "needs an IMU"),
        ({"num_envs": 0}, "at least 1, got 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options, message):
    with pytest.raises(Sim2RealError) as error:
        RobotVectorEnv(**options)
    assert re.search(message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


def test_a_family_of_another_robot_is_refused():
    furuta = Randomization.none(load_robot("furuta"))
    with pytest.raises(Sim2RealError, match="furuta"):
        RobotVectorEnv(2, robot="cartpole", randomization=furuta)


def test_variants_must_fit_the_worlds():
    variants = Variant.nominal(VariantSpace(load_robot("cartpole")), 3)
    with pytest.raises(Sim2RealError, match="3 Variants for 2 worlds"):
        RobotVectorEnv(2, variants=variants)


def test_stable_baselines3_learns_on_it_unchanged():
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)  # more of them lose time on networks this small, and wait for each other on busy cores
    worlds = make_vec_env(lambda: gymnasium.make(ENV_ID, randomization="cartpole"), n_envs=4, seed=0)
    try:
        model = PPO("MlpPolicy", worlds, n_steps=128, batch_size=64, learning_rate=2e-3, seed=0, device="cpu")
        lengths = []
        for _ in range(4):
            model.learn(2048, reset_num_timesteps=False)
            lengths.append(np.mean([episode["l"] for episode in list(model.ep_info_buffer or [])[-20:]]))
        assert lengths[-1] > 2 * lengths[0], lengths
    finally:
        worlds.close()


PIXELS = {"pixels": {"camera": "side", "width": 48, "height": 12}, "history": 2}


def test_pictures_as_observations(engine, make):
    envs = make(3, engine=engine, options=PIXELS)
    assert envs.single_observation_space == gymnasium.spaces.Box(0, 255, (12, 48, 2), np.uint8)
    observation, _ = envs.reset(seed=1)
    assert observation in envs.observation_space
    np.testing.assert_array_equal(observation[..., 0], observation[..., 1])  # the first fills the history
    before = observation
    while True:
        observation, _, terminated, _, infos = envs.step(np.ones((3, 1), np.float32))
        assert observation in envs.observation_space
        if terminated.any():
            break
        np.testing.assert_array_equal(observation[..., 1], before[..., 0])
        before = observation
    world = int(np.flatnonzero(terminated)[0])
    assert infos["final_obs"][world].shape == (12, 48, 2)
    np.testing.assert_array_equal(infos["final_obs"][world][..., 1], before[world][..., 0])
    np.testing.assert_array_equal(observation[world][..., 0], observation[world][..., 1])
    assert not np.array_equal(observation[world], infos["final_obs"][world])


def test_pictures_of_a_world_are_the_same_alone_and_among_others(engine, make):
    quantities = {
        "camera_x/side": {"law": "uniform", "low": -0.2, "high": 0.2},
        "camera_noise/side": {"law": "uniform", "low": 0.0, "high": 0.1},
        "light_intensity": {"law": "uniform", "low": 0.5, "high": 1.5},
    }
    family = Randomization.from_dict({"robot": "cartpole", "quantities": quantities}, load_robot("cartpole"))
    options = {"engine": engine, "randomization": family, "options": PIXELS | {"fall_angle": 0.15}}
    many, alone = play(make(3, **options), 5, 30), make(1, first_world=2, **options)
    pictures = [alone.reset(seed=5)[0][0]]
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1, 1, (3, 1)).astype(np.float32)[2:]
        pictures.append(alone.step(action)[0][0])
    theirs = [out[2] for out in many if out.shape[1:] == (12, 48, 2)]
    for picture in pictures:
        assert any(np.array_equal(picture, other) for other in theirs)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_what_a_critic_may_see_beside_pictures(make):
    envs = make(2, options=PIXELS, privileged=True)
    _, infos = envs.reset(seed=0)
    assert infos["privileged"].shape == (2, 4)


def test_gymnasium_has_nothing_to_complain_of_pictures():
    env = gymnasium.make(ENV_ID, robot="cartpole", options=PIXELS)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()
