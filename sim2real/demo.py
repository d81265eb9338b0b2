"""The demo: the whole line once, on a cart-pole, with nothing faked.

Two policies are trained on the same budget, one in randomized worlds and one in the nominal world; both are judged in
worlds they have not seen, in the other engine, and over ROS 2 on a stand-in robot that runs in a process of its own.
"""

import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from randomization import Randomization
from robots import Robot, load_robot
from sim2real.config import dump_yaml, read_yaml
from sim2real.console import progress_bar, randomization_table, train_with_progress
from sim2real.errors import ConfigError
from sim2real.evaluate import Evaluation, evaluate
from sim2real.nodes import Nodes
from sim2real.policy import Policy
from sim2real.report import (
    Outcome,
    Section,
    TwinLog,
    plot_gap,
    plot_joints,
    plot_learning_curves,
    plot_outcomes,
    plot_success_by_quantity,
    write_html,
)
from sim2real.train_config import load_train_config

PRESET = "cartpole"
WITH, WITHOUT = "with randomization", "without"
FOLDERS = {WITH: "policy", WITHOUT: "policy-without"}
VARIANTS = 200
DEPLOY_S = 20.0
TRIALS, TRIAL_S = 10, 4.0
BAR = 0.95
AUTOSTART = ("--ros-args", "-p", "autostart:=true")
MARK = "demo.yaml"
SETTINGS = ("nominal world", "held-out worlds", "held-out worlds, MuJoCo", "stand-in robot, ROS 2")


@dataclass(frozen=True)
class Deployment:
    """One deploy on the stand-in robot with a twin beside it."""

    upright_s: float
    gap_end: float
    log: TwinLog
    mode: str


def run_demo(folder: Path, seed: int, console: Console) -> int:
    """Run the demo into `folder`; return 0 if every promise was kept, 1 if one fell short."""
    started = time.monotonic()
    _make_room(folder)
    robot = load_robot("cartpole")
    _say(console, 1, "Train two policies on the same budget: one in randomized worlds, one in the nominal world")
    policies = _train(folder, seed, console)
    _say(console, 2, f"Judge both in {VARIANTS} worlds each that neither has seen")
    evaluations = _evaluate(policies, seed, console)
    _say(console, 3, f"Deploy the first over ROS 2 for {DEPLOY_S:.0f} s: robot, policy, twin and recorder are processes of their own")
    deployment = _deploy(folder, robot, seed, console)
    _say(console, 4, f"{TRIALS} trials of {TRIAL_S:.0f} s for each policy on stand-in robots with hidden physics")
    trials = _trials(folder, seed, console)
    outcomes = _outcomes(evaluations, trials)
    _say(console, 5, "Draw the pictures and write the report")
    _report(folder, policies[WITH], evaluations, outcomes, deployment)
    table, kept = _verdict(outcomes, deployment)
    console.print(table)
    console.print(f"{folder / 'report.html'}: all of it on one page. Also there: policy/, bag/ (rosbag2, MCAP), plots/, training/ (TensorBoard)", highlight=False)
    console.print(f"{'Every promise kept' if kept else '[red]A promise fell short[/red]'}, after {time.monotonic() - started:.0f} s.", highlight=False)
    return 0 if kept else 1


def _say(console: Console, step: int, text: str) -> None:
    console.print(f"[bold]{step} of 5[/bold]  {text}", highlight=False)


