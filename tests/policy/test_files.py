"""Hostile and broken policy folders: each is refused with PolicyError, fast, in little memory, and nothing runs.

The files' contents do not matter to most of these, so they are made by hand and not by a policy.
"""

import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim2real.config import dump_yaml
from sim2real.errors import PolicyError
from sim2real.policy import files as policy_files
from sim2real.policy.files import MAX_BYTES, pack_arrays, read_arrays, read_folder, write_folder
from tests.children import started
from tests.saving import save_for_ever

CONTENTS = {
    "policy.yaml": b"a: 1\n" * 50,
    "weights.npz": pack_arrays({"w": np.arange(60.0).reshape(20, 3)}),
    "golden.npz": pack_arrays({"q": np.ones((4, 2), np.float32)}),
}
NEW = {name: b"new " + data for name, data in CONTENTS.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "policy", CONTENTS)
    return tmp_path / "policy"


def refusal(folder: Path) -> str:
    began = time.process_time()
    with pytest.raises(PolicyError) as caught:
        read_folder(folder)
    assert time.process_time() - began < 1
    assert str(caught.value).startswith(str(folder))
    return str(caught.value).removeprefix(str(folder))


def test_what_is_written_is_read(folder):
    assert read_folder(folder) == CONTENTS
    assert {p.name for p in folder.iterdir()} == set(MAX_BYTES)


def flip_bits(folder: Path, draws: int) -> None:
    rng = np.random.default_rng(0)
    names = sorted(MAX_BYTES)
    for k in range(draws):
        path = folder / names[k % 4]
        good = path.read_bytes()
        bad = bytearray(good)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        path.write_bytes(bad)
        assert refusal(folder)
        path.write_bytes(good)
    assert read_folder(folder) == CONTENTS


def test_every_flipped_bit_is_refused(folder):
    flip_bits(folder, 400)


@pytest.mark.slow
def test_every_flipped_bit_of_a_thousand_is_refused(folder):
    flip_bits(folder, 1000)


@pytest.mark.parametrize("name", sorted(MAX_BYTES))
@pytest.mark.parametrize("change", ["missing", "empty", "cut", "longer", "zeros"])
def test_a_broken_file_is_refused(folder, name, change):
    good = (folder / name).read_bytes()
    bad = {"empty": b"", "cut": good[:-1], "longer": good + b"\n", "zeros": bytes(len(good))}
    (folder / name).write_bytes(bad.get(change, b""))
    if change == "missing":
        (folder / name).unlink()
        assert refusal(folder) == f": is not a policy folder: without {name}"
    elif name == "manifest.yaml":
        assert refusal(folder).startswith("/manifest.yaml: ")
    else:
        remedy = "it was changed or cut off; export the policy again"
        assert refusal(folder) == f"/{name}: its SHA-256 is not the manifest's: {remedy}"


def test_two_files_in_each_others_place_are_refused(folder):
    (folder / "weights.npz").rename(folder / "x")
    (folder / "golden.npz").rename(folder / "weights.npz")
    (folder / "x").rename(folder / "golden.npz")
    assert refusal(folder).startswith("/weights.npz: its SHA-256 is not the manifest's")


def test_more_than_a_policy_is_refused(folder):
    (folder / "act.py").write_text("")
    (folder / "sub").mkdir()
    assert refusal(folder) == ": is not a policy folder: with act.py, sub"


def test_a_link_is_refused(folder, tmp_path):
    (folder / "golden.npz").rename(tmp_path / "elsewhere.npz")
    (folder / "golden.npz").symlink_to(tmp_path / "elsewhere.npz")
    assert refusal(folder) == "/golden.npz: is a link, a folder or a device, not a plain file"


def test_what_is_no_plain_file_is_refused(folder):
    (folder / "policy.yaml").unlink()
    os.mkfifo(folder / "policy.yaml")  # reading it would wait for ever
    assert refusal(folder) == "/policy.yaml: is a link, a folder or a device, not a plain file"
    (folder / "policy.yaml").unlink()
    (folder / "policy.yaml").mkdir()
    assert refusal(folder) == "/policy.yaml: is a link, a folder or a device, not a plain file"


