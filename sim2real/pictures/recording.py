"""One episode of a policy, recorded for pictures: where the robot was, what was asked of it, and what it did."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from randomization import Randomization, stream
from robots import Robot
from sim2real.evaluate import family_of, policy_robot
from sim2real.policy import Policy
from sim2real.sim import make_engine
from sim2real.sim.simulation import Simulation
from sim2real.tasks import Task, load_task
from sim2real.worlds import Worlds

Array = NDArray[np.float64]
CURVES = 3  # told of a robot that nothing is asked of: the first joints


@dataclass(frozen=True)
class Recording:
    """n control periods of one robot, the first of them its first state.

    time (n,) [s]; q (n, n_joints) [rad | m]; base (n, 3) [m] and quaternion (n, 4) x, y, z, w: of the root link in the
    world; asked, done: (n,) each, by name with unit, as the task has them: `asked` the commands, `done` what answers
    them, or how far off the robot is under a name of its own, or, where nothing is asked, positions of joints
    failed: whether the episode ended before its time
    """

    robot: Robot
    time: Array
    q: Array
    base: Array
    quaternion: Array
    asked: dict[str, Array]
    done: dict[str, Array]
    failed: bool


def record_episode(
    policy: Policy,
    engine: str = "bullet",
    randomization: str | Randomization | None = None,
    seed: int = 0,
    world: int = 0,
    robot: Robot | None = None,
) -> Recording:
    """Run one episode in world number `world` of `sim2real.evaluate.evaluate` under the same arguments."""
    robot = robot or policy_robot(policy)
    task = load_task(policy.contract.task, robot, policy.contract.task_options)
    family = family_of(policy, robot, randomization)
    seed = int(stream(seed, "evaluate").integers(2**63))
    simulation = Simulation(make_engine(engine, robot, 1), seed, world, task.layout.pixels)
    try:
        return _Episode(policy, task, simulation, Worlds(task, family, seed, 1, world)).run()
    finally:
        simulation.close()


class _Episode:
    """One episode while it runs."""

    def __init__(self, policy: Policy, task: Task, simulation: Simulation, worlds: Worlds) -> None:
        self._policy, self._task, self._simulation, self._worlds = policy, task, simulation, worlds
        self._rows: list[tuple[Array, Array, Array]] = []
        self._asked: list[Array] = []
        self._done: list[dict[str, float]] = []
        joints = simulation.robot.model.movable[:CURVES]
        self._joints = [f"{joint.name} [{'m' if joint.type == 'prismatic' else 'rad'}]" for joint in joints]

    def run(self) -> Recording:
        simulation, task, worlds = self._simulation, self._task, self._worlds
        dt, runner, alone = simulation.robot.control_dt, self._policy.runner(), np.arange(1)
        variant, q, dq = worlds.begin(alone)
        simulation.reset(q, dq, alone, variant)
        self._note()
        failed = False
        for _ in range(round(task.episode_s / dt)):
            simulation.advance(runner.step(*simulation.sense(), worlds.command.copy(), simulation.look()))
            self._note()
            failed = bool(task.failed(simulation.state)[0]) or not simulation.state.healthy[0]
            if failed:
                break
            if (redrawn := worlds.tick(dt)) is not None:
                simulation.redraw(*redrawn)
        return self._recording(dt, failed)

    def _note(self) -> None:
        state, command = self._simulation.state, self._worlds.command
        self._rows.append((state.q[0].copy(), state.base_position[0].copy(), state.base_quaternion[0].copy()))
        self._asked.append(command[0].copy())
        asked = dict(zip(self._task.commands, command[0].tolist(), strict=True))
        off = {name: float(values[0]) for name, values in self._task.deviation(state, command).items()}
        done = {name: asked.get(name, 0.0) + value for name, value in off.items()}
        self._done.append(done or dict(zip(self._joints, state.q[0].tolist(), strict=False)))

    def _recording(self, dt: float, failed: bool) -> Recording:
        q, base, quaternion = (np.array(column) for column in zip(*self._rows, strict=True))
        asked = dict(zip(self._task.commands, np.array(self._asked).T, strict=True))
        done = {name: np.array([row[name] for row in self._done]) for name in self._done[0]}
        return Recording(
            self._simulation.robot, dt * np.arange(len(q), dtype=np.float64), q, base, quaternion, asked, done, failed
        )
