"""Each format is read as its specification says, and what is broken in it is named."""

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from robots.mesh import data as mesh_data
from robots.mesh import read as mesh_read
from robots.mesh.data import MeshData
from robots.mesh.read import parse_mesh, read_bytes
from sim2real.errors import RobotError
from tests.robots.mesh.samples import CUBES, FACES, box, dae, glb, gltf, obj, stl, text_stl

BOM = b"\xef\xbb\xbf"


def parse(name: str, data: bytes) -> MeshData:
    return parse_mesh(Path(name), data)


def refusal(name: str, data: bytes) -> str:
    with pytest.raises(RobotError) as caught:
        parse(name, data)
    message = str(caught.value)
    assert message.startswith(f"mesh {name}: ")
    assert "\n" not in message
    return message


def corners(mesh: MeshData) -> np.ndarray:
    return np.unique(np.round(mesh.joined().vertices, 9), axis=0)


@pytest.mark.parametrize("name", CUBES)
def test_cube_is_the_same_in_every_format(name: str) -> None:
    mesh = parse(name, CUBES[name])
    assert mesh.triangles == 12
    assert corners(mesh).tolist() == box().tolist()
    assert mesh_data.is_closed(mesh.joined())
    assert mesh_data.signed_volume(mesh.joined()) == pytest.approx(1)


@pytest.mark.parametrize(
    "data",
    [
        obj().replace(b"\n", b"\r\n"),
        obj().replace(b"\n", b"\r"),
        obj().replace(b"v ", b"  v\t"),
        obj().replace(b"\nf 1 ", b"\nmtllib ../../x.mtl\nusemtl red\ns off\nf 1 "),
        obj().replace(b"f 1 2 4", b"f 1 \\\n2 4"),
        b"\n".join(line + b" 1 0 0" if line.startswith(b"v ") else line for line in obj().split(b"\n")),  # colours
        obj().replace(b"f 1 2 4\nf 1 4 3", b"f 1/7/9 2//-5 4/x 3"),  # a square; texture and normal are not looked at
        obj().replace(b"f 1 2 4\n", b"f -8 -7 -5\n"),
        obj().replace(b"f 1 2 4\n", b"f 1 2 4\nf 1 2\nl 1 2\np 1\n"),
    ],
    ids=["crlf", "cr", "blanks", "materials", "continued", "colours", "corners", "negative", "lines"],
)
def test_obj_may_be_written_in_many_ways(data: bytes) -> None:
    mesh = parse("m.obj", data)
    assert mesh.triangles == 12
    assert mesh_data.signed_volume(mesh.joined()) == pytest.approx(1)


def test_obj_counts_back_from_the_line_that_counts() -> None:
    relative = obj(box(), box(centre=(3, 0, 0)), part="s off").replace(b"f 1 2 4\n", b"f -8 -7 -5\n")
    assert parse("m.obj", relative.replace(b"f 9 10 12\n", b"f -8 -7 -5\n")).solids[0].faces.tolist() == [
        *FACES.tolist(),
        *(FACES + 8).tolist(),
    ]


@pytest.mark.parametrize(
    ("part", "count"),
    [("o a", 2), ("g a", 2), ("  g a", 2), ("usemtl a", 1), ("s 1", 1), ("g", 1), ("object a", 1)],
)
def test_obj_is_parted_where_pybullet_parts_it(part: str, count: int) -> None:
    mesh = parse("m.obj", obj(box(), box(centre=(3, 0, 0)), part=part))
    assert len(mesh.solids) == count
    assert all(len(solid.vertices) == 16 / count for solid in mesh.solids)


@pytest.mark.parametrize(
    ("transform", "size", "centre"),
    [
        ("", (1, 1, 1), (0, 0, 0)),
        ("<translate>1 2 3</translate><scale>1 2 -1</scale>", (1, 2, 1), (1, 2, 3)),
        ("<scale>2 1 1</scale><translate>1 0 0</translate>", (2, 1, 1), (2, 0, 0)),
        ("<scale>1 2 3</scale><rotate>0 0 2 90</rotate>", (1, 2, 3), (0, 0, 0)),
        ("<rotate>0 0 2 90</rotate><scale>1 2 3</scale><translate>1 0 0</translate>", (2, 1, 3), (0, 1, 0)),
        ("<matrix>0 -1 0 5  1 0 0 6  0 0 1 7  0 0 0 1</matrix><translate>1 0 0</translate>", (1, 1, 1), (5, 7, 7)),
    ],
)
def test_dae_applies_transforms_and_unit_but_not_the_up_axis(
    transform: str, size: tuple[float, float, float], centre: tuple[float, float, float]
) -> None:
    mesh = parse("m.dae", dae(unit='<unit meter="0.01" name="cm"/>', up="Y_UP", transform=transform))
    assert (mesh.unit, mesh.up_axis, mesh.solids[0].name) == (0.01, "Y_UP", "box 0")
    assert corners(mesh) == pytest.approx(0.01 * box(size, centre))
    assert mesh_data.signed_volume(mesh.solids[0]) == pytest.approx(1e-6 * np.prod(size))


