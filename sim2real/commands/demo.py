"""The demo: the whole line once, on a cart-pole, with nothing faked.

Two policies are trained on the same budget, one in randomized worlds and one in the nominal world; both are judged in
worlds they have not seen, in the other engine, and over ROS 2 on a stand-in robot that runs in a process of its own.
"""

import shutil
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from robots import load_robot
from sim2real.commands.console import progress_bar, train_with_progress
from sim2real.commands.demo_report import DemoResults, Deployment, write_demo_report
from sim2real.commands.nodes import Nodes, Process
from sim2real.config import dump_yaml, read_yaml
from sim2real.errors import ConfigError
from sim2real.evaluate import Evaluation, evaluate, wilson_interval
from sim2real.policy import Policy
from sim2real.report import Outcome, TwinLog
from sim2real.training.config import load_train_config

PRESET = "cartpole"  # also the name of its robot and of the Randomization it trains on
WITH, WITHOUT = "randomized", "not randomized"
FOLDERS = {WITH: "policy", WITHOUT: "policy-without"}
NOMINAL, HELD_OUT, OTHER_ENGINE, STAND_IN = SETTINGS = (
    "nominal, PyBullet",
    "held out, PyBullet",
    "held out, MuJoCo",
    "robot over ROS 2",
)
VARIANTS = 200
DEPLOY_S = 20.0
TRIALS, TRIAL_S = 10, 4.0
BAR, VISIBLY = 0.95, 0.05  # the promise, and how far the other policy must stay behind it
FEW = 50  # with fewer trials, the bar must lie in the 95 % interval: at 97 %, a quarter of tens have a failure
MARK = "demo.yaml"
AUTOSTART = ("--ros-args", "-p", "autostart:=true")


def run_demo(folder: Path, seed: int, console: Console) -> int:
    """Run the demo into `folder`; return 0 if every promise was kept, 1 if one fell short."""
    started = time.monotonic()
    _make_room(folder)
    demo = _Demo(folder, seed, console)
    demo.announce(1, "Train two policies on the same budget: one in randomized worlds, one in the nominal world")
    policies = demo.train()
    demo.announce(2, f"Judge both in {VARIANTS} worlds that neither has seen")
    evaluations = demo.evaluate(policies)
    demo.announce(3, f"Deploy the first over ROS 2 for {DEPLOY_S:.0f} s: robot, policy, twin, recorder, a process each")
    deployment = demo.deploy()
    demo.announce(4, f"{TRIALS} trials of {TRIAL_S:.0f} s for each policy, each on a robot with other hidden physics")
    outcomes = [Outcome(*key, int(e.success.sum()), len(e.success)) for key, e in evaluations.items()] + demo.trials()
    demo.announce(5, "Draw the pictures and write the report")
    curves = {label: demo.training(label) / "progress.csv" for label in FOLDERS}
    by_policy = {label: evaluations[label, OTHER_ENGINE] for label in FOLDERS}
    write_demo_report(DemoResults(policies[WITH], curves, by_policy, outcomes, deployment), folder)
    table, kept = verdict(outcomes, deployment)
    console.print(table)
    demo.say(f"{folder / 'report.html'} has it all on one page; beside it policy/, bag/ (MCAP), plots/ and training/")
    demo.say(f"{'Every promise kept' if kept else 'A promise fell short'} in {time.monotonic() - started:.0f} s.")
    return 0 if kept else 1


def _make_room(folder: Path) -> None:
    """Replace an earlier demo; never touch a folder that is something else."""
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).exists()):
            raise ConfigError(f"{folder}: is neither empty nor an earlier demo; choose another --out")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text(dump_yaml({"made_by": "sim2real demo"}), encoding="utf-8")


