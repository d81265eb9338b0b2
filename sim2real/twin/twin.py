"""Twin: one world that is put where the robot is, driven by the same commands, and compared with it.

An unstable robot that is driven open loop leaves any twin within a second or two, the perfect one included, since the
smallest error grows e-fold in each of its time constants. So the twin is put back onto the measured state at the end of
every horizon, and **the gap is what it drifts within a horizon**: the root mean square over the joints of the robot's
position minus the twin's [rad | m]. `Drift.gap` is that number at every step since the last anchor; where
`Drift.anchored` is true the horizon is over, and it is the gap of this horizon: the one to quote.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from robots import Robot
from sim2real.errors import EngineError
from sim2real.sim import make_engine

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """What lies between a robot and its twin after the same commands; arrays are (n_joints,), canonical joint order.

    q, dq: the twin's [rad, rad/s | m, m/s], as the robot's sensors would show them
    q_error, dq_error: robot minus twin; of continuous joints within +-pi
    gap: root mean square of q_error [rad | m]; age_s: time since the twin was put onto the robot [s]
    anchored: whether the horizon ended here; if so, the twin was put back onto the robot after this comparison
    """

    q: Array
    dq: Array
    q_error: Array
    dq_error: Array
    gap: float
    age_s: float
    anchored: bool


class Twin:
    """See the module. A control period at a time: `advance` under command k, then `compare` with the state after it."""

    def __init__(
        self, robot: Robot, engine: str = "bullet", variant: Variant | None = None, horizon_s: float = 0.5
    ) -> None:
        """`variant` is one world's, nominal if None; its sensors' noise and its jitter's chance are left out."""
        if not robot.fixed_base:
            raise EngineError(f"twin: robot '{robot.name}' has a free base, whose state nobody measures yet")
        self.robot = robot
        self.horizon_steps = max(1, round(horizon_s / robot.control_dt))
        self._engine = make_engine(engine, robot)
        self.variant = variant or Variant.nominal(self._engine.space)
        self._engine.apply(self.variant, np.arange(1))
        self._bias = self.variant.block("encoder_bias")[0]
        self._zero = np.zeros(robot.n_joints)
        self._zero[robot.actuated] = self.variant.block("zero_offset")[0]
        self._delay = self.variant["latency"] + 0.5 * self.variant["jitter"]
        self._continuous = np.array([joint.type == "continuous" for joint in robot.model.movable])
        self._steps = 0

    @property
    def state(self) -> tuple[Array, Array]:
        """Joint positions and velocities, (n_joints,) each, as the robot's sensors would show them."""
        return self._engine.readings["position"][0] + self._bias, self._engine.readings["velocity"][0].copy()

    def anchor(self, q: Array, dq: Array, keep_commands: bool = True) -> None:
        """Put the twin where a robot is measured to be: (n_joints,) each; a new horizon begins.

        Commands on their way to the motors still arrive, unless not `keep_commands`.
        """
        self._engine.reset((q - self._bias - self._zero)[None], dq[None], np.arange(1), keep_commands=keep_commands)
        self._steps = 0

    def advance(self, command: Array) -> tuple[Array, Array]:
        """Live through one control period under a command (n_actuators,); return the state after it."""
        self._engine.step(command[None], self._delay)
        self._steps += 1
        return self.state

    def compare(self, q: Array, dq: Array) -> Drift:
        """Compare with the robot's measured state (n_joints,) after the same command; anchor at the horizon's end."""
        twin_q, twin_dq = self.state
        q_error = q - twin_q
        q_error -= 2 * np.pi * np.round(q_error / (2 * np.pi)) * self._continuous
        anchored = self._steps >= self.horizon_steps
        gap = float(np.sqrt(np.mean(q_error**2)))
        drift = Drift(twin_q, twin_dq, q_error, dq - twin_dq, gap, self._steps * self.robot.control_dt, anchored)
        if anchored:
            self.anchor(q, dq)
        return drift

    def close(self) -> None:
        """Release the engine."""
        self._engine.close()
