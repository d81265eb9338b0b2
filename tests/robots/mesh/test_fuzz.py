"""Mutated meshes are read or refused in one line: never another exception, a number that is not finite, or a flat hull.

Seeded, so that a failure can be had again: the message names format and seed.
"""

import random
import time
from pathlib import Path

import numpy as np
import pytest

from robots.mesh.data import MAX_TRIANGLES
from robots.mesh.facts import facts_of
from robots.mesh.hull import MAX_HULL_VERTICES, convex_hull
from robots.mesh.read import parse_mesh
from sim2real.errors import RobotError
from tests.robots.mesh.samples import CORNERS, CUBES, box, dae, glb, gltf, obj

MUTATIONS = 300  # of each format
TOKENS = [b"nan", b"inf", b"-1", b"0", b"1e999", b"1e38", b"99999999999999999999", b"", b" ", b"\n", b"\0", b"\xff\xff"]
TOKENS += [
    b"<!DOCTYPE a>",
    b"<node>",
    b"</mesh>",
    b"#g0",
    b"\xff\xff\xff\x7f",
    b"[",
    b'"',
    b"{}",
    b"null",
    b"true",
    b"/",
]


def samples() -> dict[str, bytes]:
    nested = gltf()
    nested["nodes"] = [{"children": [1]}, {"mesh": 0, "rotation": [0, 0, 0, 1], "matrix": np.eye(4).ravel().tolist()}]
    return CUBES | {
        "two.obj": obj(box(), box(centre=(3, 0, 0)), part="g a"),
        "two.dae": dae(box(), box(centre=(3, 0, 0)), transform="<rotate>0 0 1 90</rotate><translate>1 0 0</translate>"),
        "nested.glb": glb(nested),
        "flat.obj": obj(CORNERS * [1, 1, 0]),
    }


def mutated(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((1, 1, 4, 20, 200)))
        piece = {
            "flip": bytes(b ^ (1 << rng.randrange(8)) for b in data[start:end]),
            "drop": b"",
            "twice": data[start:end] * 2,
            "noise": rng.randbytes(end - start),
            "token": rng.choice(TOKENS),
            "digit": bytes(rng.choice(b"0123456789-.e") if chr(b).isdigit() else b for b in data[start:end]),
        }[rng.choice(("flip", "drop", "twice", "noise", "token", "digit"))]
        data = data[:start] + piece + data[end:]
        if rng.random() < 0.1:
            data = data[: rng.randrange(len(data) + 1)]
    return data


@pytest.mark.parametrize("name", samples())
def test_mutated_mesh_is_read_or_refused(name: str) -> None:
    sound = samples()[name]
    read = 0
    for seed in range(MUTATIONS):
        data = mutated(sound, random.Random(f"{name} {seed}"))
        start = time.monotonic()
        try:
            mesh = parse_mesh(Path(name), data)
        except RobotError as error:
            message = str(error)
            assert message.startswith(f"mesh {name}: "), (name, seed)
            assert message.isprintable(), (name, seed)
            assert len(message) < 400, (name, seed)
            continue
        read += 1
        facts = facts_of(mesh)
        assert 0 < facts.triangles <= MAX_TRIANGLES, (name, seed)
        assert np.isfinite([*facts.bounds, facts.extents]).all(), (name, seed)
        for solid in mesh.solids:
            assert 0 <= solid.faces.min() <= solid.faces.max() < len(solid.vertices), (name, seed)
            hull = convex_hull(solid.vertices)
            assert 4 <= len(hull.vertices) <= MAX_HULL_VERTICES, (name, seed)
            assert np.isfinite(hull.vertices).all(), (name, seed)
        assert time.monotonic() - start < 5, (name, seed)
    assert 0 < read < MUTATIONS  # the mutations are neither all harmless nor all fatal
