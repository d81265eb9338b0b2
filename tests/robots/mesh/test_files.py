"""Meshes are found inside the allowed folders only, and broken ones are refused."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from robots.model import Mesh
from robots.urdf.reader import read_urdf
from tests.robots.mesh.samples import CUBES

Write = Callable[[str | bytes], Path]
Refusal = Callable[..., str]
WithMesh = Callable[..., str]
InWorkspace = Callable[[str], Path]


def stl(triangles: int = 1, count: int | None = None, vertex: float = 1.0) -> bytes:
    corner = np.zeros((triangles, 12), "<f4")
    corner[:, 6] = corner[:, 10] = vertex
    rows = b"".join(row.tobytes() + b"\0\0" for row in corner)
    return b"header".ljust(80, b"\0") + np.uint32(triangles if count is None else count).tobytes() + rows


TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\n"


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def with_mesh(sound: str) -> Callable[..., str]:
    """A function that returns the sound robot with a mesh in place of its box."""
    return lambda filename, scale="1 1 1": sound.replace(
        '<box size="1 2 3"/>', f'<mesh filename="{filename}" scale="{scale}"/>'
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.stl", b"", "header says 84"),
        ("m.stl", stl(count=0xFFFFFFF0), "header says 214748"),
        ("m.stl", stl() + b"\0", "135 bytes"),
        ("m.stl", stl(triangles=0), "without triangles"),
        ("m.stl", stl(vertex=np.nan), "not finite"),
        ("m.stl", b"solid cube\nfacet normal 0 0 1\n", "does not end"),
        ("m.obj", b"garbage", "without a face"),
        ("m.obj", TRIANGLE, "without a face"),
        ("m.obj", TRIANGLE + b"f 1 2\n", "without a face"),
        ("m.obj", TRIANGLE + b"f 1 2 4\n", "vertex 4 of 3"),
        ("m.obj", TRIANGLE + b"f 1 2 2000000000\n", "vertex 2000000000 of 3"),
        ("m.obj", TRIANGLE + b"f 1 2 -4\n", "broken OBJ"),
        ("m.obj", TRIANGLE + b"f 0 1 2\n", "vertex 0"),
        ("m.obj", TRIANGLE + b"f a b c\n", "broken OBJ"),
        ("m.obj", b"v 0 0 nan\n" + TRIANGLE + b"f 1 2 3\n", "vertex 1"),
        ("m.obj", b"v 0 0\n" + TRIANGLE + b"f 1 2 3\n", "vertex 1"),
        ("m.dae", b"<COLLADA/>", "no triangle"),
        ("m.glb", b"glTF", "not a GLB"),
        ("m.gltf", b"{}", "save it as one .glb"),
        ("m.ply", b"ply", "format '.ply'"),
        ("other.stl", stl(), "is not a file"),
    ],
)
def test_broken_mesh_is_refused(
    refusal: Refusal, with_mesh: WithMesh, write: Write, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    message = refusal(write(with_mesh("m.ply" if name == "m.ply" else "m" + Path(name).suffix)))
    assert "planted.urdf:11: link 'arm': visual: geometry: mesh: " in message
    assert reason in message


def test_mesh_that_is_too_large_is_refused(refusal: Refusal, with_mesh: WithMesh, write: Write, tmp_path: Path) -> None:
    (tmp_path / "m.glb").touch()
    os.truncate(tmp_path / "m.glb", 200_000_001)
    assert "allowed are 200,000,000" in refusal(write(with_mesh("m.glb")))


@pytest.mark.parametrize("scale", ["0 1 1", "1", "1 1 1 1", "x 1 1"])
def test_scale_must_be_three_numbers_other_than_0(
    refusal: Refusal, with_mesh: WithMesh, write: Write, tmp_path: Path, scale: str
) -> None:
    (tmp_path / "m.stl").write_bytes(stl())
    assert "mesh: scale" in refusal(write(with_mesh("m.stl", scale)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.stl", stl(triangles=4)),
        ("M.STL", stl()),
        ("m.obj", TRIANGLE + b"  f 1/1/1 2//1 3\nf -1 -2 -3\n"),
        ("m.obj", TRIANGLE + b"f 1/2 2/1 3/1\nf 1//1 2//1 3//0\n"),
        ("text.stl", CUBES["text.stl"]),
        ("m.dae", CUBES["cube.dae"]),
        ("sub/m.glb", CUBES["cube.glb"]),
    ],
)
def test_sound_mesh_is_accepted(with_mesh: WithMesh, write: Write, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    model = read_urdf(write(with_mesh(name, "1 -1 0.001")))
    assert model.link("arm").visuals[0].geometry == Mesh((tmp_path / name).resolve(), (1.0, -1.0, 0.001))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """ws/pkg/urdf/planted.urdf beside ws/pkg/meshes/m.stl, and out of reach tmp_path/secret.stl."""
    (tmp_path / "secret.stl").write_bytes(stl())
    for folder in ("urdf", "meshes"):
        (tmp_path / "ws" / "pkg" / folder).mkdir(parents=True)
    (tmp_path / "ws" / "pkg" / "meshes" / "m.stl").write_bytes(stl())
    (tmp_path / "ws" / "pkg" / "urdf" / "link.stl").symlink_to(tmp_path / "secret.stl")
    return tmp_path / "ws"


@pytest.fixture
def in_workspace(workspace: Path, with_mesh: WithMesh) -> InWorkspace:
    """A function that writes the URDF with that mesh into the workspace and returns its path."""

    def _in_workspace(filename: str) -> Path:
        path = workspace / "pkg" / "urdf" / "planted.urdf"
        path.write_text(with_mesh(filename.format(top=workspace.parent)))
        return path

    return _in_workspace


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("../../../secret.stl", "lies outside"),
        ("package://pkg/../../secret.stl", "lies outside"),
        ("package://../../secret.stl", "lies outside"),
        ("package://../../../../../../../../etc/passwd", "lies outside"),
        ("{top}/secret.stl", "lies outside"),
        ("/etc/passwd", "lies outside"),
        ("link.stl", "lies outside"),
        ("file://{top}/secret.stl", "lies outside"),
        ("ftp://{top}/ws/pkg/meshes/m.stl", "only relative names"),
        ("https://example.org/m.stl", "only relative names"),
        ("package://other/meshes/m.stl", "is not a file"),
        ("package://", "only relative names"),
        ("package:///etc/passwd", "is not a file"),
        ("../meshes", "is not a file"),
        ("m" * 5000, "is not a file"),
    ],
)
def test_mesh_outside_of_the_roots_is_refused(
    refusal: Refusal, in_workspace: InWorkspace, workspace: Path, filename: str, reason: str
) -> None:
    path = in_workspace(filename)
    assert reason in refusal(path, roots=[workspace])


@pytest.mark.parametrize("root", ["", "pkg"])
@pytest.mark.parametrize("filename", ["../meshes/m.stl", "package://pkg/meshes/m.stl", "{top}/ws/pkg/meshes/m.stl"])
def test_mesh_inside_of_a_root_is_found(
    refusal: Refusal, in_workspace: InWorkspace, workspace: Path, root: str, filename: str
) -> None:
    path = in_workspace(filename)
    model = read_urdf(path, roots=[workspace / root])
    assert model.link("arm").visuals[0].geometry == Mesh((workspace / "pkg" / "meshes" / "m.stl").resolve())
    assert "lies outside" in refusal(path)


def test_mesh_is_found_from_a_relative_urdf_path(
    in_workspace: InWorkspace, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_workspace("m.stl")
    shutil.copy(workspace / "pkg" / "meshes" / "m.stl", path.parent)
    monkeypatch.chdir(path.parent)
    geometry = read_urdf(Path("planted.urdf")).link("arm").visuals[0].geometry
    assert geometry == Mesh((path.parent / "m.stl").resolve())
