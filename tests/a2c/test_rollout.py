"""What a Group writes down while worlds end in every way, and how groups become one batch."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from sim2real.a2c.agent import A2C
from sim2real.a2c.batch import Batch
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.rollout import Collector, Group, greedy_returns

BOX = gymnasium.spaces.Box(-1e3, 1e3, (1,), np.float32)
CHOICES = gymnasium.spaces.Discrete(2)


class Counter(gymnasium.Env[Any, Any]):
    """Counts its steps, which is its observation; ends where it is told to. A choice of 1 adds 100 to the reward."""

    def __init__(self, number: int, terminates: int, truncates: int, discrete: bool = False) -> None:
        self.observation_space = gymnasium.spaces.Box(-1e3, 1e3, (2,), np.float32)
        self.action_space = CHOICES if discrete else BOX
        self.number, self.terminates, self.truncates, self.steps = number, terminates, truncates, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        ends = self.steps == self.terminates, self.steps == self.truncates
        bonus = 100.0 * action if isinstance(self.action_space, gymnasium.spaces.Discrete) else 0.0
        return self._observation(), 10.0 * self.number + self.steps + bonus, *ends, {}

    def _observation(self) -> Any:
        return np.array([self.steps, self.number], np.float32)


class Insightful(VectorEnv[Any, Any, Any]):
    """Counters of which a critic may see something: half the steps taken, also of an episode that has ended."""

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        self._envs, self.num_envs = envs, envs.num_envs
        self.single_observation_space, self.single_action_space = (
            envs.single_observation_space,
            envs.single_action_space,
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, _ = self._envs.reset(seed=seed)
        return observation, {"privileged": 0.5 * observation[:, :1]}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observation, reward, terminated, truncated, infos = self._envs.step(actions)
        last = observation.copy()
        for world in np.flatnonzero(terminated | truncated).tolist():
            last[world] = infos["final_obs"][world]
        infos |= {"privileged": 0.5 * observation[:, :1], "final_privileged": 0.5 * last[:, :1]}
        return observation, reward, terminated, truncated, infos


NEVER = 99
# World 0 terminates after 3 steps, world 1 is cut off after 2, in world 2 both come at once after 2, world 3 goes on.
ENDS = [(3, NEVER), (NEVER, 2), (2, 2), (NEVER, NEVER)]


def counters(discrete: bool = False, first: int = 0) -> VectorEnv[Any, Any, Any]:
    makers = [partial(Counter, k + first, *ends, discrete=discrete) for k, ends in enumerate(ENDS)]
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)


def agent_of(n_privileged: int = 0, space: gymnasium.Space[Any] = BOX, **config: Any) -> A2C:
    """An agent whose value of a state is a linear function of all that is seen."""
    plain = {"hidden": (), "normalize_observation": False}
    return A2C(2, n_privileged, space, A2CConfig(**plain | config), 1, 0)


def judge(space: gymnasium.Space[Any] = BOX) -> A2C:
    """An agent whose value of a state is its number of steps, plus 0.25."""
    agent = agent_of(space=space)
    agent.network.critic_head.kernel.assign([[1.0], [0.0]])
    agent.network.critic_head.bias.assign([0.25])
    return agent


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group(counters())
    made.restart(0)
    yield made
    made.envs.close()


def columns(*worlds: list[float]) -> np.ndarray:
    return np.array(worlds).T


FOLLOWING = columns(
    [1.25, 2.25, 0, 1.25, 2.25],  # 0 where it terminated
    [1.25, 2.25, 1.25, 2.25, 1.25],  # V of the last observation where it was cut off
    [1.25, 0, 1.25, 0, 1.25],  # a termination is one, whether or not time was up as well
    [1.25, 2.25, 3.25, 4.25, 5.25],  # V of the next state, also beyond the batch
)


def test_one_batch_by_hand(group):
    agent = judge()
    batch = group.collect(agent, agent.snapshot(), 5)
    steps = columns([0, 1, 2, 0, 1], [0, 1, 0, 1, 0], [0, 1, 0, 1, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(batch.seen[..., 0], steps)
    np.testing.assert_array_equal(batch.seen[..., 1], np.tile([0, 1, 2, 3], (5, 1)))
    np.testing.assert_array_equal(batch.reward, 10 * np.arange(4) + steps + 1)
    no, yes = False, True
    ends = columns([no, no, yes, no, no], [no, yes, no, yes, no], [no, yes, no, yes, no], [no] * 5)
    np.testing.assert_array_equal(batch.ended, ends)
    np.testing.assert_allclose(batch.value, steps + 0.25)
    np.testing.assert_allclose(batch.next_value, FOLLOWING)
    assert (batch.reward.dtype, batch.value.dtype, batch.next_value.dtype) == (np.float64,) * 3


def test_what_is_privileged_reaches_the_critic_alone_also_at_a_cut():
    """V is 2 x the privileged half of the steps + 0.25: the same values as above, none of them of an observation."""
    group, agent = Group(Insightful(counters())), agent_of(n_privileged=1)
    group.restart(0)
    agent.network.critic_head.kernel.assign([[0.0], [0.0], [2.0]])
    agent.network.critic_head.bias.assign([0.25])
    batch = group.collect(agent, agent.snapshot(), 5)
    group.envs.close()
    assert group.n_privileged == 1
    assert batch.seen.shape == (5, 4, 3)
    np.testing.assert_array_equal(batch.seen[..., 2], 0.5 * batch.seen[..., 0])
    np.testing.assert_allclose(batch.next_value, FOLLOWING)


def test_without_anything_privileged_there_is_none(group):
    assert group.n_privileged == 0


def test_episodes_run_on_from_batch_to_batch(group):
    agent = judge()
    for _ in range(4):
        group.collect(agent, agent.snapshot(), 1)
    lengths = list(group.episodes.lengths)
    returns = list(group.episodes.returns)
    assert lengths == [2, 2, 3, 2, 2]  # worlds 1 and 2, then 0, then 1 and 2 again
    assert returns == [11 + 12, 21 + 22, 1 + 2 + 3, 11 + 12, 21 + 22]
    assert group.episodes.finished == 5
    batch = group.collect(agent, agent.snapshot(), 1)
    np.testing.assert_array_equal(batch.seen[0, :, 0], [1, 0, 0, 4])


def test_the_episodes_that_ended_in_a_batch():
    group, agent = Group(counters(), first_world=40), judge()
    group.restart(0)
    group.collect(agent, agent.snapshot(), 3)
    assert [(e.world, e.length, e.total) for e in group.ended] == [(41, 2, 23.0), (42, 2, 43.0), (40, 3, 6.0)]
    group.collect(agent, agent.snapshot(), 1)
    assert [(e.world, e.length) for e in group.ended] == [(41, 2), (42, 2)]
    group.envs.close()


def test_a_restart_begins_episodes_and_random_numbers_anew(group):
    agent = judge()
    first = group.collect(agent, agent.snapshot(), 4)
    further = group.collect(agent, agent.snapshot(), 4)
    group.restart(0)
    again = group.collect(agent, agent.snapshot(), 4)
    for name in Batch.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.action, further.action)
    group.restart(1)
    assert not np.array_equal(first.action, group.collect(agent, agent.snapshot(), 4).action)


def test_normalized_observations_reach_the_network_and_raw_ones_the_batch(group):
    agent = agent_of(normalize_observation=True)
    agent.norm.mean, agent.norm.var = np.array([1.0, 0.0]), np.array([4.0, 1.0])
    agent.network.critic_head.kernel.assign([[1.0], [0.0]])
    batch = group.collect(agent, agent.snapshot(), 3)
    np.testing.assert_array_equal(batch.seen[:, 3, 0], [0, 1, 2])
    np.testing.assert_allclose(batch.value[:, 3], [-0.5, 0.0, 0.5], atol=1e-5)
    np.testing.assert_allclose(batch.next_value[:2, 1], [0.0, 0.5], atol=1e-5)  # the second was cut off


def test_gaussian_actions_have_the_network_s_mean_and_deviation(group):
    agent = judge()
    agent.network.actor_head.kernel.assign([[0.0], [2.0]])  # mean = 2 x the world's number
    assert agent.network.log_std is not None
    agent.network.log_std.assign([np.log(0.5)])
    actions = group.collect(agent, agent.snapshot(), 2000).action[..., 0]
    np.testing.assert_allclose(actions.mean(axis=0), [0, 2, 4, 6], atol=5 * 0.5 / np.sqrt(2000))
    np.testing.assert_allclose(actions.std(axis=0), 0.5, rtol=0.08)


def test_discrete_actions_follow_the_network_s_probabilities():
    group, agent = Group(counters(discrete=True)), judge(CHOICES)
    group.restart(0)
    agent.network.actor_head.kernel.assign([[0.0, 0.0], [0.0, 1.0]])  # odds e^number for action 1
    actions = group.collect(agent, agent.snapshot(), 2000).action
    group.envs.close()
    assert set(np.unique(actions)) == {0, 1}
    odds = np.exp(np.arange(4))
    np.testing.assert_allclose(actions.mean(axis=0), odds / (1 + odds), atol=5 * 0.5 / np.sqrt(2000))


def test_greedy_returns_are_those_of_one_episode_with_the_likeliest_actions():
    envs, agent = counters(discrete=True), judge(CHOICES)
    agent.network.actor_head.kernel.assign([[0.0, 0.0], [-1.0, 1.0]])  # world 0: a tie, which the first choice wins
    envs.envs[3].truncates = 4  # type: ignore[attr-defined]
    # Sums of 10 x number + step, and 100 a step for action 1.
    expected = [1 + 2 + 3, 11 + 12 + 200, 21 + 22 + 200, 31 + 32 + 33 + 34 + 400]
    assert greedy_returns(agent, envs, 0).tolist() == expected
    envs.close()


def test_groups_side_by_side_make_one_batch_whatever_their_timing():
    batches: list[Batch] = []
    for _ in range(2):
        groups = [Group(counters(first=10 * k), k, 10 * k) for k in range(3)]
        collector = Collector(groups)
        collector.restart(0)
        batches.append(collector.collect(judge(), 6))
        assert collector.n_worlds == 12
        figures = collector.metrics()
        collector.close()
    a, b = batches
    assert a.seen.shape == (6, 12, 2)
    np.testing.assert_array_equal(a.seen[0, :, 1], [*range(4), *range(10, 14), *range(20, 24)])
    for name in Batch.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert not np.array_equal(a.action[:, :4], a.action[:, 4:8]), "each group has random numbers of its own"
    lengths = [3, 3, 2, 2, 2, 2, 2, 2] * 3
    assert figures["rollout/length"] == pytest.approx(np.mean(lengths))
    assert figures["rollout/success"] == 0.0
