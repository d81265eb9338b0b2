"""Masses and inertias put in the place of those that no body can have, as edits of a URDF."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robots.findings import Edit
from robots.model import Inertial, Link, Pose, Shape, Vector3
from robots.urdf.edits import append_child
from robots.urdf.elements import Element
from robots.urdf.solids import WATER, Solids, box_inertia, water_sphere
from sim2real.errors import RobotError

Array = NDArray[np.float64]
Edits = tuple[Edit | None, ...]
Values = tuple[float, ...]  # ixx ixy ixz iyy iyz izz [kg m^2]

FRAME_MASS = 1e-3  # [kg] of a moving frame that has neither mass nor shape
FRAME_MOMENT = 1e-6  # [kg m^2]; a ball of 1 g and 5 cm: small beside any limb, and large enough for both engines
SMALLEST = 1e-3  # of the largest moment, where one is 0 or less and no shape tells more
_MARGIN = 1e-6  # relative; keeps what is written clear of the bound after rounding
_MOMENTS = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")


def possible(inertial: Inertial) -> Values:
    """Return the inertia (6,) [kg m^2] nearest to the given one that a body can have, its principal axes kept."""
    xx, xy, xz, yy, yz, zz = inertial.inertia
    moments, axes = np.linalg.eigh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if moments[2] <= 1e-12:
        return _diagonal(water_sphere(inertial.mass))
    moments = np.maximum(moments, SMALLEST * moments[2])
    lacking = moments[2] - moments[0] - moments[1]
    if lacking > -_MARGIN * moments[2]:
        # The nearest point (least squares) of the plane A + B = C.
        moments += (lacking / 3 + _MARGIN * moments[2]) * np.array([1.0, 1.0, -1.0])
    matrix = axes @ np.diag(moments) @ axes.T
    return tuple(float(matrix[i, j]) for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))


def solid(mass: float, shapes: Sequence[Shape], frame: Pose, solids: Solids) -> tuple[Values, Vector3] | None:
    """Return the inertia (6,) and centre (3,) [m] of the box around the shapes, filled evenly with `mass`.

    Both along the axes of `frame`. None if there is no shape that can be read.
    """
    try:
        bounds = solids.bounds(shapes, frame)
    except RobotError:
        return None
    if bounds is None:
        return None
    low, high = bounds
    x, y, z = box_inertia(mass, np.maximum(high - low, 1e-3))  # 1 mm: not even a sheet is thinner
    a, b, c = (round(float(part), 9) for part in (low + high) / 2)
    return (x, 0.0, 0.0, y, 0.0, z), (a, b, c)


def mend_inertia(element: Element, link: Link, code: str, solids: Solids) -> tuple[str, Edits]:
    """Return remedy and edits for an inertia that no body can have.

    One that only breaks the triangle inequality becomes the nearest that does not; others become those of the box
    around the link's shapes, and without a shape the nearest possible, or a ball of water's where all are 0.
    """
    inertial = link.inertial
    if inertial is None:
        return "", (None,)
    shapes = link.collisions or link.visuals
    box = solid(inertial.mass, shapes, inertial.origin, solids) if code == "inertia-definite" else None
    values = box[0] if box else possible(inertial)
    source = "the box around its shapes" if box else "the nearest that a body can have"
    if not box and max(abs(value) for value in inertial.inertia) <= 1e-12:
        source = "a ball of that mass and the density of water"
    return f"write {shown(values)} ({source})", write_inertia(element, values)


def mend_mass(element: Element, link: Link, solids: Solids) -> tuple[str, Edits]:
    """Return remedy and edits for a link that moves and has no mass: that of water in its shapes, or 1 g."""
    shapes = link.collisions or link.visuals
    mass, values, centre = FRAME_MASS, _diagonal(FRAME_MOMENT), (0.0, 0.0, 0.0)
    source = "1 g, as of a small frame"
    try:
        volume = solids.volume(shapes)
    except RobotError:
        volume = 0.0
    if volume > 0:
        mass = max(_rounded(WATER * volume), 1e-6)
        values, centre = solid(mass, shapes, Pose(), solids) or (values, centre)
        source = "its shapes filled with water"
    return f"write mass {mass:g} and inertia {shown(values)} ({source})", _write_mass(element, mass, values, centre)


def _write_mass(element: Element, mass: float, values: Values, centre: Vector3) -> Edits:
    origin = '<origin xyz="{} {} {}"/>'.format(*map(_text, centre)) if any(centre) else ""
    xml = f"<inertial>{origin}{mass_xml(mass, values)}</inertial>"
    inertial = next(element.all("inertial"), None)
    if inertial is None:
        return (append_child(element.document.data, element.start, element.end, xml),)
    return (inertial.replaced(xml),)


def mass_xml(mass: float, values: Values) -> str:
    """Return the `<mass>` and `<inertia>` elements on one line."""
    moments = " ".join(f'{key}="{_text(value)}"' for key, value in zip(_MOMENTS, values, strict=True))
    return f'<mass value="{_text(mass)}"/><inertia {moments}/>'


def write_inertia(element: Element, values: Values) -> Edits:
    """Return the edits that give a link's `<inertia>` these values."""
    inertia = next((e for outer in element.all("inertial") for e in outer.all("inertia")), None)
    if inertia is None:
        return (None,)
    return tuple(inertia.with_attribute(key, _text(value)) for key, value in zip(_MOMENTS, values, strict=True))


def shown(values: Values) -> str:
    """Return an inertia for people: its moments alone if the products are 0."""
    names = [name for name, value in zip(_MOMENTS, values, strict=True) if value or name[1] == name[2]]
    return " ".join(f"{name} {values[_MOMENTS.index(name)]:.4g}" for name in names)


def _diagonal(moment: float) -> Values:
    return moment, 0.0, 0.0, moment, 0.0, moment


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _text(value: float) -> str:
    return f"{value:.12g}"
