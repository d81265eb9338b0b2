"""What randomization costs: drawing and applying Variants, and the models of sensors and motors. `make bench` runs it.

An A1 with every quantity of the table varied, but for the height field (a new one takes milliseconds: draw it once a
world) and what only cameras see. Costs are beside the engine's own control step in the same run, as medians over
rounds, in CPU time of this process. Exits with 1 where a bar is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from randomization import QUANTITIES, Randomization, Variant, VariantSpace
from randomization.draws import Draws
from robots import Robot, load_robot
from sim2real.sim import Engine, make_engine
from sim2real.sim.channels import available
from sim2real.sim.simulation import Simulation

ROBOT = "a1"
WORLDS = 64  # that sensors and motors are modelled for
NOT_HERE = {"roughness", "step_height", "stone_height", "terrain_seed"}
RESETS, GROWTH = 10_000, 20.0  # number, and by how many MB memory may grow


@dataclass(frozen=True)
class Bar:
    """What is promised of an engine: a Variant [ms a world], and all models of sensors and motors [share of a step]."""

    variant_ms: float
    models: float


BARS = {"bullet": Bar(0.3, 0.10), "mujoco": Bar(0.1, 0.25)}


def everything(robot: Robot, places: tuple[str, ...] = ("engine", "motor", "sensor", "world")) -> Randomization:
    """Return the Randomization that varies every quantity of some places by its default law."""
    space = VariantSpace(robot)
    laws = {
        quantity.name + ("/*" if members[0] else ""): quantity.default.model_dump(mode="json")
        | {"relative": quantity.relative}
        for quantity in QUANTITIES
        if quantity.place in places
        and quantity.name not in NOT_HERE
        and (members := space.members[space.block(quantity.name)])
    }
    return Randomization.from_dict({"robot": robot.name, "quantities": laws}, robot)


def seconds(work: Callable[[int], None], times: int) -> float:
    """Return the CPU time of one of `times` calls [s]."""
    began = time.process_time()
    for k in range(times):
        work(k)
    return (time.process_time() - began) / times


def hold(engine: Engine) -> Callable[[int], None]:
    """Return what steps an engine in its default pose."""
    command = np.tile(engine.robot.default_q[engine.robot.actuated], (engine.n_worlds, 1))
    delay = np.zeros(engine.n_worlds)
    return lambda _: engine.step(command, delay)


def variant_ms(name: str, robot: Robot) -> tuple[float, float]:
    """Return the time to draw and apply a full Variant to a world, and that of a nominal control step [ms]."""
    engine = make_engine(name, robot, 4)
    step = seconds(hold(engine), 20) / engine.n_worlds
    draws = Draws(everything(robot), 0, 4)

    def renew(k: int) -> None:
        world = np.array([k % 4])
        engine.apply(draws.begin(world), world)

    seconds(renew, 8)  # PyBullet loads a body with a centre of mass of its own once more
    cost = seconds(renew, 200)
    engine.close()
    return 1e3 * cost, 1e3 * step


def models_share(name: str, robot: Robot) -> float:
    """Return what all models of sensors and motors add to a control step of 64 worlds, as a share of it."""
    channels = [channel for channel in available(robot) if channel in ("position", "velocity", "orientation", "gyro")]
    bare = make_engine(name, robot, WORLDS, channels=channels)
    base = seconds(hold(bare), 10)
    bare.close()
    simulation = Simulation(make_engine(name, robot, WORLDS, channels=channels), seed=0)
    worlds, q = np.arange(WORLDS), np.tile(robot.default_q, (WORLDS, 1))
    truth = faint(everything(robot, ("motor", "sensor")).draw(np.random.default_rng(0), WORLDS))
    simulation.reset(q, np.zeros_like(q), worlds, truth)
    command = q[:, robot.actuated]
    full = seconds(lambda _: simulation.advance(command), 10)
    simulation.close()
    return full / base - 1


def faint(truth: Variant) -> Variant:
    """Return Variants with every model of sensors and motors at work, and motors that move as nominal ones would.

    So that the robots make the same contacts, and what is measured is the models and not another motion.
    """
    values, space = truth.values.copy(), truth.space
    for column, quantity in enumerate(space.quantities):
        if quantity.place == "motor" and quantity.name not in ("latency", "jitter"):
            nominal = space.nominal[column]
            values[:, column] = 1e6 if np.isinf(nominal) else nominal + 1e-9 * (values[:, column] - nominal)
    return Variant(space, values)


def growth(name: str, robot: Robot) -> float:
    """Return by how much memory grows over many randomized resets [MB]."""
    engine = make_engine(name, robot, 4)
    draws = Draws(everything(robot), 0, 4)
    q = np.tile(robot.default_q, (1, 1))

    def reset(k: int) -> None:
        world = np.array([k % 4])
        engine.apply(draws.begin(world), world)
        engine.reset(q, np.zeros_like(q), world)

    seconds(reset, 200)
    before = resident()
    seconds(reset, RESETS)
    after = resident()
    engine.close()
    return after - before


def resident() -> float:
    """Return the memory of this process [MB]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    robot, console = load_robot(ROBOT), Console(width=110)
    table = Table(title=f"What randomization costs: {ROBOT}, every quantity varied", title_justify="left")
    for column in ("engine", "what", "cost", "beside a control step", "bar"):
        table.add_column(column, justify="left" if column == "what" else "right")
    missed = False
    for name, bar in BARS.items():
        times = [variant_ms(name, robot) for _ in range(options.rounds)]
        cost, step = median(t[0] for t in times), median(t[1] for t in times)
        share = median(models_share(name, robot) for _ in range(options.rounds))
        grown = growth(name, robot)
        rows = (
            ("draw and apply a Variant, a world", f"{cost:.3f} ms", f"{cost / step:.0%}", cost, bar.variant_ms, "ms"),
            (
                f"sensors and motors, {WORLDS} worlds",
                f"{share * step * WORLDS:.1f} ms",
                f"{share:.1%}",
                share,
                bar.models,
                "",
            ),
            (f"{RESETS:,} randomized resets", f"{grown:+.1f} MB", "", grown, GROWTH, "MB"),
        )
        for what, figure, beside, value, limit, unit in rows:
            met = value <= limit
            missed |= not met
            promised = f"{limit:.0%}" if not unit else f"{limit:g} {unit}"
            table.add_row(name, what, figure, beside, f"≤ {promised} {'met' if met else 'MISSED'}")
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
