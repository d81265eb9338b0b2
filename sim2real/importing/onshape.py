"""Onshape in, through the `onshape-to-robot` library: its export folder, or an assembly's address and keys."""

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from sim2real.errors import RobotError
from sim2real.importing.folders import new_folder
from sim2real.importing.limits import Limits, run_limited

KEYS = ("ONSHAPE_API", "ONSHAPE_ACCESS_KEY", "ONSHAPE_SECRET_KEY")
_SCENES = ("scene.xml",)  # what onshape-to-robot writes beside a robot in MJCF, to look at it
_URL = "https://<host>/documents/<document>/w/<workspace>/e/<element>"

# An export waits for a server, one request for each part.
FETCH_LIMITS = Limits(seconds=600.0, megabytes=4096)


def export_file(folder: Path) -> Path:
    """Return the robot's file in a folder that onshape-to-robot wrote; RobotError if there is none, or several."""
    for pattern in ("*.urdf", "*.xml"):
        files = sorted(path for path in folder.glob(pattern) if path.name not in _SCENES)
        usual = [path for path in files if path.stem == "robot"]
        if len(usual or files) == 1:
            return (usual or files)[0]
        if files:
            names = ", ".join(path.name for path in files[:10])
            raise RobotError(f"{folder}: holds several descriptions ({names}); give the file itself")
    raise RobotError(
        f"{folder}: holds no robot.urdf or robot.xml yet, only onshape-to-robot's settings; fetch it from Onshape first"
    )


def fetch_onshape(source: str | Path, out: Path, *, limits: Limits = FETCH_LIMITS) -> Path:
    """Export an Onshape assembly into the new folder `out` and return it; `import_robot` reads it from there.

    `source` is the assembly's address in the browser, or the path of an onshape-to-robot config.json (or its folder).
    The library runs in a child process in its safe mode: no commands or plug-ins that a config.json names. Raise
    RobotError where the library or the keys are missing, or the export fails; `out` is not made then.
    """
    settings = _settings(source)
    keys = _keys(os.environ)
    if find_spec("onshape_to_robot") is None:
        raise RobotError(f"{source}: onshape-to-robot is not installed; pip install 'sim2real[onshape]'")
    with new_folder(out) as made:
        (made / "config.json").write_text(settings, encoding="utf-8")
        run_limited("sim2real.importing.onshape:export", {"folder": str(made.resolve())}, source, limits, keys)
    return out


def _settings(source: str | Path) -> str:
    """Return the text of the config.json to export with."""
    if str(source).startswith(("https:", "http:")):
        if not str(source).startswith("https://") or "/e/" not in str(source):
            raise RobotError(f"{source}: is not the address of an Onshape assembly, as {_URL}")
        return json.dumps({"url": str(source), "output_format": "urdf"})
    path = Path(source) / "config.json" if Path(source).is_dir() else Path(source)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise RobotError(f"{path}: {reason}; give an Onshape address ({_URL}) or a config.json") from None


def _keys(environment: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in KEYS if not environment.get(name)]
    if missing:
        raise RobotError(
            f"{', '.join(missing)} must be set in the environment to fetch from Onshape (ONSHAPE_API is "
            "https://cad.onshape.com); make the keys at https://dev-portal.onshape.com/keys"
        )
    proxies = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    return {name: environment[name] for name in (*KEYS, *proxies) if name in environment}


def export(folder: str) -> None:
    """Run onshape-to-robot on `folder`/config.json, in a process of its own with the keys in its environment."""
    from onshape_to_robot.config import Config
    from onshape_to_robot.exporter_mujoco import ExporterMuJoCo
    from onshape_to_robot.exporter_urdf import ExporterURDF
    from onshape_to_robot.robot_builder import RobotBuilder

    config = Config(folder, safe=True)
    exporters = {"urdf": ExporterURDF, "mujoco": ExporterMuJoCo}
    if config.output_format not in exporters:
        raise RobotError(
            f"config.json: output_format '{config.output_format}' is not supported; allowed are urdf and mujoco"
        )
    exporter = exporters[config.output_format](config)
    robot = RobotBuilder(config).robot
    for processor in config.processors:
        processor.process(robot)
    exporter.write_xml(robot, f"{config.output_directory}/{config.output_filename}.{exporter.ext}")
