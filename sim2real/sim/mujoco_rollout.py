"""The one call that steps MuJoCo worlds: `mujoco.rollout` on a model for each world, into arrays that stay.

Measured on MuJoCo 4.0: a rollout lets go of the lock of Python, so that two threads with an engine each keep two cores
busy; forces from outside count as controls, and leaving them out costs less than sending zeros; shapes are ours and
right, and having them checked takes as long as a physics step.
"""

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Rows = Index | slice  # some worlds by their numbers, or all of them

ALL = slice(None)
_FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS
_CTRL, _XFRC = mujoco.mjtState.mjSTATE_CTRL, mujoco.mjtState.mjSTATE_XFRC_APPLIED


class Rollouts:
    """Steps the worlds of some models.

    size: of a world's state
    """

    def __init__(self, models: Sequence[Any], threads: int, substeps: int, pushed: int) -> None:
        """threads: 0 works in the thread that calls; pushed: id of the body that forces act on."""
        model, n_worlds = models[0], len(models)
        self.models = list(models)
        self.data = [mujoco.MjData(model) for _ in range(max(1, threads))]
        self.size: int = mujoco.mj_stateSize(model, _FULL)
        self._rollout = rollout.Rollout(nthread=threads)
        self._n_controls, self._n_sensors = model.nu, model.nsensordata
        self._force = slice(model.nu + 6 * pushed, model.nu + 6 * pushed + 3)
        self._states = np.zeros((n_worlds, substeps, self.size))
        self._sensors = np.zeros((n_worlds, substeps, model.nsensordata))
        self._pushed = np.zeros((n_worlds, substeps, model.nu + 6 * model.nbody))  # 0 but for controls and one force

    def period(self, worlds: Rows, physics: Array, control: Array, force: Array | None) -> tuple[Array, Array]:
        """Do as `steps` for the steps of a period; what it returns holds until the next call."""
        k = len(control)
        wide = None if force is None else self._pushed[:k]
        return self._run(worlds, physics, control, force, wide, (self._states[:k], self._sensors[:k]))

    def steps(self, worlds: Rows, physics: Array, control: Array, force: Array | None) -> tuple[Array, Array]:
        """Return the states after each step and what sensors read before it: (k, n_steps, size) each.

        physics: (k, size) of these worlds; control: (k, n_steps, n_actuators), as the models' laws take it
        force: (n_worlds, 3) [N] throughout, in the world's axes
        """
        k, n_steps = control.shape[:2]
        wide = None if force is None else np.zeros((k, n_steps, self._pushed.shape[2]))
        out = np.empty((k, n_steps, self.size)), np.empty((k, n_steps, self._n_sensors))
        return self._run(worlds, physics, control, force, wide, out)

    def _run(
        self,
        worlds: Rows,
        physics: Array,
        control: Array,
        force: Array | None,
        wide: Array | None,
        out: tuple[Array, Array],
    ) -> tuple[Array, Array]:
        spec = _CTRL
        if force is not None and wide is not None:
            wide[:, :, : self._n_controls], wide[:, :, self._force] = control, force[worlds][:, None]
            control, spec = wide, _CTRL | _XFRC
        self._rollout.rollout(
            self.of(worlds),
            self.data,
            np.ascontiguousarray(physics),
            np.ascontiguousarray(control),
            control_spec=spec,
            nstep=control.shape[1],
            state=out[0],
            sensordata=out[1],
            skip_checks=True,
        )
        return out

    def of(self, worlds: Rows) -> list[Any]:
        """Return the models of some worlds."""
        return self.models if isinstance(worlds, slice) else [self.models[world] for world in worlds.tolist()]

    def close(self) -> None:
        """End the threads. Safe to call twice."""
        self._rollout.close()
