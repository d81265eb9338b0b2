"""Convex parts: the same in both engines, outward, never flat, few vertices."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pybullet
import pytest

from robots.mesh.convex import MAX_PARTS, convert, convex_parts, mesh_hull_points
from robots.mesh.data import is_closed, signed_volume
from robots.mesh.hull import MAX_HULL_VERTICES, convex_hull
from robots.mesh.stl import read_stl
from robots.model import Mesh, Vector3
from sim2real.errors import RobotError
from tests.robots.mesh.samples import CUBES, box, dae, glb, gltf, obj, stl

BULLET_MARGIN = 0.001  # PyBullet rounds hulls by it


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def volume(path: Path) -> float:
    surface = read_stl(path.read_bytes()).solids[0]
    assert is_closed(surface)
    return signed_volume(surface)


def ball(count: int, size: Vector3 = (1, 1, 1)) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    points *= size / np.linalg.norm(points, axis=1, keepdims=True)
    return points


def bullet_bounds(folder: Path, parts: tuple[Path, ...]) -> np.ndarray:
    """Bounds (2, 3) [m] of the body that PyBullet makes of these parts."""
    shapes = "".join(f'<collision><geometry><mesh filename="{part}"/></geometry></collision>' for part in parts)
    mass = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
    urdf = write(folder, "r.urdf", f'<robot name="r"><link name="a">{mass}{shapes}</link></robot>'.encode())
    client = pybullet.connect(pybullet.DIRECT)
    body = pybullet.loadURDF(str(urdf), physicsClientId=client)
    bounds = np.array(pybullet.getAABB(body, physicsClientId=client))
    pybullet.disconnect(client)
    return bounds


def mujoco_bounds(parts: tuple[Path, ...]) -> np.ndarray:
    """Bounds (2, 3) [m] of the geoms that MuJoCo makes of these parts."""
    spec = mujoco.MjSpec()
    for number, part in enumerate(parts):
        inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
        spec.add_mesh(name=str(number), file=str(part), inertia=inertia)
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=str(number))
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    corners = []
    for geom in range(model.ngeom):
        mesh = model.geom_dataid[geom]
        start = model.mesh_vertadr[mesh]
        vertices = model.mesh_vert[start : start + model.mesh_vertnum[mesh]]
        corners.append(vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom])
    points = np.concatenate(corners)
    return np.stack([points.min(axis=0), points.max(axis=0)])


def test_a_cube_is_the_same_file_in_every_format(tmp_path: Path) -> None:
    found = [convert(Mesh(write(tmp_path, name, data))) for name, data in CUBES.items()]
    assert {len(parts.files) for parts in found} == {1}
    assert {parts.changes for parts in found} == {()}
    assert len({parts.files[0].read_bytes() for parts in found}) == 1
    assert volume(found[0].files[0]) == pytest.approx(1)


@pytest.mark.parametrize("scale", [(1, 1, 1), (2, 0.5, 0.001), (-1, 1, 1), (-1, -2, -3), (0.1, 1, -1)])
def test_scale_is_applied_and_faces_stay_outward(tmp_path: Path, scale: Vector3) -> None:
    mesh = Mesh(write(tmp_path, "m.obj", obj(box((1, 2, 3), (5, 0, 0)))), scale)
    (part,) = convex_parts(mesh)
    assert volume(part) == pytest.approx(abs(6 * np.prod(scale)), rel=1e-4)
    expected = np.unique((box((1, 2, 3), (5, 0, 0)) * scale).astype(np.float32), axis=0)
    assert mesh_hull_points(mesh).tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["two.obj", "two.dae", "two.glb"])
def test_parts_are_the_same_in_both_engines(tmp_path: Path, name: str) -> None:
    boxes = box(), box((1, 1, 2), (4, 0, 1))
    document = gltf()
    document["nodes"] = [{"mesh": 0}, {"mesh": 0, "translation": [4, 0, 1], "scale": [1, 1, 2]}]
    document["scenes"] = [{"nodes": [0, 1]}]
    data = {"two.obj": obj(*boxes), "two.dae": dae(*boxes), "two.glb": glb(document)}[name]
    parts = convex_parts(Mesh(write(tmp_path, name, data)))
    assert [volume(part) for part in parts] == pytest.approx([1, 2])
    bounds = np.array([[-0.5, -0.5, -0.5], [4.5, 0.5, 2.0]])
    assert mujoco_bounds(parts) == pytest.approx(bounds, abs=1e-5)
    # Twice: PyBullet gives a shape its margin, and the box around all shapes another.
    assert bullet_bounds(tmp_path, parts) == pytest.approx(bounds, abs=3.5 * BULLET_MARGIN)


def test_geometries_that_are_no_bodies_become_one_hull(tmp_path: Path) -> None:
    data = dae(box(), box((1, 1, 2), (4, 0, 1))).replace(b"<p>0 1 3", b"<p>1 1 3", 1)
    parts = convert(Mesh(write(tmp_path, "cad.dae", data)))
    assert parts.changes == ("one hull of 2 geometries, as 1 of them enclose no volume by themselves",)
    assert volume(parts.files[0]) > 5


@pytest.mark.parametrize(
    ("size", "change", "filled"),
    [
        ((2, 3, 0), "flat: made 1 mm thick", 2 * 3 * 0.001),
        ((2, 3, 1e-7), "flat: made 1 mm thick", 2 * 3 * 0.001),
        ((0, 3, 0), "a line: made 1 mm thick", 3 * 0.001**2),
        ((0, 0, 0), "a point: made 1 mm thick", 0.001**3),
    ],
)
def test_what_has_no_volume_is_given_some(tmp_path: Path, size: Vector3, change: str, filled: float) -> None:
    mesh = Mesh(write(tmp_path, "m.obj", obj(box(size, (1, 2, 3)))))
    parts = convert(mesh)
    assert parts.changes == (change,)
    assert volume(parts.files[0]) == pytest.approx(filled, rel=1e-3)
    assert mesh_hull_points(mesh).mean(axis=0) == pytest.approx([1, 2, 3])
    mujoco_bounds(parts.files)
    bullet_bounds(tmp_path, parts.files)


def test_a_slanted_sheet_is_thickened_across_itself() -> None:
    across, along = np.array([1, 1, 0]) / 2**0.5, np.array([1, -1, 0]) / 2**0.5
    hull = convex_hull(np.array([[0, 0, 0], along, [0, 0, 1], along + [0, 0, 1]]))
    assert np.sort(hull.vertices @ across) == pytest.approx([-0.0005] * 4 + [0.0005] * 4, abs=1e-7)


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 0.1, 0.01), (0.02, 0.02, 0.5), (1e-3, 1e-3, 1e-3)])
@pytest.mark.parametrize("count", [1_000, 40_000])
def test_many_vertices_become_128_within_1_percent(count: int, size: Vector3) -> None:
    points = ball(count, size)
    hull = convex_hull(points)
    assert len(hull.vertices) == MAX_HULL_VERTICES
    assert "128 of" in hull.changes[0]
    a, b, c = (hull.vertices[hull.faces[:, k]].astype(float) for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    above = (points @ normals.T - (a * normals).sum(axis=1)).max()
    assert 0 < above / np.linalg.norm(np.ptp(points, axis=0)) < 0.01


def test_few_vertices_stay_as_they_are() -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 15)] * 3), axis=-1).reshape(-1, 3)
    hull = convex_hull(np.concatenate([grid, [[0.5, 0.5, 1.2]]]))
    assert hull.changes == ()
    expected = [[0.5, 0.5, 1.2], *(box() + 0.5).tolist()]
    assert hull.vertices.tolist() == np.unique(np.array(expected, np.float32), axis=0).tolist()


def test_the_same_mesh_gives_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "m.obj", "\n".join(["o a", *(f"v {x} {y} {z}" for x, y, z in ball(500))]).encode())
    path.write_bytes(path.read_bytes() + b"\n" + b"".join(b"f %d %d %d\n" % (k, k + 1, k + 2) for k in range(1, 499)))
    (first,) = convex_parts(Mesh(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    (second,) = convex_parts(Mesh(path))
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_it_is_made_again_when_content_or_scale_change(tmp_path: Path) -> None:
    path = write(tmp_path, "m.stl", stl())
    first = convex_parts(Mesh(path))
    assert convex_parts(Mesh(path, (1.0, 1.0, 2.0))) != first
    path.write_bytes(stl(box((1, 1, 3))))
    assert volume(convex_parts(Mesh(path))[0]) == pytest.approx(3)
    path.write_bytes(stl())
    assert convex_parts(Mesh(path)) == first


@pytest.mark.parametrize(
    ("name", "data", "scale", "reason"),
    [
        ("m.stl", stl()[:-1], (1, 1, 1), "export it again"),
        ("m.obj", b"", (1, 1, 1), "without a face"),
        ("m.obj", obj(*[box()] * (MAX_PARTS + 1)), (1, 1, 1), "1,001 parts"),
        ("m.obj", obj(), (1, 1, 1e7), "it reaches 5e+06 m"),
        ("m.obj", obj(), (1, 1, float("nan")), "it reaches nan m"),
        ("m.gltf", b"{}", (1, 1, 1), "save it as one .glb"),
    ],
)
def test_what_is_broken_or_too_large_is_refused(
    tmp_path: Path, name: str, data: bytes, scale: Vector3, reason: str
) -> None:
    with pytest.raises(RobotError, match=reason.replace("+", r"\+")) as caught:
        convex_parts(Mesh(write(tmp_path, name, data), scale))
    assert "\n" not in str(caught.value)


def test_importing_stays_quick() -> None:
    code = "import sys, robots.mesh.convex; print(*sorted({'scipy', 'trimesh', 'collada'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def corpus() -> list[Path]:
    places = [Path(importlib.util.find_spec("pybullet_data").origin).parent]  # type: ignore[union-attr, arg-type]
    places.append(places[0].parent / "cmeel.prefix" / "share" / "example-robot-data" / "robots")
    return sorted(p for place in places for p in place.rglob("*") if p.suffix.lower() in (".stl", ".obj", ".dae"))


@pytest.mark.slow
def test_meshes_of_real_robots_become_parts_that_mujoco_compiles() -> None:
    refused = {}
    for path in (path for number, path in enumerate(corpus()) if number % 7 == 0 or path.name == "168.obj"):
        try:
            parts = convex_parts(Mesh(path))
        except RobotError as error:
            refused[path.name] = str(error)
            continue
        mujoco_bounds(parts[:50])
    # All of its vertices are "nan nan nan".
    assert list(refused) == ["168.obj"]
    assert "three finite numbers" in refused["168.obj"]
