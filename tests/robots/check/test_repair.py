"""Repair mends what has one remedy, changes nothing else, and finds nothing more to do in what it wrote."""

import difflib
import re
from pathlib import Path

import numpy as np
import pybullet_data
import pytest

from robots.check.linter import check
from robots.check.repair import repair
from robots.findings import Finding, errors
from robots.model import Inertial, RobotModel
from robots.urdf.numbers import meant
from robots.urdf.reader import parse_urdf, repaired
from sim2real.errors import RobotError
from tests.robots.check.faults import FAULTS, SOUND, Planted

PYBULLET = Path(pybullet_data.getDataPath())

# What is planted, and what repair writes in its place.
MENDS = {
    "blanks before the declaration": ('<?xml version="1.0"?>', ' \n<?xml version="1.0"?>', '<?xml version="1.0"?>'),
    "zero byte": ("</robot>\n", "</robot>\0\n", "</robot>\n"),
    "control characters": ("</robot>\n", "\x01\x02</robot>\n", "</robot>\n"),
    "decimal comma": ('<mass value="1.5"/>', '<mass value="1,5"/>', '<mass value="1.5"/>'),
    "commas between numbers": ('xyz="0 0 0.33"', 'xyz="0, 0, 0.33"', 'xyz="0 0 0.33"'),
    "full stop": ('lower="-2"', 'lower="-2.5."', 'lower="-2.5"'),
    "default of roslaunch": ('xyz="0 0 0.33"', 'xyz="$(optenv TOOL_XYZ 0 0 0.3)"', 'xyz="0 0 0.3"'),
    "too many numbers": ('xyz="0 0 0.33"', 'xyz="0 0 0.33 1"', 'xyz="0 0 0.33"'),
    "no opacity": ('rgba="0.5 0.5 0.5 1"', 'rgba="0.5 0.5 0.5"', 'rgba="0.5 0.5 0.5 1"'),
    "colour of 0 to 255": ('rgba="0.5 0.5 0.5 1"', 'rgba="51 51 51 255"', 'rgba="0.2 0.2 0.2 1"'),
    "colour with opacity 1": ('rgba="0.5 0.5 0.5 1"', 'rgba="51 51 51 1"', 'rgba="0.2 0.2 0.2 1"'),
    "element twice": ('<mass value="0.8"/>', '<mass value="0.8"/><mass value="9"/>', '<mass value="0.8"/>'),
    "axis length": ('<axis xyz="1 0 0"/>', '<axis xyz="2 0 0"/>', '<axis xyz="1.0 0.0 0.0"/>'),
    "no bounds": (
        '"elbow" type="revolute"', '"elbow" type="revolute" ', '"elbow" type="revolute" '
    ),
    "limits swapped": ('lower="-2" upper="2.1"', 'lower="2.1" upper="-2"', 'lower="-2" upper="2.1"'),
    "two shapes in one": (
        '<sphere radius="0.01"/>', '<sphere radius="0.01"/><box size="1 1 1"/>', '<sphere radius="0.01"/>'
    ),
    "endless slider": ('lower="0" upper="0.05"', 'lower="1" upper="-1"', 'lower="-1000" upper="1000"'),
}  # fmt: skip


def mended(text: str, tmp_path: Path, floating: bool | None = None) -> tuple[str, tuple[Finding, ...], RobotModel]:
    path = Planted("ignored", SOUND, SOUND).write(tmp_path)
    path.write_text(text)
    out = tmp_path / "mended.urdf"
    done = repair(path, out, floating_base=floating)
    assert done.out == out
    assert done.report.model is not None
    return out.read_text(), done.mended, done.report.model


@pytest.mark.parametrize(("old", "planted", "new"), MENDS.values(), ids=MENDS)
def test_only_what_is_planted_is_mended(tmp_path: Path, old: str, planted: str, new: str) -> None:
    assert SOUND.count(old) == 1
    text, findings, _ = mended(SOUND.replace(old, planted), tmp_path)
    assert text == SOUND.replace(old, new)
    assert len(findings) == (planted != new)


