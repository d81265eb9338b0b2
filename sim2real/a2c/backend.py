"""TensorFlow, imported with settings that suit small networks, and without its start-up messages.

It reads its settings from the environment when it is first imported; what the user has set stays.
"""

import os

from sim2real.quiet import quiet

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # oneDNN reorders sums: same seed, other bits
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # networks this small lose time on more threads
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")  # but actor and critic learn side by side, to the same bits

with quiet(2):  # it reports the GPUs that it did not find, on import and at the first look for devices
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()

__all__ = ["keras", "tf"]
