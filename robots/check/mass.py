"""Lint rules for masses and inertias: there is one, and it fits the size of what has it."""

from collections.abc import Iterator

import numpy as np

from robots.check.subject import Subject
from robots.findings import Finding
from robots.model import Inertial, Link, Pose
from robots.urdf.mends import shown, solid
from robots.urdf.solids import box_inertia, density
from sim2real.errors import RobotError

LIGHTEST, HEAVIEST = 20.0, 25_000.0  # [kg/m^3]; cork and foam with air in it, and platinum with a margin
_COVER = 0.1  # of a body's mass
_NEAR = 0.05  # [m]; small parts hide motors beside them
FACTOR = 100.0  # between a principal moment and that of the box around the shapes


def inertial_missing(subject: Subject) -> Iterator[Finding]:
    """Warn of a moving link with shapes, but without `<inertial>`; count those without shapes in one note."""
    frames = []
    for body, links in subject.bodies.items():
        if not subject.moves(body):
            continue
        for link in links:
            if next(subject.link(link).all("inertial"), None) is not None:
                continue
            if link.visuals or link.collisions:
                message = "has a shape and moves, but has no <inertial>: it is taken as massless"
                yield subject.link(link).finding("inertial-missing", message, "add <inertial> [kg, kg m^2]")
            else:
                frames.append(link)
    if frames:
        names = ", ".join(f"'{link.name[:60]}'" for link in frames[:3]) + (", ..." if len(frames) > 3 else "")
        message = f"{len(frames)} moving frame(s) without <inertial> and shape: {names}"
        remedy = "leave them to sim2real, or write <mass> 0 for PyBullet"
        yield subject.link(frames[0]).finding("inertial-frame", message, remedy)


def density_of_links(subject: Subject) -> Iterator[Finding]:
    """Warn of a mass that the link's shapes could not have, whatever it is made of."""
    for link in subject.model.links:
        if link.inertial is not None and (message := _density_fault(subject, link, link.inertial.mass)):
            element = next(subject.link(link).all("inertial"), subject.link(link))
            yield element.finding("density", message, "check the mass [kg] and the shapes' lengths [m]")


def _density_fault(subject: Subject, link: Link, mass: float) -> str:
    """Judge by the collision shapes and by the visual ones; a fault must hold for both, as either may be simplified."""
    found = []
    for shapes in (link.collisions, link.visuals):
        if shapes:
            try:
                value = density(mass, subject.solids.volume(shapes))
            except RobotError:
                return ""
            if LIGHTEST <= value <= HEAVIEST:
                return ""
            found.append(value)
    light = [value < LIGHTEST for value in found]
    if not found or any(light) != all(light) or (light[0] and _is_cover(subject, link, mass)):
        return ""
    return f"mass {mass:g} kg makes {found[0]:.3g} kg/m^3 of its shapes; allowed are {LIGHTEST:g} to {HEAVIEST:,.0f}"


def _is_cover(subject: Subject, link: Link, mass: float) -> bool:
    """Return whether a link is a small part of its body: a hollow cover or a sticker, whose hull is mostly air."""
    body = subject.merged.model.link(subject.merged.frames[link.name][0])
    return body.inertial is not None and mass < _COVER * body.inertial.mass


def centre_outside(subject: Subject) -> Iterator[Finding]:
    """Warn of a centre of mass that is farther outside of the box around the link's shapes than that is long."""
    for link in subject.model.links:
        shapes = link.collisions + link.visuals
        if link.inertial is None or not shapes:
            continue
        try:
            bounds = subject.solids.bounds(shapes, Pose())
        except RobotError:
            continue
        if bounds is None:
            continue
        low, high = bounds
        outside = float(np.linalg.norm(np.array(link.inertial.origin.xyz).clip(low, high) - link.inertial.origin.xyz))
        if outside > max(float(np.linalg.norm(high - low)), _NEAR):
            element = next(subject.link(link).all("inertial"), subject.link(link))
            message = f"the centre of mass lies {outside:.3g} m outside of the link's shapes"
            yield element.finding("centre-outside", message, "check its origin xyz [m] and that of the shapes")


def inertia_size(subject: Subject) -> Iterator[Finding]:
    """Warn of principal moments that are far from those of the box around the link's shapes."""
    for link in subject.model.links:
        shapes = link.collisions + link.visuals
        if link.inertial is None or not shapes or not subject.moves(subject.merged.frames[link.name][0]):
            continue
        if _density_fault(subject, link, link.inertial.mass):
            continue  # the cause: to fit the inertia to a wrong mass or size would hide it
        try:
            bounds = subject.solids.bounds(shapes, link.inertial.origin)
        except RobotError:
            continue
        if bounds is not None and (message := _size_fault(link.inertial, bounds[1] - bounds[0])):
            box = solid(link.inertial.mass, shapes, link.inertial.origin, subject.solids)
            remedy = f"the box around its shapes has {shown(box[0])}" if box else ""
            at = next((e for outer in subject.link(link).all("inertial") for e in outer.all("inertia")), None)
            yield (at or subject.link(link)).finding("inertia-size", message, remedy)


def _size_fault(inertial: Inertial, size: np.ndarray) -> str:
    xx, xy, xz, yy, yz, zz = inertial.inertia
    moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    box = np.sort(box_inertia(inertial.mass, np.maximum(size, 1e-3)))
    ratio = moments / box
    if ratio.max() <= FACTOR and ratio[-1] >= 1 / FACTOR:
        return ""
    worst = int(np.argmax(np.abs(np.log(np.maximum(ratio, 1e-12)))))
    times = f"{ratio[worst]:.3g}"
    return f"principal moment {moments[worst]:.4g} kg m^2 is {times} times that of a box of its mass and size"


LINTS = (inertial_missing, density_of_links, centre_outside, inertia_size)