def test_sound_robot_is_copied_byte_by_byte(tmp_path: Path) -> None:
    assert mended(SOUND, tmp_path)[:2] == (SOUND, ())


def changed_lines(before: str, after: str) -> set[int]:
    """Return the lines of `before`, from 1, that `after` has not."""
    blocks = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).get_opcodes()
    return {
        line + 1 for tag, first, last, _, _ in blocks if tag != "equal" for line in range(first, max(last, first + 1))
    }


@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: f"{planted.code}-{planted.new[:25]!r}")
def test_repair_writes_a_sound_file_once_and_for_all_or_nothing(tmp_path: Path, planted: Planted) -> None:
    path, out = planted.write(tmp_path), tmp_path / "mended.urdf"
    try:
        done = repair(path, out, floating_base=planted.floating)
    except RobotError as error:
        assert planted.code == "file", error
        return
    assert path.read_text() == planted.text
    if done.out is None:
        assert done.report.count("error")
        assert not out.exists()
        return
    assert done.report.count("error") == 0
    assert check(out, floating_base=planted.floating).findings == done.report.findings
    first = out.read_bytes()
    again = repair(out, out, floating_base=planted.floating, overwrite=True)
    assert (again.mended, out.read_bytes()) == ((), first)
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".stl") == ["mended.urdf", "planted.urdf"]


@pytest.mark.parametrize(("limit", "kind"), [("", "continuous"), ('lower="0" upper="-1" ', "continuous")])
def test_revolute_joint_without_bounds_becomes_continuous(tmp_path: Path, limit: str, kind: str) -> None:
    _, findings, model = mended(SOUND.replace('lower="-2" upper="2.1" ', limit), tmp_path)
    assert model.joint("elbow").type == kind
    assert model.joint("elbow").limit.effort == 20
    assert len(findings) == 1


def inertial(model: RobotModel, link: str) -> Inertial:
    found = model.link(link).inertial
    assert found is not None
    return found


def test_zero_inertia_becomes_that_of_the_box_around_the_shapes(tmp_path: Path) -> None:
    zero = SOUND.replace('ixx="0.016" ixy="0" ixz="0" iyy="0.0161" iyz="0" izz="0.00068"', 'ixx="0" iyy="0" izz="0"')
    text, findings, model = mended(zero, tmp_path)
    xx, _, _, yy, _, zz = inertial(model, "upper").inertia
    assert (xx, zz) == pytest.approx((1.5 / 12 * (0.062**2 + 0.35**2), 1.5 / 12 * 2 * 0.062**2), rel=0.02)
    assert yy == pytest.approx(xx, rel=0.02)
    assert "box around its shapes" in findings[0].remedy
    assert changed_lines(zero, text) == {findings[0].line}


def test_triangle_is_mended_as_little_as_possible(tmp_path: Path) -> None:
    model = mended(SOUND.replace('izz="0.00068"', 'izz="0.0331"'), tmp_path)[2]
    xx, xy, xz, yy, yz, zz = inertial(model, "upper").inertia
    moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    assert moments[0] + moments[1] >= moments[2]
    assert moments == pytest.approx([0.016 + 0.001 / 3, 0.0161 + 0.001 / 3, 0.0331 - 0.001 / 3], rel=1e-4)


def test_zero_inertia_without_a_shape_becomes_a_ball_of_water(tmp_path: Path) -> None:
    text = SOUND.replace('ixx="8e-6" ixy="0" ixz="0" iyy="8.1e-6" iyz="0" izz="5e-7"', 'ixx="0" iyy="0" izz="0"')
    start, end = (
        text.index('    <collision>\n      <origin xyz="0 0 0.025"'),
        text.index('  </link>\n  <joint name="sho'),
    )
    _, findings, model = mended(text[:start] + text[end:], tmp_path)
    radius = (3 * 0.03 / (4 * np.pi * 1000)) ** (1 / 3)
    assert inertial(model, "finger").inertia[0] == pytest.approx(0.4 * 0.03 * radius**2, rel=1e-6)
    assert "ball" in findings[0].remedy


