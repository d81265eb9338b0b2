"""A learner that is killed and stopped, many times over: `make faults`.

One process imports everything and forks a learner for each fault, which goes on where the one before was ended:

kill -9 at a random moment, most times soon after a save has begun: a loadable checkpoint is left, at most one interval
of work is lost, and the next start goes on and clears what the save that was cut short has left. In the end the learner
has the bits of one that nobody killed.
kill -9 of a learner with PyBullet workers: besides, the workers are gone within seconds.
Ctrl-C or SIGTERM: once, it ends within seconds with a checkpoint and a policy; twice, at once.

Exits with 1 if anything else happens, or if too few kills fell into a save.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sim2real.a2c.backend import tf
from sim2real.config import validate
from sim2real.policy import Policy
from sim2real.train import train
from sim2real.training import run as training_run
from sim2real.training.checkpoint import Checkpoint, CheckpointFolder
from sim2real.training.config import TrainConfig

BATCH = 16
SETTINGS = {
    "worlds": 2,
    "steps": 10**9,
    "era_updates": 1,
    "checkpoint_s": 1e-9,
    "a2c": {"hidden": [64], "horizon": 8, "schedule": "constant", "actor_step": "first_order", "shared": True},
}
GYMNASIUM = {"environment": {"gymnasium": "CartPole-v1"}, **SETTINGS}
POOL = {"environment": {"robot": "cartpole", "engine": "bullet"}, **SETTINGS}
IN_A_SAVE = 0.4  # share of kills, at least
START_S = 60.0  # for a learner to go on
STOP_S = 10.0  # for one that is asked to end
ORPHANS_S = 5.0  # for workers whose learner has died
WITHIN_S = 0.06  # from the first update on, a kill comes: within some updates and saves
IN_SAVE_S = 0.002  # from the beginning of a save on: within its length
AIMED = 0.8  # share of kills that wait for a save
LEFTOVERS = ("*.tmp", ".*.draft", ".*.replaced")


@dataclass
class Tally:
    """What came of faults of one kind. lost: updates; seconds: until all was over, the longest."""

    faults: int = 0
    in_a_save: int = 0
    lost: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


class Teller:
    """A metrics writer that tells the parent, for each update, its step and whether anything lies about."""

    def __init__(self, pipe: int, folder: Path) -> None:
        self._pipe, self._folder = pipe, folder

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """See MetricsWriter."""
        left = [path.name for pattern in LEFTOVERS for path in self._folder.rglob(pattern)]
        os.write(self._pipe, f"{step} {','.join(left)}\n".encode())


class Learner:
    """A forked process that trains."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        """It starts at once, or goes on where an earlier one was ended."""
        self.folder, self._said = folder, b""
        self._pipe, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_learn(settings, folder, tell))
        os.close(tell)

    def first_update(self) -> str:
        """Wait until it has gone on; return what lies about then, as names."""
        os.set_blocking(self._pipe, False)
        deadline = time.monotonic() + START_S
        while b"\n" not in self._said:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no update within {START_S:g} s")
            time.sleep(0.001)
            if self._read() == b"" and self.ended():
                raise ChildProcessError("it ended by itself")
        return self._said.split(b"\n")[0].decode().partition(" ")[2]

    def _read(self) -> bytes | None:
        """Take in what it has said; None if that is nothing new, nothing at all if it has closed its end."""
        try:
            said = os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            return None
        self._said += said
        return said

    def ended(self) -> bool:
        """Whether it has ended, but was not waited for."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self, *signals: int) -> int:
        """Send signals, wait, and return the exit status (negative: the signal that it died of)."""
        for number in signals:
            os.kill(self.pid, number)
            time.sleep(0.01)
        _, status = os.waitpid(self.pid, 0)
        while self._read():
            pass
        os.close(self._pipe)
        return os.waitstatus_to_exitcode(status)

    @property
    def last_step(self) -> int:
        """The last step it told of."""
        return int(self._said.rsplit(b"\n", 2)[-2].partition(b" ")[0])


def _learn(settings: dict[str, Any], folder: Path, tell: int) -> int:
    """Train in a forked process; return its exit status."""
    try:
        config = validate(TrainConfig, settings, "benchmarks.faults")
        result = train(config, folder, resume=True, writers=[Teller(tell, folder)])
    except KeyboardInterrupt:
        return 130
    except BaseException:  # whatever it is, the parent's code must not go on in this process
        traceback.print_exc()
        return 70
    return 0 if result.interrupted else 1


def prepare() -> None:
    """Set up this process as one to fork from. Nothing may have been computed with TensorFlow yet."""
    tf.config.run_functions_eagerly(True)  # to compile takes longer than all the updates between two kills
    training_run.WRITE_EVERY_S = 0.0  # tell of each


