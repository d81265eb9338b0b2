"""PyBullet worlds on all cores: worker processes of K worlds each, commands and states in shared memory.

One byte down a pipe starts a control period, one byte back ends it; nothing is pickled. Workers are plain
`python -m sim2real.sim.worker` processes: no fork of a process that holds TensorFlow, no second import of the user's
script. A worker whose parent dies reads end-of-file and exits. A worker that dies or hangs is replaced: its worlds turn
up not healthy, so their episodes end, and are rebuilt at the next reset.
"""

import mmap
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from randomization import Variant, VariantSpace
from robots import Robot
from sim2real.errors import EngineError
from sim2real.sim.channels import CHANNELS, check_channels
from sim2real.sim.engine import Array, Index, WorldState

TIMEOUT = 30.0  # [s] a worker that takes longer over one request counts as hung
START_TIMEOUT = 300.0  # [s] the same for its start, when it loads all its worlds
Request = Literal[b"s", b"f", b"a", b"r", b"k", b"l"]  # step, with forces, apply, reset, keeping commands, listen
DONE, FAILED = b".", b"!"


class SharedWorlds:
    """The arrays that the pool and its workers share, laid out the same way on both sides of a file descriptor."""

    def __init__(self, robot: Robot, n_worlds: int, fd: int, channels: Sequence[str]) -> None:
        size = VariantSpace(robot).size
        self._channels = channels
        shapes = WorldState.shapes(robot, n_worlds)
        shapes |= {"command": (n_worlds, robot.n_actuators), "delay": (n_worlds,), "variant": (n_worlds, size)}
        shapes |= {"force": (n_worlds, 3)}
        shapes |= {f"reading/{channel}": (n_worlds, CHANNELS[channel].width(robot)) for channel in channels}
        shapes |= {f"tap/{channel}": (n_worlds,) for channel in channels}
        shapes |= {"start_q": shapes["q"], "start_dq": shapes["dq"], "chosen": (n_worlds,), "rebuilt": (n_worlds,)}
        total = sum(8 * int(np.prod(shape)) for shape in shapes.values())
        if os.fstat(fd).st_size < total:
            os.ftruncate(fd, total)
        self._memory = mmap.mmap(fd, total)
        offset, self.arrays = 0, {}
        for name, shape in shapes.items():
            dtype = np.bool_ if name in ("healthy", "chosen") else np.intp if name.startswith("tap/") else np.float64
            self.arrays[name] = np.ndarray(shape, dtype, buffer=self._memory, offset=offset)
            offset += 8 * int(np.prod(shape))

    def state(self, worlds: slice = slice(None)) -> WorldState:
        """Return the states of some worlds as views."""
        return WorldState(**{f.name: self.arrays[f.name][worlds] for f in fields(WorldState)})

    def readings(self, worlds: slice = slice(None)) -> dict[str, Array]:
        """Return the readings of some worlds as views."""
        return {channel: self.arrays[f"reading/{channel}"][worlds] for channel in self._channels}

    def taps(self, worlds: slice = slice(None)) -> dict[str, Index]:
        """Return when the channels of some worlds are read, as views."""
        return {channel: self.arrays[f"tap/{channel}"][worlds] for channel in self._channels}