@pytest.mark.parametrize("name", sorted(MAX_BYTES))
def test_a_file_too_long_is_refused(folder, name):
    os.truncate(folder / name, 10**12)  # a sparse file: a terabyte of zeros that takes no space
    assert refusal(folder) == f"/{name}: is longer than {MAX_BYTES[name]} bytes, the most for this file"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("model.zip", "a .zip file"), ("policy.pt", "a .pt file"), ("net.keras", "a .keras file"), ("policy", "a file")],
)
def test_another_kind_of_model_is_refused_by_its_kind(tmp_path, name, kind):
    canary = tmp_path / "canary"
    (tmp_path / name).write_bytes(bomb(canary))
    remedy = "a policy is a folder, written by `sim2real train` or `sim2real export`"
    assert refusal(tmp_path / name) == f": is {kind}; {remedy}"
    assert not canary.exists()


def test_a_tensorflow_saved_model_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "variables").mkdir()
    without = "without golden.npz, manifest.yaml, policy.yaml, weights.npz"
    assert refusal(tmp_path) == f": is not a policy folder: {without} and with saved_model.pb, variables"


@pytest.mark.parametrize("path", ["/no/such/folder", "a\0b", "x" * 5000])
def test_no_folder_at_all(path):
    with pytest.raises(PolicyError, match=r"no such policy folder|File name too long|embedded null byte"):
        read_folder(Path(path))


MANIFEST = {name: policy_files._fingerprint(data) for name, data in CONTENTS.items()}


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (
            {"files": {**MANIFEST, "../../etc/passwd": MANIFEST["policy.yaml"]}},
            "was changed by hand; export the policy again",
        ),
        ({"files": {}}, "was changed by hand; export the policy again"),
        ({"files": MANIFEST, "more": 1}, "more: unknown key; known keys: files"),
        (
            {"files": {**MANIFEST, "policy.yaml": {"sha256": 3, "bytes": 4}}},
            "files.policy.yaml.sha256: must be text (got 3)",
        ),
        ({"files": [1]}, "files: must be a mapping of keys to values (got a list)"),
        ({}, "files: is missing"),
    ],
)
def test_a_manifest_that_says_something_else(folder, manifest, problem):
    (folder / "manifest.yaml").write_text(dump_yaml(manifest))
    assert refusal(folder) == f"/manifest.yaml: {problem}"


# Arrays.


