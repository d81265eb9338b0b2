"""Named random streams: one seed, and no two purposes that share its numbers."""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from sim2real.errors import RandomizationError

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_AHEAD = 64  # steps drawn at once


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """Return the generator of `purpose` (e.g. "train", "evaluate") under `seed`.

    Different purposes and indices are independent, so that held-out worlds never share draws with training.
    """
    if seed < 0:
        raise RandomizationError(f"seed: must be at least 0, got {seed}")
    # From 1 on: numpy pads what seeds a generator with zeros, so that index 0 would be no index at all.
    return np.random.default_rng([seed, crc32(purpose.encode()), *(i + 1 for i in index)])


class Noise:
    """Random numbers for n worlds at each step of a simulation, the same in world k however many worlds there are.

    The t-th call for a world gives it row t of its own sequence, which `seed`, `purpose` and the world's number fix.
    Numbers are drawn many steps ahead, which makes a step cheap. They come from a counter-based generator (Philox,
    Salmon et al. 2011), whose place in the sequence can be set: steps can be skipped for nothing, and the count of
    steps is all there is to save.
    """

    def __init__(self, seed: int, purpose: str, n_worlds: int, width: int, first: int = 0) -> None:
        """width: numbers for each world and step; first: the number of the first world."""
        entropy = [[seed, crc32(purpose.encode()), first + world + 1] for world in range(n_worlds)]
        self._normal = _Track([[*e, 1] for e in entropy], width, np.random.Generator.standard_normal)
        self._uniform = _Track([[*e, 2] for e in entropy], width, np.random.Generator.random)

    def normal(self, worlds: Index | None = None) -> Array:
        """Return the next standard normal numbers of `worlds`, of all if None: (len(worlds), width)."""
        return self._normal.take(worlds)

    def uniform(self, worlds: Index | None = None) -> Array:
        """Return the next numbers of `worlds` in [0, 1), of all if None: (len(worlds), width)."""
        return self._uniform.take(worlds)

    def skip(self, worlds: Index | None = None) -> None:
        """Pass over one step of both kinds, as if they had been drawn and not used."""
        self._normal.skip(worlds)
        self._uniform.skip(worlds)

    def state(self) -> dict[str, list[int]]:
        """Return how many steps each world has taken of each kind: plain numbers, for YAML or JSON."""
        return {"normal": self._normal.steps.tolist(), "uniform": self._uniform.steps.tolist()}

    def restore(self, state: Mapping[str, Sequence[int]]) -> None:
        """Go on where `state` was taken; raise RandomizationError if it is of another number of worlds."""
        for kind, track in (("normal", self._normal), ("uniform", self._uniform)):
            steps = np.asarray(state[kind], dtype=np.int64)
            if steps.shape != track.steps.shape:
                given, wanted = len(steps), len(track.steps)
                raise RandomizationError(f"noise: a state of {given} worlds cannot be restored into {wanted}")
            track.steps = steps


class _Track:
    """One kind of numbers, by blocks of `_AHEAD` steps; `_at_hand` says which block of each world is in memory.

    While all worlds have taken equally many steps, `_common` of them, the next numbers of all lie side by side, and
    their steps are not counted one by one.
    """

    def __init__(self, entropy: list[list[int]], width: int, draw: Callable[..., Array]) -> None:
        """entropy: what names the sequence of each world; draw: the method of a Generator that makes the numbers."""
        n_worlds = len(entropy)
        self._common: int | None = 0
        self._steps = np.zeros(n_worlds, dtype=np.int64)  # while they differ
        self._entropy, self._draw = entropy, draw
        self._worlds = np.arange(n_worlds)
        self._at_hand = np.full(n_worlds, -1, dtype=np.int64)
        self._shape = (_AHEAD, n_worlds, width)
        self._blocks = np.zeros((_AHEAD, 0, width))  # no memory and no time yet for numbers that nobody asks for

    @property
    def steps(self) -> NDArray[np.int64]:
        """How many steps each world has taken: (n_worlds,)."""
        return self._steps if self._common is None else np.full(len(self._steps), self._common)

    @steps.setter
    def steps(self, steps: NDArray[np.int64]) -> None:
        alike = len(steps) > 0 and bool((steps == steps[0]).all())
        self._common, self._steps = int(steps[0]) if alike else None, steps.copy()
        self._at_hand[:] = -1  # which is the same in all worlds while `_common` counts

    def take(self, worlds: Index | None) -> Array:
        if worlds is not None or self._common is None:
            numbers = self._gather(self._worlds if worlds is None else worlds)
        else:
            block, place = divmod(self._common, _AHEAD)
            if place == 0 or self._at_hand[0] != block:
                self._fill_stale(self._worlds, np.full(len(self._worlds), block))
            numbers = self._blocks[place].copy()
        self.skip(worlds)
        return numbers

    def _gather(self, worlds: Index) -> Array:
        block, place = np.divmod(self.steps[worlds], _AHEAD)
        self._fill_stale(worlds, block)
        numbers: Array = self._blocks[place, worlds]
        return numbers

    def skip(self, worlds: Index | None) -> None:
        if worlds is None and self._common is not None:
            self._common += 1
        elif worlds is None:
            self._steps += 1
        else:
            self._steps, self._common = self.steps, None
            self._steps[worlds] += 1

    def _fill_stale(self, worlds: Index, blocks: NDArray[np.int64]) -> None:
        stale = self._at_hand[worlds] != blocks
        if stale.any():
            self._fill(worlds[stale], blocks[stale])

    def _fill(self, worlds: Index, blocks: NDArray[np.int64]) -> None:
        if not self._blocks.shape[1]:
            self._start()
        state, drawn = self._bits.state, np.empty((_AHEAD, self._shape[2]))
        for world, block in zip(worlds.tolist(), blocks.tolist(), strict=True):
            state["state"]["key"][:] = self._keys[world]
            state["state"]["counter"][:] = (0, 0, block, 0)
            state["buffer_pos"] = len(state["buffer"])  # nothing is left of what was drawn before
            self._bits.state = state
            self._draw(self._generator, out=drawn)
            self._blocks[:, world] = drawn
        self._at_hand[worlds] = blocks

    def _start(self) -> None:
        self._blocks = np.zeros(self._shape)
        self._keys = [np.random.SeedSequence(e).generate_state(2, np.uint64) for e in self._entropy]
        self._bits = np.random.Philox(0)
        self._generator = np.random.Generator(self._bits)