class EnginePool:
    """N PyBullet worlds in several processes. See `sim2real.sim.engine.Engine`."""

    def __init__(self, robot: Robot, n_worlds: int, n_workers: int, channels: Sequence[str] = ()) -> None:
        self.robot, self.n_worlds = robot, n_worlds
        self.channels = check_channels(robot, channels)
        self.space = VariantSpace(robot)
        folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - an unnamed file, for speed only
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the pool
        self._shared = SharedWorlds(robot, n_worlds, self._file.fileno(), self.channels)
        self._arrays = self._shared.arrays
        self.state, self.readings = self._shared.state(), self._shared.readings()
        for tap in self._shared.taps().values():
            tap[:] = robot.substeps
        start = WorldState.zeros(robot, n_worlds)
        for field in fields(WorldState):
            getattr(self.state, field.name)[:] = getattr(start, field.name)
        self._arrays["variant"][:] = self.space.nominal
        bounds = np.linspace(0, n_worlds, n_workers + 1).astype(int).tolist()
        self._workers = [_Worker(self, slice(a, b)) for a, b in pairwise(bounds)]
        try:
            for worker in self._workers:
                worker.wait_until_ready()
        except EngineError:
            self.close()
            raise

    @property
    def rebuilt(self) -> int:
        """Worlds rebuilt so far, for any reason."""
        return int(self._arrays["rebuilt"].sum())

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.pid for worker in self._workers]

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        self._arrays["variant"][worlds] = variant.values
        self._request(b"a", worlds)

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """See `Engine.reset`."""
        self._arrays["start_q"][worlds], self._arrays["start_dq"][worlds] = q, dq
        self._request(b"k" if keep_commands else b"r", worlds)

    def step(self, command: Array, delay: Array, force: Array | None = None) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        self._arrays["command"][:], self._arrays["delay"][:] = command, delay
        if force is not None:
            self._arrays["force"][:] = force
        self._round(b"s" if force is None else b"f", self._workers)

    def listen(self, taps: Mapping[str, Index]) -> None:
        """See `Engine.listen`."""
        changed = False
        for channel, tap in self._shared.taps().items():
            new = taps.get(channel, np.full(self.n_worlds, self.robot.substeps))
            changed |= not np.array_equal(tap, new)
            tap[:] = new
        if changed:
            self._round(b"l", self._workers)

    def close(self) -> None:
        """See `Engine.close`."""
        for worker in self._workers:
            worker.stop()
        self._workers = []
        self._file.close()

    def _request(self, request: Request, worlds: Index) -> None:
        chosen = self._arrays["chosen"]
        chosen[:] = False
        chosen[worlds] = True
        self._round(request, [w for w in self._workers if chosen[w.worlds].any()])

    def _round(self, request: Request, workers: "list[_Worker]") -> None:
        """Let workers handle one request side by side; replace those that die or hang over it."""
        for worker in workers:
            worker.send(request)
        refusals = []
        for worker in workers:
            try:
                answered = worker.wait(TIMEOUT)
            except EngineError as error:
                refusals.append(error)  # raised once all have answered, lest an answer be taken for the next request's
                continue
            if not answered:
                worker.stop()
                self.state.calm(self.robot, np.arange(self.n_worlds)[worker.worlds])
                self._workers[self._workers.index(worker)] = replacement = _Worker(self, worker.worlds)
                replacement.wait_until_ready()
                if request in (b"r", b"k"):  # else a caller would wait for worlds that nobody has reset
                    self._round(b"r", [replacement])
        if refusals:
            raise refusals[0]


class _Worker:
    """One worker process as the pool sees it."""

    def __init__(self, pool: EnginePool, worlds: slice) -> None:
        self.worlds = worlds
        from_pool, self._to_worker = os.pipe()
        self._from_worker, to_pool = os.pipe()
        fd = pool._file.fileno()
        numbers = [str(n) for n in (pool.n_worlds, worlds.start, worlds.stop, fd, from_pool, to_pool)]
        words = [str(pool.robot.path.absolute()), repr(pool.robot.file.physics_hz), ",".join(pool.channels)]
        command = [sys.executable, "-m", "sim2real.sim.worker", *words, *numbers]
        self._process = subprocess.Popen(
            command, pass_fds=(fd, from_pool, to_pool), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        os.close(from_pool)
        os.close(to_pool)
        self._poll = select.poll()
        self._poll.register(self._from_worker, select.POLLIN)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Request) -> None:
        try:
            os.write(self._to_worker, request)
        except BrokenPipeError:
            return  # it has died; wait() will say so

    def wait(self, timeout: float) -> bool:
        """Wait for the answer; False when the worker died or hung. Raise EngineError with what it reports."""
        ready = self._poll.poll(timeout * 1000)
        answer = os.read(self._from_worker, 1) if ready else b""
        if answer == FAILED:
            length = int.from_bytes(os.read(self._from_worker, 4), "little")
            raise EngineError(os.read(self._from_worker, length).decode())
        return answer == DONE

    def wait_until_ready(self) -> None:
        if not self.wait(START_TIMEOUT):
            self._process.kill()
            self._process.wait()
            raise EngineError(
                f"a PyBullet worker did not start (exit status {self._process.returncode}); its message is above"
            )

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for fd in (self._to_worker, self._from_worker):
            os.close(fd)
