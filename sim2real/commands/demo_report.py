"""The demo's pictures and its one page."""

from dataclasses import dataclass
from pathlib import Path

from robots import load_robot
from sim2real.evaluate import Evaluation
from sim2real.policy import Policy
from sim2real.report import (
    Outcome,
    Section,
    TwinLog,
    plot_film,
    plot_gap,
    plot_joints,
    plot_learning_curves,
    plot_outcomes,
    plot_success_by_quantity,
    write_html,
)


@dataclass(frozen=True)
class Deployment:
    """One deploy on the stand-in robot with a twin beside it; `gap` is the median at the ends of the horizons."""

    stayed_up: bool
    upright_s: float
    gap: float
    log: TwinLog

    def __str__(self) -> str:
        return "stayed up" if self.stayed_up else f"fell after {self.upright_s:.1f} s"


@dataclass(frozen=True)
class DemoResults:
    """What the demo found. Dictionaries are keyed by the policies' labels; `outcomes`: one a label and setting."""

    policy: Policy
    curves: dict[str, Path]
    evaluations: dict[str, Evaluation]
    outcomes: list[Outcome]
    deployment: Deployment


def write_demo_report(results: DemoResults, folder: Path) -> None:
    """Draw the pictures into <folder>/plots and write <folder>/report.html."""
    plots = folder / "plots"
    plot_outcomes(results.outcomes, plots / "success.png")
    plot_learning_curves(results.curves, plots / "learning_curves.png")
    plot_success_by_quantity(results.evaluations, plots / "success_by_quantity.png")
    plot_film(results.deployment.log, load_robot(results.policy.contract.robot.name), plots / "film.png")
    plot_joints(results.deployment.log, plots / "robot_and_twin.png")
    plot_gap(results.deployment.log, plots / "gap.png")
    contract = results.policy.contract
    title = "sim2real demo: a cart-pole from simulation to a robot it has never met"
    lead = f"Robot {contract.robot.digest[:12]}, {contract.training['steps']:,} control steps for each policy."
    write_html(folder / "report.html", title, lead, _sections(results, plots))


def _sections(results: DemoResults, plots: Path) -> list[Section]:
    return [
        Section(
            "Who stays up where",
            "An episode lasts 10 s in simulation, a trial 4 s on the stand-in robot. Bars show 95 % intervals, the "
            "dotted line is the promise.",
            _outcome_table(results.outcomes),
            (plots / "success.png",),
        ),
        Section(
            "Learning",
            "Both runs have the same settings and budget. Taken with exploration noise, in each run's training worlds.",
            pictures=(plots / "learning_curves.png",),
        ),
        Section(
            "Which physics breaks a policy",
            "Success in held-out MuJoCo worlds across the range of each quantity, while all others vary too. A line "
            "that falls names a quantity that the policy cannot bear.",
            pictures=(plots / "success_by_quantity.png",),
        ),
        Section(
            "Robot and twin",
            f"The stand-in robot {results.deployment}. The twin gets the same commands in nominal physics and is put "
            "back onto the robot every 0.5 s, since nothing unstable can be followed open loop for long.",
            pictures=(plots / "film.png", plots / "robot_and_twin.png", plots / "gap.png"),
        ),
        Section(
            "What varied",
            "The Randomization that the policy was trained on and carries in its contract.",
            _law_table(results.policy.contract.randomization["quantities"]),
        ),
    ]


def _outcome_table(outcomes: list[Outcome]) -> tuple[tuple[str, ...], ...]:
    policies = tuple(dict.fromkeys(o.policy for o in outcomes))
    cells = {(o.setting, o.policy): f"{o.successes} of {o.n} ({o.rate:.1%})" for o in outcomes}
    settings = dict.fromkeys(o.setting for o in outcomes)
    return ("", *policies), *((setting, *(cells[setting, policy] for policy in policies)) for setting in settings)


def _law_table(laws: dict[str, dict[str, object]]) -> tuple[tuple[str, ...], ...]:
    rows = (
        (name, str(law["law"]), ", ".join(f"{k} {v}" for k, v in law.items() if k != "law"))
        for name, law in laws.items()
    )
    return ("quantity", "law", "parameters"), *rows
