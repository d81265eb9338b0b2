"""The stand-in robot as a ROS 2 node: what a robot with ros2_control shows to the outside, and nothing more.

python -m ros_bridge.stand_in_node --robot cartpole --trials 5 --report report.yaml
python -m ros_bridge.stand_in_node --robot a1 --engine bullet
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nav_msgs.msg import Odometry
from pydantic import Field
from rclpy.context import Context
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray, String

from randomization import Randomization
from robots import load_robot
from robots.urdf.reader import urdf_text
from ros_bridge import messages
from ros_bridge.managed_node import LATCHED, RELIABLE, ManagedNode, check_output
from ros_bridge.process import main_of, run_node
from ros_bridge.stand_in import StandIn, fitting_task
from sim2real.config import Strict, dump_yaml
from sim2real.sim.simulation import Senses
from sim2real.tasks import load_task


class StandInOptions(Strict):
    """Parameters of the node."""

    robot: str = Field(default="cartpole", description="Catalog name, folder or robot.yaml")
    task: str = Field(
        default="", description="Task that says where a trial starts and when it has failed; empty: one that fits"
    )
    engine: str = Field(default="mujoco", description="Physics: mujoco or bullet")
    randomization: str = Field(
        default="none", description="Where the hidden Variant is drawn from: name, .yaml or none"
    )
    seed: int = Field(default=1, ge=0, le=2**31 - 1, description="Seed of the hidden Variant, the starts and the noise")
    trials: int = Field(default=0, ge=0, le=100_000, description="End after this many trials; 0: go on for ever")
    trial_s: float = Field(default=10.0, ge=0.1, le=3600.0, description="A trial that lasts this long is a success [s]")
    controller: str = Field(
        default="", description="Name of the forwarding controller; empty: forward_<mode>_controller"
    )
    report: str = Field(default="", description="YAML file to write at the end; empty: none")


class StandInNode(ManagedNode[StandInOptions]):
    """Publishes joint_states, imu/data and robot_description, and the truth about a free base as odom.

    It obeys the controller's command topic.
    """

    def __init__(self, context: Context | None = None, **parameters: Any) -> None:
        super().__init__("stand_in", StandInOptions, context, **parameters)

    def configure(self) -> None:
        """Load the robot, build its world, and make the topics."""
        o = self.options
        check_output(o.report, "report")
        robot = load_robot(o.robot)
        family = Randomization.load(o.randomization, robot)
        task = load_task(o.task, robot) if o.task else fitting_task(robot)
        self.stand_in = StandIn(robot, task, family, o.engine, o.seed, o.trials, o.trial_s)
        # Joint order is nobody's promise: a broadcaster sorts as it likes, and so does this one.
        self._names = robot.joint_names[::-1]
        self._joint_states = self.advertise(JointState, "joint_states", RELIABLE)
        self._imu = self.advertise(Imu, "imu/data", RELIABLE) if robot.file.imu else None
        self._odom = None if robot.fixed_base else self.advertise(Odometry, "odom", RELIABLE)
        self._description = self.advertise(String, "robot_description", LATCHED, when_active=False)
        self._description.publish(String(data=urdf_text(robot.model)))
        controller = o.controller or f"forward_{robot.command_mode}_controller"
        self.subscribe(Float64MultiArray, f"{controller}/commands", self._on_command, RELIABLE)
        self.every(self.stand_in.dt, self._step)

    def deactivate(self) -> None:
        """Write the report."""
        report = self.stand_in.report()
        if self.options.report:
            Path(self.options.report).write_text(dump_yaml(report), encoding="utf-8")
        self.get_logger().info(f"{report['success']} of {report['trials']} trials, {report['commands']} commands")

    def release(self) -> None:
        """Release the engine."""
        self.stand_in.close()

    def _on_command(self, message: Float64MultiArray) -> None:
        before = self.stand_in.controller_error
        trouble = self.stand_in.command(message.data, time.monotonic())
        if trouble and not before:
            self.get_logger().error(f"command: {trouble}")

    def _step(self) -> None:
        self._publish(self.stand_in.step(time.monotonic()))
        if self.stand_in.finished:
            self.exit_status = 1 if self.stand_in.controller_error else 0

    def _publish(self, senses: Senses) -> None:
        now = self.get_clock().now()
        q, dq = senses.q[0], senses.dq[0]
        self._joint_states.publish(messages.joint_state(self._names, q[::-1], dq[::-1], now))
        if self._imu:
            link = self.stand_in.robot.file.imu.link  # type: ignore[union-attr]
            self._imu.publish(messages.imu(link, senses.imu_quaternion[0], senses.imu_angular_velocity[0], now))
        if self._odom:
            base = self.stand_in.robot.model.root.name
            self._odom.publish(messages.odometry(base, *self.stand_in.odometry(), now))


def run(*, seconds: float | None = None, ros_args: Sequence[str] = (), **parameters: Any) -> int:
    """Run the stand-in robot until its last trial, a signal, or `seconds`; `parameters` are StandInOptions' fields.

    Return 0, or 1 when a command of a wrong length has ended it. Raise Sim2RealError on bad input.
    """
    return run_node(lambda context: StandInNode(context, **parameters), seconds, ros_args)


def main(args: Sequence[str] | None = None) -> int:
    """Command line of this node."""
    parser = argparse.ArgumentParser(prog="python -m ros_bridge.stand_in_node", description=StandInNode.__doc__)
    for name in ("robot", "task", "randomization", "engine", "report"):
        parser.add_argument(f"--{name}", default=StandInOptions.model_fields[name].default)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--trial-s", type=float, default=10.0)
    return main_of(run, parser, args)


if __name__ == "__main__":
    sys.exit(main())
