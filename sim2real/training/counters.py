"""What a checkpoint says in plain data: how far the run is, how it goes, and what it must be resumed with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

import sim2real
from randomization import Randomization
from sim2real.config import Strict, validate
from sim2real.env import RobotVectorEnv
from sim2real.errors import TrainingError
from sim2real.training.checkpoint import Checkpoint
from sim2real.training.config import GymEnvironment, TrainConfig
from sim2real.training.record import RecordState
from sim2real.training.worlds import Envs

FORMAT = "3"
MOST = 5  # differences named in one message

# What may be another when a run goes on, by key of the config with all that is below it. All else decides what is
# learned, or how: it must be as it was.
MAY_CHANGE = (
    "steps",
    "goal",
    "evaluation",  # policies that were judged otherwise do not compare: the best so far is then forgotten
    "checkpoint_s",
    "workers",  # which step the same worlds
    "device",
    "environment.robot",  # by its name or by a path: what it is, is part of `made_by`
    "a2c.learning_rate",  # this and the next are what to lower where updates were not finite
    "a2c.max_kl",
)


class Counters(Strict):
    """The contents of a checkpoint's counters.yaml.

    made_by: what a run that goes on from it must have in common; config: so must most of this, see `MAY_CHANGE`
    put_back: whether the learner has been put back after updates that were not finite, which is done once
    """

    step: Annotated[int, Field(ge=0)]
    made_by: dict[str, str]
    config: dict[str, Any]
    record: RecordState
    put_back: bool


def made_by(config: TrainConfig, envs: Envs) -> dict[str, str]:
    """Return what a checkpoint of this run is made by, beside the config."""
    made = {"checkpoint format": FORMAT, "sim2real": sim2real.__version__}
    if isinstance(config.environment, GymEnvironment):
        made["environment"] = config.environment.gymnasium
    if isinstance(envs, RobotVectorEnv):
        made |= {"robot": envs.robot.name, "robot's description": envs.robot.digest, "task": envs.task.name}
    return made


def in_full(config: TrainConfig, envs: Envs, full: Randomization | None) -> dict[str, Any]:
    """Return a config as plain data in which nothing is left open: of a robot's task, every option and range.

    full: the Randomization of the config, None for environments without a robot
    """
    data = config.model_dump(mode="json")
    if isinstance(envs, RobotVectorEnv):
        data["environment"]["options"] = envs.task.config.model_dump(mode="json")
    if full is not None:
        data["environment"]["randomization"] = full.to_dict()
    return data


def read_counters(found: Checkpoint, folder: Path) -> Counters:
    """Return a checkpoint's counters; raise an error of one line if they are of another format, or nobody's."""
    stated = found.counters.get("made_by")
    there = stated.get("checkpoint format") if isinstance(stated, dict) else "1"
    if there != FORMAT:
        raise TrainingError(
            f"{folder}: its checkpoints have format {there}, and sim2real {sim2real.__version__} goes on from format "
            f"{FORMAT} only; go on with the version that made them, or choose another --out"
        )
    return validate(Counters, found.counters, f"{folder}: counters.yaml")


def check_origin(counters: Counters, here: dict[str, str], folder: Path) -> None:
    """Raise TrainingError if a checkpoint was made by something else than `here`, as `made_by` gives it."""
    for what, mine in here.items():
        theirs = counters.made_by.get(what, "none")
        if theirs != mine:
            raise TrainingError(
                f"{folder}: its checkpoints are of another {what}: {theirs}, and here it is {mine}; go on with what "
                "they were made with, or choose another --out"
            )


def check_config(counters: Counters, here: dict[str, Any], folder: Path) -> None:
    """Raise TrainingError if a checkpoint's config differs from `here`, as `in_full` gives it, in what must not."""
    changed = [
        f"{key}: {_shown(was)}, and here {_shown(now)}"
        for key, was, now in _differences(counters.config, here)
        if not any(key == free or key.startswith(f"{free}.") for free in MAY_CHANGE)
    ]
    if changed:
        more = f"; and {len(changed) - MOST} more" if len(changed) > MOST else ""
        raise TrainingError(
            f"{folder}: its checkpoints were made with {'; '.join(changed[:MOST])}{more}; resume with what they were "
            f"made with, or choose another --out (only {', '.join(MAY_CHANGE)} may change)"
        )


def _differences(was: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where plain data differ: the dotted key, and both values."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            yield from _differences(was.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif was != now:
        yield key, was, now


def _shown(value: Any) -> str:
    return json.dumps(value)  # as a YAML file may have it, in one line
