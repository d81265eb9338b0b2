"""The command line. Each command imports what it needs when it runs, so that `--help` and `deploy` start at once."""

import json as jsonlib
import os
import select
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from sim2real.commands import (
    audit,
    coverage,
    evaluate,
    randomization,
    robot,
    sensitivity,
    ship,
    train,
    tune,
)
from sim2real.errors import ConfigError, Sim2RealError

app = tyro.extras.SubcommandApp()
out = Console()
err = Console(stderr=True)

PositionalStr = tyro.conf.Positional[str]
PositionalPath = tyro.conf.Positional[Path]
RosArgs = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME:=VALUE ...")]

app.command(robot.app, name="robot", help="Check and mend descriptions, import other formats, look at the catalog.")
app.command(randomization.app, name="randomization", help="What can vary from world to world, and by how much.")
app.command(name="train")(train.train)
app.command(name="tune")(tune.tune)
app.command(name="evaluate")(evaluate.evaluate)
app.command(name="audit")(audit.audit)
app.command(name="coverage")(coverage.coverage)
app.command(name="sensitivity")(sensitivity.sensitivity)
app.command(name="curve")(ship.curve)
app.command(name="ship")(ship.ship)

Json = Annotated[bool, tyro.conf.arg(help="Print JSON instead of a table.")]


@app.command(name="demo")
def demo(out_folder: Annotated[Path, tyro.conf.arg(name="out")] = Path("runs/demo"), seed: int = 0) -> int:
    """Keep the whole promise once, on a cart-pole: train, evaluate, deploy over ROS 2, mirror, report (4 minutes).

    Example: sim2real demo --out runs/demo

    Args:
        out_folder: Folder for policies, bag, logs, pictures and report.html; an earlier demo there is replaced.
        seed: Seed of everything random.
    """
    from sim2real.commands.demo import run_demo

    return run_demo(out_folder, seed, out)


@app.command(name="deploy")
def deploy(
    policy: PositionalPath,
    seconds: float | None = None,
    controller: str = "",
    ramp_s: float = -1.0,
    wait_for_enable: bool = False,
    stamped: bool = False,
    command_timeout_s: float = 0.5,
    target_frame: str = "",
    quiet: bool = False,
    ros_args: RosArgs = (),
) -> int:
    """Run a policy on the robot behind the ROS 2 topics; Ctrl-C stops the robot as its fallback says, then ends.

    Before the first command it replays the policy's golden pairs and compares joints, limits and rate with what the
    robot publishes. This stop is software: it does not replace the hardware one.

    A policy that walks follows cmd_vel, one that reaches target_pose.

    Example: sim2real deploy runs/demo/policy --seconds 20
             sim2real deploy runs/demo/policy --ros-args __ns:=/lab joint_states:=/arm/joint_states
             ros2 topic pub -r 10 /cmd_vel geometry_msgs/msg/Twist "{linear: {x: 0.5}}"

    Args:
        policy: Policy folder, or name of a policy that ships (see `sim2real train --list`).
        seconds: Stop after this time; never if not given.
        controller: Forwarding controller to command; forward_<mode>_controller if not given.
        ramp_s: Seconds over which the policy fades in; negative: 0.2 for position commands, else 0.
        wait_for_enable: Stay ready until the service ~/enable is called, instead of starting at once.
        stamped: cmd_vel is a TwistStamped.
        command_timeout_s: Silence of cmd_vel after which the robot is asked to stand [s].
        target_frame: Name of an arm's root link, in whose frame target_pose is; robot_description's if not given.
        quiet: No live view.
        ros_args: Remappings name:=value.
    """
    from ros_bridge.policy_node import run
    from sim2real.commands.live import DeployView

    parameters: dict[str, Any] = {
        "controller": controller,
        "ramp_s": ramp_s,
        "autostart": not wait_for_enable,
        "stamped": stamped,
    }
    parameters |= {"command_timeout_s": command_timeout_s, "target_frame": target_frame}
    with DeployView(err, enabled=not quiet) as view:
        return run(policy, seconds=seconds, ros_args=_ros_args(ros_args), on_status=view.show, **parameters)


@app.command(name="stand-in")
def stand_in(
    robot: PositionalStr = "cartpole",
    seed: int = 1,
    randomization: str | None = None,
    task: str = "",
    engine: Literal["bullet", "mujoco"] = "mujoco",
    trials: int = 0,
    trial_s: float = 10.0,
    report: str = "",
    seconds: float | None = None,
    ros_args: RosArgs = (),
) -> int:
    """Be a robot: a ROS 2 node with physics of its own, drawn from a seed that no learner uses.

    It is held in its start pose until the first command arrives, and holds the last command for ever, as ros2_control's
    forwarding controllers do.

    Example: sim2real stand-in cartpole --seed 7
             sim2real stand-in cartpole --trials 10 --trial-s 5 --report trials.yaml
             sim2real stand-in a1 --randomization quadruped_ordinary

    Args:
        robot: Catalog name, folder or robot.yaml.
        seed: Seed of the hidden Variant, the start poses and the sensors.
        randomization: Where the hidden Variant is drawn from: a shipped name, a .yaml file, or none. If not given, the
            cart-pole's own for a cart-pole, else none.
        task: Task that judges a trial; the first that fits the robot if not given.
        engine: Physics engine.
        trials: End after this many trials, each in a new hidden Variant; 0 is one run without end.
        trial_s: Length of a trial [s].
        report: File for what happened in each trial (YAML).
        seconds: End after this time.
        ros_args: Remappings name:=value.
    """
    from ros_bridge.stand_in_node import run

    family = randomization or ("cartpole" if robot == "cartpole" else "none")
    parameters = {"robot": robot, "seed": seed, "randomization": family, "engine": engine, "task": task}
    return run(
        seconds=seconds, ros_args=_ros_args(ros_args), trials=trials, trial_s=trial_s, report=report, **parameters
    )


