"""Collecting experience: groups of worlds, one thread each, so that neither physics nor Python waits for the other."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import flatdim
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from randomization import stream
from sim2real.a2c.agent import A2C
from sim2real.a2c.batch import Batch
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
    """Some worlds stepped by one thread, with random numbers of their own; `restart` begins their first episodes.

    number: of this group among the others; first_world: the number of its first world
    ended: the episodes that ended in the last batch
    """

    def __init__(
        self, envs: VectorEnv[Any, Any, Any], number: int = 0, first_world: int = 0, *, plain: bool = True
    ) -> None:
        """plain: whether the environment does not know `first_world`, so that its seed has to tell it from others."""
        self.envs, self._number, self._first, self._plain = envs, number, first_world, plain
        self.episodes = Episodes()
        self.ended: list[Ended] = []
        self.reward_terms: dict[str, float] = {}

    def restart(self, seed: int) -> None:
        """Begin new episodes in all worlds, with every random number derived from `seed`."""
        self._rng = stream(seed, "actions", self._number)
        observation, infos = self.envs.reset(seed=seed + self._first if self._plain else seed)
        self._seen = _seen(observation, infos.get("privileged"))
        self._return = np.zeros(self.envs.num_envs)
        self._length = np.zeros(self.envs.num_envs, dtype=np.int64)

    @property
    def n_privileged(self) -> int:
        """Numbers that only the critic sees."""
        return int(self._seen.shape[1]) - flatdim(self.envs.single_observation_space)

    def collect(self, agent: A2C, actor: NumpyActorCritic, horizon: int) -> Batch:
        """Run `horizon` steps under one snapshot of the policy."""
        self.ended = []
        n = self.envs.num_envs
        seen = np.empty((horizon + 1, n, self._seen.shape[1]), np.float32)
        rewards, ends = np.empty((horizon, n)), np.empty((horizon, n), bool)
        actions, cuts = [], []
        term_sums: dict[str, float] = {}
        for t in range(horizon):
            seen[t] = self._seen
            action = agent.distribution.sample(actor.act(agent.normalize(self._seen)), self._rng)
            observation, rewards[t], terminated, truncated, infos = self.envs.step(action)
            self._seen = _seen(observation, infos.get("privileged"))
            ends[t] = terminated | truncated
            if (cut := truncated & ~terminated).any():
                cuts.append((t, cut, _seen(_stack(infos["final_obs"], cut), infos.get("final_privileged"), cut)))
            actions.append(action)
            self._count(rewards[t], ends[t], infos)
            for name, values in infos.get("reward_terms", {}).items():
                term_sums[name] = term_sums.get(name, 0.0) + float(values.mean())
        self.reward_terms = {name: total / horizon for name, total in term_sums.items()}
        seen[horizon] = self._seen
        values = agent.value(actor, agent.normalize(seen.reshape(-1, seen.shape[2]))).reshape(horizon + 1, n)
        # V of the state after a step that ended an episode: 0 where it terminated, whether or not time was up too.
        next_value = np.where(ends, 0.0, values[1:])
        for t, cut, last in cuts:
            next_value[t, cut] = agent.value(actor, agent.normalize(last))
        return Batch(seen[:-1], np.stack(actions), rewards, ends, values[:-1], next_value)

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


def _seen(
    observation: NDArray[np.floating | np.uint8],
    privileged: NDArray[np.float32] | None,
    worlds: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Return what the critic sees: observations, and beside them what only a simulator knows, of some `worlds`."""
    observation = observation.reshape(len(observation), -1)  # pictures too
    if privileged is None:
        return np.asarray(observation, np.float32)
    return np.concatenate([observation, privileged if worlds is None else privileged[worlds]], axis=1, dtype=np.float32)


def _stack(final: NDArray[Any], worlds: NDArray[np.bool_]) -> NDArray[np.floating | np.uint8]:
    """Return the last observations of some worlds, which Gymnasium's own environments give as an array of objects."""
    return np.stack(list(final[worlds]))


def greedy_returns(agent: A2C, envs: VectorEnv[Any, Any, Any], seed: int) -> Array:
    """Run one episode in each world with the policy's most likely actions; return what each brought: (n_worlds,)."""
    actor, returns, running = agent.snapshot(), np.zeros(envs.num_envs), np.ones(envs.num_envs, bool)
    observation, infos = envs.reset(seed=seed)
    while running.any():
        output = actor.act(agent.normalize(_seen(observation, infos.get("privileged"))))
        observation, reward, terminated, truncated, infos = envs.step(agent.distribution.mode(output))
        returns += reward * running
        running &= ~(terminated | truncated)
    return returns


class Collector:
    """Several groups side by side; a batch is theirs put together, the same whatever the threads' timing."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups
        # The groups' threads fill the cores already; a product of matrices on more of them makes each wait for another.
        self._one_thread_each = threadpool_limits(1, user_api="blas")
        self._threads = ThreadPoolExecutor(len(groups))

    @property
    def n_worlds(self) -> int:
        """Worlds in all groups."""
        return sum(g.envs.num_envs for g in self.groups)

    def restart(self, seed: int) -> None:
        """Begin new episodes in all worlds, with every random number derived from `seed`."""
        for _ in self._threads.map(lambda g: g.restart(seed), self.groups):
            pass

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
        self._one_thread_each.restore_original_limits()
        for group in self.groups:
            group.envs.close()