def test_dae_places_a_geometry_as_often_as_the_scene_shows_it() -> None:
    library = b'<library_nodes><node id="lib"><instance_geometry url="#g0"/></node></library_nodes><library_visual'
    scene = b'<node><translate>5 0 0</translate><node><instance_node url="#lib"/></node></node></visual_scene>'
    mesh = parse("m.dae", dae().replace(b"<library_visual", library, 1).replace(b"</visual_scene>", scene))
    assert [solid.vertices[:, 0].mean() for solid in mesh.solids] == [0, 5]


def test_dae_without_a_scene_shows_all_of_them() -> None:
    assert parse("m.dae", dae().replace(b'<instance_visual_scene url="#all"/>', b"")).triangles == 12


@pytest.mark.parametrize(
    ("primitive", "count"),
    [
        ("<polylist>{input}<vcount>4 3 2</vcount><p>0 1 3 2  4 6 7  0 1</p></polylist>", 3),
        ("<polygons>{input}<p>0 1 3 2</p><ph><p>4 6 7 5</p><h>0 1 2</h></ph></polygons>", 4),
        ("<tristrips>{input}<p>0 1 2 3</p><p>4 5 6</p></tristrips>", 3),
        ("<trifans>{input}<p>0 1 3 2</p></trifans>", 2),
        ("<lines>{input}<p>0 1</p></lines><triangles>{input}<p>0 1 3</p></triangles>", 1),
    ],
)
def test_dae_primitives_become_triangles(primitive: str, count: int) -> None:
    source = '<input semantic="VERTEX" source="#v0" offset="0"/>'
    data = dae().decode()
    start, end = data.index("<triangles"), data.index("</triangles>") + len("</triangles>")
    mesh = parse("m.dae", (data[:start] + primitive.format(input=source) + data[end:]).encode())
    assert mesh.triangles == count


def test_strips_turn_every_other_triangle_round() -> None:
    assert mesh_data.strips(np.array([4, 2, 3])).tolist() == [[0, 1, 2], [3, 2, 1], [6, 7, 8]]


def test_glb_applies_the_frames_of_its_nodes() -> None:
    document = gltf()
    turned = {"rotation": [0, 0, 0.5**0.5, 0.5**0.5], "translation": [1, 2, 3], "scale": [1, 2, -1], "mesh": 0}
    by_columns = [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 10, 1]
    document["nodes"] = [{"matrix": by_columns, "children": [1]}, turned]
    mesh = parse("m.glb", glb(document))
    assert corners(mesh) == pytest.approx(box((4, 1, 1), (2, 2, 13)))
    assert mesh_data.signed_volume(mesh.solids[0]) == pytest.approx(4)


