"""A robot that knows nothing of this project: plain rclpy, written from the README's interface table alone.

A cart-pole in numpy (Barto, Sutton and Anderson 1983) with the numbers of pybullet_data's cartpole.urdf, its joints in
an order of its own. Ends when it has been commanded for a time in seconds, and prints the largest pole angle as JSON.
"""

import json
import sys

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

CART, POLE, LENGTH, G = 1.0, 0.1, 0.5, 9.81  # [kg], [kg], joint to the pole's centre [m], [m/s^2]
INERTIA = POLE / 12 * (1.0**2 + 0.05**2)  # of the pole about its centre [kg m^2]
PERIOD, STEP = 0.01, 0.001  # [s]


class CartPole(Node):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__("vendor_robot")
        self.x, self.theta, self.dx, self.dtheta = 0.2, -0.08, 0.0, 0.0
        self.effort: float | None = None
        self.seconds = self.largest = 0.0
        self.publisher = self.create_publisher(JointState, "joint_states", 10)
        self.create_subscription(Float64MultiArray, "forward_effort_controller/commands", self.command, 10)
        self.create_timer(PERIOD, self.update)

    def command(self, message: Float64MultiArray) -> None:
        self.effort = message.data[0]

    def update(self) -> None:
        if self.effort is not None:
            for _ in range(round(PERIOD / STEP)):
                self.integrate()
            self.seconds += PERIOD
            self.largest = max(self.largest, abs(self.theta))
        message = JointState(name=["cart_to_pole", "slider_to_cart"])
        message.header.stamp = self.get_clock().now().to_msg()
        message.position, message.velocity = [self.theta, self.x], [self.dtheta, self.dx]
        self.publisher.publish(message)

    def integrate(self) -> None:
        sin, cos = np.sin(self.theta), np.cos(self.theta)
        moment = POLE * LENGTH
        mass = np.array([[CART + POLE, moment * cos], [moment * cos, INERTIA + moment * LENGTH]])
        force = np.array([self.effort + moment * self.dtheta**2 * sin, moment * G * sin])
        ddx, ddtheta = np.linalg.solve(mass, force)
        self.dx += STEP * ddx
        self.dtheta += STEP * ddtheta
        self.x += STEP * self.dx
        self.theta += STEP * self.dtheta


rclpy.init()
robot = CartPole()
try:
    while robot.seconds < float(sys.argv[1]):
        rclpy.spin_once(robot, timeout_sec=0.1)
except ExternalShutdownException:
    sys.exit(1)
print(json.dumps({"largest": robot.largest, "x": robot.x}))  # noqa: T201
