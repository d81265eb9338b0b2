"""Pictures and pages: drawn from real evaluations, complete, self-contained, and safe against odd names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robots import load_robot
from sim2real.commands.demo import SETTINGS, WITH, WITHOUT, run_demo, verdict
from sim2real.commands.demo_report import DemoResults, Deployment, write_demo_report
from sim2real.errors import ConfigError
from sim2real.evaluate import evaluate
from sim2real.report import Outcome, Section, TwinLog, plot_outcomes, read_curve, write_html
from tests.ros_bridge.lqr import balancing_policy

CURVE = "step,rollout/return,rollout/success\n1000,1.5,0.1\n2000,3.0,0.5\n"


def twin_log(n: int = 100) -> TwinLog:
    time, joints = np.arange(n, dtype=np.float64) * 0.02, load_robot("cartpole").joint_names
    gap = np.where(np.arange(n) == 0, np.nan, (np.arange(n) % 25) * 1e-3)
    return TwinLog(joints, time, np.zeros((n, 2)), np.full((n, 2), 0.01), gap, np.arange(n) % 25 == 24)


def outcomes(with_rate: float = 0.98, without_rate: float = 0.5, nominal: float = 1.0) -> list[Outcome]:
    rates = {WITH: [nominal, *[with_rate] * 3], WITHOUT: [nominal, *[without_rate] * 3]}
    return [Outcome(p, s, round(100 * r), 100) for p in rates for s, r in zip(SETTINGS, rates[p], strict=True)]


def test_the_demo_report_is_whole_and_fetches_nothing(tmp_path):
    policy = balancing_policy()
    (tmp_path / "progress.csv").write_text(CURVE)
    curves = dict.fromkeys((WITH, WITHOUT), tmp_path / "progress.csv")
    evaluations = {label: evaluate(policy, "mujoco", "cartpole", 30, workers=0) for label in (WITH, WITHOUT)}
    policy.contract.training["steps"] = 1000
    policy.contract.randomization["quantities"] = {"latency": {"law": "uniform", "low": 0.0, "high": 0.1}}
    deployment = Deployment(True, 20.0, 0.02, twin_log())
    write_demo_report(DemoResults(policy, curves, evaluations, outcomes(), deployment), tmp_path)
    page = (tmp_path / "report.html").read_text()
    pictures = sorted((tmp_path / "plots").glob("*.png"))
    assert len(pictures) == 6
    assert page.count("data:image/png;base64,") == 6
    assert "http" not in page
    assert "latency" in page
    for picture in pictures:
        with Image.open(picture) as image:
            image.verify()
            assert min(image.size) > 200


def test_names_cannot_break_the_page(tmp_path):
    write_html(tmp_path / "a.html", "<script>", "a & b", [Section("<b>", "x < y", (("<i>",), ("</td>",)))])
    page = (tmp_path / "a.html").read_text()
    assert "<script>" not in page
    assert "&lt;i&gt;" in page


def test_bars_show_what_happened(tmp_path):
    plot_outcomes(outcomes(), tmp_path / "high.png")
    plot_outcomes(outcomes(without_rate=0.1), tmp_path / "low.png")
    assert (tmp_path / "high.png").read_bytes() != (tmp_path / "low.png").read_bytes()


def test_curves_and_twin_logs_are_read_back(tmp_path):
    (tmp_path / "progress.csv").write_text(CURVE)
    assert read_curve(tmp_path / "progress.csv")["rollout/return"].tolist() == [1.5, 3.0]
    log = twin_log()
    np.savez(tmp_path / "t.npz", time=log.time, q=log.q, twin_q=log.twin_q, gap=log.gap, anchored=log.anchored)
    again = TwinLog.load(tmp_path / "t.npz", log.joints)
    assert again.ends.sum() == 4
    assert again.gap[again.ends] == pytest.approx(0.024)


@pytest.mark.parametrize(
    ("found", "stayed_up", "kept"),
    [
        (outcomes(), True, True),
        (outcomes(with_rate=0.94), True, False),
        (outcomes(without_rate=0.93), True, False),
        (outcomes(nominal=0.9), True, False),
        (outcomes(), False, False),
    ],
)
def test_the_verdict_keeps_no_promise_that_fell_short(found, stayed_up, kept):
    assert verdict(found, Deployment(stayed_up, 3.0, 0.02, twin_log()))[1] is kept


@pytest.mark.parametrize(("successes", "kept"), [(10, True), (9, True), (8, False)])
def test_ten_trials_are_held_against_the_promise_by_their_interval(successes, kept):
    """Of 10, 9 do not rule out 95 %; 8 do."""
    found = [*outcomes()]
    found[3], found[7] = Outcome(WITH, SETTINGS[3], successes, 10), Outcome(WITHOUT, SETTINGS[3], 5, 10)
    assert verdict(found, Deployment(True, 20.0, 0.02, twin_log()))[1] is kept


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="choose another --out"):
        run_demo(tmp_path, 0, None)  # type: ignore[arg-type]
    assert [p.name for p in Path(tmp_path).iterdir()] == ["thesis.tex"]