def _make_room(folder: Path) -> None:
    """Replace an earlier demo; never touch a folder that is something else."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise ConfigError(f"{folder}: is not empty and not an earlier demo; choose another --out")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text(dump_yaml({"made_by": "sim2real demo"}), encoding="utf-8")


def _train(folder: Path, seed: int, console: Console) -> dict[str, Policy]:
    policies = {}
    for label, name in FOLDERS.items():
        overrides = {"seed": seed} if label == WITH else {"seed": seed, "environment.randomization": "none"}
        config = load_train_config(PRESET, overrides)
        if label == WITH:
            console.print(randomization_table(Randomization.load(PRESET, load_robot(PRESET))))
        result = train_with_progress(config, folder / "training" / name, console, label=label)
        if result.interrupted or result.policy is None:
            raise KeyboardInterrupt
        result.policy.save(folder / name)
        policies[label] = Policy.load(folder / name)
    return policies


def _evaluate(policies: dict[str, Policy], seed: int, console: Console) -> dict[tuple[str, str], Evaluation]:
    evaluations = {}
    for setting, engine, family in ((SETTINGS[0], "bullet", "none"), (SETTINGS[1], "bullet", PRESET), (SETTINGS[2], "mujoco", PRESET)):
        for label, policy in policies.items():
            with progress_bar(console, f"{label}, {setting}") as progress:
                result = evaluate(policy, engine, family, VARIANTS, seed, progress=progress)
            evaluations[label, setting] = result
        shares = ", ".join(f"{label} {evaluations[label, setting].success_rate:.1%}" for label in policies)
        console.print(f"  {setting}: {shares}", highlight=False)
    return evaluations


def _deploy(folder: Path, robot: Robot, seed: int, console: Console) -> Deployment:
    log, report = folder / "twin.npz", folder / "stand_in.yaml"
    with Nodes(folder / "logs" / "deploy") as nodes:
        stand_in = nodes.start("stand_in", "--robot", robot.name, "--randomization", PRESET, "--seed", str(seed + 1), "--trials", "1", "--trial-s", str(DEPLOY_S), "--report", str(report))
        nodes.start("recorder", str(folder / "bag"), "--policy", str(folder / FOLDERS[WITH]))
        nodes.start("twin", "--robot", robot.name, "--log", str(log))
        nodes.start("policy", str(folder / FOLDERS[WITH]), *AUTOSTART)
        with progress_bar(console, "deployed") as progress:
            nodes.wait(stand_in, timeout=DEPLOY_S + 30.0, progress=progress)
    trial = read_yaml(report)["each"][0]
    twin = TwinLog.load(log, robot.joint_names)
    gap = float(np.median(twin.gap[twin.ends])) if twin.ends.any() else float("nan")
    verdict = "stayed up" if trial["success"] else f"fell after {trial['upright_s']:.1f} s"
    hidden = ", ".join(f"{k} {trial['variant'][k]:.3g}" for k in ("mass/cart", "mass/pole", "strength/slider_to_cart", "latency"))
    console.print(f"  {verdict}; the twin with nominal physics drifts {gap:.3f} (median over joints and 0.5 s horizons)", highlight=False)
    console.print(f"  what was hidden from the learner: {hidden}, ...", highlight=False)
    return Deployment(trial["upright_s"], gap, twin, verdict)


def _trials(folder: Path, seed: int, console: Console) -> dict[str, tuple[int, int]]:
    """Run both policies side by side, each with a stand-in robot in a ROS domain of its own."""
    reports = {label: folder / f"trials-{name}.yaml" for label, name in FOLDERS.items()}
    with ExitStack() as stack:
        running = {}
        for label, name in FOLDERS.items():
            nodes = stack.enter_context(Nodes(folder / "logs" / f"trials-{name}"))
            running[label] = nodes, nodes.start("stand_in", "--robot", "cartpole", "--randomization", PRESET, "--seed", str(seed + 2), "--trials", str(TRIALS), "--trial-s", str(TRIAL_S), "--report", str(reports[label]))
            nodes.start("policy", str(folder / name), *AUTOSTART)
        with progress_bar(console, "trials") as progress:
            for nodes, stand_in in running.values():
                nodes.wait(stand_in, timeout=TRIALS * (TRIAL_S + 2.0) + 30.0, progress=progress)
    counts = {label: (int(read_yaml(path)["success"]), int(read_yaml(path)["trials"])) for label, path in reports.items()}
    console.print("  " + ", ".join(f"{label} {s} of {n}" for label, (s, n) in counts.items()), highlight=False)
    return counts


def _outcomes(evaluations: dict[tuple[str, str], Evaluation], trials: dict[str, tuple[int, int]]) -> list[Outcome]:
    rows = [Outcome(label, setting, int(e.success.sum()), len(e.success)) for (label, setting), e in evaluations.items()]
    return rows + [Outcome(label, SETTINGS[3], s, n) for label, (s, n) in trials.items()]


def _verdict(outcomes: list[Outcome], deployment: Deployment) -> tuple[Table, bool]:
    """Return the demo's one table, and whether all of it is as promised."""
    rate = {(o.policy, o.setting): o for o in outcomes}
    table = Table(title="Episodes that stay up", title_justify="left")
    for column in ("", WITH, WITHOUT, "promise", "kept"):
        table.add_column(column)
    kept = True
    for setting in SETTINGS:
        mine, other = rate[WITH, setting], rate[WITHOUT, setting]
        if setting == SETTINGS[0]:
            promise, ok = f"both ≥ {BAR:.0%}", min(mine.rate, other.rate) >= BAR
        else:
            promise, ok = f"≥ {BAR:.0%}, and the other visibly worse", mine.rate >= BAR and other.rate <= mine.rate - 0.1
        table.add_row(setting, f"{mine.successes} of {mine.n}", f"{other.successes} of {other.n}", promise, "yes" if ok else "[red]no[/red]")
        kept &= ok
    up = deployment.mode == "stayed up"
    table.add_row(f"deployed for {DEPLOY_S:.0f} s", f"{deployment.mode}, gap {deployment.gap_end:.3f}", "", "stays up", "yes" if up else "[red]no[/red]")
    return table, kept and up