class Bomb:
    """What touches the file `canary` when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.canary,)


def bomb(canary: Path) -> bytes:
    return pickle.dumps(Bomb(canary))


def npz(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def header(text: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n" + data


def shaped(shape: str, data: bytes = b"", descr: str = "<f8") -> bytes:
    return header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}", data)


def arrays_refused(data: bytes, shape: tuple[int | None, ...] = (None, 3)) -> str:
    began = time.process_time()
    with pytest.raises(PolicyError) as caught:
        read_arrays(data, {"w": shape}, "weights.npz")
    assert time.process_time() - began < 1
    assert str(caught.value).startswith("weights.npz: ")
    return str(caught.value).removeprefix("weights.npz: ")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(5,), (1,), (4, 3), (2, 3, 4)])
def test_arrays_survive_to_the_bit(dtype, shape):
    rng = np.random.default_rng(0)
    first = {"a": rng.normal(size=shape).astype(dtype), "b": np.asfortranarray(rng.normal(size=(3, 4)).astype(dtype))}
    again = read_arrays(pack_arrays(first), {"a": shape, "b": (None, 4)}, "x.npz")
    for name, array in first.items():
        assert again[name].dtype == np.float64
        assert again[name].astype(dtype).tobytes() == np.ascontiguousarray(array).tobytes()


def test_a_pickle_is_refused_and_not_run(tmp_path):
    canary = tmp_path / "canary"
    objects = np.array([[Bomb(canary)] * 3], dtype=object)
    assert pickle.loads(bomb(canary)) is None  # noqa: S301 - the bomb works
    canary.unlink()
    hidden = [npy(objects), bomb(canary), shaped("(1, 3)", bomb(canary), "|O"), shaped("(1, 3)", bomb(canary), "O8")]
    for data in hidden:
        assert arrays_refused(npz(("w.npy", data))) == "w: is not a plain array of float32 or float64"
    for data in (bomb(canary), npz(("w.pkl", bomb(canary))), npz(("w", bomb(canary)))):
        arrays_refused(data)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["../w.npy", "/etc/w.npy", "w.npy/", "W.npy", "w", " w.npy"])
def test_another_name_is_refused_and_nothing_is_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert arrays_refused(npz((name, npy(np.ones((2, 3))))))
    assert not list(tmp_path.parent.glob("w*"))
    assert not list(tmp_path.iterdir())


def test_a_name_that_stands_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = npz(("w.npy", npy(np.ones((2, 3)))), ("w.npy", npy(np.ones((2, 3)))))
    assert arrays_refused(data) == "is not an uncompressed .npz of 1 arrays"


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (shaped("(999999999999, 3)"), "w: has 0 bytes, its shape (999999999999, 3) needs 23999999999976"),
        (shaped("(1000000000000, 3)"), "w: is not a plain array of float32 or float64"),
        (shaped(f"({'1' * 60_000}"), "w: is not a plain array of float32 or float64"),
        (shaped(f"({'1, ' * 20_000}"), "w: is not a plain array of float32 or float64"),
        (shaped("(99999999, 99999999, 99999999)"), "w: has shape (99999999, 99999999, 99999999), expected (any, 3)"),
        (shaped("(-1, 3)"), "w: is not a plain array of float32 or float64"),
        (shaped("(0, 3)"), "w: has shape (0, 3), expected (any, 3)"),
        (shaped("()"), "w: has shape (), expected (any, 3)"),
        (shaped("(2, 3)", bytes(47)), "w: has 47 bytes, its shape (2, 3) needs 48"),
        (shaped("(2, 3)", bytes(49)), "w: has 49 bytes, its shape (2, 3) needs 48"),
        (shaped("(2, 3)", bytes(48), "<i8"), "w: is not a plain array of float32 or float64"),
        (shaped("(2, 3)", bytes(48), ">f8"), "w: is not a plain array of float32 or float64"),
        (shaped("(2, 3)", bytes(12), "<f2"), "w: is not a plain array of float32 or float64"),
        (
            shaped("(2, 3)", bytes(48)).replace(b"\x3c\x00", b"\xff\x00", 1),
            "w: is not a plain array of float32 or float64",
        ),
        (header("(" * 9000), "w: is not a plain array of float32 or float64"),
        (header("-" * 9000 + "1"), "w: is not a plain array of float32 or float64"),
        (header("__import__('os').system('true')"), "w: is not a plain array of float32 or float64"),
        (npy(np.asfortranarray(np.ones((2, 3)))), "w: is not a plain array of float32 or float64"),
        (b"", "w: is not a plain array of float32 or float64"),
        (b"\x93NUMPY", "w: is not a plain array of float32 or float64"),
        (npy(np.full((2, 3), np.nan)), "w: holds values that are not finite in single precision"),
        (npy(np.array([[1, 2, -np.inf]])), "w: holds values that are not finite in single precision"),
        (npy(np.array([[1, 2, 1e39]])), "w: holds values that are not finite in single precision"),
        (npy(np.ones((2, 4))), "w: has shape (2, 4), expected (any, 3)"),
    ],
    ids=range(24),
)
def test_an_array_that_is_not_what_was_asked_for(member, problem):
    assert arrays_refused(npz(("w.npy", member))) == problem


def test_only_named_arrays_may_hold_nan():
    data = pack_arrays({"w": np.full((2, 3), np.nan)})
    assert np.isnan(read_arrays(data, {"w": (2, 3)}, "x", ("w",))["w"]).all()
    with pytest.raises(PolicyError, match="not finite"):
        read_arrays(data, {"w": (2, 3)}, "x", ("v",))


def test_compressed_arrays_are_refused():
    """A megabyte can unpack to a gigabyte."""
    data = npz(("w.npy", npy(np.zeros((100_000, 3)))), compression=zipfile.ZIP_DEFLATED)
    assert len(data) < 10_000
    assert arrays_refused(data) == "is compressed; a policy's arrays are not"
    noise = npy(np.frombuffer(np.random.default_rng(0).bytes(24_000)).reshape(1000, 3))
    data = npz(("w.npy", noise), compression=zipfile.ZIP_LZMA)  # no smaller, but LZMA may ask for gigabytes
    assert len(data) > len(noise)
    assert arrays_refused(data) == "is compressed; a policy's arrays are not"


def test_a_member_that_claims_more_than_the_file_has_is_refused():
    data = npz(("w.npy", npy(np.ones((2, 3)))))
    size = data.index(b"PK\x01\x02") + 20  # of the compressed and the plain data, in the zip's directory
    claim = struct.pack("<II", 10**9, 10**9)
    assert arrays_refused(data[:size] + claim + data[size + 8 :]) == "is compressed; a policy's arrays are not"


def huge_directory() -> bytes:
    """Return a zip with one member that its directory, which Python reads whole, names 500,000 times."""
    data = npz(("w.npy", b""))
    start = data.index(b"PK\x01\x02")
    directory = data[start:-22] * 500_000
    return data[:start] + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), start, 0)


def test_a_zip_with_a_huge_directory_is_refused_before_it_is_read():
    data = huge_directory()
    assert arrays_refused(data) == "is not an uncompressed .npz of 1 arrays"
    huge = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(data) - data.index(b"PK\x01\x02") - 22, 40)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1)
    small = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 51, 0, 0)  # harmless, but for what stands before it
    assert arrays_refused(data[:-22] + huge + locator + small) == "is not an uncompressed .npz of 1 arrays"


def mutated(draws: int) -> None:
    rng = np.random.default_rng(1)
    good = pack_arrays({"w": np.arange(60.0).reshape(20, 3)})
    whole = read_arrays(good, {"w": (20, 3)}, "weights.npz")["w"]
    for k in range(draws):
        data = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        bad = bytes(data[: rng.integers(len(data))]) if k % 4 == 0 else bytes(data)
        try:
            assert (read_arrays(bad, {"w": (20, 3)}, "weights.npz")["w"] == whole).all()  # e.g. only the date differs
        except PolicyError as error:
            assert str(error).isprintable()


def test_mutated_and_truncated_arrays_are_refused_or_read_as_they_were():
    mutated(600)


@pytest.mark.slow
def test_ten_thousand_mutations():
    mutated(10_000)


PEAK = """
import resource, sys, time
from pathlib import Path
from sim2real.errors import PolicyError
from sim2real.policy import Policy
from sim2real.policy.files import read_arrays, read_folder
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, began = peak(), time.process_time()
try:
    read_arrays(read_folder(Path(sys.argv[1]))["weights.npz"], {"w": (None, 3)}, "weights.npz")
    Policy.load(sys.argv[1])
