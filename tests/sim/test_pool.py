"""EnginePool: the same physics as BulletEngine to the bit, and workers that may die, hang or be orphaned."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from randomization import Randomization, Variant
from robots import Robot, load_robot
from sim2real.errors import EngineError
from sim2real.sim import Engine, pool
from sim2real.sim.bullet import BulletEngine
from sim2real.sim.pool import EnginePool

ROOT = Path(__file__).parents[2]
N = 5  # worlds in two workers: 2 and 3


@pytest.fixture
def robot() -> Robot:
    return load_robot("cartpole")


@pytest.fixture
def engines(robot: Robot) -> Iterator[tuple[EnginePool, BulletEngine]]:
    """The same worlds in two workers and in this process."""
    both = EnginePool(robot, N, 2), BulletEngine(robot, N)
    yield both
    for engine in both:
        engine.close()


def start(engine: Engine, seed: int, worlds: np.ndarray) -> None:
    """Give worlds new Variants and first states."""
    rng = np.random.default_rng(seed)
    engine.apply(Randomization.load("cartpole", engine.robot).draw(rng, len(worlds)), worlds)
    q, dq = rng.uniform(-0.1, 0.1, (2, len(worlds), engine.robot.n_joints))
    engine.reset(q, dq, worlds)


def walk(engine: Engine, periods: int, seed: int) -> np.ndarray:
    """Step all worlds under random commands and delays; return q, dq, tau and healthy: (periods, n_worlds, ...)."""
    rng, rows, state = np.random.default_rng(seed), [], engine.state
    for _ in range(periods):
        engine.step(rng.uniform(-5, 5, (engine.n_worlds, 1)), rng.uniform(0, 0.05, engine.n_worlds))
        rows.append(np.concatenate([state.q, state.dq, state.tau, state.healthy[:, None]], axis=1))
    return np.array(rows)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(alive(pid) for pid in pids)


def test_same_bits_as_in_one_process(engines):
    records = []
    for engine in engines:
        record = [walk(engine, 10, seed=0)]
        start(engine, 1, np.arange(N))
        record.append(walk(engine, 30, seed=2))
        start(engine, 3, np.array([4, 1]))  # in any order, in both workers
        record.append(walk(engine, 30, seed=4))
        start(engine, 5, np.array([3]))
        engine.reset(np.full((2, 2), 0.05), np.zeros((2, 2)), np.array([0, 2]), keep_commands=True)
        record.append(walk(engine, 10, seed=6))
        records.append(np.concatenate(record))
    np.testing.assert_array_equal(records[0], records[1])
    assert records[0][:, :, -1].all()


def test_a_killed_worker_is_replaced(engines):
    pool_, sound = engines
    for engine in engines:
        start(engine, 0, np.arange(N))
        walk(engine, 5, seed=1)
    pids = pool_.pids
    os.kill(pids[0], signal.SIGKILL)
    expected, record = walk(sound, 1, seed=2), walk(pool_, 1, seed=2)
    assert pool_.state.healthy.tolist() == [False, False, True, True, True]
    np.testing.assert_array_equal(record[:, 2:], expected[:, 2:])
    assert np.isfinite(record).all()
    assert pool_.pids[0] not in pids
    assert pool_.pids[1] == pids[1]
    assert not alive(pids[0])
    for engine in engines:
        start(engine, 3, np.arange(2))
    assert pool_.rebuilt == 2
    np.testing.assert_array_equal(walk(pool_, 20, seed=4), walk(sound, 20, seed=4))


@pytest.mark.parametrize("request_", ["apply", "reset"])
def test_a_worker_may_die_before_any_request(engines, request_):
    """The new worker has what the dead one was told, and a reset is done when it returns."""
    pool_, sound = engines
    every, q = np.arange(N), np.full((N, 2), 0.1)
    variant = Variant.of(pool_.space, {"mass/pole": 2.0, "friction/slider_to_cart": 0.3}, N)
    for engine in engines:
        if engine is pool_ and request_ == "apply":
            os.kill(pool_.pids[1], signal.SIGKILL)
        engine.apply(variant, every)
        if engine is pool_ and request_ == "reset":
            os.kill(pool_.pids[1], signal.SIGKILL)
        engine.reset(q, np.zeros_like(q), every)
        assert engine.state.healthy.all()
        np.testing.assert_array_equal(engine.state.q, q)
    np.testing.assert_array_equal(walk(pool_, 20, seed=0), walk(sound, 20, seed=0))


def test_a_hung_worker_is_replaced(engines, monkeypatch):
    pool_, sound = engines
    for engine in engines:
        start(engine, 0, np.arange(N))
    monkeypatch.setattr(pool, "TIMEOUT", 0.3)
    hung = pool_.pids[1]
    os.kill(hung, signal.SIGSTOP)
    expected, record = walk(sound, 1, seed=2), walk(pool_, 1, seed=2)
    monkeypatch.undo()
    assert pool_.state.healthy.tolist() == [True, True, False, False, False]
    np.testing.assert_array_equal(record[:, :2], expected[:, :2])
    assert not alive(hung)
    for engine in engines:
        start(engine, 3, np.arange(2, N))
    np.testing.assert_array_equal(walk(pool_, 20, seed=4), walk(sound, 20, seed=4))


def test_what_one_worker_refuses_leaves_the_others_in_step(engines):
    pool_, sound = engines
    bad = Variant.of(pool_.space, {"mass/cart": np.array([np.nan, 1, 1, 1, 1])}, N)
    for engine in engines:
        with pytest.raises(EngineError, match=r"would not take mass nan kg.* body 'cart'"):
            engine.apply(bad, np.arange(N))
        start(engine, 0, np.arange(N))
    np.testing.assert_array_equal(walk(pool_, 30, seed=1), walk(sound, 30, seed=1))


def test_workers_end_with_their_pool(robot):
    """Whose process is killed, so that nothing of it can clean up."""
    script = """
