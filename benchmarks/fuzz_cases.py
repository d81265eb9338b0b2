"""What the fuzz run tries: damaged files, and what each of them may come to."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from importlib.util import find_spec
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mutations import mutate, pack_glb
from robots.findings import Finding, errors
from robots.model import Inertial, Limit, Link, Mesh, RobotModel, Sphere
from robots.urdf.reader import parse_urdf, read_urdf, repaired, urdf_text
from robots.urdf.tree import guess_floating
from sim2real.errors import RobotError, Sim2RealError
from sim2real.importing.mjcf import convert
from sim2real.sim.engine import ENGINES
from sim2real.sim.probe import OK, bare_robot, try_engine

SEED = 20260
ENGINE_EVERY = 8
MAX_MESSAGE = 5000  # characters of an answer

_LARGEST = 60_000  # bytes of a seed: what is slow to read brings no other answers
_MANY = 40  # seeds of one kind
_GLOBS = {
    ".urdf": ("*.urdf", "[!r]*/*.urdf", "random_urdfs/00*/*.urdf"),
    ".xml": ("mjcf/a*.xml", "mjcf/c*.xml", "mjcf/he*.xml", "mjcf/humanoid.xml", "mjcf/*no_ground.xml", "mjcf/i*.xml"),
    ".stl": ("*.stl", "*/**/*.stl"),
    ".obj": ("*.obj", "random_urdfs/00*/*.obj"),
    ".dae": ("*.dae", "**/*.dae"),
    ".glb": (),
}
SHARES = {".urdf": 0.6, ".xml": 0.12, ".stl": 0.07, ".obj": 0.07, ".dae": 0.07, ".glb": 0.07}


class BrokenPromiseError(Exception):
    """An answer that is neither a sound robot nor one line."""


@dataclass(frozen=True)
class Case:
    """One damaged file: its seed ("" for a GLB of our own) mutated by `number`, or `data` where that is given."""

    seed: str
    suffix: str
    number: int
    data: bytes | None = None

    @property
    def contents(self) -> bytes:
        """The damaged file."""
        if self.data is not None:
            return self.data
        original = Path(self.seed).read_bytes() if self.seed else glb_cube()
        return mutate(original, self.suffix, np.random.default_rng([SEED, self.number]))


def cases(count: int, first: int = 0) -> Iterator[Case]:
    """Yield `count` cases, from number `first` on; the same number is the same case."""
    files = seeds()
    suffixes, shares = list(SHARES), list(SHARES.values())
    for number in range(first, first + count):
        rng = np.random.default_rng([SEED, number, 1])
        suffix = suffixes[int(rng.choice(len(suffixes), p=shares))]
        chosen = files[suffix]
        yield Case(str(chosen[int(rng.integers(len(chosen)))]), suffix, number)


@cache
def seeds() -> dict[str, Sequence[Path | str]]:
    """Return the sound files that are damaged, by suffix: those of pybullet_data that are small."""
    folder = package()
    found: dict[str, Sequence[Path | str]] = {".glb": [""]}
    for suffix, globs in _GLOBS.items():
        paths = sorted({path for glob in globs for path in folder.glob(glob) if path.stat().st_size <= _LARGEST})
        if paths:
            # Spread over the folders, which come in alphabetical order.
            found[suffix] = paths[:: -(-len(paths) // _MANY)]
    return found


def package() -> Path:
    """Return the folder of pybullet_data."""
    spec = find_spec("pybullet_data")
    return Path(*(spec.submodule_search_locations or ()) if spec else ())


def attempt(case: Case) -> str:
    """Try one case; return what came of it: refused, read, or built. Runs in a child process.

    Raise BrokenPromiseError, or whatever else goes wrong.
    """
    data = case.contents
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = _READERS[case.suffix](case, data, Path(folder))
        except Sim2RealError as error:
            _one_line(str(error))
            return "refused"
        if model is None:
            return "refused"
        _check_numbers(model)
        if case.number % ENGINE_EVERY:
            return "read"
        return _build(model)


def minimized(case: Case, trials: int = 1000) -> bytes:
    """Return a part of a failing case's file that fails in the same way: pieces are left out one by one."""
    data, failure = case.contents, _failure(case)
    size = len(data) // 2
    while size and trials > 0:
        at = 0
        while at < len(data) and trials > 0:
            shorter = data[:at] + data[at + size :]
            trials -= 1
            data, at = (shorter, at) if _failure(replace(case, data=shorter)) == failure else (data, at + size)
        size //= 2
    return data


def _failure(case: Case) -> str:
    try:
        attempt(case)
    except Exception as error:  # whatever it is that is being looked for
        return f"{type(error).__name__}: {error}"[:50]
    return ""


