"""What a checkpoint says in plain data: how far the run is, how it goes, and what it must be resumed with."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

import sim2real
from sim2real.config import Strict, validate
from sim2real.env import RobotVectorEnv
from sim2real.errors import TrainingError
from sim2real.training.checkpoint import Checkpoint
from sim2real.training.config import GymEnvironment, TrainConfig
from sim2real.training.record import RecordState
from sim2real.training.worlds import Envs

FORMAT = "2"


class Counters(Strict):
    """The contents of a checkpoint's counters.yaml. made_by: what a run that goes on from it must have in common."""

    step: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]
    made_by: dict[str, str]
    record: RecordState


def made_by(config: TrainConfig, envs: Envs) -> dict[str, str]:
    """Return what a checkpoint of this run is made by. Its network is not here: the learner knows that itself."""
    made = {"checkpoint format": FORMAT, "sim2real": sim2real.__version__}
    if isinstance(config.environment, GymEnvironment):
        made["environment"] = config.environment.gymnasium
    if isinstance(envs, RobotVectorEnv):
        made |= {"robot": envs.robot.name, "robot's description": envs.robot.digest, "task": envs.task.name}
    return made


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
