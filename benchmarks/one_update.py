"""One update of an actor and a critic, in TensorFlow and in PyTorch: `python -m benchmarks.one_update WHO THREADS`.

Both begin at the same raw batch and do the same: advantages, normalizations and statistics in numpy, by the same code;
then forward, losses of actor, critic and entropy, backward, clip, one step of Adam.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import gymnasium
import numpy as np

from benchmarks.contest import Figures, arguments_of, serve
from sim2real.a2c.config import A2CConfig

STEPS, WORLDS = 16, 64
N_IN, N_OUT, HIDDEN = 48, 12, 128
LOG_2PI = float(np.log(2.0 * np.pi))
CONFIG = A2CConfig(
    hidden=(HIDDEN, HIDDEN), actor_step="first_order", schedule="constant", learning_rate=1e-3, entropy_weight=0.01
)


def raw_batch() -> dict[str, Any]:
    """Draw what worlds might have done: arrays as `sim2real.a2c.batch.Batch` has them."""
    rng, shape = np.random.default_rng(0), (STEPS, WORLDS)
    numbers = {name: rng.standard_normal(shape) for name in ("reward", "value", "next_value")}
    widths = {name: rng.standard_normal((*shape, k), np.float32) for name, k in (("seen", N_IN), ("action", N_OUT))}
    return {**numbers, **widths, "ended": rng.random(shape) < 0.05}


def ours(_: int) -> Callable[[], Any]:
    """`A2C.learn`, which shuffles the batch and measures the KL divergence besides."""
    from sim2real.a2c.agent import A2C
    from sim2real.a2c.batch import Batch

    agent = A2C(N_IN, 0, gymnasium.spaces.Box(-1.0, 1.0, (N_OUT,)), CONFIG, 10**6, seed=0)
    batch = Batch(**raw_batch())
    return lambda: agent.learn(batch)


def peer(threads: int) -> Callable[[], Any]:
    """The same math in PyTorch."""
    import torch
    from torch import nn

    from sim2real.a2c.network import RunningNorm
    from sim2real.a2c.returns import gae
    from sim2real.policy.policy import normalize

    torch.set_num_threads(threads)
    actor, critic = (
        nn.Sequential(nn.Linear(N_IN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, k))
        for k in (N_OUT, 1)
    )
    log_std = nn.Parameter(torch.full((N_OUT,), float(np.log(CONFIG.initial_std))))
    learned = [*actor.parameters(), *critic.parameters(), log_std]
    adam, norm, raw = torch.optim.Adam(learned, CONFIG.learning_rate), RunningNorm(N_IN), raw_batch()
    flat = {name: array.reshape(STEPS * WORLDS, -1) for name, array in raw.items()}

    def prepared() -> tuple[Any, ...]:
        rewards, values, following, ended = (raw[name] for name in ("reward", "value", "next_value", "ended"))
        advantage, returns = gae(rewards, values, following, ended, CONFIG.gamma, CONFIG.lam)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        seen = normalize(flat["seen"].astype(np.float64), norm.mean, norm.std)
        norm.update(flat["seen"])
        arrays = (seen, flat["action"], advantage.astype(np.float32).ravel(), returns.astype(np.float32).ravel())
        return tuple(torch.from_numpy(array) for array in arrays)

    def update() -> tuple[float, ...]:
        seen, action, advantage, returns = prepared()
        z = (action - actor(seen)) * torch.exp(-log_std)
        log_prob = (-0.5 * z.square() - log_std - 0.5 * LOG_2PI).sum(-1)
        entropy = (log_std + 0.5 * (1.0 + LOG_2PI)).sum()
        policy_loss = -(log_prob * advantage).mean()
        value_loss = (returns - critic(seen)[:, 0]).square().mean()
        adam.zero_grad()
        (
            CONFIG.policy_weight * policy_loss + CONFIG.value_weight * value_loss - CONFIG.entropy_weight * entropy
        ).backward()
        nn.utils.clip_grad_norm_(learned, CONFIG.max_grad_norm)
        adam.step()
        return policy_loss.item(), value_loss.item(), entropy.item()

    return update


def main(who: str, threads: int) -> None:
    update: Callable[[], Any] = {"ours": ours, "peer": peer}[who](threads)

    def measure(seconds: float) -> Figures:
        times, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            update()
            times.append(time.perf_counter() - began)
        return {"rate": 1 / median(times)}

    measure(0.5)
    serve(measure)


if __name__ == "__main__":
    what, arguments = arguments_of(sys.argv[1:])
    main(what, *arguments)
