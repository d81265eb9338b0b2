"""`sim2real randomization ...`: what ships, and what a Randomization makes vary on a robot."""

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

app = tyro.extras.SubcommandApp()
out = Console()
err = Console(stderr=True)

PositionalStr = tyro.conf.Positional[str]
Json = Annotated[bool, tyro.conf.arg(help="Print JSON instead of text.")]


@app.command(name="show")
def show(name: PositionalStr, robot: str, task: str | None = None, yaml: bool = False, json: Json = False) -> int:
    """Show what a Randomization varies on a robot, by which law and how far, as a table or as YAML.

    Example: sim2real randomization show cartpole --robot cartpole
             sim2real randomization show mine.yaml --robot my_robot/ --yaml

    Args:
        name: A shipped name, or a .yaml file.
        robot: Catalog name, folder or robot.yaml.
        task: Refuse delays that are longer than an episode of this task.
        yaml: Print the YAML with every pattern resolved instead of the table.
    """
    from randomization import Randomization
    from randomization.table import COLUMNS
    from robots import load_robot
    from sim2real.commands.console import randomization_table, warn
    from sim2real.config import dump_yaml
    from sim2real.tasks import load_task

    body = load_robot(robot)
    episode_s = load_task(task, body).episode_s if task else None
    family = Randomization.load(name, body, episode_s)
    warn(err, family.warnings)
    if json:
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in family.table()]
        data = {"table": rows, "resolved": family.to_dict(), "warnings": family.warnings}
        sys.stdout.write(jsonlib.dumps(data, indent=2) + "\n")
    elif yaml:
        sys.stdout.write(dump_yaml(family.to_dict()))
    else:
        out.print(randomization_table(family))
    return 0


@app.command(name="list")
def list_shipped(json: Json = False) -> int:
    """List the Randomizations that ship: families for one robot each, presets from published work for kinds of robots.

    Example: sim2real randomization list
    """
    from randomization.randomization import FAMILIES, PRESETS, family_names, preset_names

    rows = [(name, "family", _summary(FAMILIES / f"{name}.yaml")) for name in family_names()]
    rows += [(name, "preset", _summary(PRESETS / f"{name}.yaml")) for name in preset_names()]
    if json:
        keys = ("name", "kind", "summary")
        sys.stdout.write(jsonlib.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2) + "\n")
        return 0
    table = Table()
    for column in ("name", "kind", "summary"):
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    out.print(table)
    return 0


def _summary(path: Path) -> str:
    """Return the first line of a shipped file, which says what it is."""
    with path.open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()
