"""What TensorBoard is told: figures under their namespaces, and what varies as text."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from randomization import Randomization
from robots import load_robot
from sim2real.a2c.tensorboard import TensorBoard, tag

FIGURES = {"train/entropy": 0.5, "rollout/return": 2.0, "time/seconds": 1.0, "widening/high/latency": 0.25}


def test_namespaces(tmp_path: Path):
    board = TensorBoard(tmp_path, Randomization.load("cartpole", load_robot("cartpole")))
    board.write(10, FIGURES)
    board.write(20, FIGURES | {"rollout/return": 3.0})
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {name.partition("/")[0] for name in tags} == {"train", "rollout", "time", "randomization"}
    assert {"randomization/latency", "randomization/high/latency"} <= tags
    returns = events.Tensors("rollout/return")
    assert [event.step for event in returns] == [10, 20]
    assert events.Tensors("randomization/latency")[0].tensor_proto.string_val[0].startswith(b"uniform")


def test_only_widening_has_another_name():
    assert [tag(name) for name in FIGURES] == [*list(FIGURES)[:3], "randomization/high/latency"]
