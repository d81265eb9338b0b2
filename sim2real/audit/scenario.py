"""Which motion each case is tried in: one in which its quantity can act, for as long as it may take to."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from randomization import VariantSpace
from robots import Robot
from sim2real.audit.cases import Case
from sim2real.audit.footing import standing
from sim2real.audit.motion import DROP, Motion, holding, into_limit, moving, poses_on

Array = NDArray[np.float64]

SECONDS = 0.7  # of a motion
SENSING = 0.4  # [s] of a motion for sensors, whose errors show at once
CHANCE = 1e-4  # that something random never happens in a motion
_STANDS = 0.005  # [m] above the lowest body, another one carries the robot too


@dataclass(frozen=True, eq=False)
class Scenario:
    """One motion: start q, dq (n_joints,), commands (n_periods, n_actuators), and what is not nominal all along.

    name: what is special about it, in a few words
    base: (space.size,) the Variant that cases are compared with
    """

    name: str
    q: Array
    dq: Array
    commands: Array
    base: Array


class Scenarios:
    """The scenarios of one robot, made when first asked for."""

    def __init__(
        self, robot: Robot, space: VariantSpace, bounds: Array, start: tuple[Array, Array] | None = None
    ) -> None:
        """Lay out the scenarios for values within bounds (2, space.size).

        start: q and dq (n_joints,) of the motion; the default pose at rest if None
        """
        self.robot, self.space, self._bounds = robot, space, bounds
        self._start = (robot.default_q, np.zeros(robot.n_joints)) if start is None else start
        self._made: dict[object, Scenario] = {}

    @property
    def plain(self) -> Scenario:
        """The motion from the start under the nominal Variant."""
        return self._get("moving", "", (), self._periods(SECONDS))

    def of(self, case: Case) -> Scenario:
        """Return the scenario in which a case is tried."""
        kind, special = "moving", ""
        if case.quantity.per == "limited joint":
            kind, special = "at a limit", case.member
        elif case.quantity.per == "touching body" and not self._carries(case.member):
            kind, special = "lying on", case.member
        elif _of_feet(case):
            kind = "standing"
        return self._get(kind, special, case.context, self._length(case))

    def _length(self, case: Case) -> int:
        """Return how many control periods a case needs: until both of its times have passed, or chance has struck."""
        seconds = SENSING if case.quantity.place == "sensor" and not _of_feet(case) else SECONDS
        if case.quantity.unit == "probability" and case.value < 1.0:
            return max(self._periods(SECONDS), ceil(log(CHANCE) / log(1.0 - case.value)))
        if case.quantity.unit == "s" and (wait := min(case.nominal, case.value)) > seconds / 2:
            seconds += wait
        return self._periods(seconds)

    def _periods(self, seconds: float) -> int:
        return max(10, round(seconds * self.robot.file.control_hz))

    def _get(self, kind: str, special: str, context: tuple[tuple[str, float], ...], periods: int) -> Scenario:
        key = (kind, special, context, periods)
        if key not in self._made:
            base = self.space.nominal.copy()
            for quantity, value in context:
                base[self.space.block(quantity)] = value
            self._made[key] = Scenario(f"{kind} {special}".strip(), *self._motion(kind, special, periods), base)
        return self._made[key]

    def _motion(self, kind: str, special: str, periods: int) -> Motion:
        robot = self.robot
        if kind == "at a limit":
            offset = np.abs(self._bounds[:, self.space.index(f"limit_offset/{special}")]).max()
            return into_limit(robot, special, float(offset), periods)
        if kind == "lying on":
            q = self._poses.get(special, robot.default_q)
            return moving(robot, q, np.zeros(robot.n_joints), periods, gentle=True)
        if kind == "standing":
            commands = np.tile(holding(robot, robot.default_q), (periods, 1))
            return robot.default_q, np.zeros(robot.n_joints), commands
        return moving(robot, *self._start, periods)

    @cached_property
    def _poses(self) -> dict[str, Array]:
        return poses_on(self.robot)

    @cached_property
    def _rests(self) -> dict[str, float]:
        return standing(self.robot, self.robot.default_q)

    def _carries(self, body: str) -> bool:
        """Whether the robot stands on a body in its default pose."""
        return self._rests[body] < min(self._rests.values()) + _STANDS


def _of_feet(case: Case) -> bool:
    """Whether a case is about contact sensors: these are tried landing on all feet and standing still."""
    return case.quantity.place == "sensor" and case.quantity.name.startswith("contact_")


def dropped(robot: Robot) -> Robot:
    """Return the robot as it is audited: a free base starts `DROP` higher."""
    if robot.fixed_base:
        return robot
    return replace(robot, file=robot.file.model_copy(update={"base_height": robot.file.base_height + DROP}))


def by_scenario(cases: Iterable[Case], scenarios: Scenarios) -> dict[Scenario, list[Case]]:
    """Return the cases of each scenario: sensors first, then what changes a world the least.

    PyBullet steps slower for good once it has moved a centre of mass: those come last.
    """

    def upheaval(case: Case) -> int:
        quantity = case.quantity
        if quantity.place == "sensor":
            return 0
        if quantity.name.startswith("com_"):
            return 3
        return 2 if quantity.per in ("touching body", "floor") else 1

    groups: dict[Scenario, list[Case]] = {}
    for case in sorted(cases, key=upheaval):
        groups.setdefault(scenarios.of(case), []).append(case)
    return dict(sorted(groups.items(), key=lambda group: upheaval(group[1][-1])))