def test_moving_link_without_mass_is_filled_with_water_or_weighs_a_gram(tmp_path: Path) -> None:
    start, end = (
        SOUND.index('    <inertial>\n      <origin xyz="0 0 0.2"'),
        SOUND.index('    <visual>\n      <origin xyz="0 0 0.2"'),
    )
    model = mended(SOUND[:start] + SOUND[end:], tmp_path)[2]
    upper = inertial(model, "upper")
    assert upper.mass == pytest.approx(1000 * np.pi * 0.031**2 * 0.35, rel=0.01)
    assert upper.origin.xyz == pytest.approx((0, 0, 0.2))
    frame = re.sub(r'(?s)<link name="finger">.*?</link>', '<link name="finger"/>', SOUND)
    assert inertial(mended(frame, tmp_path)[2], "finger").mass == pytest.approx(0.001)


def test_ball_joint_becomes_three_hinges(tmp_path: Path) -> None:
    text = SOUND.replace('name="elbow" type="revolute"', 'name="elbow" type="spherical"')
    _, findings, model = mended(text, tmp_path)
    assert model.joint_names == ("shoulder", "elbow_x", "elbow_y", "elbow", "grip")
    assert [model.joint(name).axis for name in ("elbow_x", "elbow_y", "elbow")] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert [model.joint(name).origin.xyz for name in ("elbow_x", "elbow_y", "elbow")] == [
        (0, 0, 0.4),
        (0, 0, 0),
        (0, 0, 0),
    ]
    assert model.joint("elbow").child == "lower"
    assert inertial(model, "elbow_x_link").mass == pytest.approx(0.0008)
    assert "0.0008 kg" in findings[0].remedy


def test_joint_that_lets_the_base_float_goes_with_its_empty_link(tmp_path: Path) -> None:
    ends = '<parent link="world"/><child link="base"/>'
    free = f'  <link name="world"/>\n  <joint name="free" type="floating">{ends}</joint>\n'
    text, _, model = mended(SOUND.replace('  <link name="base">', f'{free}  <link name="base">'), tmp_path)
    assert model.root.name == "base"
    assert text == SOUND


def test_mimicked_joint_is_found_under_the_prefix_of_the_one_that_mimics(tmp_path: Path) -> None:
    text = SOUND.replace('"shoulder"', '"left_shoulder"').replace('"elbow"', '"left_elbow"')
    mimic = '<mimic joint="shoulder"/><limit lower="-2"'
    model = mended(text.replace('<limit lower="-2"', mimic), tmp_path)[2]
    followed = model.joint("left_elbow").mimic
    assert followed is not None
    assert followed.joint == "left_shoulder"


def test_visual_without_its_mesh_is_removed_but_a_collision_never(tmp_path: Path) -> None:
    path = Planted("mesh-missing", "seen.stl", "absent.stl").write(tmp_path)
    done = repair(path, tmp_path / "mended.urdf")
    assert done.report.model is not None
    assert done.report.model.link("lower").visuals == ()
    path = Planted("mesh-missing", "touched.stl", "absent.stl").write(tmp_path)
    assert repair(path, tmp_path / "refused.urdf").out is None


