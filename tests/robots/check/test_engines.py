"""What the rules' table says of PyBullet and MuJoCo is what they do with each planted fault, raw, in a child."""

from collections.abc import Callable
from pathlib import Path

import pytest

from robots.check.repair import repair
from robots.rules import RULES
from tests.children import call
from tests.robots.check.faults import FAULTS, Planted
from tests.robots.check.loading import mujoco_loads, pybullet_loads


def verdict(program: Callable[[Path], None], path: Path) -> str:
    """Return what loading the file comes to: loads, refuses or crashes."""
    child = call(program, path, cwd=path.parent)
    return {0: "loads", 1: "refuses"}.get(child.returncode, "crashes")


def allowed(text: str) -> set[str]:
    """Return the verdicts that a text of the table bears out; loads is one unless it only says refuses or crashes."""
    said = {word for word in ("refuses", "crashes") if word in text}
    rest = text
    for word in ("refuses", "crashes", "links", "joints", "on", "a", "%", "or", ",", ";"):
        rest = rest.replace(word, " ")
    return said | ({"loads"} if rest.strip() else set())


@pytest.mark.slow
@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: f"{planted.code}-{planted.new[:25]!r}")
def test_engines_do_what_the_table_says(tmp_path: Path, planted: Planted) -> None:
    path, rule = planted.write(tmp_path), RULES[planted.code]
    assert verdict(pybullet_loads, path) in allowed(rule.pybullet)
    assert verdict(mujoco_loads, path) in allowed(rule.mujoco)


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted", [p for p in FAULTS if p.code != "file"], ids=lambda planted: f"{planted.code}-{planted.new[:25]!r}"
)
def test_engines_load_what_was_mended(tmp_path: Path, planted: Planted) -> None:
    path, out = planted.write(tmp_path), tmp_path / "mended.urdf"
    repaired = repair(path, out, floating_base=planted.floating)
    if repaired.out is None:
        assert not out.exists()
    elif not repaired.mended:
        assert out.read_bytes() == path.read_bytes()
    else:
        assert (verdict(pybullet_loads, out), verdict(mujoco_loads, out)) == ("loads", "loads")


def test_what_a_text_of_the_table_allows() -> None:
    assert allowed("refuses") == {"refuses"}
    assert allowed("refuses links, crashes on joints") == {"refuses", "crashes"}
    assert allowed("refuses, or takes the first") == {"refuses", "loads"}
    assert allowed("takes it") == {"loads"}
