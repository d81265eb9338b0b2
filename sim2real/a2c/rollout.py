"""Collecting experience: groups of worlds, one thread each, so that neither physics nor Python waits for the other."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from sim2real.a2c.agent import A2C, Batch
from sim2real.a2c.network import NumpyActorCritic

Array = NDArray[np.float64]


@dataclass
class Episodes:
    """Running figures of finished episodes and of what physics did."""

    returns: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    lengths: deque[int] = field(default_factory=lambda: deque(maxlen=100))
    successes: deque[bool] = field(default_factory=lambda: deque(maxlen=100))
    finished: int = 0
    diverged: int = 0


class Ended(NamedTuple):
    """One episode that ended: its world, length [control steps], return, success and truth, if there is one."""

    world: int
    length: int
    total: float
    success: bool
    variant: Array | None


class Group:
    """Some worlds stepped by one thread, with random numbers of their own; the first has the number `first_world`.

    ended: the episodes that ended in the last batch
    """

    def __init__(
        self, envs: VectorEnv[Any, Any, Any], rng: np.random.Generator, seed: int, first_world: int = 0
    ) -> None:
        self.envs, self._rng, self._first = envs, rng, first_world
        self.episodes = Episodes()
        self.ended: list[Ended] = []
        self.reward_terms: dict[str, float] = {}
        self._discrete = isinstance(envs.single_action_space, gymnasium.spaces.Discrete)
        self._observation, _ = envs.reset(seed=seed)
        self._return = np.zeros(envs.num_envs)
        self._length = np.zeros(envs.num_envs, dtype=np.int64)

    def collect(self, agent: A2C, actor: NumpyActorCritic, horizon: int) -> Batch:
        """Run `horizon` steps under one snapshot of the policy."""
        self.ended = []
        rows: list[tuple[Any, ...]] = []
        term_sums: dict[str, float] = {}
        for _ in range(horizon):
            observation = self._observation
            output, value = actor(agent.normalize(observation))
            action = self._sample(output, actor.log_std)
            self._observation, reward, terminated, truncated, infos = self.envs.step(action)
            ended = terminated | truncated
            # V of the state after a step that ended an episode: 0 where it terminated, whether or not time was up too.
            next_value = np.zeros(len(ended))
            if (cut := truncated & ~terminated).any():
                next_value[cut] = actor.value(agent.normalize(np.stack(infos["final_obs"][cut])))
            rows.append((observation, action, reward, ended, value, next_value))
            self._count(reward, ended, infos)
            for name, values in infos.get("reward_terms", {}).items():
                term_sums[name] = term_sums.get(name, 0.0) + float(values.mean())
        self.reward_terms = {name: total / horizon for name, total in term_sums.items()}
        observations, actions, rewards, ends, values, next_values = (
            np.stack(column) for column in zip(*rows, strict=True)
        )
        following = np.concatenate([values[1:], actor.value(agent.normalize(self._observation))[None]])
        return Batch(
            observations,
            actions,
            rewards.astype(np.float64),
            ends,
            values.astype(np.float64),
            np.where(ends, next_values, following),
        )

    def _sample(self, output: NDArray[np.float32], log_std: NDArray[np.float32]) -> NDArray[Any]:
        if self._discrete:
            gumbel = self._rng.gumbel(size=output.shape)  # argmax(logits + Gumbel noise) is a categorical draw
            return np.asarray((output + gumbel).argmax(axis=1))
        return np.asarray(output + np.exp(log_std) * self._rng.standard_normal(output.shape, dtype=np.float32))

    def _count(self, reward: Array, ended: NDArray[np.bool_], infos: dict[str, Any]) -> None:
        self._return += reward
        self._length += 1
        self.episodes.diverged += int(infos["diverged"].sum()) if "diverged" in infos else 0
        for world in np.flatnonzero(ended).tolist():
            total, length = float(self._return[world]), int(self._length[world])
            success = bool(infos["success"][world]) if "success" in infos else False
            variant = infos["episode_variant"][world] if "episode_variant" in infos else None
            self.ended.append(Ended(self._first + world, length, total, success, variant))
            self.episodes.returns.append(total)
            self.episodes.lengths.append(length)
            self.episodes.successes.append(success)
            self.episodes.finished += 1
        self._return[ended], self._length[ended] = 0.0, 0


def greedy_returns(agent: A2C, envs: VectorEnv[Any, Any, Any], seed: int) -> Array:
    """Run one episode in each world with the policy's most likely actions; return what each brought: (n_worlds,)."""
    actor, returns, running = agent.snapshot(), np.zeros(envs.num_envs), np.ones(envs.num_envs, bool)
    observation, _ = envs.reset(seed=seed)
    while running.any():
        output, _ = actor(agent.normalize(observation))
        observation, reward, terminated, truncated, _ = envs.step(output.argmax(axis=1) if agent.discrete else output)
        returns += reward * running
        running &= ~(terminated | truncated)
    return returns


class Collector:
    """Several groups side by side; a batch is theirs put together, the same whatever the threads' timing."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups
        self._threads = ThreadPoolExecutor(len(groups))

    @property
    def n_worlds(self) -> int:
        """Worlds in all groups."""
        return sum(g.envs.num_envs for g in self.groups)

    def collect(self, agent: A2C, horizon: int) -> Batch:
        """Run `horizon` steps in every world."""
        actor = agent.snapshot()
        parts = list(self._threads.map(lambda g: g.collect(agent, actor, horizon), self.groups))
        return Batch(
            *(np.concatenate([getattr(p, name) for p in parts], axis=1) for name in Batch.__dataclass_fields__)
        )

    def metrics(self) -> dict[str, float]:
        """Return rollout figures over the last 100 episodes of each group."""
        episodes = [g.episodes for g in self.groups]
        returns = [r for e in episodes for r in e.returns]
        if not returns:
            return {}
        figures = {
            "rollout/return": float(np.mean(returns)),
            "rollout/length": float(np.mean([n for e in episodes for n in e.lengths])),
        }
        figures["rollout/success"] = float(np.mean([s for e in episodes for s in e.successes]))
        figures["rollout/diverged"] = float(sum(e.diverged for e in episodes))
        names = self.groups[0].reward_terms
        return figures | {
            f"rollout/reward_{n}": float(np.mean([g.reward_terms[n] for g in self.groups])) for n in names
        }

    def close(self) -> None:
        """End the threads and release all worlds."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for group in self.groups:
            group.envs.close()
