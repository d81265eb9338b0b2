"""Every URDF of two public collections through the reader, the repair and both engines: `make corpus`.

A file either gives the same robot in PyBullet, MuJoCo and Pinocchio (joints, masses, poses, torques at 20 random
configurations), as it is or after repair, or is refused with a finding that names the cause. What Pinocchio reads
otherwise from the file as it stands must be named by a finding too: nothing changes silently. Each file is worked on in
a child process, whose crash or hang counts. Writes docs/corpus.md; exits with 1 where a bar is missed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.corpus_page import Verdict, bars, by_folder, page, trouble_of
from benchmarks.isolated import run_isolated, shown
from benchmarks.judge import changed, differences, judge
from robots.findings import Finding, errors
from robots.merge import merge_fixed
from robots.model import RobotModel
from robots.urdf.elements import read_bytes, shorten
from robots.urdf.reader import parse_urdf, repaired
from robots.urdf.writer import write_urdf
from sim2real.errors import Sim2RealError
from sim2real.sim.inspect import inspect

Array = NDArray[np.float64]

ENGINES = ("bullet", "mujoco")
CONFIGURATIONS = 20
SECONDS = 60.0  # for one file
PAGE = Path(__file__).parents[1] / "docs" / "corpus.md"


@dataclass(frozen=True)
class Job:
    """One URDF of a collection: `name` is its path in there, `folder` the collection's on this computer."""

    collection: str
    folder: str
    name: str
    roots: tuple[str, ...]


def collections() -> Iterator[Job]:
    """Yield a job for every URDF of pybullet_data and example-robot-data."""
    spec = find_spec("pybullet_data")
    folders = {
        "pybullet_data": Path(*(spec.submodule_search_locations or ()) if spec else ()),
        "example-robot-data": Path(
            str(distribution("example-robot-data").locate_file("cmeel.prefix/share/example-robot-data/robots"))
        ),
    }
    for collection, folder in folders.items():
        # package:// names start at the robots or two folders above them.
        roots = (str(folder), str(folder.parents[1])) if collection == "example-robot-data" else (str(folder),)
        for path in sorted(folder.rglob("*.urdf")):
            yield Job(collection, str(folder), str(path.relative_to(folder)), roots)


def examine(job: Job) -> Verdict:
    """Take one file all the way; runs in a child process."""
    verdict, path, roots = (
        Verdict(job.collection, job.name),
        Path(job.folder, job.name),
        [Path(root) for root in job.roots],
    )
    try:
        model, findings = _read(verdict, path, roots)
    except Sim2RealError as error:
        verdict.state, verdict.cause = "refused", _portable(str(error), job)
        return verdict
    if model is None:
        verdict.cause = _portable(verdict.cause, job)
        return verdict
    q, dq, ddq = _motions(model, crc32(job.name.encode()))
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "robot.urdf"
        write_urdf(model, written)
        truth = judge(written, model.joint_names, q, dq, ddq)
        _compare_original(verdict, path, written, model, findings)
    for engine in ENGINES:
        try:
            verdict.errors[engine] = differences(inspect(model, engine, q, dq, ddq), truth)
        except Sim2RealError as error:
            verdict.state, verdict.cause = "failed", _portable(f"{engine}: {error}", job)
    return verdict


def _read(verdict: Verdict, path: Path, roots: Sequence[Path]) -> tuple[RobotModel | None, list[Finding]]:
    """Return the model, of the file as it is or else repaired, or None if it is refused, and all findings."""
    data = read_bytes(path)
    done: tuple[Finding, ...] = ()
    parsed = parse_urdf(data, path, roots, None)
    verdict.state = "as is"
    if parsed.model is None:
        data, done = repaired(data, path, roots, None)
        parsed = parse_urdf(data, path, roots, None)
        verdict.state, verdict.repairs = "repaired", _codes(done)
    verdict.findings = _codes(parsed.findings)
    if parsed.model is None:
        first, *others = errors(parsed.findings)
        verdict.state = "refused"
        verdict.cause = f"{first.code}: {first.what}" + (f" (and {len(others)} more)" if others else "")
    return parsed.model, [*done, *parsed.findings]


