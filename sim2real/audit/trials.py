"""Rolls out every case of an audit in one engine, beside the world that it is compared with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots import Robot
from sim2real.audit.cases import Case
from sim2real.audit.footing import clearance, touched
from sim2real.audit.read_back import Reader, Snapshot, changes, strays, value_of
from sim2real.audit.scenario import Scenario
from sim2real.audit.worlds import Columns, Rollout, Worlds
from sim2real.sim.terrain import Grounds

Array = NDArray[np.float64]
Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Baseline:
    """A scenario under its own Variant in one engine.

    landing: the first period in which something touches the floor; n_periods where nothing does
    touched: the bodies that touch the floor, ever
    """

    scenario: Scenario
    motion: Array
    senses: Array
    speed: Array
    effort: Array
    landing: int
    touched: frozenset[str]
    held: Snapshot
    columns: Columns

    def columns_of(self, sensor: str, member: str) -> list[int]:
        """Return the columns of `senses` that a sensor's quantity is about, e.g. those of ("gyro", "x")."""
        return self.columns.get((sensor, member), [])


@dataclass(frozen=True, eq=False)
class Trial:
    """One case in one engine, against its baseline: see `Rollout` for the arrays.

    under, over: how far the lowest point is under the floor's lowest, and over its highest, at the end [m]; NaN for a
    bolted base
    """

    case: Case
    base: Baseline
    motion: Array
    senses: Array
    speed: Array
    effort: Array
    healthy: bool
    under: float
    over: float
    read_back: float | None
    strays: tuple[str, ...]

    @property
    def moved(self) -> Array:
        """Change of the true motion: (n_periods, n_joints + 6) [rad | m]."""
        return self.motion - self.base.motion

    @property
    def sensed(self) -> Array:
        """Change of all readings: (n_periods, n_readings); 0 where there is no such sensor."""
        return np.nan_to_num(self.senses - self.base.senses)

    @property
    def effect(self) -> float:
        """RMS over time of what changed most: a joint or base coordinate, else (or for a sensor) a reading."""
        moved = 0.0 if self.case.quantity.place == "sensor" else _rms(self.moved)
        return moved or _rms(self.sensed)


def _rms(difference: Array) -> float:
    return float(np.sqrt((difference**2).mean(axis=0)).max(initial=0.0))


@dataclass(frozen=True)
class Job:
    """What one world of a batch does: a case, or with None the scenario as it is."""

    scenario: Scenario
    case: Case | None


def batches(groups: Mapping[Scenario, Sequence[Case]], size: int) -> Iterator[list[Job]]:
    """Yield jobs for `size` worlds at a time: baselines come before their cases, and one more ends each batch."""
    batch: list[Job] = []
    for scenario, cases in groups.items():
        present = False
        for case in cases:
            other = bool(batch) and len(batch[0].scenario.commands) != len(scenario.commands)
            if other or len(batch) + (1 if present else 2) > size - 1:
                yield _filled(batch, size)
                batch, present = [], False
            if not present:
                batch.append(Job(scenario, None))
                present = True
            batch.append(Job(scenario, case))
    if batch:
        yield _filled(batch, size)


def _filled(batch: list[Job], size: int) -> list[Job]:
    return batch + [Job(batch[0].scenario, None)] * (size - len(batch))


class Trials:
    """The trials of one engine, of scenarios of one length.

    leaks: where a world that should have been nominal was not the same as before
    """

    def __init__(self, worlds: Worlds, reader: Reader) -> None:
        self._worlds, self._reader = worlds, reader
        self._robot: Robot = worlds.robot
        self._grounds = Grounds(worlds.robot, worlds.engine.space)
        self.leaks: list[str] = []
        self._baselines: dict[Scenario, Baseline] = {}

    def run(self, groups: Mapping[Scenario, Sequence[Case]], progress: Progress) -> list[Trial]:
        """Roll out all cases; `progress` is told how many were done each time."""
        trials = []
        for batch in batches(groups, self._worlds.n_worlds):
            trials += self._run_batch(batch)
            progress(sum(job.case is not None for job in batch))
        return trials

    def _run_batch(self, batch: list[Job]) -> list[Trial]:
        space = self._worlds.engine.space
        values = np.array([job.scenario.base for job in batch])
        for row, job in zip(values, batch, strict=True):
            if job.case is not None:
                row[space.index(job.case.name)] = job.case.value
        self._worlds.apply(values)
        held = [self._reader.snapshot(world) for world in range(len(batch))]
        rollout = self._worlds.run([job.scenario for job in batch], values)
        self._watch(batch, rollout, held)
        return [
            self._trial(job.case, self._baselines[job.scenario], rollout, world, held[world])
            for world, job in enumerate(batch)
            if job.case is not None
        ]

    def _watch(self, batch: list[Job], rollout: Rollout, held: list[Snapshot]) -> None:
        """Make the baselines of a batch, and see that a scenario's is the same wherever and whenever it is run."""
        for world, job in enumerate(batch):
            if job.case is not None:
                continue
            known = self._baselines.get(job.scenario)
            if known is None:
                self._baselines[job.scenario] = self._baseline(job.scenario, rollout, world, held[world])
                continue
            if changed := changes(known.held, held[world]):
                field, owner = changed[0]
                self._leak(f"{field} of {owner or 'the world'} is not what it was in a world without changes")
            elif not np.array_equal(known.motion, rollout.motion[world]):
                self._leak("the same scenario moves differently beside other worlds")

    def _leak(self, text: str) -> None:
        if text not in self.leaks:
            self.leaks.append(text)

    def _baseline(self, scenario: Scenario, rollout: Rollout, world: int, held: Snapshot) -> Baseline:
        motion, n_joints = rollout.motion[world], self._robot.n_joints
        floor: list[set[str]] = []
        if not self._robot.fixed_base:
            floor = [
                touched(self._robot, q, base) for q, base in zip(motion[:, :n_joints], rollout.base[world], strict=True)
            ]
        landing = next((period for period, bodies in enumerate(floor) if bodies), len(motion))
        feet = frozenset[str]().union(*floor)
        return Baseline(
            scenario,
            motion,
            rollout.senses[world],
            rollout.speed[world],
            rollout.effort[world],
            landing,
            feet,
            held,
            self._worlds.columns,
        )

    def _trial(self, case: Case, base: Baseline, rollout: Rollout, world: int, held: Snapshot) -> Trial:
        motion, under, over = rollout.motion[world], np.nan, np.nan
        if not self._robot.fixed_base and np.isfinite(motion[-1]).all():
            values = base.scenario.base.copy()
            values[self._worlds.engine.space.index(case.name)] = case.value
            ground = self._grounds.ground(values)
            under, over = clearance(self._robot, ground, motion[-1, : self._robot.n_joints], rollout.base[world, -1])
        changed = changes(base.held, held)
        return Trial(
            case,
            base,
            motion,
            rollout.senses[world],
            rollout.speed[world],
            rollout.effort[world],
            bool(rollout.healthy[world]),
            under,
            over,
            value_of(self._robot, case.quantity, case.member, case.nominal, base.held, held),
            tuple(strays(self._robot, case.quantity, case.member, changed)),
        )
