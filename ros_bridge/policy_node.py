"""The policy on a robot: states in over ROS 2, commands out, and a Guard in between that trusts nobody.

    python -m ros_bridge.policy_node runs/demo/policy --ros-args -p autostart:=true

configure loads and replays the policy and compares the robot with its contract; activate makes it ready; ~/enable
starts it. Neither TensorFlow nor an engine is imported. A software stop does not replace the hardware one.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from pydantic import Field
from rclpy.context import Context
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool, Trigger

from ros_bridge import messages
from ros_bridge.control import Control
from ros_bridge.guard import MOVING, STOPPING, Answer, GuardLimits
from ros_bridge.managed_node import RELIABLE, ManagedNode
from ros_bridge.process import main_of, run_node
from ros_bridge.robot_link import RobotLink
from sim2real.config import Strict
from sim2real.errors import BridgeError
from sim2real.policy import Contract, Policy

STATUS_S = 0.25  # [s] between two looks at the wider situation: other commanders, on_status
DIAGNOSTICS_S = 1.0


class PolicyOptions(Strict):
    """Parameters of the node."""

    policy: str = Field(default="", description="Policy folder")
    controller: str = Field(
        default="", description="Name of the forwarding controller; empty: forward_<mode>_controller"
    )
    autostart: bool = Field(
        default=False, description="Enable by itself once active, as soon as nothing speaks against it"
    )
    ramp_s: float = Field(
        default=-1.0,
        ge=-1.0,
        le=10.0,
        description="Time over which the policy fades in [s]; negative: 0.2 for positions, else 0",
    )
    max_state_age: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Oldest state to act on [s]; 0: three periods"
    )
    latch_age: float = Field(default=0.2, ge=0.02, le=2.0, description="Outage after which only enable goes on [s]")
    command_timeout_s: float = Field(
        default=0.5, ge=0.05, le=10.0, description="Silence of cmd_vel after which 0 is asked of the robot [s]"
    )
    stamped: bool = Field(default=False, description="Whether cmd_vel is a TwistStamped, as ros2_control has it")
    target_frame: str = Field(
        default="", description="Name of an arm's root link, in whose frame target_pose is; empty: robot_description's"
    )
    fallback_s: float = Field(default=1.0, ge=1.0, le=10.0, description="How long the fallback is sent at an end [s]")
    wait_s: float = Field(default=5.0, ge=0.1, le=60.0, description="How long to wait for the robot's topics [s]")


@dataclass(frozen=True)
class PolicyStatus:
    """How the policy node stands, for a live view.

    mode: idle, ready, ramp, run, hold or estop; latched: a hold that waits for enable; rate_hz: of the control loop
    just now; largest_gap_s: between two control ticks since activation; state_age_s: inf before the first state;
    asked: what is asked of the robot, by name with its unit; interventions: counts by name; message: why it is in that
    mode
    """

    mode: str
    latched: bool
    rate_hz: float
    largest_gap_s: float
    state_age_s: float
    asked: dict[str, float]
    interventions: dict[str, int]
    message: str


class PolicyNode(ManagedNode[PolicyOptions]):
    """Runs a policy folder on the robot behind joint_states and a forwarding controller."""

    def __init__(
        self, context: Context | None = None, on_status: Callable[[PolicyStatus], None] | None = None, **parameters: Any
    ) -> None:
        super().__init__("policy", PolicyOptions, context, **parameters)
        self._on_status = on_status

    def configure(self) -> None:
        """Load the policy, replay its golden pairs, and compare the robot with its contract."""
        o = self.options
        if not o.policy:
            raise BridgeError("policy node: policy: missing; name a policy folder")
        policy = Policy.load(o.policy)
        policy.verify_golden()
        contract = self.contract = policy.contract
        if contract.observation.pixels is not None:
            camera = contract.observation.pixels.camera
            raise BridgeError(
                f"policy node: policy: {o.policy}: it sees the pictures of camera '{camera}', which this node does not "
                "read; deploy a policy that sees joints, or judge this one with `sim2real evaluate`"
            )
        self.period_s = 1.0 / contract.rate_hz
        self.control = Control(policy, guard_limits(contract, o), command_timeout_s=o.command_timeout_s)
        self.guard = self.control.guard
        self.link = RobotLink(self, self.control, o.stamped, o.target_frame)
        controller = o.controller or f"forward_{contract.action.mode}_controller"
        self._commands = self.advertise(Float64MultiArray, f"{controller}/commands", RELIABLE)
        self._topic = self.resolve_topic_name(f"{controller}/commands")
        self._diagnostics = self.advertise(DiagnosticArray, "diagnostics", RELIABLE, when_active=False)
        self.serve(SetBool, "~/enable", self._enable)
        self.serve(Trigger, "~/estop", self._estop)
        self.serve(Trigger, "~/clear_estop", self._clear_estop)
        self.every(self.period_s, self._tick)
        self.every(STATUS_S, self._look_around)
        self._warning = self.link.meet(o.wait_s, self._commands.get_subscription_count, self._topic)
        if self._warning:
            self.get_logger().warning(self._warning)

    def activate(self) -> None:
        """Be ready for enable."""
        now = time.monotonic()
        self.get_logger().info(f"'{self.contract.robot.name}' on {self._topic} at {self.contract.rate_hz:g} Hz")
        self._start_wanted, self._told, self._told_at = self.options.autostart, "", 0.0
        self._ticks, self._looked_at, self._rate_hz = 0, now, 0.0
        self.link.take_newest()
        self.guard.activate(now)
        self._look_around()

    def deactivate(self) -> None:
        """Stop the robot if it is ours: the fallback at control rate for `fallback_s`, never just once."""
        self.guard.disable(time.monotonic())
        end = time.monotonic() + self.options.fallback_s
        while self.guard.mode in STOPPING and (now := time.monotonic()) < end:
            self._publish_next(now)
            time.sleep(max(0.0, now + self.period_s - time.monotonic()))
        self.guard.deactivate()
        self._tell()

    def time_is_up(self) -> None:
        """End with status 1 unless the policy is still running the robot."""
        self.exit_status = 0 if self.guard.mode in MOVING else 1

    def _tick(self) -> None:
        """One control period."""
        self._ticks += 1
        # Timers come before subscriptions: after a stall a fresh state may be waiting, while the one we have is old.
        self.link.take_newest()
        now = time.monotonic()
        if self._start_wanted and self.guard.enable(now).granted:
            self._start_wanted = False
        self._publish_next(now)
        if self.guard.reason != self._told:
            self._tell()

    def _publish_next(self, now: float) -> None:
        command = self.control.period(now)
        if command is not None:
            self._commands.publish(messages.command(command))

    def _look_around(self) -> None:
        """Look for what changes slowly: other commanders; and tell how things stand."""
        others = self._other_commanders()
        if others and not self.guard.standing_fault:
            self.get_logger().error(others)
        self.guard.fault(others)
        now = time.monotonic()
        if now - self._looked_at >= 0.5 * STATUS_S:
            self._rate_hz, self._ticks, self._looked_at = self._ticks / (now - self._looked_at), 0, now
        if self._on_status is not None:
            self._on_status(self.status())
        if now - self._told_at >= DIAGNOSTICS_S:
            self._tell()

    def _other_commanders(self) -> str:
        """Name who else publishes on the command topic; "" if nobody does."""
        if self.count_publishers(self._topic) < 2:
            return ""
        me = (self.get_name(), self.get_namespace())
        ends = self.get_publishers_info_by_topic(self._topic)
        names = sorted(
            f"{e.node_namespace.rstrip('/')}/{e.node_name}" for e in ends if (e.node_name, e.node_namespace) != me
        )
        return f"{' and '.join(names) or 'another node of our own name'} also publishes on {self._topic}: stop it"

    def status(self) -> PolicyStatus:
        """Return how things stand."""
        guard = self.guard
        return PolicyStatus(
            mode=guard.mode.value,
            latched=guard.latched,
            rate_hz=self._rate_hz,
            largest_gap_s=guard.largest_gap_s,
            state_age_s=guard.age_s(time.monotonic()),
            asked=dict(zip(self.contract.observation.commands, self.control.asked.values.tolist(), strict=True)),
            interventions=self.control.counts,
            message=guard.reason,
        )

    def _tell(self) -> None:
        """Publish diagnostics, and log what has changed."""
        status, stopping = self.status(), self.guard.mode in STOPPING
        if status.message != self._told and stopping:
            until = ", until enabled" if status.latched else ""
            self.get_logger().error(f"{status.mode}{until}: {status.message}")
        elif status.message != self._told:  # a call of its own: rclpy ties a severity to the line that logs
            self.get_logger().info(f"{status.mode}: {status.message}")
        self._told, self._told_at = status.message, time.monotonic()
        level = DiagnosticStatus.ERROR if stopping else DiagnosticStatus.WARN if self._warning else DiagnosticStatus.OK
        text = "; ".join(filter(None, (status.message, self._warning)))
        asked = {f"asked {name}": value for name, value in status.asked.items()}
        values = {**vars(status), **asked, **status.interventions, "policy_failure": self.control.failure}
        del values["asked"], values["interventions"], values["message"]
        name, robot, now = f"sim2real: {self.get_name()}", self.contract.robot.name, self.get_clock().now()
        self._diagnostics.publish(messages.diagnostic(level, name, robot, text, values, now))

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        now = time.monotonic()
        self._start_wanted = False
        return _fill(response, self.guard.enable(now) if request.data else self.guard.disable(now))

    def _estop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._start_wanted = False
        return _fill(response, self.guard.estop())

    def _clear_estop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return _fill(response, self.guard.clear_estop(time.monotonic()))


def _fill(response: Any, answer: Answer) -> Any:
    response.success, response.message = answer
    return response


def guard_limits(contract: Contract, options: PolicyOptions) -> GuardLimits:
    """Return the Guard's limits for a policy: the options', or what fits its rate and command mode."""
    period = 1.0 / contract.rate_hz
    ramp = options.ramp_s
    if ramp < 0:  # half an effort is a weak robot, that falls; half the way to a position is a slow one
        ramp = 0.2 if contract.action.mode == "position" else 0.0
    return GuardLimits(
        period_s=period,
        max_age_s=options.max_state_age or 3 * period,
        latch_age_s=options.latch_age,
        ramp_s=ramp,
        rest_s=options.fallback_s,
    )


def run(
    policy: str | Path,
    *,
    seconds: float | None = None,
    on_status: Callable[[PolicyStatus], None] | None = None,
    ros_args: Sequence[str] = (),
    **parameters: Any,
) -> int:
    """Run a policy on the robot until a signal, or for `seconds`; `parameters` are PolicyOptions' other fields.

    `on_status` is called four times a second. Return 0, or 1 when after `seconds` the policy was not running any more.
    Raise Sim2RealError where policy or robot are refused; nothing has been sent to the robot then.
    """
    return run_node(lambda context: PolicyNode(context, on_status, policy=str(policy), **parameters), seconds, ros_args)


def main(args: Sequence[str] | None = None) -> int:
    """Command line of this node."""
    parser = argparse.ArgumentParser(prog="python -m ros_bridge.policy_node", description=PolicyNode.__doc__)
    parser.add_argument("policy", help="policy folder")
    return main_of(run, parser, args)


if __name__ == "__main__":
    sys.exit(main())
