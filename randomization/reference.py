"""The page docs/randomization.md, made from the table of quantities, the laws and the presets: what there is to name.

python -m randomization.reference docs/randomization.md
"""

import sys
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path

import yaml

from randomization.correlated import Gaussian, Samples
from randomization.curriculum import CurriculumSettings
from randomization.distributions import Law, label
from randomization.entries import ENTRIES, Timing
from randomization.quantities import QUANTITIES
from randomization.quantity import Place, Quantity
from randomization.randomization import PRESETS, preset_names
from randomization.variant import VariantSpace
from randomization.widening import AutomaticSettings
from robots import Robot, load_robot
from robots.catalog import robot_names
from sim2real.config import Strict

PLACES: dict[Place, str] = {
    "engine": "Bodies, joints, contacts, gravity, floor: read by the engines",
    "motor": "Motors and the way of a command to them",
    "sensor": "Sensors",
    "world": "The world around the robot",
    "camera": "Cameras and what they see",
}


def page() -> str:
    """Return docs/randomization.md."""
    parts = [_INTRODUCTION, _table(("law", "keys", "what it draws"), _laws()), _SETTINGS]
    for title, settings in ((_AUTOMATIC, AutomaticSettings), (_CURRICULUM, CurriculumSettings)):
        parts += [title, _table(("setting", "usual", "meaning"), _settings(settings))]
    parts += [_FILES, "## Presets\n\n" + _PRESETS, _table(("name", "for robots with", "source"), _presets())]
    parts += ["## Quantities\n\n" + _QUANTITIES]
    robots = [load_robot(name) for name in robot_names()]
    nominal = _nominal_values(robots)
    for place, title in PLACES.items():
        rows = [_quantity(quantity, nominal[quantity.name]) for quantity in QUANTITIES if quantity.place == place]
        head = (
            "name",
            "for each",
            "unit",
            "meaning",
            "nominal",
            "physics bears",
            "law to start from",
            "source of that",
        )
        parts += [f"### {title}", _table(head, rows)]
    return "\n\n".join(parts) + "\n"


def _nominal_values(robots: Iterable[Robot]) -> dict[str, set[float]]:
    """Return the nominal values of each quantity over all members of some robots."""
    values: dict[str, set[float]] = {quantity.name: set() for quantity in QUANTITIES}
    for robot in robots:
        space = VariantSpace(robot)
        for quantity, value in zip(space.quantities, space.nominal.tolist(), strict=True):
            values[quantity.name].add(value)
    return values


def _quantity(quantity: Quantity, nominal: set[float]) -> tuple[str, ...]:
    value = f"{next(iter(nominal)):g}" if len(nominal) == 1 else "the robot's own"
    return (
        f"`{quantity.name}`",
        quantity.per,
        quantity.unit.replace(" | ", " or "),
        quantity.meaning,
        value.replace("inf", "none (inf)"),
        _bounds(quantity),
        _drawn(quantity),
        quantity.source,
    )


def _bounds(quantity: Quantity) -> str:
    low, high = quantity.minimum, quantity.maximum
    least = f"{'above' if quantity.strict else 'from'} {low:g}" if low > -inf else ""
    return f"{least} to {high:g}".strip() if high < inf else least or "anything"


def _drawn(quantity: Quantity) -> str:
    low, high = quantity.default.support
    values = getattr(quantity.default, "values", None)
    text = ", ".join(f"{v:g}" for v in values) if values and len(values) <= 4 else f"{low:g} to {high:g}"
    how = {"value": "", "scale": " times nominal", "offset": " from nominal"}[quantity.relative]
    return f"{label(type(quantity.default))} {text}{how}"


def _laws() -> Iterator[tuple[str, ...]]:
    for name, entry in ENTRIES.items():
        law = next(base for base in entry.__mro__[1:] if issubclass(base, Law))
        yield f"`{name}`", _keys(law), _first_line(law)
    for together in (Gaussian, Samples):
        yield f"`{label(together)}`", _keys(together), _first_line(together)


def _keys(law: type[Law] | type[Timing]) -> str:
    settings = {"law", *Timing.model_fields}
    names = (name for name in law.model_fields if name not in settings)
    return ", ".join(f"`{name}`" + ("" if law.model_fields[name].is_required() else "?") for name in names)


def _first_line(law: type) -> str:
    return (law.__doc__ or "").strip().splitlines()[0]


def _presets() -> Iterator[tuple[str, ...]]:
    for name in preset_names():
        text = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
        fits = yaml.safe_load(text)["fits"]
        kinds = {"base": "a {} base", "motors": "motors commanded in {}"}
        source = text.splitlines()[0].removeprefix("# ")
        yield f"`{name}`", ", ".join(kinds[key].format(value) for key, value in fits.items()), source


def _settings(settings: type[Strict]) -> Iterator[tuple[str, ...]]:
    for name, field in settings.model_fields.items():
        yield f"`{name}`", "must be given" if field.is_required() else f"{field.default:g}", field.description or ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


