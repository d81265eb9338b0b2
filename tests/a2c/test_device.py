"""Where TensorFlow computes: a seed gives the same bits where there is a GPU too, unless one is asked for."""

import pytest

from sim2real.a2c.backend import tf
from sim2real.a2c.device import choose_device
from sim2real.errors import TrainingError

GPUS = tf.config.list_physical_devices("GPU")


def test_the_cpu_is_always_there():
    choose_device("cpu")
    assert tf.config.get_visible_devices("GPU") == [] or GPUS, "a process that has computed before keeps its devices"
    assert tf.constant(1.0).device.endswith("CPU:0")


@pytest.mark.skipif(bool(GPUS), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_line():
    with pytest.raises(
        TrainingError, match="device: gpu is asked for, and TensorFlow sees none on this machine"
    ) as caught:
        choose_device("gpu")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2
