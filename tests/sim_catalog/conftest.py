"""How still a robot stands: it is told to hold its default pose, and every bound that it breaks is named."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest

from robots import Robot
from sim2real.sim import make_engine
from sim2real.sim.actuators import holding_command
from sim2real.sim.engine import WorldState

Unsteady = Callable[..., dict[str, float]]

SETTLED = 2.0  # [s] by when the robot must have come to rest

SAGS = 0.05  # [rad or m] how far a joint may settle from the default pose
ROLLS = 0.2  # [rad] how far a wheel, whose motor holds no position, may roll: 1 cm for the smallest
SINKS = 0.012, 1.0  # [m, deg] how far the base may settle from where it was put
DRIFTS = 0.01, 0.005, 0.5  # [rad or m, m, deg] how far joints and base may still move once settled
CREEPS = 0.05, 0.01  # [rad/s or m/s, m/s] how fast joints and base may be at the end


@dataclass(frozen=True)
class Moment:
    """Joint positions and velocities (n_joints,), base position and velocity (3,), base quaternion (4,)."""

    q: np.ndarray
    dq: np.ndarray
    base: np.ndarray
    velocity: np.ndarray
    quaternion: np.ndarray

    @classmethod
    def of(cls, state: WorldState) -> "Moment":
        rows = state.q, state.dq, state.base_position, state.base_velocity, state.base_quaternion
        return cls(*(row[0].copy() for row in rows))

    def turned(self, other: "Moment") -> float:
        """Return the angle between both bases [deg]."""
        return float(np.degrees(2 * np.arccos(min(1.0, abs(self.quaternion @ other.quaternion)))))


def _hold(robot: Robot, engine_name: str, seconds: float) -> list[Moment]:
    """Command the default pose; return what was at reset and after each control period."""
    with closing(make_engine(engine_name, robot)) as engine:
        start = robot.default_q[None]
        engine.reset(start, np.zeros_like(start), np.arange(1))
        moments = [Moment.of(engine.state)]
        for _ in range(round(seconds * robot.file.control_hz)):
            engine.step(holding_command(robot, start), np.zeros(1))
            moments.append(Moment.of(engine.state))
            assert engine.state.healthy.all()
        assert engine.rebuilt == 0
        return moments


def _faults(robot: Robot, moments: list[Moment]) -> dict[str, float]:
    """Return each bound above that is exceeded, as a share of it."""
    first, last = moments[0], moments[-1]
    rolls = np.isin(robot.joint_names, [a.joint for a in robot.actuators if a.mode == "velocity"])
    off = np.abs(last.q - robot.default_q)
    late = moments[round(SETTLED * robot.file.control_hz) :]
    shares = {
        "sags": off[~rolls].max(initial=0.0) / SAGS,
        "rolls": off[rolls].max(initial=0.0) / ROLLS,
        "sinks": float(np.linalg.norm(last.base - first.base)) / SINKS[0],
        "tilts": last.turned(first) / SINKS[1],
        "joints drift": max(np.abs(m.q - last.q)[~rolls].max(initial=0.0) for m in late) / DRIFTS[0],
        "base drifts": max(float(np.linalg.norm(m.base - last.base)) for m in late) / DRIFTS[1],
        "base turns": max(m.turned(last) for m in late) / DRIFTS[2],
        "joints move": np.abs(last.dq).max() / CREEPS[0],
        "base moves": float(np.linalg.norm(last.velocity)) / CREEPS[1],
    }
    return {name: round(float(share), 2) for name, share in shares.items() if not share <= 1.0}


@pytest.fixture
def unsteady() -> Unsteady:
    """A function that lets a robot hold its default pose in an engine and returns the bounds that it breaks.

    It fails where a world diverges or is rebuilt.
    """

    def _unsteady(robot: Robot, engine_name: str, seconds: float = 5.0) -> dict[str, float]:
        moments = _hold(robot, engine_name, seconds)
        assert all(np.isfinite(part).all() for moment in moments for part in vars(moment).values())
        return _faults(robot, moments)

    return _unsteady
