"""What each engine does with a description as it is: to be called in a child, which may not survive it."""

from pathlib import Path

import mujoco
import pybullet


def pybullet_loads(path: Path) -> None:
    pybullet.connect(pybullet.DIRECT)
    pybullet.loadURDF(str(path), useFixedBase=True, flags=pybullet.URDF_USE_INERTIA_FROM_FILE)
    pybullet.stepSimulation()


def mujoco_loads(path: Path) -> None:
    model = mujoco.MjModel.from_xml_path(str(path))
    mujoco.mj_step(model, mujoco.MjData(model))
