"""What observations are normalized with: statistics of each number, of all pixels together, or nothing."""

import numpy as np
from numpy.typing import NDArray

from sim2real.a2c.network import RunningNorm
from sim2real.policy.policy import normalize
from sim2real.tasks import Mirror

WHITE = 255.0
ENOUGH = 64  # pictures of a batch whose pixels are counted


class RawNorm(RunningNorm):
    """Leaves observations as they are."""

    def normalize(self, seen: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return what the networks get of observations (n, size): the same."""
        return np.asarray(seen, np.float32)

    def scale(self, n_in: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean 0 and the deviation 1 of what the actor sees: (n_in,) each."""
        return np.zeros(n_in), np.ones(n_in)


class PixelNorm(RunningNorm):
    """Gives pixels mean 0 and deviation 1, all of them alike; what stands beside them has statistics of its own.

    Statistics of each pixel would say where the robot has been, and hide it there. Those of all together make sparse
    signals of what stands out from the background.
    """

    def __init__(self, n_pixels: int, n_beside: int, learned: bool) -> None:
        """learned: whether statistics follow what is seen; else pixels are divided by WHITE, and the rest stays."""
        super().__init__(1 + n_beside)
        self._n, self._learned = n_pixels, learned
        self.var[0] = WHITE**2

    def update(self, batch: NDArray[np.floating], mirror: Mirror | None = None) -> None:
        """Take in observations (n, n_pixels + n_beside); no task has a mirror for pictures."""
        if self._learned:
            pixels = batch[:: -(-len(batch) // ENOUGH), : self._n].astype(np.float64)
            beside = batch[:, self._n :].astype(np.float64)
            mean = np.concatenate([[pixels.mean()], beside.mean(axis=0)])
            self._take(mean, np.concatenate([[pixels.var()], beside.var(axis=0)]), len(batch))

    def normalize(self, seen: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return what the networks get of observations (n, n_pixels + n_beside)."""
        normal, pixels = np.empty(seen.shape, np.float32), slice(0, self._n)
        np.subtract(seen[:, pixels], np.float32(self.mean[0]), out=normal[:, pixels])
        normal[:, pixels] /= np.float32(self.std[0])
        np.clip(normal[:, pixels], -10.0, 10.0, out=normal[:, pixels])
        normal[:, self._n :] = normalize(np.asarray(seen[:, self._n :], np.float64), self.mean[1:], self.std[1:])
        return normal

    def scale(self, n_in: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and deviation of the pixels: (n_in,) each."""
        return np.full(n_in, self.mean[0]), np.full(n_in, self.std[0])


def norm_of(n_in: int, n_privileged: int, pictures: bool, wanted: bool) -> RunningNorm:
    """Return what normalizes what is seen (n, n_in + n_privileged); wanted: not only where pixels need it."""
    if pictures:
        return PixelNorm(n_in, n_privileged, wanted)
    return RunningNorm(n_in + n_privileged) if wanted else RawNorm(n_in + n_privileged)
