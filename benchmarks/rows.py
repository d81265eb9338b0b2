"""The rows of the table: who is measured beside whom, and what is promised. All figures of a row come from one run."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.contest import Contestant, contestant, fastest, ratio, take_turns
from benchmarks.raw import Load, bullet_rate, memory_per_world, mujoco_rate
from sim2real.training.config import RobotEnvironment, load_train_config

PHYSICS_HZ = 500.0
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Row:
    """What was measured beside what; ratio: ours by theirs, promised to be at least, or at most, `bar`."""

    work: str
    peer: str
    theirs: str
    ours: str
    ratio: float
    bar: float | None  # None: only shown
    at_most: bool = False
    unit: str = ""  # of ratio and bar: "", "%" or "MB"

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.bar is None or (self.ratio <= self.bar if self.at_most else self.ratio >= self.bar)

    def shown(self, value: float) -> str:
        """Write a ratio or a bar in the row's unit."""
        return {"%": f"{value:.0%}", "MB": f"{value:.1f} MB"}.get(self.unit, f"{value:.2f} ×")


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 3
    seconds: float = 6.0
    seeds: int = 5
    worlds: tuple[int, ...] = (16, 64, 256, 1024)  # that growth is measured over

    @classmethod
    def small(cls) -> "Effort":
        """Return what only shows that everything runs."""
        return cls(rounds=1, seconds=1.0, seeds=1, worlds=(16, 64))


def walk(effort: Effort) -> Iterator[Row]:
    """A1 walk in both engines, learner included, beside Stable-Baselines3 and the engines alone."""
    config = load_train_config("a1")
    family = config.environment.randomization if isinstance(config.environment, RobotEnvironment) else None
    load = Load("a1", family, config.worlds, CORES, effort.seconds, PHYSICS_HZ, "walk")
    few = fastest("peers", "walk", worlds=(2, 8, 16, 32), seconds=effort.seconds / 2)
    with ExitStack() as stack:
        peer = stack.enter_context(contestant("peers", "walk", few))
        ours = {
            engine: stack.enter_context(contestant("learners", "walk", engine, CORES, config.worlds))
            for engine in ("bullet", "mujoco")
        }
        measures: dict[str, Callable[[float], float]] = {
            "sb3": peer.rate,
            "bullet": ours["bullet"].rate,
            "bullet alone": lambda seconds: bullet_rate(replace(load, seconds=seconds)),
            "mujoco": ours["mujoco"].rate,
            "mujoco alone": lambda seconds: mujoco_rate(replace(load, seconds=seconds)),
        }
        found = take_turns(measures, effort.rounds, effort.seconds)
    at = {name: _rate(values) for name, values in found.items()}
    sb3 = f"SB3 A2C, PyBullet, {few} worlds"
    for engine, name, over_sb3, of_alone in (("bullet", "PyBullet", 2.0, 0.9), ("mujoco", "MuJoCo", 5.0, 0.8)):
        work, alone = f"A1 walk, {name}, {config.worlds} worlds", f"{engine} alone"
        yield Row(work, sb3, at["sb3"], at[engine], ratio(found, engine, "sb3"), over_sb3)
        yield Row(work, f"{name} alone", at[alone], at[engine], ratio(found, engine, alone), of_alone, unit="%")


def cartpole(effort: Effort) -> Iterator[Row]:
    """CartPole-v1, steps/s, each at its best number of worlds."""
    theirs = fastest("peers", "cartpole", worlds=(8, 32, 64), seconds=effort.seconds / 2)
    ours = fastest("learners", "cartpole", worlds=(64, 256, 1024), seconds=effort.seconds / 2)
    with contestant("peers", "cartpole", theirs) as peer, contestant("learners", "cartpole", ours) as own:
        found = take_turns({"sb3": peer.rate, "ours": own.rate}, effort.rounds, effort.seconds)
    at = {name: _rate(values) for name, values in found.items()}
    work = f"CartPole-v1, steps/s, {ours} worlds"
    yield Row(work, f"SB3 A2C, {theirs} worlds", at["sb3"], at["ours"], ratio(found, "ours", "sb3"), 5.0)


