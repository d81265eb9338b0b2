"""ManagedNode: what all lifecycle nodes here have in common.

Parameters come from one pydantic model a node: names, defaults, descriptions and ranges stand there once. Entities are
made in `configure` and go with `cleanup`; timers run on a steady clock and only while the node is active.
"""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from annotated_types import Ge, Le
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy, qos_policy_name_from_kind
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from sim2real.config import Strict, validate
from sim2real.errors import ConfigError, Sim2RealError

# The QoS of README's interface table.
SENSOR = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)  # the newest state is the only one wanted
RELIABLE = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
EVERY_SENSOR = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.BEST_EFFORT)  # for those who look at all of them
EVERY = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.RELIABLE)

Options = TypeVar("Options", bound=Strict)


def check_output(path: str, parameter: str) -> None:
    """Refuse, before any work is done, a file to write at the end whose folder is not there; "" is no file."""
    if path and not Path(path).absolute().parent.is_dir():
        raise ConfigError(f"{parameter}: {path}: its folder does not exist; make it first")


class ManagedNode(LifecycleNode, Generic[Options]):
    """A lifecycle node with typed options. Subclasses override configure, activate and deactivate.

    `refusal` is the error that the last transition failed with; `exit_status` ends the process when it is set;
    `interrupted` tells a long configure that the process is asked to end.
    """

    def __init__(self, name: str, options: type[Options], context: Context | None = None, **parameters: Any) -> None:
        """Declare the parameters; `parameters` win over those from the command line. Raise ConfigError."""
        given = [Parameter(key, value=value) for key, value in parameters.items()]
        super().__init__(name, context=context, parameter_overrides=given)
        self._model = options
        self.refusal: Exception | None = None
        self.exit_status: int | None = None
        self.shut_down = False
        self.interrupted: Callable[[], bool] = lambda: False
        self.log_refusals = True
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers_when_active: list[Timer] = []
        self._undo: list[Callable[[], object]] = []
        self.options = self._declare()

    # For subclasses to override

    def configure(self) -> None:
        """Load, check and make all entities; raise Sim2RealError to refuse."""

    def activate(self) -> None:
        """Begin to work; the timers start after this."""

    def deactivate(self) -> None:
        """Stop working; the publishers still publish, the timers have stopped."""

    def release(self) -> None:
        """Give back what configure has taken, other than entities."""

    def time_is_up(self) -> None:
        """Set `exit_status` when a run of a given length has come to its end."""

    # For subclasses to use

    def subscribe(
        self, kind: Any, topic: str, callback: Callable[..., None], qos: QoSProfile, raw: bool = False
    ) -> Subscription:
        """Make a subscription that says so when a publisher's QoS does not fit."""
        events = SubscriptionEventCallbacks(
            incompatible_qos=lambda event: self._incompatible("publisher", topic, event)
        )
        subscription = self.create_subscription(kind, topic, callback, qos, raw=raw, event_callbacks=events)
        self._undo.append(lambda: self.destroy_subscription(subscription))
        return subscription

    def advertise(self, kind: Any, topic: str, qos: QoSProfile, when_active: bool = True) -> Publisher:
        """Make a publisher, silent unless the node is active if `when_active`, that says so when a QoS does not fit."""
        events = PublisherEventCallbacks(incompatible_qos=lambda event: self._incompatible("subscriber", topic, event))
        create = self.create_lifecycle_publisher if when_active else self.create_publisher
        destroy = self.destroy_lifecycle_publisher if when_active else self.destroy_publisher
        publisher = create(kind, topic, qos, event_callbacks=events)
        self._undo.append(lambda: destroy(publisher))
        return publisher

    def serve(self, kind: Any, name: str, callback: Callable[[Any, Any], Any]) -> None:
        """Make a service."""
        service = self.create_service(kind, name, callback)
        self._undo.append(lambda: self.destroy_service(service))

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """Call back on a steady clock while the node is active: neither the wall clock nor /clock can stop it."""
        timer = self.create_timer(period_s, callback, clock=self._steady)
        timer.cancel()
        self._timers_when_active.append(timer)
        self._undo.append(lambda: self.destroy_timer(timer))

    # Transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `configure`."""
        result = self._attempt(self._configure)
        if result is not TransitionCallbackReturn.SUCCESS:
            self._destroy_all()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `activate`."""
        super().on_activate(state)
        result = self._attempt(self.activate)
        if result is not TransitionCallbackReturn.SUCCESS:
            super().on_deactivate(state)
            return result
        for timer in self._timers_when_active:
            timer.reset()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `deactivate`."""
        for timer in self._timers_when_active:
            timer.cancel()
        if self._attempt(self.deactivate) is not TransitionCallbackReturn.SUCCESS:
            self.exit_status = 1  # and is stopped all the same
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `release`; also destroy all entities."""
        self._attempt(self.release)
        self._destroy_all()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop in order, from whichever state."""
        if state.label == "active":
            self.on_deactivate(state)
        if state.label in ("active", "inactive"):
            self._attempt(self.release)
        self.shut_down, self.exit_status = True, self.exit_status or 0
        return TransitionCallbackReturn.SUCCESS

    # Inside

    def _configure(self) -> None:
        self.options = self._read()
        self.configure()

    def _attempt(self, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a transition's work; rclpy would swallow the exception without a word."""
        self.refusal = None
        try:
            action()
        except Sim2RealError as error:
            self.refusal = error
            if self.log_refusals:
                self.get_logger().error("\n".join([str(error), *getattr(error, "__notes__", ())]))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self.refusal = error
            self.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _destroy_all(self) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo, self._timers_when_active = [], []

    def _incompatible(self, end: str, topic: str, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        text = f"{topic}: a {end} has a QoS that does not fit ours ({policy}): nothing passes between us"
        self.get_logger().error(text)

    def _declare(self) -> Options:
        """Declare each field of the model, with the value from launch file, command line or constructor."""
        # rclpy ignores values for names that nobody declares, and with them every typing error: hence the look inside.
        overrides = {k: p.value for k, p in self._parameter_overrides.items() if not self.has_parameter(k)}
        options = validate(self._model, overrides, f"parameters of node '{self.get_name()}'")
        for name, field in self._model.model_fields.items():
            descriptor = ParameterDescriptor(description=field.description or "")
            bounds = {type(bound): bound for bound in field.metadata}
            if Ge in bounds and Le in bounds:
                low, high = bounds[Ge].ge, bounds[Le].le
                if field.annotation is int:
                    descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
                else:
                    descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
            self.declare_parameter(name, getattr(options, name), descriptor, ignore_override=True)
        return options

    def _read(self) -> Options:
        """Read the parameters again: they may have been set since."""
        values = {name: self.get_parameter(name).value for name in self._model.model_fields}
        return validate(self._model, values, f"parameters of node '{self.get_name()}'")
