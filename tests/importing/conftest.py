"""Small robots of every format, made here."""

from pathlib import Path

import numpy as np
import pytest

from robots.mesh.stl import stl_bytes
from robots.urdf.reader import read_urdf

LINK = (
    '<link name="{name}"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>'
    "</inertial>{more}</link>"
)


@pytest.fixture
def tetrahedron() -> bytes:
    """Return a binary STL of one tetrahedron."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    return stl_bytes(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


@pytest.fixture
def link():
    """Return a function that gives a link's URDF, with the meshes of these names as its visuals."""

    def text(name: str, *meshes: str) -> str:
        more = "".join(f'<visual><geometry><mesh filename="{mesh}"/></geometry></visual>' for mesh in meshes)
        return LINK.format(name=name, more=more)

    return text


@pytest.fixture
def read():
    """Return a function that reads an imported robot's URDF."""
    return lambda done: read_urdf(done.urdf, floating_base=bool(done.floating_base))


@pytest.fixture
def write(tmp_path: Path):
    """Return a function that writes a file below the test's folder and returns its path."""

    def to(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to
