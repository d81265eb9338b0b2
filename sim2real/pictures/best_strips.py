"""A strip (see `sim2real.pictures.strip`) of each policy that does better than all before it, while training goes on.

Drawn one at a time in a process of its own with the lowest priority: training does not wait for pictures.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from sim2real.policy import Policy
from sim2real.training.folder import written

PATIENCE_S = 120.0  # for the last picture, once training has ended


class BestStrips:
    """A metrics writer that leaves `step-N.png` in a folder; see `sim2real.training.reports.BestWriter`.

    Where policies improve faster than strips are drawn, only the newest is. It is a context, which ends with the last.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self._folder, self._engine = folder, engine
        self._draft = tempfile.TemporaryDirectory(prefix="sim2real-strip-")
        self._waiting: tuple[int, Policy] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        elif self._process is not None:
            self._process.kill()
            self._process.wait()
        self._draft.cleanup()

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Begin the strip that waits, if there is one and none is being drawn."""
        self._go_on()

    def best(self, step: int, policy: Policy) -> None:
        """Take the policy of `step` to draw it; raise OSError if the folder cannot be made."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._waiting = step, policy
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting is None or (self._process is not None and self._process.poll() is None):
            return
        (step, policy), self._waiting = self._waiting, None
        folder, picture = Path(self._draft.name, "policy"), self._folder / f"step-{step}.png"
        policy.save(folder)
        command = [sys.executable, "-m", "sim2real.pictures.best_strips", str(folder), str(picture)]
        # In a group of its own: Ctrl-C is for the training, which then waits for the last picture.
        self._process = subprocess.Popen([*command, "--engine", self._engine], process_group=0)

    def _finish(self) -> None:
        for _ in range(2):  # the one that is being drawn, and the one that waits for it
            if self._process is None:
                return
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._go_on()


def strip_of_best(policy: Path, picture: Path, engine: str) -> None:
    """Draw a policy in the first world of its own Randomization."""
    from sim2real.pictures.recording import record_episode
    from sim2real.pictures.strip import draw_strip

    loaded = Policy.load(policy)
    contract = loaded.contract
    title = f"{contract.robot.name}, {contract.task}, step {contract.training.get('steps', 0):,}"
    draft = picture.with_name(f".{picture.name}")
    with written(picture.parent):
        draw_strip(record_episode(loaded, engine), draft, title)
        draft.replace(picture)


def main() -> None:
    """Draw one strip, as the lowest of priorities."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--engine", default="bullet")
    arguments = parser.parse_args()
    os.nice(19)
    strip_of_best(arguments.policy, arguments.picture, arguments.engine)


if __name__ == "__main__":
    main()
