"""The first load of a stranger's robot, in child processes: an engine that crashes or hangs takes nobody along."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from robots import Robot, read_urdf, write_urdf
from robots.extent import lowest_points
from robots.model import Mesh, RobotModel
from robots.robot_file import RobotFile
from robots.urdf.tree import guess_floating
from sim2real.errors import Sim2RealError
from sim2real.importing.limits import Limits, run_limited
from sim2real.sim.actuators import holding_command
from sim2real.sim.engine import ENGINES, make_engine

OK = "ok"
NAMES = {"bullet": "PyBullet", "mujoco": "MuJoCo"}
_PERIODS = 5  # of control: enough for a NaN to come out


def bare_robot(model: RobotModel, fixed_base: bool = True) -> Robot:
    """Return a Robot without motors of a model that no robot.yaml describes: 50 Hz control, 1 kHz physics.

    Joints are at 0, or at the limit next to it; a free base starts with the lowest point on the floor.
    """
    pose = {joint.name: float(np.clip(0.0, joint.limit.lower, joint.limit.upper)) for joint in model.movable}
    height = 0.0
    if not fixed_base:
        height = -min(lowest_points(model, np.array(list(pose.values()))).values(), default=0.0)
    # Not validated: a robot.yaml has motors.
    file = RobotFile.model_construct(
        name="bare",
        urdf="",
        source="",
        licence="",
        control_hz=50.0,
        physics_hz=1000.0,
        fixed_base=fixed_base,
        base_height=height,
        default_pose=pose,
        actuators=(),
        fallback="zero",
    )
    return Robot(name=model.name, model=model, file=file, path=Path(model.name))


def probe(
    given: Robot | RobotModel,
    source: str | Path = "",
    fixed_base: bool | None = None,
    seconds: float = 10.0,
    megabytes: int = 4096,
) -> dict[str, str]:
    """Build a robot in each engine and step it a little, in child processes; return engine -> "ok" or the reason.

    A reason is one line: that the engine refuses the robot, or that its physics diverge at once. Raise RobotError in
    one line naming `source` (else the robot) and the engine if that crashes, takes longer than `seconds`, or needs more
    than `megabytes` of address space. A model has no motors; its base is fixed as `fixed_base` says, or where that
    is None as `robots.urdf.tree.guess_floating` has it. The robot.yaml of a Robot says both.
    """
    model = given.model if isinstance(given, Robot) else given
    fixed_base = not guess_floating(model) if fixed_base is None else fixed_base
    file = given.file.model_dump_json() if isinstance(given, Robot) else None
    named = source or (given.path if isinstance(given, Robot) else f"robot '{model.name}'")
    with TemporaryDirectory() as folder:
        urdf = Path(folder) / "robot.urdf"
        write_urdf(model, urdf)
        request = {"urdf": str(urdf), "roots": _mesh_folders(model), "file": file, "fixed_base": fixed_base}

        def load(engine: str) -> str:
            subject, arguments = f"{named}: {NAMES[engine]}", request | {"engine": engine}
            limits = Limits(seconds=seconds, megabytes=megabytes)
            return str(run_limited(f"{__name__}:first_load", arguments, subject, limits))

        with ThreadPoolExecutor(len(ENGINES)) as threads:
            return dict(zip(ENGINES, threads.map(load, ENGINES), strict=True))


def _mesh_folders(model: RobotModel) -> list[str]:
    shapes = (shape for link in model.links for shape in (*link.visuals, *link.collisions))
    return sorted({str(shape.geometry.path.parent) for shape in shapes if isinstance(shape.geometry, Mesh)})


def first_load(engine: str, urdf: str, roots: list[str], file: str | None, fixed_base: bool) -> str:
    """Build the robot in an engine and step it; return "ok" or the reason why not. Runs in the child of `probe`."""
    model = read_urdf(Path(urdf), [Path(root) for root in roots])
    if file is None:
        robot = bare_robot(model, fixed_base)
    else:
        robot = Robot(model.name, model, RobotFile.model_validate_json(file), Path(urdf))
    try:
        return try_engine(engine, robot)
    except Sim2RealError as error:
        return str(error)


def try_engine(engine: str, robot: Robot, periods: int = _PERIODS) -> str:
    """Build a robot in an engine of this process and hold its default pose; return "ok", or that physics diverge.

    Raise EngineError or RobotError if the engine refuses it.
    """
    world = make_engine(engine, robot)
    try:
        command = holding_command(robot, world.state.q)
        for _ in range(periods):
            world.step(command, np.zeros(1))
        return OK if _sound(vars(world.state)) else f"{NAMES[engine]}: physics diverge within {periods} control periods"
    finally:
        world.close()


def _sound(state: Mapping[str, Any]) -> bool:
    return bool(state["healthy"].all()) and all(np.isfinite(array).all() for array in state.values())
