"""Lint rules for shapes: collision meshes, and what is seen but cannot be touched."""

from collections.abc import Iterator
from math import prod

from robots.check.subject import Subject
from robots.findings import Finding
from robots.mesh.facts import mesh_facts
from robots.model import Mesh
from robots.urdf.elements import Element
from sim2real.errors import RobotError

LARGEST, SMALLEST = 10.0, 1e-3  # [m] of one mesh
FINEST = 50_000  # triangles of one collision mesh


def meshes(subject: Subject) -> Iterator[Finding]:
    """Judge each mesh where it is used first."""
    seen = set[tuple[bool, Mesh]]()
    for link in subject.model.links:
        for tag, shapes in (("collision", link.collisions), ("visual", link.visuals)):
            for shape, element in zip(shapes, subject.link(link).all(tag), strict=False):
                if isinstance(shape.geometry, Mesh) and (tag == "collision", shape.geometry) not in seen:
                    seen.add((tag == "collision", shape.geometry))
                    at = next((e for outer in element.all("geometry") for e in outer.all("mesh")), element)
                    yield from _mesh(shape.geometry, at, tag == "collision")


def _mesh(mesh: Mesh, at: Element, collision: bool) -> Iterator[Finding]:
    if prod(mesh.scale) < 0:
        message = f"scale {mesh.scale[0]:g} {mesh.scale[1]:g} {mesh.scale[2]:g} mirrors the mesh"
        yield at.finding("mesh-mirrored", message, "export it mirrored, with a positive scale")
    try:
        facts = mesh_facts(mesh.path)
    except RobotError as error:
        yield at.finding("mesh-broken", str(error))
        return
    size = max(extent * abs(scale) for extent, scale in zip(facts.extents, mesh.scale, strict=True))
    if size > LARGEST:
        remedy = 'write scale="0.001 0.001 0.001" if it is in millimetres'
        yield at.finding("mesh-units", f"{size:.4g} m long; a robot's part has at most {LARGEST:g} m", remedy)
    elif size < SMALLEST:
        remedy = "check the scale and the unit in which it was exported"
        yield at.finding("mesh-units", f"{size:.2g} m long; nobody would see it", remedy)
    if collision and not facts.watertight:
        yield at.finding("mesh-open", "not watertight", "close its holes; physics takes its convex hull meanwhile")
    if collision and facts.triangles > FINEST:
        message = f"{facts.triangles:,} triangles; {FINEST:,} are plenty for a collision mesh"
        yield at.finding("mesh-detail", message, "simplify it, or use boxes and cylinders")


def collision_missing(subject: Subject) -> Iterator[Finding]:
    """Warn of a moving body that is seen, but has nothing that can be touched."""
    for body, links in subject.bodies.items():
        seen = next((link for link in links if link.visuals), None)
        if seen is not None and subject.moves(body) and not any(link.collisions for link in links):
            message = "has a <visual>, but neither it nor what is fixed to it has a <collision>"
            yield subject.link(seen).finding("collision-missing", message, "add a <collision>, a box will do")


LINTS = (meshes, collision_missing)
