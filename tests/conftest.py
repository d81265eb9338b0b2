"""Settings for the whole suite, made before any test imports a library that reads them."""

import os
import tempfile

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