import sys, time
from robots import load_robot
from sim2real.sim.pool import EnginePool
pool = EnginePool(load_robot("cartpole"), 4, 2)
print(*pool.pids, flush=True)
time.sleep(60)
"""
    command, environment = [sys.executable, "-c", script], {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        process.kill()
        process.wait()
        assert wait_for_end(pids, 5.0)


def test_close_twice_and_ctrl_c_is_not_the_workers_business(robot):
    engine = EnginePool(robot, 2, 2)
    pids = engine.pids
    for pid in pids:
        os.kill(pid, signal.SIGINT)
    walk(engine, 2, seed=0)
    assert engine.pids == pids
    engine.close()
    engine.close()
    assert not any(alive(pid) for pid in pids)
    assert not any(engine.pids)


def files() -> set[str]:
    """What this process has open."""
    return {f"{fd.name} -> {fd.readlink()}" for fd in Path("/proc/self/fd").iterdir() if fd.exists()}


def workers_of_this_process() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"sim2real.sim.worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return found


def test_a_worker_that_cannot_start_ends_them_all(make_robot, capfd):
    robot = make_robot("slider", {"joint": "rail"})
    running = EnginePool(robot, 1, 1)
    assert workers_of_this_process() == running.pids
    running.close()
    before = files()
    robot.path.unlink()
    with pytest.raises(EngineError, match=r"did not start \(exit status 1\); its message is above"):
        EnginePool(robot, 2, 2)
    assert "no such file" in capfd.readouterr().err
    assert workers_of_this_process() == []
    assert files() == before


@pytest.mark.slow
def test_pools_leak_nothing(robot):
    EnginePool(robot, 1, 1).close()
    before = files()
    for _ in range(8):
        EnginePool(robot, 1, 1).close()
    assert len(files() - before) == 0, files() - before
