"""Where TensorFlow computes: chosen once, before it computes anything."""

from contextlib import suppress
from typing import Literal

from sim2real.a2c.backend import tf
from sim2real.errors import TrainingError


def choose_device(device: Literal["cpu", "gpu"]) -> None:
    """Compute on the CPU even where a GPU is, so that a seed gives the same bits there, or insist on a GPU.

    Raise TrainingError where TensorFlow sees none.
    """
    found = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not found:
        raise TrainingError(
            "device: gpu is asked for, and TensorFlow sees none on this machine; set device: cpu, or install a "
            "TensorFlow with CUDA and a driver for it (nvidia-smi lists what is there)"
        )
    with suppress(RuntimeError):  # a process that has computed before keeps its devices
        tf.config.set_visible_devices(found if device == "gpu" else [], "GPU")
