"""Training: a config in, a run folder out (checkpoints, learning curve, TensorBoard log and, for a robot, a Policy)."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sim2real.a2c.device import choose_device
from sim2real.errors import TrainingError
from sim2real.training.checkpoint import CheckpointFolder
from sim2real.training.config import TrainConfig
from sim2real.training.folder import claimed, versions
from sim2real.training.reports import BestWriter, MetricsWriter, NoteWriter
from sim2real.training.run import TrainingRun, TrainResult
from sim2real.training.worlds import load_family

__all__ = ["BestWriter", "MetricsWriter", "NoteWriter", "TrainResult", "graceful_interrupt", "train", "versions"]


def train(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    writers: Sequence[MetricsWriter] = (),
    stop: threading.Event | None = None,
) -> TrainResult:
    """Train and leave everything in `folder`; Ctrl-C ends after the present batch, with a checkpoint and a policy.

    So does `stop` where a writer, or another thread, sets it.
    With `resume`, go on from the newest intact checkpoint. Raise TrainingError if the folder is in use, cannot be
    written, holds a run and `resume` is not asked for, or one of another robot, task or version; if there is no such
    device; and TrainingFailedError if gradients stay without a finite value. Once training is under way, a disk that is
    full or a folder that is gone ends nothing: see TrainResult.notes.
    """
    load_family(config)  # refuses what cannot be drawn from before there is a folder
    choose_device(config.device)
    with claimed(folder), graceful_interrupt(stop) as interrupted:
        found = CheckpointFolder(folder / "checkpoints").newest()
        if found and not resume:
            raise TrainingError(
                f"{folder}: holds a run already; add --resume to go on with it, or choose another --out"
            )
        run = TrainingRun(config, folder, writers, found)
        try:
            run.start()
            return run.go(interrupted)
        finally:
            run.close()


@contextmanager
def graceful_interrupt(event: threading.Event | None = None) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event; the second ends the process as usual. Main thread only."""
    interrupted = event or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    previous = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, _: object) -> None:
        interrupted.set()
        signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, on_signal)
    try:
        yield interrupted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
