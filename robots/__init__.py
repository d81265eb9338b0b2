"""Robot descriptions as plain data: what a URDF says (`RobotModel`) and what a robot.yaml adds to it (`Robot`).

Nothing here knows a physics engine, TensorFlow or ROS.
"""

from robots.catalog import Actuator, Robot, load_robot, robot_names
from robots.model import Joint, Link, RobotModel
from robots.urdf.reader import read_urdf, write_urdf

__all__ = ["Actuator", "Joint", "Link", "Robot", "RobotModel", "load_robot", "read_urdf", "robot_names", "write_urdf"]
