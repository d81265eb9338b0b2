"""What the commands show: tables of what varies, and of worlds that broke a policy."""

from pathlib import Path

from rich.console import Console, RenderableType

from randomization import Randomization
from robots import load_robot
from sim2real.commands.console import describe_variant, evaluation_table, randomization_table, train_with_progress
from sim2real.config import validate
from sim2real.evaluate import evaluate
from sim2real.training.config import TrainConfig
from tests.policies import trained_on

ROBOT = load_robot("cartpole")
LATE = {"latency": {"law": "choice", "values": [0.0, 0.4], "when": "world"}}


def text(shown: RenderableType, width: int = 200) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def test_the_table_of_what_varies():
    shown = text(randomization_table(Randomization.from_dict({"robot": "cartpole", "quantities": LATE}, ROBOT)))
    for cell in ("latency", "choice", "0, 0.4", "nominal", " s ", "drawn once a world"):
        assert cell in shown
    assert randomization_table(Randomization.none(ROBOT)) == "Nothing varies: every world is the nominal one."


def test_names_stay_whole_on_a_narrow_terminal():
    shown = text(randomization_table(Randomization.load("cartpole", ROBOT)), width=80)
    for word in ("encoder_resolution/slider_to_cart", "log_uniform", "x nominal", "0 .. 0.005", "s/rad"):
        assert word in shown
    assert "…" not in shown


def test_the_worst_worlds_and_what_is_far_out_in_them():
    result = evaluate(trained_on(LATE, episode_s=2.0), "mujoco", variants=6, workers=0)
    worst = int(result.worst(1)[0])
    assert describe_variant(result, worst) == "latency 0.4"
    shown = text(evaluation_table(result, 2))
    assert "failed" in shown
    assert "latency 0.4" in shown
    nominal = evaluate(trained_on(LATE, episode_s=0.1), "mujoco", "none", variants=2, workers=0)
    assert describe_variant(nominal, 0) == "nominal"


def test_a_training_begins_with_what_varies(tmp_path: Path):
    environment = {"robot": "cartpole", "engine": "mujoco", "randomization": "cartpole"}
    data = {"environment": environment, "worlds": 2, "steps": 16, "a2c": {"hidden": [4], "horizon": 4}}
    console = Console(width=200, force_terminal=False, file=(tmp_path / "out.txt").open("w+"))
    train_with_progress(
        validate(TrainConfig, data | {"widening": {"automatic": {}}}, "test"), tmp_path / "run", console
    )
    console.file.flush()
    shown = (tmp_path / "out.txt").read_text()
    line = (
        "automatic widening: starts at the nominal robot, may grow to these ranges; at full width from the start: "
        "encoder_resolution/slider_to_cart (choice), encoder_resolution/cart_to_pole (choice)"
    )
    assert shown.index("log_uniform") < shown.index(line) < shown.index("training done")
    assert "  widening: 0 of 15 ranges moved; entropy -4.61 -> -4.61 (full: 0); see randomization-reached.yaml" in shown
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    console.file.close()
