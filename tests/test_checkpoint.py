"""Checkpoints: what is broken is passed over, what is left over is removed, and kill -9 at any moment loses nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim2real.checkpoint import KEEP, CheckpointFolder
from sim2real.errors import TrainingError

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("SIM2REAL_KILLS", "10"))  # 200 take four minutes


def save(folder: CheckpointFolder, step: int, content: int | None = None) -> Path:
    value = step if content is None else content
    return folder.save(step, lambda path: np.savez(path, weights=np.full(100, value)), {"step": step, "seed": 7})


def newest(folder: CheckpointFolder) -> tuple[int, int]:
    """Return the newest checkpoint's step and what its learner holds."""
    found = folder.newest()
    assert found is not None
    path, counters, _ = found
    assert set(counters) == {"step", "seed"}
    with np.load(path, allow_pickle=False) as arrays:
        return counters["step"], int(arrays["weights"][0])


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
@pytest.mark.parametrize("file", ["learner.npz", "counters.yaml"])
def test_a_broken_one_is_passed_over(folder, file, how):
    damage(folder.path / "step-1000" / file, how)
    assert newest(folder) == (200, 200)
    damage(folder.path / "step-200" / file, how)
    assert newest(folder) == (100, 100)
    damage(folder.path / "step-100" / file, how)
    with pytest.raises(TrainingError, match="none of its 3 checkpoints is intact"):
        folder.newest()


def test_a_learner_of_another_checkpoint_is_not_taken(folder):
    (folder.path / "step-200" / "learner.npz").replace(folder.path / "step-1000" / "learner.npz")
    assert newest(folder) == (100, 100)


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

    def never(path: Path) -> None:
        raise AssertionError(path)

    folder.save(1000, never, {"step": 1000, "seed": 7})
    assert newest(folder) == (1000, 1000)
    damage(folder.path / "step-1000" / "counters.yaml", "cut off")
    save(folder, 1000, content=5)
    assert newest(folder) == (1000, 5)


def test_a_save_that_fails_leaves_the_old_ones(folder):
    def fail(path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        folder.save(2000, fail, {"step": 2000})
    assert newest(folder) == (1000, 1000)
    save(folder, 2000)
    assert newest(folder) == (2000, 2000)


SAVER = """
import sys
from pathlib import Path
import numpy as np
from sim2real.checkpoint import CheckpointFolder
folder = CheckpointFolder(Path(sys.argv[1]))
found = folder.newest()
step = found[1]["step"] if found else 0
print(step, flush=True)
while True:
    step += 1
    arrays = {str(k): np.full(30_000, step) for k in range(4)}  # 1 MB
    folder.save(step, lambda path: np.savez(path, **arrays), {"step": step})
    print(step, flush=True)
"""


def kill_while_saving(path: Path, seconds: float) -> int:
    """Save without a pause, for so long from the first save on; return the last step that was reported as saved."""
    command, environment = [sys.executable, "-c", SAVER, str(path)], {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        lines = process.stdout.read().split("\n")[:-1]
    return int(lines[-1]) if lines else 0


@pytest.mark.timeout(60 + 3 * KILLS)
def test_kill_at_random_moments(tmp_path: Path):
    folder, rng, interrupted = CheckpointFolder(tmp_path), np.random.default_rng(KILLS), 0
    for _ in range(KILLS):
        saved = kill_while_saving(tmp_path, rng.uniform(0.0, 0.2))
        interrupted += any(tmp_path.glob("*.tmp"))
        found: Any = folder.newest()
        if found is None:
            assert saved == 0
            continue
        path, counters, _ = found
        assert counters["step"] >= saved, "a checkpoint that was reported as saved is there"
        with np.load(path, allow_pickle=False) as arrays:
            assert len(arrays.files) == 4
            assert all((arrays[name] == counters["step"]).all() for name in arrays.files)
        assert not any(tmp_path.glob("*.tmp"))
    assert interrupted > 0, "no kill fell into a save: the test has tested nothing"
