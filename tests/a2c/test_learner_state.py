"""What a learner is saved as: everything comes back, and what is no such file is refused in one line."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sim2real.a2c.backend import keras
from sim2real.a2c.learner_state import load_state, save_state
from sim2real.a2c.network import RunningNorm
from sim2real.errors import TrainingError


class Learner:
    """Two groups of variables, statistics and counters, of values that depend on a seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.variables = {
            "network": [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in ((3, 2), (2,))],
            "optimizer": [keras.Variable(np.int64(seed), dtype="int64")],
        }
        self.norms = {"norm": RunningNorm(3)}
        self.norms["norm"].update(rng.normal(size=(10 + seed, 3)))

    @property
    def values(self) -> list[np.ndarray]:
        norm = self.norms["norm"]
        held = [v.numpy().copy() for group in self.variables.values() for v in group]
        return [*held, norm.mean.copy(), norm.var.copy(), np.array(norm.count)]

    def saved(self) -> bytes:
        stream = io.BytesIO()
        save_state(stream, self.variables, self.norms, (5, 0.5))
        return stream.getvalue()

    def load(self, data: bytes) -> list[float]:
        return load_state(io.BytesIO(data), self.variables, self.norms, 2)


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


def one_array(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_everything_comes_back():
    first, second = Learner(1), Learner(2)
    assert not same(first.values, second.values)
    assert second.load(first.saved()) == [5, 0.5]
    assert same(first.values, second.values)
    assert second.variables["optimizer"][0].numpy().dtype == np.int64


GARBAGE = {
    "nothing": b"",
    "text": b"learner: none\n" * 20,
    "cut off": Learner(1).saved()[:-100],
    "one array": one_array(np.zeros(3)),
    "no arrays": archive(counters=b"hello"),
    "no array's header": archive(**{"counters.npy": b"hello"}),
    "words": archive(**{"counters.npy": one_array(np.array(["a", "b"]))}),
    "an object": archive(**{"counters.npy": one_array(np.array([{}, {}], dtype=object))}),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_checkpoint_is_refused_in_one_line_and_changes_nothing(data):
    learner = Learner(2)
    before = learner.values
    with pytest.raises(TrainingError, match=r"^this is no learner's checkpoint; start again with another --out$"):
        learner.load(data)
    assert same(learner.values, before)


def test_bytes_that_have_flipped_are_refused_or_were_never_read():
    """Some bytes of a zip, such as dates, mean nothing; a checkpoint's folder knows the digest of all of them."""
    rng, learner, refused = np.random.default_rng(0), Learner(1), 0
    good = learner.saved()
    for _ in range(300):
        data = bytearray(good)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        try:
            learner.load(bytes(data))
        except TrainingError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 150


@pytest.mark.parametrize("change", ["fewer", "other shape", "other counters"])
def test_what_fits_another_network_is_refused_and_changes_nothing(change):
    learner, other = Learner(2), Learner(1)
    if change == "fewer":
        other.variables["network"].pop()
    elif change == "other shape":
        other.variables["network"][1] = keras.Variable(np.zeros(3, np.float32))
    before, data = learner.values, other.saved()
    with pytest.raises(TrainingError, match=r"^this is a checkpoint of another network; resume with the settings"):
        load_state(io.BytesIO(data), learner.variables, learner.norms, 3 if change == "other counters" else 2)
    assert same(learner.values, before)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        load_state(tmp_path / "learner.npz", Learner(1).variables, Learner(1).norms, 2)