def _report(folder: Path, policy: Policy, evaluations: dict[tuple[str, str], Evaluation], outcomes: list[Outcome], deployment: Deployment) -> None:
    plots = folder / "plots"
    plot_outcomes(outcomes, plots / "success.png")
    plot_learning_curves({label: folder / "training" / name / "progress.csv" for label, name in FOLDERS.items()}, plots / "learning_curves.png")
    plot_success_by_quantity({label: evaluations[label, SETTINGS[2]] for label in FOLDERS}, plots / "success_by_quantity.png")
    plot_joints(deployment.log, plots / "robot_and_twin.png")
    plot_gap(deployment.log, plots / "gap.png")
    head = ("", *FOLDERS)
    by_setting = {s: {o.policy: o for o in outcomes if o.setting == s} for s in SETTINGS}
    rows = tuple((s, *(f"{by_setting[s][label].successes} of {by_setting[s][label].n} ({by_setting[s][label].rate:.1%})" for label in FOLDERS)) for s in SETTINGS)
    varied = tuple((name, law["law"], ", ".join(f"{k} {v}" for k, v in law.items() if k != "law")) for name, law in policy.contract.randomization["quantities"].items())
    sections = [
        Section("Who stays up where", "Each episode is 10 s in simulation, each trial 4 s on the stand-in robot. Bars show 95 % intervals, the dotted line the promise of 95 %.", (head, *rows), (plots / "success.png",)),
        Section("Learning", "Both runs have the same settings and budget; the curves are taken with exploration noise, each in its own training worlds.", (), (plots / "learning_curves.png",)),
        Section("Which physics breaks a policy", "Success in held-out MuJoCo worlds across the range of each quantity; the others vary at the same time. A line that falls names a quantity that the policy cannot bear.", (), (plots / "success_by_quantity.png",)),
        Section("Robot and twin", f"The stand-in robot {deployment.mode}. The twin gets the same commands in nominal physics and is put back onto the robot every 0.5 s, since nothing unstable can be followed open loop for long.", (), (plots / "robot_and_twin.png", plots / "gap.png")),
        Section("What varied", "The Randomization that the policy was trained on and carries in its contract.", (("quantity", "law", "parameters"), *varied)),
    ]
    write_html(folder / "report.html", "sim2real demo: a cart-pole from simulation to a robot it has never met", f"Robot digest {policy.contract.robot.digest[:12]}, {policy.contract.training['steps']:,} control steps a policy.", sections)

