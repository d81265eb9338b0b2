"""The corpus run: a dozen of its files all the way, and that it can condemn; `make corpus` takes all of them."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.corpus import Job, collections, examine, run
from benchmarks.corpus_page import Verdict, bars, by_folder, page, trouble_of
from robots.model import RobotModel
from robots.urdf.reader import parse_urdf
from sim2real.sim.inspect import inspect

NAMES = (
    "a1/a1.urdf", "block.urdf", "laikago/laikago.urdf", "random_urdfs/003/003.urdf", "random_urdfs/168/168.urdf",
    "xarm/link2.urdf", "ur_description/urdf/ur3.urdf", "double_pendulum_description/urdf/double_pendulum.urdf",
    "kinova_description/robots/kinova.urdf", "torus_deform.urdf", "quadruped/minitaur.urdf",
    "human_description/robots/human.urdf",
)  # fmt: skip


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    jobs = [job for job in collections() if job.name in NAMES]
    assert {job.name for job in jobs} == set(NAMES)
    return {verdict.name: verdict for verdict in run(jobs, 2, Console(quiet=True))}


@pytest.fixture
def job(tmp_path: Path):
    """A function that makes a job of a URDF's contents."""

    def _job(contents: str) -> Job:
        (tmp_path / "made.urdf").write_text(contents)
        return Job("made", str(tmp_path), "made.urdf", (str(tmp_path),))

    return _job


BODY = '<inertial><mass value="1"/><inertia ixx="{0}" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
ARM = (
    '<robot name="r"><link name="base"/><link name="arm">' + BODY + "</link>"
    '<joint name="j" type="revolute"><parent link="base"/><child link="arm"/><origin xyz="0 0 {1}"/>'
    '<limit lower="-1" upper="1" effort="1" velocity="1"/></joint></robot>'
)


def test_every_file_gets_one_of_the_answers(verdicts: dict[str, Verdict]):
    assert {name: trouble for name, verdict in verdicts.items() if (trouble := trouble_of(verdict))} == {}
    states = {name: verdict.state for name, verdict in verdicts.items()}
    assert states["a1/a1.urdf"] == states["block.urdf"] == "as is"
    assert states["laikago/laikago.urdf"] == states["random_urdfs/003/003.urdf"] == "repaired"
    assert states["torus_deform.urdf"] == states["ur_description/urdf/ur3.urdf"] == "refused"


def test_refusals_name_their_cause_and_no_folder_of_this_computer(verdicts: dict[str, Verdict]):
    assert verdicts["torus_deform.urdf"].cause.startswith("no-link: ")
    for verdict in verdicts.values():
        if verdict.state == "refused":
            assert verdict.cause
            assert "site-packages" not in verdict.cause


def test_repairs_are_named(verdicts: dict[str, Verdict]):
    laikago = verdicts["laikago/laikago.urdf"]
    assert "inertia-definite" in laikago.repairs
    assert any(change.startswith("link ") for change in laikago.changed)
    assert laikago.silent == []


def test_both_collections_are_whole():
    jobs = list(collections())
    assert sum(job.collection == "pybullet_data" for job in jobs) == 1095
    assert sum(job.collection == "example-robot-data" for job in jobs) == 69


def test_a_sound_file_passes(job):
    verdict = examine(job(ARM.format(1, 1)))
    assert (verdict.state, verdict.changed, verdict.silent, trouble_of(verdict)) == ("as is", [], [], "")


def test_a_refused_file_says_why(job):
    verdict = examine(job("<robot"))
    assert verdict.state == "refused"
    assert verdict.cause.startswith("xml: ")


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        (lambda m: replace(m, joints=(replace(m.joints[0], limit=replace(m.joints[0].limit, upper=0.5)),)), "joint j"),
        (lambda m: replace(m, links=(m.links[0], _heavier(m))), "link arm"),
        (
            lambda m: replace(
                m, joints=(replace(m.joints[0], origin=replace(m.joints[0].origin, xyz=(0.0, 0.0, 1.001))),)
            ),
            "joint j",
        ),
    ],
)
def test_a_reader_that_changes_something_is_caught(job, change, trouble: str, monkeypatch: pytest.MonkeyPatch):
    """Nobody else sees it: engines and Pinocchio get the same changed robot; the file as it stands tells."""
    monkeypatch.setattr("benchmarks.corpus.parse_urdf", lambda *given: _changed(parse_urdf(*given), change))
    verdict = examine(job(ARM.format(1, 1)))
    assert verdict.silent == [trouble]
    assert trouble_of(verdict) == f"changed silently: {trouble}"


def _changed(parsed, change):
    return replace(parsed, model=change(parsed.model))


def _heavier(model: RobotModel):
    arm = model.links[1]
    assert arm.inertial is not None
    return replace(arm, inertial=replace(arm.inertial, mass=1.01))


@pytest.mark.parametrize("engine", ["bullet", "mujoco"])
def test_an_engine_that_builds_another_robot_is_caught(job, engine: str, monkeypatch: pytest.MonkeyPatch):
    def lying(model: RobotModel, name: str, *motion):
        given = replace(model, links=(model.links[0], _heavier(model))) if name == engine else model
        return inspect(given, name, *motion)

    monkeypatch.setattr("benchmarks.corpus.inspect", lying)
    verdict = examine(job(ARM.format(1, 1)))
    assert any(miss.startswith(f"{engine} masses") for miss in verdict.mismatches)
    assert not any(met for what, _, _, met in bars([verdict]) if what.startswith("differ"))


def test_bars_and_page():
    good = Verdict("c", "a/b.urdf", "as is", errors={"bullet": {"poses": 1e-7, "gravity_torques": 0.0}})
    refused = Verdict("c", "x|y.urdf", "refused", cause="xml: not well-formed")
    failed = Verdict("c", "z.urdf", cause="crashes with SIGSEGV")
    assert [met for *_, met in bars([good] * 99 + [refused])] == [True] * 4
    assert [met for *_, met in bars([good] * 97 + [refused] * 3)] == [False, True, True, True]
    assert [met for *_, met in bars([good] * 99 + [failed])] == [True, False, True, True]
    text = page([good, refused, failed], {"mujoco": "4.0"})
    assert "| c/x\\|y.urdf | xml: not well-formed |" in text
    assert "| c/z.urdf | crashes with SIGSEGV |" in text
    assert next(row for row in by_folder([good, refused, failed]) if row[0] == "all")[1:6] == ("3", "1", "0", "1", "1")