def _read_urdf(case: Case, data: bytes, _: Path) -> RobotModel | None:
    path, roots = Path(case.seed), [package()]
    parsed = parse_urdf(data, path, roots, None)
    _check_findings(parsed.findings, parsed.model)
    mended, done = repaired(data, path, roots, None)
    again, more = repaired(mended, path, roots, None)
    if again != mended or more:
        raise BrokenPromiseError(f"a second repair changes more: {', '.join(f.code for f in more)}")
    if done:
        parsed = parse_urdf(mended, path, roots, None)
        _check_findings(parsed.findings, parsed.model)
    if parsed.model is not None:
        text = urdf_text(parsed.model)
        if parse_urdf(text.encode(), path, [*roots, *_folders(parsed.model)], parsed.floating).model != parsed.model:
            raise BrokenPromiseError("what is written is not read as the same robot")
    return parsed.model


def _read_mjcf(case: Case, data: bytes, folder: Path) -> RobotModel:
    source, out = folder / "robot.xml", folder / "out"
    source.write_bytes(data)
    out.mkdir()
    result = convert(str(source), "robot", str(out), [str(Path(case.seed).parent)])
    return read_urdf(out / result["urdf"], floating_base=result["floating_base"])


def _read_mesh(case: Case, data: bytes, folder: Path) -> RobotModel:
    path = folder / f"mesh{case.suffix}"
    path.write_bytes(data)
    body = Inertial(1.0, Sphere(0.1).inertia(1.0))
    link = f'<link name="part"><collision><geometry><mesh filename="{path.name}"/></geometry></collision></link>'
    urdf = folder / "mesh.urdf"
    urdf.write_text(f'<robot name="mesh">{link}</robot>')
    shapes = read_urdf(urdf).root.collisions
    return RobotModel("mesh", (Link("part", body, collisions=shapes),), ())


_READERS: dict[str, Callable[[Case, bytes, Path], RobotModel | None]] = {
    ".urdf": _read_urdf,
    ".xml": _read_mjcf,
    **dict.fromkeys((".stl", ".obj", ".dae", ".glb"), _read_mesh),
}


def _folders(model: RobotModel) -> set[Path]:
    shapes = (shape.geometry for link in model.links for shape in (*link.visuals, *link.collisions))
    return {geometry.path.parent for geometry in shapes if isinstance(geometry, Mesh)}


def _one_line(text: str) -> None:
    if not (0 < len(text) <= MAX_MESSAGE and text.isprintable()):
        raise BrokenPromiseError(f"an answer that is not one line: {text[:200]!r}")


def _check_findings(findings: Sequence[Finding], model: RobotModel | None) -> None:
    for finding in findings:
        _one_line(str(RobotError(str(finding))))
        _one_line(str(RobotError(str(finding.to_dict()))) if len(str(finding)) < MAX_MESSAGE else "long")
    if (model is None) != any(errors(findings)):
        raise BrokenPromiseError("no robot and no error, or both")


def _check_numbers(value: Any, name: str = "robot") -> None:
    """Raise BrokenPromiseError if a number in a model is not finite; only limits may be infinite, none may be NaN."""
    if isinstance(value, float) and not isfinite(value):
        raise BrokenPromiseError(f"{name} is {value}")
    if isinstance(value, Limit):
        if any(map(isnan, (value.lower, value.upper, value.effort, value.velocity))):
            raise BrokenPromiseError(f"{name} is NaN")
    elif is_dataclass(value):
        for field in fields(value):
            _check_numbers(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, tuple):
        for part in value:
            _check_numbers(part, name)


def _build(model: RobotModel) -> str:
    robot = bare_robot(model, fixed_base=not guess_floating(model))
    for engine in ENGINES:
        try:
            answer = try_engine(engine, robot)
        except Sim2RealError as error:
            _one_line(str(error))
            raise BrokenPromiseError(f"read, but refused by an engine: {error}") from None
        if answer != OK:
            return "diverges"
    return "built"


def glb_cube() -> bytes:
    """Return a cube as a GLB of one mesh: 8 vertices, 12 triangles."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], "<f4")
    faces = np.array([int(corner) for corner in "013032467475045051237276026064157173"], "<u2")
    blob = corners.tobytes() + faces.tobytes()
    tree = (
        '{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0,"scale":[1,2,1]}],'
        '"meshes":[{"primitives":[{"attributes":{"POSITION":0},"indices":1}]}],"accessors":['
        '{"bufferView":0,"componentType":5126,"count":8,"type":"VEC3","min":[0,0,0],"max":[1,1,1]},'
        '{"bufferView":1,"componentType":5123,"count":36,"type":"SCALAR"}],"bufferViews":['
        f'{{"buffer":0,"byteLength":96}},{{"buffer":0,"byteOffset":96,"byteLength":72}}],'
        f'"buffers":[{{"byteLength":{len(blob)}}}]}}'
    ).encode()
    return pack_glb(tree, blob)
