"""Every error a user can meet. Each message is one line: what, where, what is allowed, how to mend it."""

from collections.abc import Iterable
from difflib import get_close_matches

MAX_MESSAGE = 4000  # [characters]


class Sim2RealError(Exception):
    """Base of all errors raised on purpose; the command line prints it as one line and exits with `exit_status`."""

    exit_status = 2

    def __str__(self) -> str:
        """Return the message in one line that is safe to print, whatever a file's contents brought into it."""
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())
        half = MAX_MESSAGE // 2
        return text if len(text) <= MAX_MESSAGE else f"{text[:half]} ... {text[-half:]}"


class ConfigError(Sim2RealError):
    """A YAML file is missing, malformed, or holds an unknown key or a value that is not allowed."""


class RobotError(Sim2RealError):
    """A robot description cannot be used: not XML, inconsistent, or physically impossible."""


class OutsideError(RobotError):
    """A robot description names a file outside of the folders that may be read."""


class RandomizationError(Sim2RealError):
    """A Randomization names what the robot does not have, or can draw a value that physics cannot bear."""


class PolicyError(Sim2RealError):
    """A policy folder is incomplete, altered, or was made for another robot."""


class EngineError(Sim2RealError):
    """A physics engine cannot be built or stepped with what it was given."""


class TrainingError(Sim2RealError):
    """Training cannot start or go on: a run folder in use, a checkpoint of another network, no such device."""


class TrainingFailedError(TrainingError):
    """Training began as asked, and then found no way on: its updates stay without a finite gradient."""

    exit_status = 1


class BridgeError(Sim2RealError):
    """The ROS 2 side does not match the policy: another robot, missing topics, no ROS 2 at all."""


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the one of `allowed` that `word` most likely means, whatever its case; None if none comes near."""
    by_lower = {a.lower(): a for a in allowed}
    matches = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` for the closest of `allowed`, or an empty string."""
    match = closest(word, allowed)
    return f" (did you mean '{match}'?)" if match else ""