def kill(settings: dict[str, Any], folder: Path, rng: np.random.Generator, tally: Tally) -> None:
    """Let a learner go on, and kill it at a random moment."""
    tally.faults += 1
    learner = Learner(settings, folder)
    with _counted(tally, learner):
        if left := learner.first_update():
            tally.failures.append(f"kill {tally.faults}: after the next start there was still {left}")
        workers = children(learner.pid)
        if rng.random() < AIMED:
            _await_save(folder)
            time.sleep(rng.uniform(0.0, IN_SAVE_S))
        else:
            time.sleep(rng.uniform(0.0, WITHIN_S))
        learner.end(signal.SIGKILL)
        tally.in_a_save += any((folder / "checkpoints").glob("*.tmp"))
        tally.seconds = max(tally.seconds, _until_gone(workers))
        tally.lost = max(tally.lost, (learner.last_step - int(_loadable(folder).counters["step"])) // BATCH)
        if tally.lost > 1:
            tally.failures.append(f"kill {tally.faults}: {tally.lost} updates are lost")


def stop(settings: dict[str, Any], folder: Path, number: int, twice: bool, tally: Tally) -> None:
    """Let a learner go on, and ask it to end."""
    tally.faults += 1
    learner = Learner(settings, folder)
    with _counted(tally, learner):
        learner.first_update()
        started, workers = time.monotonic(), children(learner.pid)
        status = learner.end(*[number] * (1 + twice))
        tally.seconds = max(tally.seconds, time.monotonic() - started, _until_gone(workers))
        wanted = {0} | ({130, -number} if twice else set())
        if status not in wanted:
            tally.failures.append(f"stop {tally.faults}: exit status {status}")
        step = int(_loadable(folder).counters["step"])
        if not twice and step != learner.last_step:
            tally.failures.append(f"stop {tally.faults}: step {step} is saved, of {learner.last_step}")
        if not twice and "robot" in settings["environment"]:
            Policy.load(folder / "policy").verify_golden()


def _await_save(folder: Path) -> None:
    """Wait until a save begins."""
    deadline = time.monotonic() + START_S
    while not any((folder / "checkpoints").glob("*.tmp")):  # no pause: a save is short
        if time.monotonic() > deadline:
            raise TimeoutError(f"no save within {START_S:g} s")


@contextmanager
def _counted(tally: Tally, learner: Learner) -> Iterator[None]:
    """Count what goes wrong as a failure of this learner, and let no learner outlive its fault."""
    try:
        yield
    except Exception as error:
        tally.failures.append(f"fault {tally.faults}: {type(error).__name__}: {error}")
        if not learner.ended():
            learner.end(signal.SIGKILL)


def _loadable(folder: Path) -> Checkpoint:
    """Load the newest checkpoint from a copy, so that the next learner finds what this one left."""
    with tempfile.TemporaryDirectory() as copy:
        found = CheckpointFolder(shutil.copytree(folder / "checkpoints", Path(copy) / "checkpoints")).newest()
    if found is None:
        raise FileNotFoundError("no checkpoint is left")
    return found


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _until_gone(pids: list[int]) -> float:
    """Wait until no such process is left; return the seconds, or raise TimeoutError."""
    started = time.monotonic()
    while any(map(alive, pids)):
        if time.monotonic() - started > ORPHANS_S:
            raise TimeoutError(f"workers live {ORPHANS_S:g} s after their learner")
        time.sleep(0.01)
    return time.monotonic() - started


def unbroken(settings: dict[str, Any], folder: Path, tally: Tally) -> None:
    """Compare the newest checkpoint of a run that was killed with that of one that was not."""
    found = _loadable(folder)
    with tempfile.TemporaryDirectory() as other:
        pid = os.fork()
        if pid == 0:
            os._exit(
                _learn(settings | {"steps": found.counters["step"]}, Path(other), os.open(os.devnull, os.O_WRONLY))
            )
        os.waitpid(pid, 0)
        straight = _loadable(Path(other))
        straight.counters["config"]["steps"] = found.counters["config"]["steps"]  # how long either was meant to go on
        if straight != found:
            tally.failures.append(f"step {found.counters['step']}: not the bits of a run that was not killed")


def run(kills: int, pool_kills: int, stops: int, seed: int = 0) -> dict[str, Tally]:
    """Cause faults of all kinds, at moments drawn from `seed`."""
    rng, tallies = np.random.default_rng(seed), dict[str, Tally]()

    def series(kind: str, count: int, settings: dict[str, Any], fault: Callable[[Path, int, Tally], None]) -> None:
        tally = tallies[kind] = Tally()
        with tempfile.TemporaryDirectory() as folder:
            for k in range(count):
                fault(Path(folder), k, tally)
            if count and not tally.failures:
                unbroken(settings, Path(folder), tally)

    def killed(settings: dict[str, Any]) -> Callable[[Path, int, Tally], None]:
        return lambda folder, _, tally: kill(settings, folder, rng, tally)

    def stopped(folder: Path, k: int, tally: Tally) -> None:
        stop(POOL, folder, (signal.SIGINT, signal.SIGTERM)[k % 2], k % 4 > 1, tally)

    series("kill -9", kills, GYMNASIUM, killed(GYMNASIUM))
    series("kill -9, with workers", pool_kills, POOL, killed(POOL))
    series("SIGINT, SIGTERM", stops, POOL, stopped)
    if kills and tallies["kill -9"].in_a_save < IN_A_SAVE * kills:
        tallies["kill -9"].failures.append(f"only {tallies['kill -9'].in_a_save} of {kills} kills fell into a save")
    if tallies["SIGINT, SIGTERM"].seconds > STOP_S:
        tallies["SIGINT, SIGTERM"].failures.append(f"longer than {STOP_S:g} s")
    return tallies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pool-kills", type=int, default=20, help="of a learner with PyBullet workers")
    parser.add_argument("--stops", type=int, default=20, help="half by SIGINT, half by SIGTERM; half of them twice")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    prepare()
    started, console = time.monotonic(), Console()
    tallies = run(options.kills, options.pool_kills, options.stops, options.seed)
    table = Table(title=f"Faults of a learner, in {time.monotonic() - started:.0f} s", title_justify="left")
    for column in ("fault", "times", "in a save", "updates lost", "seconds", "failed"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for kind, tally in tallies.items():
        figures = (tally.faults, tally.in_a_save, tally.lost, f"{tally.seconds:.2f}", len(tally.failures))
        table.add_row(kind, *map(str, figures))
    console.print(table)
    for kind, tally in tallies.items():
        for failure in tally.failures:
            console.print(f"{kind}: {failure}", markup=False, highlight=False, soft_wrap=True)
    return 1 if any(tally.failures for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
