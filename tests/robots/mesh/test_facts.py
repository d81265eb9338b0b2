"""Facts of meshes, for the linter: true, and quick."""

import time
from pathlib import Path

import numpy as np
import pytest

from robots.mesh.data import Solid, is_closed
from robots.mesh.facts import MeshFacts, mesh_facts
from robots.mesh.stl import stl_bytes
from sim2real.errors import RobotError
from tests.robots.mesh.samples import CORNERS, CUBES, FACES, box, dae, obj, stl


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def facts(folder: Path, name: str, data: bytes) -> MeshFacts:
    (folder / name).write_bytes(data)
    found = mesh_facts(folder / name)
    assert mesh_facts(folder / name) == found  # from the cache
    return found


@pytest.mark.parametrize("name", CUBES)
def test_facts_of_a_cube(tmp_path: Path, name: str) -> None:
    found = facts(tmp_path, name, CUBES[name])
    assert (found.triangles, found.watertight, found.solids) == (12, True, 1)
    assert found.volume == pytest.approx(1)
    assert found.extents == (1.0, 1.0, 1.0)
    assert found.unit == {".dae": 1.0, ".glb": 1.0}.get(Path(name).suffix)
    assert found.up_axis == ("Z_UP" if name.endswith(".dae") else None)


def test_unit_and_axis_of_a_dae(tmp_path: Path) -> None:
    found = facts(tmp_path, "m.dae", dae(box(), box((1, 2, 3), (5, 0, 0)), unit='<unit meter="0.001"/>', up="Y_UP"))
    assert (found.unit, found.up_axis, found.solids) == (0.001, "Y_UP", 2)
    assert found.extents == pytest.approx((0.006, 0.002, 0.003))
    assert found.volume == pytest.approx(7e-9)


def test_faces_turned_inward_give_a_negative_volume(tmp_path: Path) -> None:
    found = facts(tmp_path, "m.stl", stl_bytes(CORNERS.astype(np.float32), FACES[:, ::-1]))
    assert found.watertight
    assert found.volume == pytest.approx(-1)


@pytest.mark.parametrize("fault", ["a hole", "a face turned round", "a face twice"])
def test_a_fault_in_the_surface_is_seen(tmp_path: Path, fault: str) -> None:
    faces = {
        "a hole": FACES[1:],
        "a face turned round": np.concatenate([FACES[1:], FACES[:1, ::-1]]),
        "a face twice": np.concatenate([FACES, FACES[:1]]),
    }[fault]
    found = facts(tmp_path, "m.stl", stl_bytes(CORNERS.astype(np.float32), faces))
    assert not found.watertight
    assert found.volume == 0


def test_bodies_that_touch_along_an_edge_are_closed(tmp_path: Path) -> None:
    assert facts(tmp_path, "m.obj", obj(box(), box(centre=(1, 1, 0)))).watertight


@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-7])
def test_vertices_that_an_exporter_rounded_differently_are_one(noise: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = box(tuple(rng.uniform(0.1, 1, 3)), tuple(rng.uniform(-1, 1, 3)))[FACES].reshape(-1, 3)
        surface = Solid("", points + rng.uniform(-noise, noise, points.shape), np.arange(36).reshape(-1, 3))
        assert is_closed(surface)


def test_a_gap_of_a_thousandth_is_seen() -> None:
    points = box()[FACES].reshape(-1, 3)
    points[0] += 0.001
    assert not is_closed(Solid("", points, np.arange(36).reshape(-1, 3)))


def test_broken_mesh_is_refused_each_time(tmp_path: Path) -> None:
    (tmp_path / "m.stl").write_bytes(stl()[:-1])
    for _ in range(2):
        with pytest.raises(RobotError, match="but its header says"):
            mesh_facts(tmp_path / "m.stl")


def test_twenty_meshes_of_5000_triangles_take_less_than_a_second(tmp_path: Path) -> None:
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 51), np.linspace(0, np.pi, 51))
    ball = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)], axis=-1).reshape(-1, 3)
    corner = (np.arange(50)[:, None] * 51 + np.arange(50)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 51, corner + 1], 1), np.stack([corner + 1, corner + 51, corner + 52], 1)]
    )
    for number in range(20):
        (tmp_path / f"{number}.stl").write_bytes(stl_bytes((ball + number).astype(np.float32), faces))
    taken = []
    for _ in range(2):
        start = time.process_time()
        found = [mesh_facts(tmp_path / f"{number}.stl") for number in range(20)]
        taken.append(time.process_time() - start)
    assert all(f.watertight and f.triangles == 5000 for f in found)
    assert taken[0] < 1
    assert taken[1] < 0.2