@app.command(name="mirror")
def mirror(
    robot: PositionalStr = "cartpole",
    engine: Literal["bullet", "mujoco"] = "bullet",
    variant: str = "",
    horizon_s: float = 0.5,
    log: str = "",
    seconds: float | None = None,
    ros_args: RosArgs = (),
) -> int:
    """Run a digital twin beside a robot: the same commands in known physics; publish how far the two drift apart.

    Topics: twin/joint_states, twin/joint_error (robot minus twin), twin/gap (RMS of the position error over joints).

    Example: sim2real mirror cartpole --log twin.npz

    Args:
        robot: Catalog name, folder or robot.yaml.
        engine: Physics engine of the twin.
        variant: YAML of quantity: value, the twin's Variant; nominal if not given.
        horizon_s: The twin is put back onto the robot this often [s].
        log: File for the time series (.npz).
        seconds: End after this time.
        ros_args: Remappings name:=value.
    """
    from ros_bridge.twin_node import run

    parameters = {"robot": robot, "engine": engine, "variant": variant, "horizon_s": horizon_s, "log": log}
    return run(seconds=seconds, ros_args=_ros_args(ros_args), **parameters)


@app.command(name="record")
def record(
    folder: PositionalPath,
    policy: str = "",
    stamped: bool = False,
    seconds: float | None = None,
    ros_args: RosArgs = (),
) -> int:
    """Record states, commands, diagnostics and the twin as a rosbag2 folder (MCAP), which `ros2 bag` and others open.

    Example: sim2real record runs/bag --policy runs/demo/policy

    Args:
        folder: Folder of the bag; must not exist yet.
        policy: Policy folder whose digest the bag shall hold.
        stamped: cmd_vel is a TwistStamped.
        seconds: End after this time.
        ros_args: Remappings name:=value.
    """
    from ros_bridge.recorder import run

    return run(folder, seconds=seconds, ros_args=_ros_args(ros_args), policy=policy, stamped=stamped)


@app.command(name="doctor")
def doctor(json: Json = False) -> int:
    """Check what sim2real needs on this machine and how to mend what is missing. Paste its table into bug reports.

    Example: sim2real doctor
    """
    from sim2real.commands.doctor import diagnose, render

    checks = diagnose()
    if json:
        _print_json([vars(check) for check in checks])
    else:
        out.print(render(checks))
    return 1 if any(check.status == "fail" for check in checks) else 0


def _ros_args(remappings: tuple[str, ...]) -> list[str]:
    wrong = [r for r in remappings if ":=" not in r]
    if wrong:
        raise ConfigError(f"--ros-args: '{wrong[0]}' is not a remapping; write name:=value")
    return ["--ros-args", *(part for r in remappings for part in ("-r", r))] if remappings else []


def _print_json(data: Any) -> None:
    sys.stdout.write(jsonlib.dumps(data, indent=2) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit status: 0 success, 1 a measured shortfall, 2 bad input, 130 interrupted, 141 not read.

    The last is for output into a pipe that nobody reads any more (128 + SIGPIPE, as a shell has it).
    """
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            if sys.stdout:
                sys.stdout.flush()  # at exit it would be too late to do anything about it
    except BrokenPipeError:
        if not _unread():
            raise
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # which is how Rich ends then
            raise
    return 128 + signal.SIGPIPE


def _unread() -> bool:
    """Return whether the standard output is a pipe that nobody reads; if so, send what is left of it nowhere."""
    pipe = select.poll()
    pipe.register(sys.stdout.fileno(), 0)
    unread = any(event & select.POLLERR for _, event in pipe.poll(0))
    if unread:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return unread


def _run(arguments: list[str]) -> int:
    from sim2real import __version__

    if arguments == ["--version"]:
        out.print(f"sim2real {__version__}", highlight=False)
        return 0
    if arguments[:1] == [
        "robot"
    ]:  # its children and half-made folders go with it; other commands stop in their own way
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _terminate)
    try:
        status = app.cli(
            prog="sim2real",
            description="Train robot controllers in randomized simulation; deploy them over ROS 2.",
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        return status if isinstance(status, int) else 0
    except Sim2RealError as error:
        err.print(f"[bold red]error:[/bold red] {_escape(str(error))}", soft_wrap=True, highlight=False)
        for note in getattr(error, "__notes__", ()):  # the table of two robots that differ
            err.print(_escape(note), soft_wrap=True, highlight=False)
        return error.exit_status
    except KeyboardInterrupt:
        err.print("interrupted")
        return 130


def _terminate(number: int, _: Any) -> None:
    raise SystemExit(128 + number)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    sys.exit(main())