@pytest.mark.parametrize("mode", [4, 5, 6])
def test_glb_reads_triangles_strips_and_fans(mode: int) -> None:
    document = gltf()
    primitive = document["meshes"][0]["primitives"][0]
    primitive["mode"] = mode
    del primitive["indices"]
    document["accessors"][0]["count"] = 7
    document["meshes"][0]["primitives"].append({"mode": 1, "attributes": {"POSITION": 0}})
    assert parse("m.glb", glb(document)).triangles == {4: 2, 5: 5, 6: 5}[mode]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "says 84"),
        (stl()[:-1], "683 bytes, but its header says 684"),
        (stl()[:80] + b"\xf0\xff\xff\xff" + stl()[84:], "says 214748"),
        (stl()[:80] + bytes(4), "without triangles"),
        (stl(box() * np.inf), "not finite"),
        (stl(box((1e7, 1, 1))), "at most 1e+06"),
        (text_stl()[:-20], "does not end"),
        (text_stl().replace(b"vertex -0.5", b"vertex x", 1), "not a number"),
        (text_stl().replace(b"  vertex -0.5 -0.5 -0.5\n", b"", 1), "not three vertices"),
        (b"solid a\nendsolid a\n", "without triangles"),
    ],
)
def test_broken_stl_is_refused(data: bytes, reason: str) -> None:
    assert reason in refusal("m.stl", data)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<?xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><?xml", "<!DOCTYPE> is not allowed"),
        ("<COLLADA", "<!DOCTYPE a [<!ENTITY b 'c'>]><COLLADA", "<!DOCTYPE> is not allowed"),
        ("<COLLADA", "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><COLLADA", "<!DOCTYPE> is not allowed"),
        ("</COLLADA>", "", "not well-formed"),
        ("COLLADA", "robot", "not a COLLADA document"),
        ("utf-8", "no-such-code", "save it as UTF-8"),
        ("</asset>", "<x>" * 300 + "</x>" * 300 + "</asset>", "nested more than 200"),
        ("#g0", "other.dae#g0", "something in this file"),
        ("#g0", "http://example.org/a.dae", "something in this file"),
        ("#g0", "#g9", "no <geometry> of that id"),
        ("#g0", "#s0", "no <geometry> of that id"),
        ("#a0", "#s0", "no <float_array> of that id"),
        ('count="8"', 'count="9"', "24"),
        ('count="8"', 'count="-8"', "whole number"),
        ('count="8"', 'count="' + "9" * 5000 + '"', "whole number"),
        ('count="8" stride="3"', 'count="8" stride="2"', "8 times 2"),
        ('offset="0"', 'offset="4"', "groups of 5"),
        ("<p>0 1", "<p>0 8", "vertex 8 (from 0) of 8"),
        ("<p>0 1", "<p>0 -1", "vertex -1"),
        ("<p>0 1", "<p>0 99999999999999999999999", "vertex"),
        ("<p>0 1", "<p>0 1.5", "not a number"),
        ("<p>0 1", "<p>0", "35 corners|36 corners|holds"),
        (">-0.5 -0.5", ">-0.5 nan", "not finite"),
        (">-0.5 -0.5", ">-0.5 1e999", "not finite"),
        (">-0.5 -0.5", ">-0.5 0,5", "not a number"),
        ('meter="1"', 'meter="0"', "above 0"),
        ('meter="1"', 'meter="nan"', "above 0"),
        ('meter="1"', 'meter="1e300"', "from the origin"),
        ("<instance_geometry", "<translate>1 2</translate><instance_geometry", "3 finite numbers"),
        ("<instance_geometry", "<skew>1 2</skew><instance_geometry", "<skew> is not supported"),
        ("<instance_geometry", '<instance_node url="#n0"/><instance_geometry', "64 deep"),
        ("<instance_geometry", "<instance_light", "no triangle"),
        ("POSITION", "NORMAL", "POSITION"),
        ("VERTEX", "NORMAL", "VERTEX"),
    ],
)
def test_broken_dae_is_refused(old: str, new: str, reason: str) -> None:
    data = dae().decode()
    assert old in data
    message = refusal("m.dae", data.replace(old, new).encode())
    assert any(part in message for part in reason.split("|")), message


def test_dae_in_another_encoding_hides_no_entity() -> None:
    hidden = dae().decode().replace("<COLLADA", "<!DOCTYPE a [<!ENTITY b 'c'>]><COLLADA").replace("utf-8", "utf-16")
    assert "<!DOCTYPE" in refusal("m.dae", hidden.encode("utf-16"))


