"""A plain URDF through the one door: as it is, meshes beside it, whole or not at all."""

from pathlib import Path

import pytest

from sim2real.errors import RobotError
from sim2real.importing import import_robot


def test_the_text_stays_but_for_mesh_names(read, write, link, tetrahedron: bytes, tmp_path: Path):
    body = link("base", "part.stl", "more/part.stl", "part.stl", "package://robot/more/part.stl")
    head = "<?xml version='1.0'?>\n<!-- kept, and a <mesh filename='part.stl'/> -->\n"
    text = f"{head}<robot name='My Robot-2'>{body}\n</robot>"
    path = write("robot/robot.urdf", text)
    write("robot/part.stl", tetrahedron)
    write("robot/more/part.stl", tetrahedron)
    done = import_robot(path, tmp_path / "out")
    assert done.name == "my_robot_2"
    assert done.urdf == tmp_path / "out" / "my_robot_2.urdf"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["meshes", "my_robot_2.urdf"]
    assert sorted(p.name for p in (tmp_path / "out/meshes").iterdir()) == ["part.stl", "part_2.stl"]
    expected = text.replace("package://robot/more/part.stl", "meshes/part_2.stl").replace(
        '"more/part.stl"', '"meshes/part_2.stl"'
    )
    assert done.urdf.read_text() == expected.replace('"part.stl"', '"meshes/part.stl"').replace(
        "'part.stl'", '"meshes/part.stl"'
    )
    assert done.notes == ("mesh files are copied to meshes/ and named from there",)
    assert len(read(done).root.visuals) == 4


def test_names_that_differ_in_case_stay_apart(write, link, tetrahedron: bytes, tmp_path: Path):
    path = write("r.urdf", f'<robot name="r">{link("base", "Part.STL", "a/part.stl")}</robot>')
    write("Part.STL", tetrahedron)
    write("a/part.stl", tetrahedron)
    import_robot(path, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out/meshes").iterdir()) == ["Part.stl", "part_2.stl"]


# how the mesh is named, what the error says
OUTSIDE = {
    "absolute": ("file:///etc/passwd", "outside of the search path"),
    "absolute without scheme": ("/etc/passwd", "outside of the search path"),
    "dots": ("../../../../../../etc/passwd", "outside of the search path"),
    "dots in a package": ("package://robot/../../../../../../../etc/passwd", "outside of the search path"),
    "package that is a parent folder": ("package://{parent}/secret", "package '{parent}' is in none of the folders"),
    "package of dots": ("package://../secret.stl", "package '..' is in none of the folders searched"),
    "link": ("link.stl", "outside of the search path"),
    "missing": ("gone.stl", "there is no file"),
    "folder": ("folder", "there is no file"),
    "web": ("http://example.com/a.stl", "only file names, file:// and package:// are supported"),
}


@pytest.mark.parametrize(("name", "says"), OUTSIDE.values(), ids=OUTSIDE)
def test_meshes_outside_are_refused_and_nothing_is_left(write, link, tmp_path: Path, name: str, says: str):
    name, says = (text.replace("{parent}", tmp_path.name) for text in (name, says))
    write("secret", "secret")
    path = write("robot/robot.urdf", f'<robot name="r">\n{link("base", name)}</robot>')
    (tmp_path / "robot/folder").mkdir()
    (tmp_path / "robot/link.stl").symlink_to("/etc/passwd")
    with pytest.raises(RobotError) as error:
        import_robot(path, tmp_path / "out")
    assert says in str(error.value)
    assert str(error.value).startswith(f"{path}:2: link 'base': visual: geometry: mesh: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["robot", "secret"]


def test_an_unknown_package_prints_the_search_path(write, link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "ros").mkdir()
    (tmp_path / "given/arm_description").mkdir(parents=True)
    monkeypatch.setenv("ROS_PACKAGE_PATH", f"{tmp_path / 'ros'}:/nowhere")
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    path = write("robot/robot.urdf", f'<robot name="r">{link("base", "package://arm_descripton/a.stl")}</robot>')
    with pytest.raises(RobotError) as error:
        import_robot(path, tmp_path / "out", search=[tmp_path / "given"])
    places = ", ".join(str(tmp_path / name) for name in ("robot", "given", "ros"))
    assert f"(did you mean 'arm_description'?): {places}, {tmp_path}" in str(error.value)


def test_an_existing_folder_is_only_used_empty(write, link, tmp_path: Path):
    path = write("r.urdf", f'<robot name="r">{link("base")}</robot>')
    (tmp_path / "empty").mkdir()
    assert import_robot(path, tmp_path / "empty").urdf.is_file()
    for taken in (tmp_path / "empty", path):
        with pytest.raises(RobotError, match="exists and is not an empty folder"):
            import_robot(path, taken)


def test_what_does_not_fit_is_refused(write, link, tmp_path: Path):
    path = write("r.urdf", f'<robot name="r">{link("base")}</robot>')
    with pytest.raises(RobotError, match="arguments are for xacro files, and this is urdf"):
        import_robot(path, tmp_path / "out", arguments={"a": "1"})
    with pytest.raises(RobotError, match="not a folder to search"):
        import_robot(path, tmp_path / "out", search=[tmp_path / "gone"])
    with pytest.raises(RobotError, match="cannot be made"):
        import_robot(path, path / "out")
    latin = write("latin.urdf", '<?xml version="1.0" encoding="latin-1"?><robot name="\xe4"/>'.encode("latin-1"))
    with pytest.raises(RobotError, match="save it as UTF-8"):
        import_robot(latin, tmp_path / "out")
