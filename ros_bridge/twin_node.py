"""The twin as a ROS 2 node: lives through the same commands as the robot, and publishes what lies between the two.

    python -m ros_bridge.twin_node --robot cartpole --log twin.npz

`--log` writes arrays with one row a control period: time (n,) [s] from the first row; q, dq (n, n_joints) of the robot;
twin_q, twin_dq of the twin; command (n, n_actuators), the one that began there; gap (n,) [rad | m]; anchored (n,) bool,
True where the twin was put onto the robot after this row, so that `gap[anchored]` are the gaps of whole horizons. Rows
in which it was put there without being compared (the first one, and after an interruption) have the robot's own state
as the twin's, and gap NaN.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rclpy.context import Context
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64, Float64MultiArray

from randomization import VariantSpace
from randomization.variant_files import read_variant
from robots import load_robot
from ros_bridge import messages
from ros_bridge.managed_node import EVERY, EVERY_SENSOR, ManagedNode, check_output
from ros_bridge.process import main_of, run_node
from sim2real.config import Strict
from sim2real.twin import Mirror, Sample, Twin

Array = NDArray[np.float64]


class TwinOptions(Strict):
    """Parameters of the node."""

    robot: str = Field(default="cartpole", description="Catalog name, folder or robot.yaml")
    engine: str = Field(default="bullet", description="Physics: bullet or mujoco")
    variant: str = Field(default="", description="YAML of quantity: value, the twin's Variant; empty: nominal")
    horizon_s: float = Field(default=0.5, ge=0.02, le=60.0, description="Time between two anchorings [s]")
    controller: str = Field(
        default="", description="Name of the forwarding controller; empty: forward_<mode>_controller"
    )
    log: str = Field(default="", description="Time series to write at the end, .npz; empty: none")


class TwinNode(ManagedNode[TwinOptions]):
    """Publishes twin/joint_states, twin/joint_error (robot minus twin) and twin/gap."""

    def __init__(self, context: Context | None = None, **parameters: Any) -> None:
        super().__init__("twin", TwinOptions, context, **parameters)
        self.samples: list[Sample] = []

    def configure(self) -> None:
        """Build the twin and make the topics."""
        o = self.options
        check_output(o.log, "log")
        robot = load_robot(o.robot)
        space = VariantSpace(robot)
        variant = read_variant(Path(o.variant), space) if o.variant else None
        self._twin = Twin(robot, o.engine, variant, o.horizon_s)
        self._mirror = Mirror(self._twin)
        self._reader = messages.JointReader(robot.joint_names)
        self._states = self.advertise(JointState, "twin/joint_states", EVERY)
        self._error = self.advertise(JointState, "twin/joint_error", EVERY)
        self._gap = self.advertise(Float64, "twin/gap", EVERY)
        controller = o.controller or f"forward_{robot.command_mode}_controller"
        self.subscribe(Float64MultiArray, f"{controller}/commands", self._on_command, EVERY)
        self.subscribe(JointState, "joint_states", self._on_state, EVERY_SENSOR)

    def deactivate(self) -> None:
        """Write the log."""
        if self.options.log and self.samples:
            np.savez_compressed(self.options.log, allow_pickle=False, **series(self.samples))

    def release(self) -> None:
        """Release the engine."""
        self._twin.close()

    def _on_command(self, message: Float64MultiArray) -> None:
        try:
            self._mirror.command(time.monotonic(), messages.read_command(message, self._twin.robot.n_actuators))
        except messages.MessageError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)

    def _on_state(self, message: JointState) -> None:
        try:
            q, dq = self._reader.read(message)
        except messages.MessageError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)
            return
        for sample in self._mirror.state(time.monotonic(), q, dq):
            if self.options.log:
                self.samples.append(sample)
            self._publish(sample)

    def _publish(self, sample: Sample) -> None:
        drift = sample.drift
        if drift is None:
            return
        names, now = self._twin.robot.joint_names, self.get_clock().now()
        self._states.publish(messages.joint_state(names, drift.q, drift.dq, now))
        self._error.publish(messages.joint_state(names, drift.q_error, drift.dq_error, now))
        self._gap.publish(Float64(data=drift.gap))


def series(samples: Sequence[Sample]) -> dict[str, NDArray[Any]]:
    """Return samples as the arrays that the module describes."""
    drifts = [sample.drift for sample in samples]
    return {
        "time": np.array([s.time - samples[0].time for s in samples]),
        "q": np.array([s.q for s in samples]),
        "dq": np.array([s.dq for s in samples]),
        "twin_q": np.array([d.q if d else s.q for s, d in zip(samples, drifts, strict=True)]),
        "twin_dq": np.array([d.dq if d else s.dq for s, d in zip(samples, drifts, strict=True)]),
        "command": np.array([s.command for s in samples]),
        "gap": np.array([d.gap if d else np.nan for d in drifts]),
        "anchored": np.array([d.anchored if d else True for d in drifts]),
    }


def run(*, seconds: float | None = None, ros_args: Sequence[str] = (), **parameters: Any) -> int:
    """Run the twin until a signal, or for `seconds`; `parameters` are TwinOptions' fields. Raise Sim2RealError."""
    return run_node(lambda context: TwinNode(context, **parameters), seconds, ros_args)


def main(args: Sequence[str] | None = None) -> int:
    """Command line of this node."""
    parser = argparse.ArgumentParser(prog="python -m ros_bridge.twin_node", description=TwinNode.__doc__)
    for name in ("robot", "engine", "variant", "log"):
        parser.add_argument(f"--{name}", default=TwinOptions.model_fields[name].default)
    return main_of(run, parser, args)


if __name__ == "__main__":
    sys.exit(main())
