"""From a run to what ships with the package: a folder with policy, learning curve, evaluations and a page about them.

policy/            as `sim2real.policy` has it
curve.csv          the run's progress.csv, at most CURVE_ROWS rows of it
evaluation.json    preset, command, how training went, and one evaluation for each of some families of worlds
README.md          the same for people
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim2real.config import load, read_yaml
from sim2real.errors import TrainingError, nearest
from sim2real.evaluate import Evaluation, Progress, evaluate, family_of, policy_robot
from sim2real.policy import Policy
from sim2real.policy.shipped import CURVE, EVALUATION, POLICY, README
from sim2real.training.config import TrainConfig, load_train_config, preset_names
from sim2real.training.curve import shortened, training_seconds
from sim2real.training.folder import POLICY as RUN_POLICY
from sim2real.training.folder import written

CURVE_ROWS = 200
OWN = "its own"  # the Randomization that the policy was trained in


@dataclass(frozen=True)
class Judging:
    """In which worlds a policy is judged: engine, Randomization by name or OWN, how many, of which seed."""

    engine: str
    randomization: str
    variants: int
    seed: int = 0


def ship(
    run: Path,
    preset: str,
    judgings: Sequence[Judging],
    folder: Path,
    progress: Callable[[Judging], Progress] = lambda _: lambda done, total: None,
) -> dict[str, Any]:
    """Make `folder` of a run of a preset, in place of one that is there; return the contents of its evaluation.json.

    Raise TrainingError where the run had another config than the preset, but for its seed.
    """
    config = _config(run, preset)
    policy = Policy.load(run / RUN_POLICY)
    policy.verify_golden()
    robot = policy_robot(policy)
    evaluations = []
    for judging in judgings:
        family = family_of(policy, robot, None if judging.randomization == OWN else judging.randomization)
        found = evaluate(
            policy, judging.engine, family, judging.variants, judging.seed, robot, progress=progress(judging)
        )
        evaluations.append(_evaluation(judging, found))
    about = {
        "preset": preset,
        "command": command(preset, config.seed),
        "training": _training(run, policy),
        "evaluations": evaluations,
    }
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        policy.save(folder / POLICY)
        (folder / CURVE).write_text(shortened(run / "progress.csv", CURVE_ROWS), encoding="utf-8")
        (folder / EVALUATION).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        (folder / README).write_text(page(about), encoding="utf-8")
    return about


def command(preset: str, seed: int) -> str:
    """Return the one command that trains such a policy."""
    chosen = f" --seed {seed}" if seed != load_train_config(preset).seed else ""
    return f"sim2real train {preset}{chosen} --out runs/{preset}"


def _config(run: Path, preset: str) -> TrainConfig:
    if preset not in preset_names():
        names = preset_names()
        raise TrainingError(f"no preset '{preset}'{nearest(preset, names)}; shipped: {', '.join(names)}")
    config = load(TrainConfig, run / "config.yaml")
    wanted = load_train_config(preset, {"seed": config.seed})
    if config != wanted:
        key, mine, theirs = _difference(wanted.model_dump(mode="json"), config.model_dump(mode="json"))
        raise TrainingError(
            f"{run / 'config.yaml'}: {key}: is {theirs}, and preset '{preset}' has {mine}; train the preset"
        )
    return config


def _difference(mine: Any, theirs: Any, key: str = "") -> tuple[str, Any, Any]:
    """Return the first key path at which two plain configs differ, and what stands there in each."""
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return key, mine, theirs
    name = next(name for name in mine | theirs if mine.get(name) != theirs.get(name))
    return _difference(mine.get(name), theirs.get(name), f"{key}.{name}".lstrip("."))


def _training(run: Path, policy: Policy) -> dict[str, Any]:
    """Return how the training of a policy went: steps of the policy, seconds of the whole run, software and machine."""
    starts = read_yaml(run / "run.yaml").get("starts")
    last = starts[-1] if isinstance(starts, list) and starts and isinstance(starts[-1], dict) else {}
    return {
        "steps": policy.contract.training["steps"],
        "seconds": round(training_seconds(run / "progress.csv"), 1),
        "versions": policy.contract.training["versions"],
        "cores": last.get("machine", {}).get("cores"),
    }


def _evaluation(judging: Judging, found: Evaluation) -> dict[str, Any]:
    data = found.to_dict(worst=0)
    del data["worst"]
    return {**data, "randomization": judging.randomization, "seed": judging.seed}


def page(about: dict[str, Any]) -> str:
    """Return a shipped policy's README.md from its evaluation.json."""
    training = about["training"]
    cores = f" on {training['cores']} cores" if training["cores"] else ""
    lines = [
        f"# {about['preset']}",
        "",
        f"A policy of the preset `{about['preset']}`, trained for {training['steps']:,} control steps "
        f"in {training['seconds'] / 60:.1f} minutes{cores} with",
        "",
        "```sh",
        about["command"],
        "```",
        "",
        "What it does in worlds that it has not seen, one episode in each:",
        "",
        *_table(about["evaluations"]),
        "",
        f"`sim2real evaluate {about['preset']}` judges it here, and `sim2real curve {about['preset']} --out curve.png` "
        f"draws its learning curve, `{CURVE}`. `{EVALUATION}` has all of this for programs.",
    ]
    return "\n".join(lines) + "\n"


def _table(evaluations: list[dict[str, Any]]) -> list[str]:
    measured = {name: kind for kind in ("errors", "figures") for found in evaluations for name in found[kind]}
    head = ["engine", "worlds", "success (95 % interval)", "return", *measured]
    rows = [head, ["---"] * len(head)]
    for found in evaluations:
        low, high = found["confidence_95"]
        success = f"{found['success_rate']:.1%} ({low:.1%} to {high:.1%})"
        values = [found[kind].get(name) for name, kind in measured.items()]
        figures = ["" if value is None else f"{value:.3g}" for value in values]
        worlds = f"{found['variants']} of {found['randomization']}"
        rows.append([found["engine"], worlds, success, f"{found['return_mean']:.2f}", *figures])
    return [f"| {' | '.join(row)} |" for row in rows]
