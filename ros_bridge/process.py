"""One node, one process: start, spin in one thread, end in order on SIGINT, SIGTERM or after a time."""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from ros_bridge.managed_node import ManagedNode
from sim2real.errors import Sim2RealError

LOOK_S = 0.05  # how often a node with nothing to do looks whether it shall end


class Stop:
    """Set by a signal. A plain flag: an Event's lock must not be taken in a signal handler."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: int | FrameType | None) -> None:
        """Take the arguments of a signal handler."""
        self.asked = True


def run_node(
    make: Callable[[Context], ManagedNode[Any]], seconds: float | None = None, ros_args: Sequence[str] = ()
) -> int:
    """Run a node until a signal, its own end, or `seconds` after it became active; return the exit status.

    Raise Sim2RealError where the node refuses its options or the robot. `ros_args` begin with --ros-args.
    """
    with _context(ros_args) as context, _signals() as stop:
        node = make(context)
        node.interrupted = lambda: stop.asked
        node.log_refusals = False  # raised below instead
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            for transition in (node.trigger_configure, node.trigger_activate):
                if not stop.asked and transition() != TransitionCallbackReturn.SUCCESS and not stop.asked:
                    raise node.refusal or RuntimeError(f"node '{node.get_name()}' did not start")
            node.log_refusals = True
            end = float("inf") if seconds is None else time.monotonic() + seconds
            while not stop.asked and node.exit_status is None and time.monotonic() < end:
                executor.spin_once(timeout_sec=LOOK_S)
            if time.monotonic() >= end:
                node.time_is_up()
        finally:
            if not node.shut_down:
                node.trigger_shutdown()
            executor.shutdown()
            node.destroy_node()
    return node.exit_status or 0


@contextmanager
def _context(ros_args: Sequence[str]) -> Iterator[Context]:
    """A ROS context of its own, with no signal handlers: those of rclpy end it before a robot could be stopped."""
    context = Context()
    rclpy.init(args=list(ros_args), context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield context
    finally:
        context.try_shutdown()


@contextmanager
def _signals() -> Iterator[Stop]:
    """Turn SIGINT and SIGTERM into a flag while inside; in another thread than the main one, only the caller can."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def split_ros_args(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a command line into our own arguments and those from --ros-args on."""
    cut = list(args).index("--ros-args") if "--ros-args" in args else len(args)
    return list(args[:cut]), list(args[cut:])


def main_of(run: Callable[..., int], parser: argparse.ArgumentParser, args: Sequence[str] | None) -> int:
    """Parse a command line, call `run` with it, and turn errors into one line and an exit status."""
    own, ros_args = split_ros_args(sys.argv[1:] if args is None else args)
    parser.add_argument("--seconds", type=float, help="end after this time; default: never")
    parser.epilog = "Every ROS parameter can be set after --ros-args: -p name:=value, topics remapped with -r old:=new."
    try:
        return run(**vars(parser.parse_args(own)), ros_args=ros_args)
    except Sim2RealError as error:
        for line in (str(error), *getattr(error, "__notes__", ())):
            sys.stderr.write(f"{line}\n")
        return error.exit_status
