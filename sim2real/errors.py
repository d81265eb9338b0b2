"""Every error a user can meet. Each message is one line: what, where, what is allowed, how to mend it."""

from difflib import get_close_matches


class Sim2RealError(Exception):
    """Base of all errors raised on purpose; the command line prints it as one line and exits with `exit_status`."""

    exit_status = 2


class ConfigError(Sim2RealError):
    """A YAML file is missing, malformed, or holds an unknown key or a value that is not allowed."""


class RobotError(Sim2RealError):
    """A robot description cannot be used: not XML, inconsistent, or physically impossible."""


class RandomizationError(Sim2RealError):
    """A Randomization names what the robot does not have, or can draw a value that physics cannot bear."""


class PolicyError(Sim2RealError):
    """A policy folder is incomplete, altered, or was made for another robot."""


class EngineError(Sim2RealError):
    """A physics engine cannot be built or stepped with what it was given."""


class TrainingError(Sim2RealError):
    """Training cannot start or go on: a run folder in use, a checkpoint of another network, a loss that is not finite."""


class BridgeError(Sim2RealError):
    """The ROS 2 side does not match the policy: another robot, missing topics, no ROS 2 at all."""


def nearest(word: str, allowed: object) -> str:
    """Return `" (did you mean 'x'?)"` for the closest of `allowed` (any iterable of str), or an empty string."""
    matches = get_close_matches(word, [str(a) for a in allowed], n=1, cutoff=0.5)  # type: ignore[attr-defined]
    return f" (did you mean '{matches[0]}'?)" if matches else ""
