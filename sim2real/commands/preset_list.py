"""What `sim2real train --list` shows: the shipped configs, and what the policy that ships for each has achieved."""

import json
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from sim2real.errors import PolicyError
from sim2real.policy.shipped import EVALUATION, SHOWCASE, shipped_names
from sim2real.training.config import GymEnvironment, load_train_config, preset_names


def presets() -> list[dict[str, Any]]:
    """Return each shipped config as plain data: what is trained where, and `shipped`: see `training.ship`, or None."""
    return [_preset(name) for name in preset_names()]


def _preset(name: str) -> dict[str, Any]:
    config = load_train_config(name)
    environment = config.environment
    if isinstance(environment, GymEnvironment):
        what = {"robot": None, "task": environment.gymnasium, "engine": None, "randomization": None}
    else:
        what = environment.model_dump(include={"robot", "task", "engine", "randomization"})
    shipped = load_evaluation(name) if name in shipped_names() else None
    return {"preset": name, **what, "steps": config.steps, "worlds": config.worlds, "shipped": shipped}


def load_evaluation(name: str) -> dict[str, Any]:
    """Return what is known of a shipped policy: the contents of its evaluation.json; raise PolicyError without it."""
    path = SHOWCASE / name / EVALUATION
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise PolicyError(f"{path}: must be a mapping")
        return data
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}; install sim2real again") from None


def preset_tables() -> RenderableType:
    """Return one row for each shipped config and, below, one for each evaluation of the policies that ship for them."""
    trained = _table("preset", "robot", "task", "engine", "randomization", "steps", "minutes")
    judged = _table("policy that ships", "engine", "worlds", "success", "mean errors")
    for row in presets():
        cells = [str(row[key] or "") for key in ("preset", "robot", "task", "engine", "randomization")]
        shipped = row["shipped"]
        trained.add_row(*cells, f"{row['steps']:,}", f"{shipped['training']['seconds'] / 60:.1f}" if shipped else "")
        for found in shipped["evaluations"] if shipped else ():
            judged.add_row(row["preset"], *_result(found))
    return Group(trained, "", judged) if judged.rows else trained


def _table(*titles: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for title in titles:
        right = title in ("steps", "minutes", "success")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    return table


def _result(found: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return the cells that tell of one evaluation."""
    errors = [f"{name} {value:.3g}" for name, value in found["errors"].items() if value is not None]
    worlds = f"{found['variants']} of {found['randomization']}"
    return found["engine"], worlds, f"{found['success_rate']:.1%}", escape(", ".join(errors))