_INTRODUCTION = """\
# Randomization

Made from the table of quantities by `python -m randomization.reference docs/randomization.md`.

A Randomization says what is uncertain about a robot and its world, by which law, and when it is drawn:

```yaml
robot: a1                      # or fits: {base: floating, motors: position} for all such robots
quantities:
  mass/*: {law: uniform, low: 0.8, high: 1.2}                     # each body for itself
  payload/@base: {law: uniform, low: -1.0, high: 2.0}             # @base is the root body, whatever its name
  kp/*: {law: log_uniform, low: 0.75, high: 1.5, shared: true}    # one draw for all motors
  gravity_z: {law: normal, mean: 0.0, std: 0.4, low: -1.0, high: 1.0, relative: offset, when: interval, every: 8.0}
correlated:
  - {law: gaussian, names: [latency, jitter], mean: [0.02, 0.005], std: [0.005, 0.002],
     correlation: [[1.0, 0.5], [0.5, 1.0]], low: [0.0, 0.0], high: [0.04, 0.01]}
  - {law: samples, names: [friction/FR_hip_joint, friction/FL_hip_joint], file: posterior.csv}    # or samples: rows
```

and `posterior.csv`, beside it, of which each draw is a row:

```text
friction/FR_hip_joint,friction/FL_hip_joint
0.21,0.19
0.34,0.30
```

A key is a coordinate (`mass/trunk`, `latency`), or a pattern with `*` and `?` for several. `@base` stands for the name
of the robot's root body, which must be one that can move: the base of a robot that is bolted to the world has no mass
to vary. `@end_effector` stands for the body that the robot.yaml's `end_effector` is part of: a gripper's load is
`payload/@end_effector`. What is not named stays nominal.

What names nothing, names a coordinate twice, has a law with wrong parameters, changes nothing, or can draw what physics
cannot bear, alone or together (a payload that takes away more than a body weighs), is refused before anything is built,
with all findings in one line. What is allowed and hardly meant (gravity that points up, a delay above one second, less
than a hundredth or more than a hundred times the nominal value) is a warning. `Randomization.load(name, robot).table()`
is what a training shows first: quantity, law, range, nominal value, unit, when. `sim2real randomization show mine.yaml
--robot a1` shows the same, and with `--yaml`, the file with all patterns resolved.

## Laws

Keys with a `?` may be left out. The last two are for entries of `correlated`; all others for those of `quantities`."""

_SETTINGS = """\
A file of samples is an `.npz` with the array `samples` (and, if its columns are named, `names`), or a `.csv` whose
first line names the columns.

## When, and relative to what

| key | value | meaning |
| --- | --- | --- |
| `when` | `world` | once for each world, for as long as it lives |
| | `episode` | at the start of each episode; this is so when nothing is said |
| | `interval` | at the start of each episode, and then `every` so many seconds |
| | `step` | at each step of the control loop |
| `relative` | `value` | the draw is the value; this is so when nothing is said |
| | `scale` | the value is the nominal one times the draw |
| | `offset` | the value is the nominal one plus the draw |
| `shared` | `true` | all members of the pattern get the same draw (before `relative`) |

Values are always set from the stored nominal ones, so that nothing compounds from reset to reset. Each world has random
streams of its own: world k draws the same whether it is one of a thousand or alone."""

_AUTOMATIC = """\
## Ranges that change while a policy learns

A training's YAML asks for it, with any of the settings below; the environment's Randomization says how far:

```yaml
environment: {robot: cartpole, randomization: cartpole}
worlds: 128
steps: 2_000_000
widening: {automatic: {queue: 64, step: 0.02}}     # or {automatic: {}}, or {curriculum: {steps: 1_000_000}}
```

Laws without an interval (`choice`, `mixture`, `gaussian`, `samples`) vary at full width from the start.

Automatic domain randomization (`randomization.widening`; Akkaya et al. 2019 and DeXtreme) begins at the nominal values
and moves each side of each range by itself: a share of the episodes runs with one key at one end of its range, and
where the policy succeeds there often enough, that end moves out; where it fails, back in. The ranges given are the
widest."""

_CURRICULUM = """\
A plain curriculum (`randomization.curriculum`) widens all ranges with the steps taken, from nominal to those given."""

_FILES = """\
## What a run folder holds

| file | what it says |
| --- | --- |
| `config.yaml` | the training's configuration, nothing left open |
| `randomization.yaml` | what worlds are drawn from, patterns resolved; with widening, the ranges aimed at |
| `randomization-reached.yaml` | with widening only: the ranges reached at the last checkpoint |
| `episodes.csv` | each episode: step, seed, world, length, return, success, and what varies, a column each |
| `progress.csv` | the learning curve, a row a second; with widening, `widening/entropy` (mean logarithm of the \
ranges' widths, 0 when all are full) or `widening/progress`, and both ends of each range, `widening/low/...` and \
`widening/high/...` |
| `checkpoints/`, `tensorboard/` | to go on with `--resume`; the same figures as curves |
| `policy/` | the policy; `policy.yaml` holds the ranges reached |

## A robot in a file

`sim2real coverage runs/mine/policy real_robot.yaml` compares a robot with the ranges that a policy was trained on, and
tries the policy in worlds around it. The file names one Variant, as a calibration returns it, in the units of the
tables below; what it does not name is assumed nominal:

```yaml
mass/pole: 1.3        # x nominal
latency: 0.03         # s
friction/cart_to_pole: 0.002
```

or several, `variants: [{mass/pole: 1.3}, {mass/pole: 1.4}]`; or many, as `.csv` or `.npz` (`names` and `samples`)."""

_PRESETS = """\
From published work, by name: `Randomization.load("legged_gym", robot)`. What a paper leaves open, what differs here and
what is left out stands at the top of each file in `randomization/presets`."""

_QUANTITIES = """\
A quantity is there for a robot's members on which it acts: a robot that is bolted to the world has no friction on the
floor. Where nominal is "the robot's own", the value comes from its description. A law to start from is a proposal, with
where it is from ("open": no published value was found); nothing varies unless a Randomization says so."""


def main(path: str) -> None:
    """Write the page."""
    Path(path).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
