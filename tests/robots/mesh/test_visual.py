"""A renderer is given the file itself where that is safe, and one of our own elsewhere."""

from pathlib import Path

import pytest

from robots.mesh.facts import mesh_facts
from robots.mesh.visual import visual_mesh
from robots.model import Mesh
from sim2real.errors import RobotError
from tests.robots.mesh.samples import CUBES, box, dae, obj, stl

FACE = b"f 1 2 4\n"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def shown(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    found = visual_mesh(Mesh(path, (1.0, 2.0, 3.0)))
    assert visual_mesh(Mesh(path)) == found  # from the cache, whatever the scale
    return found


@pytest.mark.parametrize(("name", "itself"), [("cube.stl", True), ("cube.obj", True), ("text.stl", False)])
def test_what_engines_read_is_left_as_it_is(tmp_path: Path, name: str, itself: bool) -> None:
    assert (shown(tmp_path / name, CUBES[name]) == tmp_path / name) == itself


@pytest.mark.parametrize("name", ["text.stl", "cube.dae", "cube.glb"])
def test_what_an_engine_cannot_read_is_converted(tmp_path: Path, name: str) -> None:
    found = shown(tmp_path / name, CUBES[name])
    assert found.suffix == ".stl"
    assert mesh_facts(found).volume == pytest.approx(1)


def test_all_geometries_are_converted(tmp_path: Path) -> None:
    found = mesh_facts(shown(tmp_path / "m.dae", dae(box(), box(centre=(3, 0, 0)), unit='<unit meter="0.1"/>')))
    assert found.triangles == 24
    assert found.extents == pytest.approx((0.4, 0.1, 0.1))


@pytest.mark.parametrize(
    ("new", "itself"),
    [
        (b"vt 0 0\nvn 0 0 1\nf 1/1/1 2//1 4/1\n", True),
        (b"f 1/1 2/1 4/1\n", False),
        (b"vt 0 0\nf 1/2000000000 2/1 4/1\n", False),
        (b"vn 0 0 1\nf 1//0 2//1 4//1\n", False),
        (b"vn 0 0 1\nf 1//-1 2//-1 4//-1\n", False),
        (b"vt 0 0\nf 1/x 2/1 4/1\n", False),
        (FACE + b"#" * 9000 + b"\n", False),
        (FACE + b"\0\n", False),
        (FACE + b"mtllib m.mtl\n", True),
        (FACE + b"mtllib missing.mtl\n", True),
        (FACE + b"mtllib textures.mtl\n", True),
        (FACE + b"mtllib ../outside.mtl\n", False),
        (FACE + b"mtllib /dev/zero\n", False),
        (FACE + b"mtllib link.mtl\n", False),
        (FACE + b"mtllib away.mtl\n", False),
        (FACE + b"mtllib " + b"x" * 5000 + b"\n", False),
    ],
)
def test_obj_is_left_only_if_pybullet_reads_it_safely(tmp_path: Path, new: bytes, itself: bool) -> None:
    folder = tmp_path / "robot"
    folder.mkdir()
    (tmp_path / "outside.mtl").write_bytes(b"newmtl a\n")
    (folder / "m.mtl").write_bytes(b"newmtl a\nKd 1 0 0\n")
    (folder / "textures.mtl").write_bytes(b"newmtl a\nmap_Kd -s 1 1 1 a.png\nmap_Bump missing.png\n")
    (folder / "a.png").write_bytes(b"")
    (folder / "away.mtl").write_bytes(b"newmtl a\nmap_Kd -s 1 1 1 ../../secret.png\n")
    (folder / "link.mtl").symlink_to(tmp_path / "outside.mtl")
    found = shown(folder / "m.obj", obj().replace(FACE, new))
    assert (found == folder / "m.obj") == itself
    assert mesh_facts(found).volume == pytest.approx(1)


def test_material_that_changes_is_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / "m.mtl").write_bytes(b"newmtl a\n")
    assert shown(tmp_path / "m.obj", obj() + b"mtllib m.mtl\n") == tmp_path / "m.obj"
    (tmp_path / "m.mtl").write_bytes(b"newmtl a\nmap_Kd /etc/secret.png\n")
    assert visual_mesh(Mesh(tmp_path / "m.obj")) != tmp_path / "m.obj"


@pytest.mark.parametrize("name", ["m.stl", "m.obj", "m.dae", "m.glb"])
def test_broken_mesh_is_refused(tmp_path: Path, name: str) -> None:
    data = stl(box() * float("nan")) if name == "m.stl" else b"garbage"
    with pytest.raises(RobotError, match=r"export it again|well-formed"):
        shown(tmp_path / name, data)
