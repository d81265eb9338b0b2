"""What is printed of an audit: words and numbers whole at any width, failures by name, and counts that add up."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sim2real.audit import Audit, Finding, Measured, Row
from sim2real.audit.compare import Agreement
from sim2real.audit.summary import finding_lines, summary
from sim2real.audit.table import audit_table, one_per_quantity

BOTH = ("bullet", "mujoco")


def make_row(name: str, change: dict[str, float], reasons: dict[str, str] | None = None, fails: bool = False) -> Row:
    ends = {
        (engine, end): Measured(None, -10.31, change[engine], (reasons or {}).get(engine, ""))
        for engine in BOTH
        for end in ("low", "high")
    }
    findings = (Finding("no effect", "bullet", "nothing moves"),) if fails else ()
    agreements = {"high": Agreement(1.0, 1.02), "low": Agreement(1.0, 0.9)} if name.startswith("mass") else {}
    return Row(name, name.partition("/")[0], "(rad/s | m/s)/sqrt(s)", -9.81, -10.31, -9.31, ends, findings, agreements)  # type: ignore[arg-type]


@pytest.fixture
def found() -> Audit:
    rows = (
        make_row("mass/pole", {"bullet": 0.0123, "mujoco": 0.0123}),
        make_row("mass/cart", {"bullet": 0.5, "mujoco": 0.5}),
        make_row("accelerometer_resolution/slider_to_cart", {"bullet": 0.1, "mujoco": 0.000361}),
        make_row("gravity_y", {"bullet": 0.0, "mujoco": 0.0}, dict.fromkeys(BOTH, "no joint moves along this axis")),
        make_row("contact_scale/RL_toe", {"bullet": 0.3, "mujoco": 0.0}, {"mujoco": "this foot touches nothing"}),
    )
    return Audit("cartpole", BOTH, rows, 12.0)


def printed(found: Audit, width: int, members: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    rows = found.rows if members else one_per_quantity(found)
    console.print(audit_table(found, rows, width, members))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_words_and_numbers_stay_whole(found, width):
    text = printed(found, width)
    assert max(map(len, text.splitlines())) <= width
    words = set(text.split())
    assert {
        "accelerometer_resolution",
        "0.00036",
        "slider_to_cart",
        "-10.31",
        "-9.31",
        "0.012",
        "x0.90",
        "touches",
        "axis",
    } <= words
    assert "…" not in text
    assert ("nominal" in text.split("One member")[0]) == (width >= 120)


def test_short_verdicts_leave_the_head_whole(found):
    sound = replace(found, rows=found.rows[:2])
    assert "compared  verdict" in printed(sound, 120)


def test_one_member_of_each_quantity_is_said_to_be_chosen(found):
    assert "One member of each quantity" in printed(found, 120)
    assert "cart\n" not in printed(found, 120).replace(" ", "").replace("slider_to_cart", "")
    assert "One member of each quantity" not in printed(found, 120, members=True)


def test_each_engine_says_why_it_is_idle(found):
    assert found.row("contact_scale/RL_toe").verdict == "ok"
    assert found.row("gravity_y").verdict == "idle"
    text = " ".join(printed(found, 200).split())
    assert "ok; idle in MuJoCo: this foot touches nothing" in text
    assert "idle: no joint moves along this axis" in text


def test_counts(found):
    assert summary(found) == (
        "cartpole in PyBullet and MuJoCo: 5 coordinates of 4 quantities: 4 move as they should (2 of them not compared "
        "between the engines), 1 idle (mechanics lets them do nothing here), none failed; 12 s"
    )


def test_each_failing_member_has_a_line_up_to_twenty():
    rows = tuple(make_row(f"mass/{k}", {"bullet": 0.0, "mujoco": 1.0}, fails=True) for k in range(23))
    lines = [str(line) for line in finding_lines(Audit("many", BOTH, rows, 1.0))]
    assert lines[0] == "mass/0 no effect: PyBullet nothing moves"
    assert len(lines) == 21
    assert lines[-1].startswith("and 3 more")