def test_meshes_are_found_from_another_folder(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    path = Planted("ignored", SOUND, SOUND).write(source)
    for out in (tmp_path / "mended.urdf", tmp_path / "deep" / "er" / "mended.urdf"):
        out.parent.mkdir(parents=True, exist_ok=True)
        done = repair(path, out)
        assert done.meshes == 2
        assert done.report.count("error") == 0
        assert check(out, roots=[source]).count("error") == 0
        assert changed_lines(SOUND, out.read_text()) == {
            n for n, row in enumerate(SOUND.splitlines(), 1) if ".stl" in row
        }
    first = out.read_bytes()
    repair(out, out, roots=[source], overwrite=True)
    assert out.read_bytes() == first


def test_input_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = Planted("limit-order", 'lower="-2"', 'lower="3"').write(tmp_path)
    link = tmp_path / "link.urdf"
    link.symlink_to(path)
    for out in (path, link):
        with pytest.raises(RobotError, match="is the input itself"):
            repair(path, out)
    with pytest.raises(RobotError, match="cannot be written"):
        repair(path, tmp_path / "absent" / "mended.urdf")
    assert repair(path, path, overwrite=True).report.count("error") == 0


def test_file_in_utf_16_is_read_but_not_edited(tmp_path: Path) -> None:
    path = Planted("ignored", SOUND, SOUND).write(tmp_path)
    path.write_bytes(SOUND.replace('<?xml version="1.0"?>\n', "").encode("utf-16"))
    assert check(path).status(strict=True) == 0
    faulty = SOUND.replace('<?xml version="1.0"?>\n', "").replace('lower="-2"', 'lower="3"').encode("utf-16")
    path.write_bytes(faulty)
    assert repaired(faulty, path) == (faulty, ())
    assert repair(path, tmp_path / "mended.urdf").out is None


@pytest.mark.parametrize(
    ("text", "count", "reading"),
    [
        ("1,5", 1, "1.5"),
        ("1,500", 1, None),
        ("0,5 1 2", 3, "0.5 1 2"),
        ("0,1,2", 3, "0 1 2"),
        ("0, 1, 2,", 3, "0 1 2"),
        ("1 2 3 4", 3, "1 2 3"),
        ("1 2", 3, None),
        ("heavy", 1, None),
        ("$(optenv A 1 2 3)", 3, "1 2 3"),
        ("$(env A)", 1, None),
        ("nan", 1, None),
        ("1.5.", 1, "1.5"),
        ("1.5.2", 1, None),
    ],
)
def test_numbers_are_read_as_meant_where_only_one_meaning_is_left(text: str, count: int, reading: str | None) -> None:
    assert meant(text, count) == reading


@pytest.mark.parametrize(
    "file",
    [
        "humanoid/humanoid.urdf",
        "husky/husky.urdf",
        "laikago/laikago.urdf",
        "mini_cheetah/mini_cheetah.urdf",
        "xarm/xarm6_robot.urdf",
        "quadruped/minitaur.urdf",
        "cube_no_rotation.urdf",
        "biped/biped2d_pybullet.urdf",
        "bicycle/bike.urdf",
        "spherical_joint_limit.urdf",
    ],
)
def test_file_of_others_is_mended_where_it_says_so_only(tmp_path: Path, file: str) -> None:
    path = PYBULLET / file
    done = repair(path, tmp_path / "mended.urdf", roots=[PYBULLET])
    assert done.mended
    assert done.report.count("error") == 0
    data = path.read_bytes()
    same_folder, findings = repaired(data, path, [PYBULLET], None)
    before, after = (text.decode("utf-8", "replace") for text in (data, same_folder))
    named = {finding.line for finding in findings}
    blocks = {finding.line + extra for finding in findings for extra in range(-6, 12)}
    assert named <= set(range(1, len(before.splitlines()) + 2))
    assert changed_lines(before, after) <= blocks
    assert repaired(same_folder, path, [PYBULLET], None) == (same_folder, ())


def corpus() -> list[Path]:
    """Return the URDFs of pybullet_data, of its thousand random ones each fortieth."""
    files = sorted(PYBULLET.rglob("*.urdf"))
    random = [file for file in files if "random_urdfs" in file.parts]
    return [file for file in files if "random_urdfs" not in file.parts] + random[::40]


# Nothing says what is meant: an infinite plane, a distance field, a soft body, meshes that are missing or not numbers.
REFUSED = {
    "plane_implicit.urdf": "geometry",
    "concave_box.urdf": "geometry",
    "torus_deform.urdf": "no-link",
    "model_for_sdf.urdf": "mesh-missing",
    "168.urdf": "mesh-broken",
}


def test_corpus_is_read_after_repair_or_refused_for_a_named_reason() -> None:
    for path in corpus():
        data = path.read_bytes()
        once, mended = repaired(data, path, [PYBULLET], None)
        assert repaired(once, path, [PYBULLET], None) == (once, ()), path
        assert (once == data) == (not mended), path
        codes = {finding.code for finding in errors(parse_urdf(once, path, [PYBULLET], None).findings)}
        assert codes == ({REFUSED[path.name]} if path.name in REFUSED else set()), path
