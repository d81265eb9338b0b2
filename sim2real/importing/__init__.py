"""Robot descriptions of every format in: URDF, xacro, MJCF, STEP and Onshape become a URDF with its meshes."""

from sim2real.importing.formats import Format, detect_format
from sim2real.importing.importer import import_robot
from sim2real.importing.limits import DEFAULT_LIMITS, Limits, run_limited
from sim2real.importing.onshape import fetch_onshape
from sim2real.importing.packages import mesh_folders
from sim2real.importing.result import Imported, Motor

__all__ = [
    "DEFAULT_LIMITS", "Format", "Imported", "Limits", "Motor", "detect_format", "fetch_onshape", "import_robot",
    "mesh_folders", "run_limited",
]  # fmt: skip