def test_dae_that_shows_itself_again_and_again_ends() -> None:
    twice = "<instance_node url='#k{0}'/><instance_node url='#k{0}'/>"
    nodes = "".join(f"<node id='k{k}'>{twice.format(k + 1)}</node>" for k in range(40))
    scene = f'<visual_scene id="n">{nodes}<node id="k40"/></visual_scene><visual_scene'
    data = dae().replace(b"<visual_scene", scene.encode())
    start = time.monotonic()
    assert "300,000 in number" in refusal("m.dae", data.replace(b'url="#all"', b'url="#n"'))
    assert time.monotonic() - start < 5


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d["accessors"][0].update(count=9), "do not fit"),
        (lambda d: d["accessors"][0].update(count=10**12), "whole number"),
        (lambda d: d["accessors"][0].update(count=-1), "whole number"),
        (lambda d: d["accessors"][0].update(count=8.0), "whole number"),
        (lambda d: d["accessors"][0].update(byteOffset=4), "do not fit"),
        (lambda d: d["accessors"][0].update(sparse={}), "plain floats"),
        (lambda d: d["accessors"][0].update(componentType=5123), "plain floats"),
        (lambda d: d["accessors"][0].pop("bufferView"), "names bufferViews"),
        (lambda d: d["bufferViews"][1].update(byteLength=1000), "do not fit"),
        (lambda d: d["bufferViews"][0].update(byteStride=4), "do not fit"),
        (lambda d: d["bufferViews"][0].update(buffer=1), "names buffers 1"),
        (lambda d: d["buffers"][0].update(uri="/etc/passwd"), "another file"),
        (lambda d: d["buffers"][0].update(uri="data:;base64,AAAA"), "another file"),
        (lambda d: d["meshes"][0]["primitives"][0].update(indices=True), "names accessors True"),
        (lambda d: d["meshes"][0]["primitives"][0].update(indices=7), "names accessors 7"),
        (lambda d: d["meshes"][0]["primitives"][0].update(mode=0), "no triangle"),
        (lambda d: d.update(meshes=None), "not a list"),
        (lambda d: d["nodes"][0].update(children=[0]), "two places"),
        (lambda d: d["nodes"][0].update(children=["0"]), "whole numbers"),
        (lambda d: d["nodes"][0].update(scale=[1, 1]), "not 3 numbers"),
        (lambda d: d["nodes"][0].update(scale=[1, 1, 10**400]), "1e12"),
        (lambda d: d["nodes"][0].update(scale=[1, 1, 1e9]), "from the origin"),
        (lambda d: d.update(scene=5), "names scenes 5"),
        (lambda d: d.update(extensionsRequired=["KHR_draco_mesh_compression"]), "without compression"),
    ],
)
def test_broken_glb_is_refused(change: Change, reason: str) -> None:
    document = gltf()
    change(document)
    assert reason in refusal("m.glb", glb(document))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a GLB"),
        (b"glTF" + bytes(30), "not a GLB"),
        (glb() + b"\0", "but its header says"),
        (glb()[:-1], "but its header says"),
        (glb()[:12] + b"\xff\xff\xff\xff" + glb()[16:], "but its header says 4294967"),
        (glb(json.loads('{"nodes": NaN}')), "malformed"),
        (glb(cast(Any, [])), "not an object"),
        (glb().replace(b"BIN\0", b"BAD\0"), "second part"),
        (glb(points=box() * np.nan), "not finite"),
    ],
)
def test_lying_glb_is_refused(data: bytes, reason: str) -> None:
    assert reason in refusal("m.glb", data)


def test_numbers_without_end_are_refused() -> None:
    assert "12,000,000 numbers" in refusal("m.dae", dae().replace(b'count="24">', b'count="24">' + b"1 " * 12_000_000))
    assert "12,000,000 numbers" in refusal("m.dae", dae().replace(b"<p>", b"<p>" + b"1 " * 12_000_000))


def test_vertices_named_again_and_again_are_refused() -> None:
    points = np.zeros((2_000_000, 3))
    document = gltf(points)
    document["meshes"][0]["primitives"] *= 20
    assert "30,000,000 vertices" in refusal("m.glb", glb(document, points))


def test_deep_json_is_refused() -> None:
    text = b"[" * 100_000
    body = len(text).to_bytes(4, "little") + b"JSON" + text
    data = b"glTF" + (2).to_bytes(4, "little") + (12 + len(body)).to_bytes(4, "little") + body
    assert "malformed" in refusal("m.glb", data)


def test_files_that_are_too_large_or_of_another_kind_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.stl")
    for name, reason in (
        ("c.stl", "not a file"),
        ("a.gltf", "save it as one .glb"),
        ("a.ply", "format '.ply'"),
        ("b.stl", "cannot be read"),
    ):
        with pytest.raises(RobotError, match=reason):
            read_bytes(tmp_path / name)
    large = tmp_path / "a.dae"
    with large.open("wb") as file:
        file.truncate(mesh_read.MAX_TEXT_BYTES + 1)
    with pytest.raises(RobotError, match="allowed are 64,000,000"):
        read_bytes(large)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("m.obj", b"f 1 1 1\n", "1,000,000 triangles"),
        ("m.obj", b"v 1 1 1\n", "3,000,000 vertices"),
        ("m.obj", b"o a\n", "100,000 groups"),
        ("m.obj", b"f -1 -1 -1\n", "triangles|names vertex"),
        ("m.obj", b"f " + b"1 " * 1_000_000, "4 MB|triangles"),
        ("m.stl", b"vertex 1 1 1\n", "1,000,000 triangles|does not end"),
        ("m.dae", b"<node/>", "100,000 elements"),
        ("m.dae", b"<p>1 1 1</p>", "100,000 elements"),
        ("m.dae", b"<a " + b'a="1" ' * 9_000_000, "1,000,000 bytes"),
        ("m.dae", b"<!--" + b"-" * 50_000_000, "1,000,000 bytes|not well-formed"),
    ],
)
def test_text_of_64_mb_is_refused_in_seconds_and_little_memory(name: str, line: bytes, reason: str) -> None:
    head = {"m.obj": b"v 0 0 0\n", "m.stl": b"solid\n", "m.dae": b"<COLLADA>"}[name]
    data = head + line * (60_000_000 // len(line))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    message = refusal(name, data)
    assert any(part in message for part in reason.split("|")), message
    assert time.process_time() - start < 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
