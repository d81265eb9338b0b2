"""The one table of what can be uncertain about a robot and its world: one entry each, by where it acts.

A new quantity is one entry here and one place that reads it: an engine, the motors, a sensor, the world, a camera.
"""

from randomization.quantities.cameras import CAMERAS
from randomization.quantities.motors import COMMANDS, MOTORS
from randomization.quantities.physics import BODIES, CONTACTS, JOINTS
from randomization.quantities.sensors import SENSORS
from randomization.quantities.world import WORLD

QUANTITIES = (*BODIES, *JOINTS, *CONTACTS, *MOTORS, *COMMANDS, *SENSORS, *WORLD, *CAMERAS)

__all__ = ["QUANTITIES"]
