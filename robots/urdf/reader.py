"""URDF in: a strict, bounded reader that gives a RobotModel, or findings that say what is wrong, where, and the remedy.

What PyBullet and MuJoCo would each guess differently (or crash on) is refused here, so that both engines, the twin and
the robot start from the same truth. Ignored on purpose: textures, transmissions, gazebo and safety_controller elements.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from robots.findings import Fault, Finding, apart, apply_edits, errors, old_lines
from robots.model import Inertial, Link, RobotModel
from robots.urdf.elements import Element, parse_xml, read_bytes
from robots.urdf.joints import not_negative, read_joint
from robots.urdf.shapes import ShapeReader, read_origin
from robots.urdf.tree import Elements, arrange, check_masses, check_mimics, guess_floating
from robots.urdf.words import INERTIA, WORDS
from robots.urdf.writer import digest, urdf_text, write_urdf
from sim2real.errors import RobotError

__all__ = ["Mended", "Parsed", "digest", "mend", "parse_urdf", "read_urdf", "repaired", "urdf_text", "write_urdf"]

MAX_PASSES = 10  # a mended fault may uncover the next one


@dataclass(frozen=True)
class Parsed:
    """What came out of a URDF: the model, unless a finding is an error.

    `document` is its root element, unless the file is no URDF at all; `elements` are its links and joints by tag and
    name; `floating` says whether its base was taken to float.
    """

    findings: tuple[Finding, ...]
    model: RobotModel | None = None
    document: Element | None = None
    elements: Elements = field(default_factory=dict)
    floating: bool = False


def read_urdf(
    path: Path, roots: Sequence[Path] = (), floating_base: bool = False, repair: Collection[str] = ()
) -> RobotModel:
    """Read a URDF file; raise RobotError with one line (file:line: element: what, allowed, remedy) if it is not sound.

    Meshes must lie inside the URDF's folder or one of `roots`, which are also searched for `package://` names.
    A root link without mass is refused only with `floating_base`; a link whose mass is 0 gets `inertial=None`.
    Faults whose codes are in `repair` are mended first, as `sim2real robot check --repair` does.
    """
    data = read_bytes(path)
    if repair:
        data, _ = repaired(data, path, roots, floating_base, repair)
    parsed = parse_urdf(data, path, roots, floating_base)
    if parsed.model is None:
        first, *others = errors(parsed.findings)
        more = f" (and {len(others)} more: sim2real robot check {path})" if others else ""
        raise RobotError(f"{first}{more}")
    return parsed.model


def repaired(
    data: bytes,
    path: Path,
    roots: Sequence[Path] = (),
    floating_base: bool | None = False,
    codes: Collection[str] | None = None,
) -> tuple[bytes, tuple[Finding, ...]]:
    """Return the URDF with its repairable faults mended (only those of `codes`, if given), and these findings.

    Nothing else changes, and what was mended once is not found again.
    """
    mended = mend(data, path, roots, floating_base, codes)
    return mended.data, mended.findings


@dataclass(frozen=True)
class Mended:
    """A repaired URDF: its bytes, what was mended, and for each of its lines the line of the original, both from 1."""

    data: bytes
    findings: tuple[Finding, ...]
    lines: tuple[int, ...]

    def original(self, finding: Finding) -> Finding:
        """Return a finding about the repaired file with the line of the original."""
        known = 0 < finding.line <= len(self.lines)
        return replace(finding, line=self.lines[finding.line - 1]) if known else finding


def mend(
    data: bytes,
    path: Path,
    roots: Sequence[Path] = (),
    floating_base: bool | None = False,
    codes: Collection[str] | None = None,
) -> Mended:
    """Do what `repaired` does, and keep account of the lines. Where faults never come to an end, nothing is mended."""
    given = mended = Mended(data, (), tuple(range(1, data.count(b"\n") + 2)))
    for _ in range(MAX_PASSES):
        findings = parse_urdf(mended.data, path, roots, floating_base).findings
        mends = apart(f for f in findings if f.edits and (codes is None or f.code in codes))
        edits = [edit for finding in mends for edit in finding.edits]
        if apply_edits(mended.data, edits) == mended.data:  # none, or what is written there already does not mend it
            return mended
        lines = tuple(mended.lines[line - 1] for line in old_lines(mended.data, edits))
        done = (*mended.findings, *map(mended.original, mends))
        mended = Mended(apply_edits(mended.data, edits), done, lines)
    return given


def parse_urdf(data: bytes, path: Path, roots: Sequence[Path] = (), floating_base: bool | None = False) -> Parsed:
    """Read the bytes of the URDF file `path` as far as it goes, and collect what is wrong with them.

    With `floating_base` None the base floats if `robots.urdf.tree.guess_floating` says so.
    """
    try:
        document = parse_xml(data, path)
        if document.tag != "robot":
            message = "the root element of a URDF must be <robot>; is this another format (SDF, MJCF)?"
            raise document.fault("format", message)
    except Fault as fault:
        return Parsed((fault.finding,))
    findings = document.document.findings
    elements: Elements = {}
    model, floating = None, bool(floating_base)
    with document.collecting():
        _check_spelling(document)
        elements = _named_elements(document)
        shapes = ShapeReader(document, path, roots)
        links = [_link(element, shapes) for element in document.all("link") if element.attributes.get("name")]
        joints = [joint for element in document.all("joint") if (joint := read_joint(element, document)) is not None]
        if not any(errors(findings)):
            model = arrange(document, elements, links, joints)
            floating = guess_floating(model) if floating_base is None else floating_base
            check_mimics(model, elements)
            check_masses(model, elements, floating)
    sound = not any(errors(findings))
    return Parsed(tuple(findings), model if sound else None, document, elements, floating)


def _check_spelling(element: Element) -> None:
    attributes, children = WORDS[element.tag]
    element.check_spelling(attributes, children)
    for child in element.children:
        if child.tag in children and child.tag in WORDS:
            _check_spelling(child)


def _named_elements(document: Element) -> Elements:
    """Return links and joints by tag and name; a name may stand only once among links, and once among joints."""
    found: dict[tuple[str, str], Element] = {}
    for element in document.children:
        if element.tag in ("link", "joint"):
            with element.collecting():
                first = found.setdefault((element.tag, element.name()), element)
                if first is not element:
                    message = f"the name is taken by the {first.tag} in line {first.line}"
                    raise element.fault("name-twice", message, "rename one of them")
    return found


def _link(element: Element, shapes: ShapeReader) -> Link:
    inertial = None
    with element.collecting():
        found = element.optional("inertial")
        inertial = None if found is None else _inertial(found)
    return Link(
        name=element.attributes["name"],
        inertial=inertial,
        visuals=tuple(shapes.shapes(element, "visual")),
        collisions=tuple(shapes.shapes(element, "collision")),
    )


def _inertial(element: Element) -> Inertial | None:
    mass = element.required("mass", 'write <mass value="..."/> [kg]')
    inertia = element.required("inertia", "write <inertia ixx iyy izz ixy ixz iyz/> [kg m^2]")
    origin = read_origin(element)
    value = not_negative(mass, "value", code="mass-negative")
    xx, xy, xz, yy, yz, zz = (inertia.number(key, None if key[1] == key[2] else 0.0) for key in INERTIA)
    if value == 0:
        if any((xx, yy, zz)):
            inertia.report("inertia-massless", "moments without a mass are left out", "give the mass, or write 0")
        return None
    return Inertial(value, (xx, xy, xz, yy, yz, zz), origin)