def solve(effort: Effort) -> Iterator[Row]:
    """CartPole-v1 to a mean return of 475: time and steps, medians over seeds."""
    with contestant("peers", "solve") as peer, contestant("learners", "solve") as own:
        found = [(own.measure(seed=seed), peer.measure(seed=seed)) for seed in range(effort.seeds)]
    work, sb3 = "CartPole-v1 to a mean of 475", "SB3 A2C, tuned"
    for figure, what, bar in (
        ("first_seconds", "first time", 0.33),
        ("first_steps", "first time", 1.0),
        ("seconds", "twice in a row", None),
        ("steps", "twice in a row", None),
    ):
        ours, theirs = (median(pair[k][figure] for pair in found) for k in range(2))
        shown = "{:.1f} s" if figure.endswith("seconds") else "{:,.0f} steps"
        cells = shown.format(theirs), shown.format(ours)
        yield Row(f"{work}, {what}", sb3, *cells, ours / theirs, bar, at_most=True, unit="%")


def update(effort: Effort) -> Iterator[Row]:
    """One update, each on as many threads as suit it best."""
    threads = sorted({1, CORES})
    with ExitStack() as stack:
        running = {
            (who, n): stack.enter_context(contestant("one_update", who, n, threads=n))
            for who in ("ours", "peer")
            for n in threads
        }
        measures = {f"{who} {n}": runner.rate for (who, n), runner in running.items()}
        found = take_turns(measures, 2 * effort.rounds, effort.seconds / 4)
    best = {who: max((f"{who} {n}" for n in threads), key=lambda name: median(found[name])) for who in ("ours", "peer")}
    theirs, ours = (f"{1e3 / median(found[best[who]]):.2f} ms, {best[who][-1]} threads" for who in ("peer", "ours"))
    work = "one update, batch 1,024, 48-128-128-12"
    yield Row(work, "PyTorch", theirs, ours, ratio(found, best["peer"], best["ours"]), 0.75, at_most=True, unit="%")


def growth(effort: Effort) -> Iterator[Row]:
    """How A1 walk grows: with cores, with worlds, and in memory."""
    for engine, name, megabytes in (("mujoco", "MuJoCo", 3.0), ("bullet", "PyBullet", 40.0)):
        work = f"A1 walk, {name}"
        per_core, one, all_cores = _per_core(engine, effort)
        yield Row(f"{work}, a core of {CORES}", "1 core", one, all_cores, per_core, 0.85, unit="%")
        yield _over_worlds(engine, work, effort)
        memory = memory_per_world(engine, Load("a1", "quadruped", 64, 1, 0.0, PHYSICS_HZ))
        yield Row(f"{work}, memory a world", "", "", "", memory, megabytes, at_most=True, unit="MB")


def _per_core(engine: str, effort: Effort) -> tuple[float, str, str]:
    """Return what is kept of a core's speed when all work, and both rates."""
    worlds = 64
    with (
        contestant("learners", "walk", engine, 1, worlds // CORES) as one,
        contestant("learners", "walk", engine, CORES, worlds // CORES * CORES) as everyone,
    ):
        found = take_turns({"one": one.rate, "all": everyone.rate}, effort.rounds, effort.seconds / 2)
    return ratio(found, "all", "one") / CORES, _rate(found["one"]), _rate(found["all"])


def _over_worlds(engine: str, work: str, effort: Effort) -> Row:
    """Measure with more and more worlds, the slowest beside the fastest; fewer where memory does not hold them."""
    most = effort.worlds if engine == "mujoco" else effort.worlds[:-1]
    with ExitStack() as stack:
        running: dict[str, Contestant] = {
            str(n): stack.enter_context(contestant("learners", "walk", engine, CORES, n)) for n in most
        }
        measures = {n: runner.rate for n, runner in running.items()}
        found = take_turns(measures, effort.rounds, effort.seconds / 2)
    slowest, best = (pick(found, key=lambda n: median(found[n])) for pick in (min, max))
    cells = f"{best} worlds", _rate(found[best])
    kept = ratio(found, slowest, best)
    return Row(
        f"{work}, {most[0]} to {most[-1]:,} worlds", *cells, f"{_rate(found[slowest])}, {slowest}", kept, 0.85, unit="%"
    )


def _rate(values: list[float]) -> str:
    return f"{median(values):,.0f} steps/s"


ROWS: dict[str, Callable[[Effort], Iterator[Row]]] = {
    "walk": walk, "cartpole": cartpole, "solve": solve, "update": update, "growth": growth,
}  # fmt: skip
