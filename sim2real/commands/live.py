"""The live view of a deployment: what the guard thinks, how old the state is, how even the control loop runs."""

from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

COLOURS = {"run": "green", "ramp": "green", "ready": "cyan", "idle": "cyan", "hold": "yellow"}


class Status(Protocol):
    """What a policy node tells about itself; see `ros_bridge.policy_node.PolicyStatus`."""

    @property
    def mode(self) -> str: ...  # noqa: D102
    @property
    def latched(self) -> bool: ...  # noqa: D102
    @property
    def rate_hz(self) -> float: ...  # noqa: D102
    @property
    def largest_gap_s(self) -> float: ...  # noqa: D102
    @property
    def state_age_s(self) -> float: ...  # noqa: D102
    @property
    def asked(self) -> dict[str, float]: ...  # noqa: D102
    @property
    def interventions(self) -> dict[str, int]: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102


class DeployView:
    """Shows each status in place on a terminal; elsewhere the node's own log lines are enough."""

    def __init__(self, console: Console, enabled: bool = True) -> None:
        self._live = Live(console=console, refresh_per_second=8) if enabled and console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, status: Status) -> None:
        """Show the newest status."""
        if self._live:
            self._live.update(status_table(status))


def status_table(status: Status) -> Table:
    """Return a status as one small table."""
    colour = "red" if status.latched else COLOURS.get(status.mode, "red")
    mode = f"{status.mode}, until enabled" if status.latched else status.mode
    table = Table(show_header=False, box=None)
    table.add_row("mode", f"[bold {colour}]{mode}[/]  {escape(status.message)}")
    table.add_row("control loop", f"{status.rate_hz:5.1f} Hz, largest gap {status.largest_gap_s * 1e3:.1f} ms")
    table.add_row("age of the state", f"{status.state_age_s * 1e3:.1f} ms")
    if status.asked:
        table.add_row("asked", ", ".join(f"{escape(name)} {value:.2f}" for name, value in status.asked.items()))
    counts = ", ".join(f"{name} {n}" for name, n in status.interventions.items() if n) or "none"
    table.add_row("interventions", counts)
    return table