def _codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def _portable(text: str, job: Job) -> str:
    for root in sorted((job.folder, *job.roots), key=len, reverse=True):
        text = text.replace(root, job.collection)
    return text


def _motions(model: RobotModel, seed: int) -> tuple[Array, Array, Array]:
    """Return random q inside the limits, dq and ddq: (CONFIGURATIONS, n_joints) each."""
    rng, shape = np.random.default_rng(seed), (CONFIGURATIONS, len(model.movable))
    reach = [1.0 if joint.type == "prismatic" else np.pi for joint in model.movable]
    lower = np.array([max(j.limit.lower, -r) for j, r in zip(model.movable, reach, strict=True)])
    upper = np.array([min(j.limit.upper, r) for j, r in zip(model.movable, reach, strict=True)])
    return rng.uniform(np.minimum(lower, upper), upper, shape), rng.normal(size=shape), rng.normal(size=shape)


def _compare_original(
    verdict: Verdict, path: Path, written: Path, model: RobotModel, findings: Sequence[Finding]
) -> None:
    """Note what Pinocchio reads otherwise from the file as it stands, and whether a finding names that element."""
    named = {finding.element.split(": ")[0] for finding in findings}
    try:
        bodies, joints = changed(written, path)
    except ValueError as error:
        verdict.unread = str(error).splitlines()[-1].strip()
        verdict.silent = [] if findings else ["cannot be read by Pinocchio"]
        return
    merged = merge_fixed(model)
    carried = defaultdict(set)
    for link, (body, _) in merged.frames.items():
        carried[body].add(link)
    for body in sorted(bodies):
        verdict.changed.append(f"link {body}")
        if not named & {f"link {shorten(link)}" for link in carried[body]}:
            verdict.silent.append(f"link {body}")
    for joint in sorted(joints):
        verdict.changed.append(f"joint {joint}")
        if f"joint {shorten(joint)}" not in named:
            verdict.silent.append(f"joint {joint}")


def run(jobs: Sequence[Job], workers: int, console: Console) -> list[Verdict]:
    """Examine all jobs; verdicts come in the order of the jobs."""
    verdicts: dict[Job, Verdict] = {}
    outcomes = run_isolated("benchmarks.corpus:examine", jobs, SECONDS, workers)
    for outcome in shown(outcomes, len(jobs), "corpus", console):
        job = outcome.job
        verdict = outcome.value or Verdict(job.collection, job.name, cause=_portable(outcome.failure, job))
        verdict.seconds = outcome.seconds
        verdicts[job] = verdict
    return [verdicts[job] for job in jobs]


def _show(verdicts: Sequence[Verdict], seconds: float, console: Console) -> bool:
    """Print the tables; return whether every bar is met."""
    folders, wanted = Table(), Table(title=f"{len(verdicts)} files in {seconds:.0f} s")
    head, *rows = by_folder(verdicts)
    for column in head:
        folders.add_column(column, overflow="fold")
    for row in rows:
        folders.add_row(*row)
    for column in ("must hold", "measured", "bar", ""):
        wanted.add_column(column)
    for what, measured, bar, met in bars(verdicts):
        wanted.add_row(what, measured, bar, "yes" if met else "NO")
    for verdict in verdicts:
        if trouble := trouble_of(verdict):
            console.print(f"{verdict.collection}/{verdict.name}: {trouble}", markup=False, highlight=False)
    console.print(folders, wanted)
    return all(met for *_, met in bars(verdicts))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of names: take these files only, and write no page")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write every verdict to this file")
    options = parser.parse_args()
    started, console = time.monotonic(), Console()
    jobs = [job for job in collections() if not options.only or any(part in job.name for part in options.only)]
    verdicts = run(jobs, options.workers, console)
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1), encoding="utf-8")
    if not options.only:
        versions = {name: version(name) for name in ("pybullet", "mujoco", "pin", "example-robot-data")}
        PAGE.write_text(page(verdicts, versions), encoding="utf-8")
    return 0 if _show(verdicts, time.monotonic() - started, console) else 1


if __name__ == "__main__":
    sys.exit(main())
