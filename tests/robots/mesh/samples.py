"""A cube of edge 1 around the origin in every format, and how to write other boxes."""

import json
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

CORNERS: Points = np.array(list(product((-0.5, 0.5), repeat=3)))
FACES = np.array(
    [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4)]
    + [(1, 5, 7), (1, 7, 3)]
)


def box(size: tuple[float, float, float] = (1, 1, 1), centre: tuple[float, float, float] = (0, 0, 0)) -> Points:
    """Corners (8, 3) of a box whose triangles are FACES."""
    return CORNERS * size + centre


def stl(points: Points = CORNERS) -> bytes:
    rows = b"".join(np.array([0, 0, 0, *points[face].ravel()], "<f4").tobytes() + b"\0\0" for face in FACES)
    return b"cube".ljust(80, b"\0") + np.uint32(len(FACES)).tobytes() + rows


def text_stl(points: Points = CORNERS) -> bytes:
    facets = "".join(
        "facet normal 0 0 0\n outer loop\n"
        + "".join(f"  vertex {x} {y} {z}\n" for x, y, z in points[face])
        + " endloop\nendfacet\n"
        for face in FACES
    )
    return f"solid cube\n{facets}endsolid cube\n".encode()


def obj(*boxes: Points, part: str = "o part") -> bytes:
    lines = []
    for number, points in enumerate(boxes or (CORNERS,)):
        lines.append(part)
        lines += [f"v {x} {y} {z}" for x, y, z in points]
        lines += [f"f {a} {b} {c}" for a, b, c in FACES + 1 + 8 * number]
    return "\n".join(lines).encode() + b"\n"


def dae(*boxes: Points, unit: str = '<unit meter="1"/>', up: str = "Z_UP", transform: str = "") -> bytes:
    geometries, nodes = "", ""
    for number, points in enumerate(boxes or (CORNERS,)):
        geometries += f"""
<geometry id="g{number}" name="box {number}"><mesh>
 <source id="s{number}"><float_array id="a{number}" count="24">{" ".join(map(str, points.ravel()))}</float_array>
  <technique_common><accessor source="#a{number}" count="8" stride="3"/></technique_common></source>
 <vertices id="v{number}"><input semantic="POSITION" source="#s{number}"/></vertices>
 <triangles count="12"><input semantic="VERTEX" source="#v{number}" offset="0"/>
  <p>{" ".join(map(str, FACES.ravel()))}</p></triangles></mesh></geometry>"""
        nodes += f'<node id="n{number}">{transform}<instance_geometry url="#g{number}"/></node>\n'
    return f"""<?xml version="1.0" encoding="utf-8"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset>{unit}<up_axis>{up}</up_axis></asset>
<library_geometries>{geometries}
</library_geometries>
<library_visual_scenes><visual_scene id="all">{nodes}</visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#all"/></scene></COLLADA>
""".encode()


def gltf(points: Points = CORNERS) -> dict[str, Any]:
    """The JSON of a GLB whose buffer is `points` as floats, then FACES as uint16."""
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "cube"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(points), "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": FACES.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 12 * len(points)},
            {"buffer": 0, "byteOffset": 12 * len(points), "byteLength": 2 * FACES.size},
        ],
        "buffers": [{"byteLength": 12 * len(points) + 2 * FACES.size}],
    }


def glb(document: dict[str, Any] | None = None, points: Points = CORNERS) -> bytes:
    text = json.dumps(gltf(points) if document is None else document).encode()
    text += b" " * (-len(text) % 4)
    binary = points.astype("<f4").tobytes() + FACES.astype("<u2").tobytes()
    parts = [(text, b"JSON"), (binary, b"BIN\0")]
    body = b"".join(len(content).to_bytes(4, "little") + kind + content for content, kind in parts)
    return b"glTF" + (2).to_bytes(4, "little") + (12 + len(body)).to_bytes(4, "little") + body


CUBES = {"cube.stl": stl(), "text.stl": text_stl(), "cube.obj": obj(), "cube.dae": dae(), "cube.glb": glb()}
