"""Onshape: its export folder imports as it is, and a fetch without keys says which."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from sim2real.errors import RobotError
from sim2real.importing import fetch_onshape, import_robot
from sim2real.importing.onshape import KEYS

ADDRESS = "https://cad.onshape.com/documents/0123/w/4567/e/89ab"


def test_an_export_folder_in_urdf(read, write, link, tetrahedron: bytes, tmp_path: Path):
    write("arm/config.json", '// with a comment\n{"url": "https://cad.onshape.com/documents/a/w/b/e/c"}')
    write("arm/robot.urdf", f'<robot name="Arm">{link("base", "package://assets/base part.stl")}</robot>')
    write("arm/assets/base part.stl", tetrahedron)
    done = import_robot(tmp_path / "arm", tmp_path / "out")
    assert (done.name, done.urdf.name) == ("arm", "arm.urdf")
    assert read(done).root.visuals[0].geometry.path == tmp_path / "out/meshes/base_part.stl"


def test_an_export_folder_in_mjcf(read, write, tetrahedron: bytes, tmp_path: Path):
    write("leg/scene.xml", "<mujoco><include file='robot.xml'/></mujoco>")
    write(
        "leg/robot.xml",
        '<mujoco model="leg"><compiler meshdir="assets"/><asset><mesh name="a" file="a.stl"/></asset>'
        '<worldbody><body name="base"><geom type="mesh" mesh="a"/></body></worldbody></mujoco>',
    )
    write("leg/assets/a.stl", tetrahedron)
    done = import_robot(tmp_path / "leg", tmp_path / "out")
    assert (done.name, read(done).link_names) == ("leg", ("world", "base"))


def test_folders_without_one_robot_are_refused(write, tmp_path: Path):
    write("empty/config.json", "{}")
    with pytest.raises(RobotError, match=r"holds no robot.urdf or robot.xml yet, only onshape-to-robot's settings"):
        import_robot(tmp_path / "empty", tmp_path / "out")
    write("two/config.json", "{}")
    write("two/left.urdf", "")
    write("two/right.urdf", "")
    with pytest.raises(RobotError, match=r"several descriptions \(left.urdf, right.urdf\); give the file itself"):
        import_robot(tmp_path / "two", tmp_path / "out")


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_keys")
def test_missing_keys_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONSHAPE_API", "https://cad.onshape.com")
    with pytest.raises(RobotError) as error:
        fetch_onshape(ADDRESS, tmp_path / "out")
    assert str(error.value).startswith("ONSHAPE_ACCESS_KEY, ONSHAPE_SECRET_KEY must be set in the environment")
    assert "https://dev-portal.onshape.com/keys" in str(error.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize(
    ("source", "says"),
    [("https://cad.onshape.com/documents/0123", "is not the address of an Onshape assembly"),
     ("http://cad.onshape.com/documents/0/w/1/e/2", "is not the address of an Onshape assembly"),
     ("gone.json", "gone.json: No such file or directory; give an Onshape address")],
)  # fmt: skip
def test_what_is_no_address_is_refused(tmp_path: Path, source: str, says: str):
    with pytest.raises(RobotError, match=says):
        fetch_onshape(source, tmp_path / "out")


def test_the_exporter_is_called_and_its_failure_is_one_line(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The library itself, in the child process, refuses this config.json before it asks any server; or is asked for."""
    for name in KEYS:
        monkeypatch.setenv(name, "https://localhost:9")
    config = write(
        "config.json", '{"document_id": "a", "version_id": "b", "workspace_id": "c", "output_format": "urdf"}'
    )
    if find_spec("onshape_to_robot") is None:  # an optional extra
        with pytest.raises(RobotError, match=r"pip install 'sim2real\[onshape\]'"):
            fetch_onshape(config, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    with pytest.raises(RobotError, match="You can't specify workspace_id and version_id") as error:
        fetch_onshape(config, tmp_path / "out")
    assert "\n" not in str(error.value)
    other = write("sdf/config.json", '{"document_id": "a", "output_format": "sdf"}')
    with pytest.raises(RobotError, match="output_format 'sdf' is not supported; allowed are urdf and mujoco"):
        fetch_onshape(other.parent, tmp_path / "out")
    assert not (tmp_path / "out").exists()
