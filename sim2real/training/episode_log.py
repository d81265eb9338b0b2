"""The log of a training's episodes: in which world, how it went, and the Variant, as far as it varies."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from randomization import Randomization

if TYPE_CHECKING:  # reading a log needs no TensorFlow
    from sim2real.a2c.rollout import Ended

MAX_BYTES = 32 << 20  # of episodes.csv; then it becomes episodes.1.csv, in the place of an older one

_ABOUT = ("step", "seed", "world", "length", "return", "success")


class EpisodeLog:
    """`episodes.csv`: a row for each episode; with `episodes.1.csv` before it at most 64 MiB, the newest.

    step: control steps of the run so far; seed, world: as RobotVectorEnv takes them (`first_world`); length [control
    steps]; success: 0 or 1; and for each coordinate that varies its value at the end of the episode
    """

    def __init__(self, folder: Path, seed: int, randomization: Randomization | None) -> None:
        """randomization: says what varies, at the widest; None for environments without a robot."""
        self.path = folder / "episodes.csv"
        self._seed = seed
        low, high = np.zeros((2, 0)) if randomization is None else randomization.bounds()
        self._columns = np.flatnonzero(low < high)
        names = () if randomization is None else randomization.space.names
        self._header = [*_ABOUT, *(names[column] for column in self._columns)]

    def write(self, step: int, episodes: Iterable["Ended"]) -> None:
        """Append episodes that ended by control step `step`."""
        rows = [self._row(step, episode) for episode in episodes]
        if not rows:
            return
        if self.path.exists() and not self._fits():
            self.path.replace(self.path.with_name("episodes.1.csv"))
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows([self._header, *rows] if new else rows)

    def _row(self, step: int, episode: "Ended") -> list[object]:
        about = [step, self._seed, episode.world, episode.length, f"{episode.total:.6g}", int(episode.success)]
        values = [] if episode.variant is None else episode.variant[self._columns].tolist()
        return [*about, *(f"{value:.6g}" for value in values)]

    def _fits(self) -> bool:
        """Whether the file has room, and the columns of now: a resumed run may vary something else."""
        if self.path.stat().st_size >= MAX_BYTES:
            return False
        with self.path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), []) == self._header


def read_episodes(path: Path) -> dict[str, np.ndarray]:
    """Read an episodes.csv as arrays (n_episodes,) by column."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    return {name: np.array([float(row[k]) for row in rows]) for k, name in enumerate(header)}
