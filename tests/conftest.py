"""Settings for the whole suite, made before any test imports a library that reads them."""

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.update(
    MPLBACKEND="Agg",
    TF_CPP_MIN_LOG_LEVEL="3",
    # No test talks to another machine, nor to a suite that runs beside this one (Linux has 102 domains to choose from).
    ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
    ROS_DOMAIN_ID=str(os.getpid() % 102),
    # Nor does one see, or leave, converted meshes in the user's cache. A fixed name, so that workers share the work.
    XDG_CACHE_HOME=os.path.join(tempfile.gettempdir(), f"sim2real-tests-{os.getuid()}"),  # noqa: PTH118
)

settings.register_profile("sim2real", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("sim2real")

# OpenGL in software and TensorFlow each bring an LLVM, and a process that has both is ended by the second. So what
# draws with MuJoCo is run by itself.
OPENGL = (
    "tests/audit",
    "tests/sim_catalog/test_audit.py",
    "tests/sim/test_cameras.py",
    "tests/sim/test_camera_probe.py",
)


@cache
def _can_draw() -> bool:
    """Whether MuJoCo can draw here; asked in another process, since the answer brings OpenGL along."""
    question = "from mujoco.egl import GLContext; GLContext(8, 8).make_current()"
    return subprocess.run([sys.executable, "-c", question], capture_output=True, timeout=60).returncode == 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what draws where nothing can."""
    if item.get_closest_marker("opengl") and not _can_draw():
        pytest.skip("no OpenGL: install libegl1 and libgl1-mesa-dri")


def _draws(path: Path, config: pytest.Config) -> bool:
    return path.relative_to(config.rootpath).as_posix().startswith(OPENGL)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import nothing but what draws where only that is to run: others bring TensorFlow."""
    alone = config.option.markexpr == "opengl" and collection_path.name.startswith("test_")
    return True if alone and not _draws(collection_path, config) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that draw."""
    for item in items:
        if _draws(item.path, config):
            item.add_marker(pytest.mark.opengl)
