"""Advantage actor-critic in TensorFlow 2: the only package that imports TensorFlow.

TensorFlow reads its settings from the environment when it is first imported; what the user has set stays.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its start-up messages are not for our users
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # oneDNN reorders sums: same seed, other bits
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # networks this small lose time on more threads
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
