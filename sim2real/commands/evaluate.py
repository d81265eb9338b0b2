"""`sim2real evaluate`: a policy in worlds that it has not seen."""

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

if TYPE_CHECKING:
    from randomization import Randomization
    from robots import Robot
    from sim2real.policy import Policy

out = Console()
err = Console(stderr=True)


def evaluate(
    policy: tyro.conf.Positional[Path],
    engine: Literal["bullet", "mujoco"] = "bullet",
    variants: int = 200,
    randomization: str | None = None,
    seed: int = 0,
    robot: str | None = None,
    physics_hz: float | None = None,
    worst: int = 5,
    workers: int = 2,
    min_success: float | None = None,
    film: Path | None = None,
    film_world: int = 0,
    json: Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")] = False,
) -> int:
    """Run a policy in held-out worlds: how often it succeeds, how well it follows commands, and what breaks it.

    Success has its 95 % confidence interval. Errors are those of what is commanded, once there was time to get there;
    power, jerk and the slow share (below 8 Hz) of the actions tell how a real robot would bear it, and of legged robots
    the speed at which feet slip that stand.

    Example: sim2real evaluate runs/demo/policy --engine mujoco --variants 200 --json
             sim2real evaluate a1 --randomization quadruped_hard --film a1.png

    Args:
        policy: Policy folder, or name of a policy that ships (see `sim2real train --list`).
        engine: Physics engine.
        variants: Number of worlds, one episode each.
        randomization: Where worlds are drawn from: a shipped name, a .yaml, or none; the policy's own if not given.
        seed: Seed of the worlds. They never come from the numbers that training draws.
        robot: Folder or robot.yaml, if the policy's robot is not in the catalog.
        physics_hz: Rate of physics; the robot's own if not given.
        worst: How many of the worst worlds to show.
        workers: Processes (bullet) or threads (mujoco).
        min_success: Exit with status 1 if the success rate is below this.
        film: PNG file for a strip of one episode.
        film_world: Which of the worlds to film; the table of the worst has their numbers.
    """
    from sim2real.commands.console import progress_bar, warn
    from sim2real.commands.result_tables import evaluation_report
    from sim2real.evaluate import evaluate as run_evaluation
    from sim2real.evaluate import family_of, policy_robot, sameness
    from sim2real.policy import Policy

    loaded = Policy.load(policy)
    body = policy_robot(loaded, robot).at(physics_hz)
    family = family_of(loaded, body, randomization)
    if film is not None:
        _check_film(film, film_world, variants)
    if randomization != "none" and (same := sameness(family)):
        warn(err, [same])
    with progress_bar(err, f"{variants} worlds in {engine}") as progress:
        result = run_evaluation(loaded, engine, family, variants, seed, body, workers, progress)
    if film is not None:
        _film(loaded, engine, family, seed, film_world, body, film)
    if json:
        text = jsonlib.dumps({"policy": str(policy), **result.to_dict(worst)}, indent=2)
        sys.stdout.write(text + "\n")
    else:
        out.print(evaluation_report(result, worst))
    return 1 if min_success is not None and result.success_rate < min_success else 0


def _check_film(film: Path, world: int, variants: int) -> None:
    """Refuse, before minutes of work, what cannot be filmed."""
    from sim2real.errors import ConfigError
    from sim2real.pictures.strip import check_png

    check_png(film)
    if not 0 <= world < variants:
        raise ConfigError(f"--film-world: must be from 0 to {variants - 1}, got {world}")


def _film(
    policy: "Policy", engine: str, family: "Randomization", seed: int, world: int, robot: "Robot", path: Path
) -> None:
    from sim2real.commands.console import progress_bar
    from sim2real.pictures.recording import record_episode
    from sim2real.pictures.strip import draw_strip

    with progress_bar(err, f"filming world {world}"):
        recording = record_episode(policy, engine, family, seed, world, robot)
        draw_strip(recording, path, f"{robot.name}, {policy.contract.task}, {engine}, world {world}")
