"""The cache of converted meshes: atomic, checked, shared by processes, and never in the way."""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from robots.mesh import cache as mesh_cache
from robots.mesh.cache import cache_key, load, store
from robots.mesh.convex import convex_parts
from robots.model import Mesh
from sim2real.errors import RobotError
from tests.robots.mesh.samples import box, obj, stl

KEY = cache_key("test", b"content", 1.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder, not made yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sim2real" / "meshes"


def test_what_is_stored_is_loaded(folder: Path) -> None:
    assert load(KEY) is None
    entry = store(KEY, {"a": [1, 0.1]}, {"-0.stl": b"zero", "-1.stl": b"one"})
    assert load(KEY) == entry
    assert [file.read_bytes() for file in entry.files] == [b"zero", b"one"]
    assert {file.parent for file in entry.files} == {folder}
    assert not [file for file in folder.iterdir() if file.suffix == ".tmp"]


def test_key_depends_on_everything() -> None:
    keys = {cache_key(*k) for k in (("a", b""), ("b", b""), ("a", b"x"), ("a", b"", 1.0), ("a", b"", 1.0, 2.0))}
    assert len(keys) == 5


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("suffix", [".json", "-0.stl"])
def test_damaged_file_is_made_again(tmp_path: Path, damage: bytes, suffix: str) -> None:
    (tmp_path / "m.stl").write_bytes(stl())
    mesh = Mesh(tmp_path / "m.stl")
    (part,) = convex_parts(mesh)
    sound = part.read_bytes()
    damaged = part.with_name(part.name.replace("-0.stl", suffix))
    damaged.write_bytes(damage)
    assert load(part.name.removesuffix("-0.stl")) is None
    assert convex_parts(mesh) == (part,)
    assert part.read_bytes() == sound


def test_manifest_that_was_edited_is_not_believed(folder: Path) -> None:
    store(KEY, {"a": 1}, {".stl": b"zero"})
    path = folder / f"{KEY}.json"
    manifest = json.loads(path.read_text())
    for change in ({"facts": {"a": 2}}, {"files": {"../../x": "0"}}, {"files": [1]}, {"sha256": 0}):
        path.write_text(json.dumps(manifest | change))
        assert load(KEY) is None


def test_missing_file_is_noticed(folder: Path) -> None:
    store(KEY, {}, {".stl": b"zero"})
    (folder / f"{KEY}.stl").unlink()
    assert load(KEY) is None


@pytest.mark.parametrize("blocked", ["sim2real", "sim2real/meshes"])
def test_cache_that_cannot_be_written_is_replaced_by_a_private_one(tmp_path: Path, blocked: str) -> None:
    path = tmp_path / blocked
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"a file where a folder should be")
    entry = store(KEY, {}, {".stl": b"zero"})
    assert not entry.files[0].is_relative_to(tmp_path / "sim2real")
    assert entry.files[0].stat().st_uid == os.getuid()
    assert entry.files[0].parent.stat().st_mode & 0o077 == 0
    assert load(KEY) == entry


def test_private_folder_goes_with_its_process(tmp_path: Path) -> None:
    (tmp_path / "sim2real").write_bytes(b"")
    code = "from robots.mesh.cache import store; print(store('k', {}, {'.stl': b''}).files[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).parent.exists()


def test_private_folder_is_not_made_where_it_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_cache, "_private_folder", lambda _: pytest.fail("a folder that is not needed"))
    assert load(KEY) is None
    store(KEY, {}, {".stl": b"zero"})
    assert load(KEY) is not None


@pytest.mark.parametrize("base", ["", "relative/path"])
def test_without_a_cache_home_it_lies_in_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert store(KEY, {}, {".stl": b""}).files[0].parent == tmp_path / "home" / ".cache" / "sim2real" / "meshes"


def test_where_nothing_can_be_written_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sim2real").write_bytes(b"")
    monkeypatch.setattr(mesh_cache, "_private_folder", lambda _: tmp_path / "sim2real" / "private")
    with pytest.raises(RobotError, match="set XDG_CACHE_HOME or TMPDIR"):
        store(KEY, {})


def _convert(path: Path) -> list[bytes]:
    return [part.read_bytes() for part in convex_parts(Mesh(path))]


def test_processes_share_it(tmp_path: Path) -> None:
    path = tmp_path / "m.obj"
    path.write_bytes(obj(*(box((1, 1, 1 + k)) for k in range(20))))
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_convert, [path] * 12))
    assert all(parts == found[0] for parts in found)
    assert len(found[0]) == 20
