"""The deployable thing: a folder of data only, that runs on numpy alone; and those that ship with the package."""

from sim2real.policy.policy import Contract, NetworkContract, Policy, RobotContract

__all__ = ["Contract", "NetworkContract", "Policy", "RobotContract"]
