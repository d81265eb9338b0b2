"""How finely PyBullet has to step for the servos of a robot.

A servo's effort is worked out from the state at the beginning of a step. The share of a motion that its damping and
stiffness undo in one step, the largest eigenvalue of M^-1 (kd dt + kp dt^2 / 2), is its rate: semi-implicit Euler bears
2, at which joints shake. M is that of the default pose; a quadruped's other poses have up to half as much again. An
arm moves through all of its range, where it may have four times as much: there M is that of the worst of some poses.

Measured on PyBullet 3.2.7 with catalog quadrupeds at 500 Hz, hung up, within 0.6 rad of their default pose:
- Up to a rate of 1.3 nothing shakes; at 1.4 one Laikago in four does.
- An A1 at 1.17 swings its legs within 0.0035 rad RMS, 3 % of the swing, of what it does at 4 kHz. With two steps in the
  place of one it is 0.0015; MuJoCo at 500 Hz, with its implicit servos, is off by 0.0038. It stands within 2 um.
"""

from math import ceil

import numpy as np

from randomization import VariantSpace, stream
from robots import Robot
from robots.kinematics import follow, mass_matrix, sources
from sim2real.sim.actuators import servo
from sim2real.sim.bodies import armature
from sim2real.sim.engine import Array

# Largest rate of the nominal robot and of a Variant. A velocity servo at 1 would reach its speed in a single step,
# sooner than its law says.
BOUNDS = {"position": (1.2, 1.3), "velocity": (0.3, 0.48), "effort": (1.2, 1.3)}
POSES = 64  # that a robot with a bolted base is looked at in
FINEST = 32  # steps in the place of one: a world that would need more diverges, is counted and rebuilt
_SCALES = ("kp", "kd", "strength")


class ServoRate:
    """The rate of a robot's servos at its own physics step, with any Variant."""

    def __init__(self, robot: Robot, space: VariantSpace) -> None:
        self._space, self._dt = space, robot.control_dt / robot.substeps
        self._law = -np.array([servo(actuator) for actuator in robot.actuators]).reshape(-1, 3)
        columns = [_columns(robot, space, quantity) for quantity in _SCALES]
        self._columns = np.array(columns, dtype=np.intp).reshape(len(_SCALES), -1)
        self._mobility = _mobility(robot, robot.default_q)
        bounds = [BOUNDS[mode] for mode in (*robot.modes, "effort")]
        self._bound, self._variant_bound = np.min(bounds, axis=0).tolist()
        self._nominal = self.of(space.nominal)
        if robot.fixed_base:
            self._take_worst(robot)

    def _take_worst(self, robot: Robot) -> None:
        """Go by the pose with the highest rate of some that lie all over the motors' ranges, as far as these end."""
        lower, upper = np.clip(robot.q_limits, -np.pi, np.pi)
        rng = stream(0, "poses")
        for _ in range(POSES):
            kept, q = self._mobility, robot.default_q.copy()
            q[robot.actuated] = rng.uniform(lower, np.maximum(lower, upper))
            self._mobility = _mobility(robot, follow(robot.model, q, np.zeros_like(q))[0])
            rate = self.of(self._space.nominal)
            if rate > self._nominal:
                self._nominal = rate
            else:
                self._mobility = kept

    def of(self, values: Array) -> float:
        """Return the rate with a Variant (space.size,); less mass or inertia of any body counts as that of all."""
        kp, kd, strength = np.append(values, 1.0)[self._columns]
        pull = strength * (kd * self._law[:, 2] * self._dt + kp * self._law[:, 1] * self._dt**2 / 2)
        if not (pull.any() and np.isfinite(pull).all()):  # no servos; or efforts that no step bears
            return 0.0
        root = np.sqrt(np.abs(pull))
        return float(np.linalg.eigvalsh(root[:, None] * self._mobility * root)[-1]) / lightest(self._space, values)

    def fineness(self, values: Array) -> int:
        """Return how many steps Bullet must take in the place of one; the same for Variants that are much the same.

        Another step changes a motion more than most quantities do. So it is halved for extreme Variants only.
        """
        finer: int = max(1, ceil(self._nominal / self._bound))
        rate = self.of(values)
        while rate / finer > self._variant_bound and finer < FINEST:
            finer *= 2
        return finer


def _columns(robot: Robot, space: VariantSpace, quantity: str) -> list[int]:
    """Return the column of a quantity for each motor; -1, behind the last, for motors that do not have it."""
    block = space.block(quantity)
    found = dict(zip(space.members[block], range(*block.indices(space.size)), strict=True))
    return [found.get(name, -1) for name in robot.actuator_names]


def _mobility(robot: Robot, q: Array) -> Array:
    """Return M^-1 as the motors see it in a pose q (n_joints,): (n_actuators, n_actuators); mimic joints move along."""
    model = robot.merged.model
    matrix = mass_matrix(model, q, floating=not robot.fixed_base)
    root = len(matrix) - robot.n_joints
    matrix[root:, root:] += np.diag(armature(robot))
    tie = np.eye(len(matrix))
    for name, mimic in sources(model).items():
        tie[root + robot.joint_index(name), root + robot.joint_index(mimic.joint)] = mimic.multiplier
    free = [k for k in range(len(matrix)) if k < root or model.movable[k - root].mimic is None]
    inverse = np.zeros_like(matrix)
    inverse[np.ix_(free, free)] = np.linalg.pinv(tie[:, free].T @ matrix @ tie[:, free], hermitian=True)
    motors = root + robot.actuated
    seen: Array = inverse[np.ix_(motors, motors)]
    return seen


def lightest(space: VariantSpace, values: Array) -> float:
    """Return the least share of its nominal mass or inertia that a Variant leaves to any body."""
    inertia = min(1.0, values[space.block("inertia")].min(initial=1.0))
    return float(values[space.block("mass")].min(initial=1.0) * inertia)
