"""Worlds of one engine in which an audit rolls out scenarios, and what is recorded of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from randomization import Variant
from robots import Robot
from sim2real.audit.scenario import Scenario
from sim2real.sim import Engine, make_engine
from sim2real.sim.channels import CHANNELS, available
from sim2real.sim.simulation import Simulation

Array = NDArray[np.float64]
THREADS = 2  # on which MuJoCo steps its worlds
MakeEngine = Callable[[str, Robot, int, tuple[str, ...]], Engine]


def build(engine: str, robot: Robot, n_worlds: int, channels: tuple[str, ...]) -> Engine:
    """Build an engine in this process, where it can be read: in threads at most."""
    return make_engine(engine, robot, n_worlds, workers=THREADS if engine == "mujoco" else 0, channels=channels)


@dataclass(frozen=True, eq=False)
class Rollout:
    """What happened in n worlds.

    motion: (n, n_periods, n_joints + 6) true joint positions [rad | m], base position [m], base turn [rad]
    senses: (n, n_periods, n_readings) what all sensors read, in their units; NaN where the robot has no such sensor
    base: (n, n_periods, 7) base position [m] and quaternion x, y, z, w
    speed: (n, n_periods, n_joints) true joint velocities [rad/s | m/s]
    effort: (n, n_periods, n_actuators) [N m | N]
    healthy: (n,)
    """

    motion: Array
    senses: Array
    base: Array
    speed: Array
    effort: Array
    healthy: NDArray[np.bool_]


Columns = dict[tuple[str, str], list[int]]


def reading_columns(robot: Robot, channels: tuple[str, ...]) -> Columns:
    """Return the columns of `Rollout.senses` by prefix and member of a sensor's quantities; member "" is all of it."""
    columns: Columns = {}
    start = 0
    for channel in (CHANNELS[name] for name in channels):
        names = channel.columns(robot)
        for column, name in enumerate(names, start):
            columns[channel.errors, name] = [column]
        columns[channel.errors, ""] = list(range(start, start + len(names)))
        start += len(names)
    return columns


class Worlds:
    """A fixed number of worlds in one engine, used again and again."""

    def __init__(self, robot: Robot, engine: str, n_worlds: int, make: MakeEngine = build) -> None:
        self.robot, self.name, self.n_worlds = robot, engine, n_worlds
        self.engine = make(engine, robot, n_worlds, available(robot))
        self.columns = reading_columns(robot, tuple(self.engine.readings))
        self._show_floors()

    def _show_floors(self) -> None:
        """Let an engine that builds its models anew for floors that are not flat do so now, not amid the audit."""
        space = self.engine.space
        floor = [n for n, q in zip(space.names, space.quantities, strict=True) if q.per == "floor"]
        for changes in ({name: space.quantities[space.index(name)].default.support[1] for name in floor}, {}):
            self.engine.apply(Variant.of(space, changes), np.array([self.n_worlds - 1]))

    def apply(self, values: Array) -> None:
        """Give each world its row of values (n_worlds, space.size)."""
        self.engine.apply(Variant(self.engine.space, values), np.arange(self.n_worlds))

    def run(self, scenarios: list[Scenario], values: Array) -> Rollout:
        """Roll out one scenario a world, under values (n_worlds, space.size). Random numbers start anew each time."""
        simulation = Simulation(self.engine, seed=0)
        worlds = np.arange(self.n_worlds)
        variant = Variant(self.engine.space, values)
        simulation.reset(np.array([s.q for s in scenarios]), np.array([s.dq for s in scenarios]), worlds, variant)
        commands = np.stack([s.commands for s in scenarios], axis=1)
        motion, senses, base, speed, effort = [], [], [], [], []
        for command in commands:
            simulation.advance(command)
            state = simulation.state
            base.append(np.concatenate([state.base_position, state.base_quaternion], axis=1))
            motion.append(np.concatenate([state.q, state.base_position, _turn(state.base_quaternion)], axis=1))
            senses.append(np.concatenate(list(simulation.measured.values()), axis=1))
            speed.append(state.dq.copy())
            effort.append(state.tau.copy())
        motions, readings, bases, speeds, efforts = (
            np.stack(rows, axis=1) for rows in (motion, senses, base, speed, effort)
        )
        return Rollout(motions, readings, bases, speeds, efforts, simulation.state.healthy.copy())

    def close(self) -> None:
        """Release the engine."""
        self.engine.close()


def _turn(quaternion: Array) -> Array:
    """Return twice the vector part (n, 3) of quaternions (n, 4): the rotation vector [rad] of small turns."""
    return 2.0 * quaternion[:, :3] * np.sign(quaternion[:, 3:] + 1e-300)
