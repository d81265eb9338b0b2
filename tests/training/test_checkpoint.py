"""Checkpoints: what is broken is passed over, what is left over is removed, and kill -9 at any moment loses nothing."""

import errno
import io
import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim2real.errors import TrainingError
from sim2real.training.checkpoint import KEEP, Checkpoint, CheckpointFolder


def made(step: int, content: int | None = None) -> Checkpoint:
    """A checkpoint of which every part holds `content`, or else its step."""
    value = step if content is None else content
    file = io.BytesIO()
    np.savez(file, weights=np.full(100, value))
    return Checkpoint(
        {"step": step, "seed": 7}, file.getvalue(), b"best %d" % value, {"kind": "curriculum", "at": value}
    )


def save(folder: CheckpointFolder, step: int, content: int | None = None) -> Path:
    return folder.save(made(step, content))


def newest(folder: CheckpointFolder) -> tuple[int, int]:
    """Return the newest checkpoint's step and what its learner holds."""
    found = folder.newest()
    assert found is not None
    assert set(found.counters) == {"step", "seed"}
    with np.load(io.BytesIO(found.learner), allow_pickle=False) as arrays:
        content = int(arrays["weights"][0])
    assert found == made(found.counters["step"], content)
    return found.counters["step"], content


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    """Three checkpoints, of steps 100, 200 and 1000."""
    made = CheckpointFolder(tmp_path / "checkpoints")
    for step in (100, 200, 1000):
        save(made, step)
    return made


def test_none_at_all(tmp_path: Path):
    assert CheckpointFolder(tmp_path / "none").newest() is None


def test_the_newest_by_number_and_only_a_few_are_kept(folder):
    assert newest(folder) == (1000, 1000)  # not 200, which is later in the alphabet
    for step in (1001, 1002):
        save(folder, step)
    assert sorted(p.name for p in folder.path.iterdir()) == ["step-1000", "step-1001", "step-1002"]
    assert KEEP == 3


def flip(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "one bit": flip,
    "cut off": lambda data: data[:-9],
    "longer": lambda data: data + b"\0",
    "zeros": lambda data: bytes(len(data)),
    "empty": lambda data: b"",
    "missing": lambda data: None,
}


def damage(path: Path, how: str) -> None:
    data = DAMAGE[how](path.read_bytes())
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("file", ["learner.npz", "best.npz", "worlds.json", "counters.yaml"])
def test_a_broken_one_is_passed_over(folder, file, how):
    damage(folder.path / "step-1000" / file, how)
    assert newest(folder) == (200, 200)
    damage(folder.path / "step-200" / file, how)
    assert newest(folder) == (100, 100)
    damage(folder.path / "step-100" / file, how)
    with pytest.raises(TrainingError, match="none of its 3 checkpoints is intact"):
        folder.newest()


@pytest.mark.parametrize("file", ["learner.npz", "best.npz", "worlds.json"])
def test_a_file_of_another_checkpoint_is_not_taken(folder, file):
    (folder.path / "step-200" / file).replace(folder.path / "step-1000" / file)
    assert newest(folder) == (100, 100)


def test_no_file_passes_for_another(folder):
    step = folder.path / "step-1000"
    (step / "best.npz").rename(step / "spare")
    (step / "learner.npz").rename(step / "best.npz")
    (step / "spare").rename(step / "learner.npz")
    assert newest(folder) == (200, 200)


def test_a_thousand_mutations_none_is_taken(folder):
    """Bits, bytes, cuts, zeros and missing files in the newest checkpoint: it is passed over each time."""
    rng, step, files = np.random.default_rng(0), folder.path / "step-1000", made(1000).files
    names = [*files, "counters.yaml"]
    files["counters.yaml"] = (step / "counters.yaml").read_bytes()
    for _ in range(1000):
        name = names[rng.integers(len(names))]
        data = bytearray(files[name])
        place = int(rng.integers(len(data)))
        match int(rng.integers(5)):
            case 0:
                data[place] ^= 1 << int(rng.integers(8))
            case 1:
                data[place : place + 8] = rng.bytes(8)
            case 2:
                del data[place:]
            case 3:
                data[place:] = bytes(len(data) - place)
            case _:
                data = bytearray()
        (step / name).write_bytes(data)
        assert newest(folder) in {(200, 200), (1000, 1000)}, "the latter where only white space is another"
        (step / name).write_bytes(files[name])
    assert newest(folder) == (1000, 1000)


@pytest.mark.parametrize("forged", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_worlds_with_a_digest_that_fits_are_refused_in_one_line(folder, forged, monkeypatch):
    """Whoever can write into the folder can make the digest fit too."""
    monkeypatch.setattr(Checkpoint, "files", {"learner.npz": b"weights", "worlds.json": forged})
    folder.save(made(2000))
    with pytest.raises(TrainingError, match=r"worlds\.json: is not") as caught:
        folder.newest()
    assert "\n" not in str(caught.value)


def test_every_changed_bit_is_noticed(folder):
    """Of the counters, one by one: a step that is off by a bit would be resumed without a word."""
    path = folder.path / "step-1000" / "counters.yaml"
    original = path.read_bytes()
    accepted = set()
    for position in range(8 * len(original)):
        data = bytearray(original)
        data[position // 8] ^= 1 << position % 8
        path.write_bytes(data)
        accepted.add(newest(folder))
    assert accepted <= {(200, 200), (1000, 1000)}  # some bits are only white space


def test_what_a_killed_save_left_is_removed(folder):
    draft = folder.path / "step-2000.tmp"
    draft.mkdir()
    (draft / "learner.npz").write_bytes(b"half of it")
    assert newest(folder) == (1000, 1000)
    assert not draft.exists()
    (folder.path / "step-1500").mkdir()  # or a checkpoint whose removal was cut short
    (folder.path / "notes.txt").write_text("mine")
    (folder.path / "step-best").mkdir()
    assert newest(folder) == (1000, 1000)


def test_going_on_from_an_older_one_drops_the_broken_later_ones(folder):
    for step in (200, 1000):
        damage(folder.path / f"step-{step}" / "learner.npz", "one bit")
    assert newest(folder) == (100, 100)
    for step in (150, 250, 350):
        save(folder, step)
        assert newest(folder) == (step, step)
    assert sorted(p.name for p in folder.path.iterdir()) == ["step-150", "step-250", "step-350"]


def test_saving_a_step_again(folder):
    """An intact checkpoint of that step stays; a broken one is replaced."""

    before = (folder.path / "step-1000").stat().st_ino
    save(folder, 1000, content=4)
    assert (folder.path / "step-1000").stat().st_ino == before
    assert newest(folder) == (1000, 1000)
    damage(folder.path / "step-1000" / "counters.yaml", "cut off")
    save(folder, 1000, content=5)
    assert newest(folder) == (1000, 5)


def test_a_save_that_fails_leaves_the_old_ones(folder):
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, size[1]))  # as a full disk, a file ends in its middle
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            save(folder, 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
    assert not list(folder.path.glob("*.tmp"))
    assert newest(folder) == (1000, 1000)
    save(folder, 2000)
    assert newest(folder) == (2000, 2000)