except PolicyError as error:
    print(peak() - before, time.process_time() - began, error)
"""


@pytest.mark.parametrize(
    ("attack", "refused"),
    [("directory", "weights"), ("bomb", "weights"), ("full", "weights"), ("yaml", "policy.yaml:1: more")],
)
def test_no_folder_takes_much_memory_or_time_to_refuse(tmp_path, attack, refused):
    name = "policy.yaml" if attack == "yaml" else "weights.npz"
    attacks: dict[str, Callable[[], bytes]] = {
        "directory": huge_directory,
        "bomb": lambda: npz(("w.npy", bytes(200_000_000)), compression=zipfile.ZIP_DEFLATED),
        "full": lambda: bytes(MAX_BYTES[name]),
        "yaml": lambda: b"a: [" + b"1," * 400_000 + b"1]",
    }
    hostile = attacks[attack]()
    assert len(hostile) <= MAX_BYTES[name]
    write_folder(tmp_path / "policy", {**CONTENTS, name: hostile})
    command = [sys.executable, "-c", PEAK, str(tmp_path / "policy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    megabytes, seconds, message = done.stdout.split(" ", 2)
    assert float(megabytes) < 100
    assert float(seconds) < 2  # 0.5 s where nothing else runs
    assert refused in message
    assert message.count("\n") == 1


# Writing.


def fail_at(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, call: int, error: BaseException) -> None:
    """Let the function `target.name` raise `error` at its `call`-th call, counted from 0."""
    original, calls = getattr(target, name), iter(range(1000))

    def function(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == call:
            raise error
        return original(*arguments, **keywords)

    monkeypatch.setattr(target, name, function)


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("target", "name", "call"),
    [
        *((os, "fsync", k) for k in range(4)),
        *((Path, "rename", k) for k in range(2)),
        (Path, "mkdir", 0),
        (Path, "open", 2),
    ],
)
def test_writing_that_fails_leaves_the_old_policy(folder, monkeypatch, target, name, call):
    with monkeypatch.context() as patch:
        fail_at(patch, target, name, call, FULL)
        with pytest.raises(PolicyError) as caught:
            write_folder(folder, NEW)
    assert str(caught.value) == f"{folder}: cannot be written: No space left on device"
    assert read_folder(folder) == CONTENTS
    assert [p.name for p in folder.parent.iterdir()] == ["policy"]
    write_folder(folder, NEW)
    assert read_folder(folder) == NEW


@pytest.mark.parametrize(("target", "name", "call"), [(os, "fsync", 2), (Path, "rename", 1)])
def test_ctrl_c_while_writing_leaves_the_old_policy(folder, monkeypatch, target, name, call):
    with monkeypatch.context() as patch:
        fail_at(patch, target, name, call, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            write_folder(folder, NEW)
    assert read_folder(folder) == CONTENTS


def test_writing_that_fails_the_first_time_leaves_nothing(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, os, "fsync", 3, FULL)
        with pytest.raises(PolicyError):
            write_folder(tmp_path / "new" / "policy", CONTENTS)
    assert not list((tmp_path / "new").iterdir())


def test_a_kill_between_the_two_renames_is_mended_by_the_next_save(folder, monkeypatch):
    folder.rename(folder.parent / ".policy.replaced")
    (folder.parent / ".policy.draft").mkdir()
    assert refusal(folder) == ": no such policy folder"
    with monkeypatch.context() as patch:
        fail_at(patch, os, "fsync", 0, FULL)
        with pytest.raises(PolicyError):
            write_folder(folder, NEW)
    assert read_folder(folder) == CONTENTS
    assert [p.name for p in folder.parent.iterdir()] == ["policy"]


def killed_while_saving(folder: Path, kills: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(kills):
        with started(save_for_ever, folder) as (process, told):
            assert told.recv() == 0
            time.sleep(rng.uniform(0, 0.05))
            process.kill()
        try:
            contents = read_folder(folder)
        except PolicyError as error:
            assert str(error) == f"{folder}: no such policy folder"  # between the renames, some microseconds
        else:
            assert len(set(contents.values())) == 1  # all of one save


def test_a_killed_save_leaves_the_old_policy_or_the_new(folder):
    killed_while_saving(folder, 3)


@pytest.mark.slow
def test_forty_killed_saves(folder):
    killed_while_saving(folder, 40)


def test_nothing_but_a_policy_is_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(PolicyError, match="holds other things than a policy; choose another folder"):
        write_folder(tmp_path, CONTENTS)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PolicyError, match="cannot be written: Not a directory"):
        write_folder(tmp_path / "file", CONTENTS)
    with pytest.raises(PolicyError, match=r"^/: holds other things than a policy; choose another folder"):
        write_folder(Path("/"), CONTENTS)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"thesis.tex": "years of work", "file": "mine"}


def test_places_to_write(tmp_path, monkeypatch):
    """An empty folder, a folder that is not there yet, the present one, and what a link points to."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "new")
    for path in (tmp_path / "empty", tmp_path / "deep" / "new", tmp_path / "link"):
        write_folder(path, CONTENTS)
        assert read_folder(path) == CONTENTS
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(tmp_path / "empty")
    write_folder(Path(), NEW)
    assert read_folder(tmp_path / "empty") == NEW