class _Demo:
    """The steps of the demo. Each says what it found and leaves its files in the folder."""

    def __init__(self, folder: Path, seed: int, console: Console) -> None:
        self.folder, self.seed, self.console = folder, seed, console
        self.robot = load_robot(PRESET)

    def announce(self, step: int, text: str) -> None:
        self.console.print(f"[bold]{step} of 5[/bold]  {text}", highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def training(self, label: str) -> Path:
        return self.folder / "training" / FOLDERS[label]

    def train(self) -> dict[str, Policy]:
        policies = {}
        for label, randomization in ((WITH, PRESET), (WITHOUT, "none")):
            config = load_train_config(PRESET, {"seed": self.seed, "environment.randomization": randomization})
            result = train_with_progress(config, self.training(label), self.console, label=label)
            if result.interrupted or result.policy is None:
                raise KeyboardInterrupt
            result.policy.save(self.folder / FOLDERS[label])
            policies[label] = Policy.load(self.folder / FOLDERS[label])
        return policies

    def evaluate(self, policies: dict[str, Policy]) -> dict[tuple[str, str], Evaluation]:
        evaluations = {}
        worlds = ((NOMINAL, "bullet", "none"), (HELD_OUT, "bullet", PRESET), (OTHER_ENGINE, "mujoco", PRESET))
        for setting, engine, family in worlds:
            for label, policy in policies.items():
                with progress_bar(self.console, f"{label}, {setting}") as progress:
                    evaluations[label, setting] = evaluate(
                        policy, engine, family, VARIANTS, self.seed, self.robot, progress=progress
                    )
            rates = ", ".join(f"{label} {evaluations[label, setting].success_rate:.1%}" for label in policies)
            self.say(f"  {setting}: {rates}")
        return evaluations

    def deploy(self) -> Deployment:
        """Run the policy on one stand-in robot, with a twin and a recorder beside it."""
        log, report, policy = self.folder / "twin.npz", self.folder / "stand_in.yaml", str(self.folder / FOLDERS[WITH])
        with Nodes(self.folder / "logs" / "deploy") as nodes:
            stand_in = self._start_stand_in(nodes, self.seed + 1, 1, DEPLOY_S, report)
            nodes.start("recorder", str(self.folder / "bag"), "--policy", policy)
            nodes.start("twin", "--robot", PRESET, "--log", str(log))
            nodes.start("policy", policy, *AUTOSTART)
            with progress_bar(self.console, "deployed") as progress:
                nodes.wait(stand_in, DEPLOY_S + 30.0, progress)
        trial = read_yaml(report)["each"][0]
        twin = TwinLog.load(log, self.robot.joint_names)
        gap = float(np.median(twin.gap[twin.ends])) if twin.ends.any() else float("nan")
        deployment = Deployment(trial["success"], trial["upright_s"], gap, twin)
        hidden = ("mass/cart", "mass/pole", "strength/slider_to_cart", "latency")
        self.say(f"  {deployment}; the nominal twin drifts {gap:.3f} in 0.5 s (RMS over joints [rad | m], median)")
        self.say("  hidden from the learner: " + ", ".join(f"{k} {trial['variant'][k]:.3g}" for k in hidden) + ", ...")
        return deployment

    def trials(self) -> list[Outcome]:
        """Run both policies side by side, each with stand-in robots in a ROS domain of its own."""
        with ExitStack() as stack:
            running = []
            for label, name in FOLDERS.items():
                nodes = stack.enter_context(Nodes(self.folder / "logs" / f"trials-{name}"))
                report = self.folder / f"trials-{name}.yaml"
                stand_in = self._start_stand_in(nodes, self.seed + 2, TRIALS, TRIAL_S, report)
                nodes.start("policy", str(self.folder / name), *AUTOSTART)
                running.append((label, nodes, stand_in, report))
            with progress_bar(self.console, "trials") as progress:
                for _, nodes, stand_in, _ in running:
                    nodes.wait(stand_in, TRIALS * (TRIAL_S + 2.0) + 30.0, progress)
        results = [(label, read_yaml(report)) for label, _, _, report in running]
        outcomes = [Outcome(label, STAND_IN, int(data["success"]), int(data["trials"])) for label, data in results]
        self.say("  " + ", ".join(f"{o.policy} {o.successes} of {o.n}" for o in outcomes))
        return outcomes

    def _start_stand_in(self, nodes: Nodes, seed: int, trials: int, trial_s: float, report: Path) -> Process:
        options = {"robot": PRESET, "randomization": PRESET, "seed": seed, "trials": trials, "trial-s": trial_s}
        arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        return nodes.start("stand_in", *arguments, "--report", str(report))


def verdict(outcomes: list[Outcome], deployment: Deployment) -> tuple[Table, bool]:
    """Return the demo's one table, and whether all of it is as promised."""
    found = {(o.policy, o.setting): o for o in outcomes}
    rows = []
    for setting in SETTINGS:
        mine, other = found[WITH, setting], found[WITHOUT, setting]
        promise, kept = f"both ≥ {BAR:.0%}", min(mine.rate, other.rate) >= BAR
        if setting != NOMINAL:
            few = mine.n < FEW
            promise = f"{BAR:.0%} within reach, other worse" if few else f"≥ {BAR:.0%}, other worse"
            reached = wilson_interval(mine.successes, mine.n)[1] if few else mine.rate
            kept = reached >= BAR and other.rate <= mine.rate - VISIBLY
        rows.append((setting, f"{mine.successes} of {mine.n}", f"{other.successes} of {other.n}", promise, kept))
    rows.append((f"{DEPLOY_S:.0f} s over ROS 2", str(deployment), "", "stays up", deployment.stayed_up))
    table = Table(title="Episodes that stay up", title_justify="left")
    for column in ("", WITH, WITHOUT, "promise", "kept"):
        table.add_column(column)
    for *cells, kept in rows:
        table.add_row(*cells, "yes" if kept else "[red]no[/red]")
    return table, all(row[-1] for row in rows)
